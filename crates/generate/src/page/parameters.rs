//! The parameters and outputs of `template.yaml`.

use serde_json::Value;

use super::table::{Part, code, codes, members, table, text};
use crate::error::PartError;

/// Returns the table of the named parameters, in that order.
///
/// # Errors
/// When the template has no such parameter, or a parameter has no description.
pub fn parameters(template: &Value, names: &[&str]) -> Result<Part, PartError> {
    let mut rows = Vec::new();
    for name in names {
        let found = template.pointer(&format!("/Parameters/{name}"));
        let parameter = found.ok_or_else(|| PartError::NoParameter((*name).to_owned()))?;
        let meaning = text(parameter, "Description");
        if meaning.is_empty() {
            return Err(PartError::NoDescription(format!("parameter `{name}` of template.yaml")));
        }
        rows.push([code(name), default(parameter), values(parameter), meaning.to_owned()]);
    }
    Ok((table(["parameter", "default", "value", "meaning"], rows), names.iter().map(ToString::to_string).collect()))
}

fn default(parameter: &Value) -> String {
    match parameter.get("Default") {
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        // So that a long list may break.
        Some(Value::String(text)) => codes(text.split(',')),
        Some(other) => code(&other.to_string()),
        None => "**required**".to_owned(),
    }
}

/// Returns which values the parameter accepts.
fn values(parameter: &Value) -> String {
    let allowed = parameter.get("AllowedValues").and_then(Value::as_array);
    let allowed: Vec<String> =
        allowed.into_iter().flatten().map(|one| code(one.as_str().unwrap_or(&one.to_string()))).collect();
    match allowed.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => match text(parameter, "ConstraintDescription") {
            "" => "text".to_owned(),
            told => told.to_owned(),
        },
    }
}

/// Returns the table of the outputs, in the order of their names.
///
/// # Errors
/// When an output has no description.
pub fn outputs(template: &Value) -> Result<Part, PartError> {
    let mut rows = Vec::new();
    for (name, output) in members(template.get("Outputs")) {
        let meaning = text(output, "Description");
        if meaning.is_empty() {
            return Err(PartError::NoDescription(format!("output `{name}` of template.yaml")));
        }
        let export = output.pointer("/Export/Name/Fn::Sub").and_then(Value::as_str);
        let export = export.map(|name| code(&name.replace("${AWS::StackName}", "<stack>")));
        rows.push([code(name), meaning.to_owned(), export.unwrap_or_default()]);
    }
    Ok((table(["output", "value", "export"], rows), Vec::new()))
}
