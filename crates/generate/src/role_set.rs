//! Turns the files of the catalogue into the properties and attributes of a role set.

use std::collections::BTreeMap;

use mlops_roles_core::catalog::{Form, LABEL_LENGTH, Parameter, RoleSet};
use mlops_roles_core::iam::quota::ROLE_NAME_LENGTH;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

use crate::common::{BEYOND_BOUNDARY, WARNED};
use crate::forms::{iam_name, scalar, text, words};

/// What all sets know.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct OfSets {
    /// Other names by role
    role_names: Option<BTreeMap<String, String>>,
    /// `AsPublished` for the source's own grants; `Narrowed` by default
    fidelity: Option<Fidelity>,
}

#[derive(JsonSchema)]
enum Fidelity {
    Narrowed,
    AsPublished,
}

/// Adds the parameters of the set and its roles to the properties.
pub fn describe(properties: &mut Map<String, Value>, set: &RoleSet) {
    for parameter in &set.parameters {
        properties.entry(&parameter.name).or_insert_with(|| described(parameter).to_value());
    }
    let Some(names) = properties.get_mut("RoleNames").and_then(Value::as_object_mut) else { return };
    names.insert("additionalProperties".to_owned(), false.into());
    if let Some(names) = names.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
        names.extend(role_names(set));
    }
}

/// Returns the schema of each role's name. An empty name is invalid where the set does not define what it means.
fn role_names(set: &RoleSet) -> impl Iterator<Item = (String, Value)> {
    set.roles.iter().map(|(id, entry)| {
        let least = usize::from(entry.empty_name.is_none() && entry.when.is_empty());
        (id.clone(), iam_name(least..=ROLE_NAME_LENGTH).to_value())
    })
}

/// Returns the schema of a parameter, with the expected value and the default as its description.
fn described(parameter: &Parameter) -> Schema {
    let mut schema = form(parameter);
    let default = parameter.default.as_ref().map(|default| format!("; by default `{default}`"));
    schema.insert("description".to_owned(), (parameter.expected() + &default.unwrap_or_default()).into());
    schema
}

/// Returns the schema of a parameter, without a description.
fn form(parameter: &Parameter) -> Schema {
    match parameter.form {
        Form::Label => scalar(&format!("^[A-Za-z0-9-]{{1,{LABEL_LENGTH}}}$")),
        Form::LowerLabel => scalar(&format!("^[a-z0-9-]{{1,{LABEL_LENGTH}}}$")),
        Form::Account => scalar("^[0-9]{12}$"),
        Form::YesNo => json_schema!({ "type": ["boolean", "string"], "pattern": "^(YES|NO|true|false)$" }),
        Form::Choice => words(parameter.choices.iter().map(String::as_str)),
        Form::RoleName => iam_name(1..=ROLE_NAME_LENGTH),
        Form::RoleArn => text("^arn:[^:]+:iam::[0-9]{12}:role/(.*/)?[A-Za-z0-9+=,.@_-]{1,64}$"),
        Form::RepositoryArn => text("^arn:[^:*?$]+:ecr:[^:*?$]+:[0-9]{12}:repository/[A-Za-z0-9._/-]+$"),
        Form::Bucket => scalar("^(?=.*[a-z0-9])[a-z0-9.-]{3,63}$"),
        Form::BucketOrPattern => scalar("^(?=.*[a-z0-9])[a-z0-9.*-]{3,63}$"),
        Form::KeyOrAll => text(r"^(\*|arn:[^:*?$]+:kms:[^:*?$]+:[0-9]{12}:key/[A-Za-z0-9-]+)$"),
    }
}

/// Returns the attributes of the sets, each with its description.
///
/// With several sets, a description names the set of each meaning.
pub fn attributes(sets: &[(&str, &RoleSet)]) -> Map<String, Value> {
    let mut attributes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, set) in sets {
        let of_set = if sets.len() > 1 { format!(" (`{name}`)") } else { String::new() };
        for (output, told) in &set.outputs {
            attributes.entry(output).or_default().push(meaning(&told.value) + &of_set);
        }
    }
    for (name, meaning) in [BEYOND_BOUNDARY, WARNED] {
        attributes.entry(name).or_default().push(meaning.to_owned());
    }
    attributes.into_iter().map(|(name, meanings)| (name.to_owned(), meanings.join("; ").into())).collect()
}

/// Describes the value of an output, such as `${Role.Arn}`.
fn meaning(value: &str) -> String {
    let role = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match (role, role.and_then(|role| role.strip_suffix(".Arn"))) {
        (_, Some(of)) => format!("The ARN of `{of}`"),
        (Some(role), None) => format!("The name of `{role}`"),
        (None, None) if value.is_empty() => "Always empty".to_owned(),
        (None, None) => format!("`{value}`"),
    }
}
