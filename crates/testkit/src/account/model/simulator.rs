//! Evaluates policies with an evaluator that is not part of this project: the `iam-rs` crate.

use std::collections::BTreeMap;

use iam_rs::{Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policies};
use serde_json::Value;

/// Whether the policies allow the action on the resource. A context value is text or a boolean. It also stands for the
/// policy variable of its key.
pub fn allows(policies: &[Value], action: &str, resource: &str, context: &BTreeMap<String, Value>) -> bool {
    // In IAM a last asterisk matches colons too; `iam-rs` wants an ARN to have all its parts.
    let whole = |one: &Value| {
        let text = one.to_string().replace("\"arn:aws:ecr:*\"", "\"arn:aws:ecr:*:*:*\"");
        // `iam-rs` knows variables in resources, but not in conditions.
        let values = context.iter().filter_map(|(key, value)| Some((format!("${{{key}}}"), value.as_str()?)));
        values.fold(text, |text, (variable, value)| text.replace(&variable, value))
    };
    let policies: Vec<IAMPolicy> = policies.iter().map(|one| serde_json::from_str(&whole(one)).unwrap()).collect();
    let principal = Principal::Aws(PrincipalId::String("arn:aws:iam::123456789012:role/tested".to_owned()));
    // An API without resources is checked against `*`, which no ARN of a policy may match.
    let resource = if resource == "*" { "arn:aws:nothing:::at-all" } else { resource };
    let mut found = Context::new();
    for (key, value) in context {
        let value = match value {
            Value::Bool(value) => ContextValue::Boolean(*value),
            // The value of a tag is text, whatever it says.
            Value::String(text) if matches!(text.as_str(), "true" | "false") && !key.contains("Tag/") => {
                ContextValue::Boolean(text == "true")
            }
            other => ContextValue::String(other.as_str().unwrap().to_owned()),
        };
        found.insert(key.clone(), value);
    }
    let request = IAMRequest::new_with_context(principal, action, Arn::parse(resource).unwrap(), found);
    evaluate_policies(&policies, &request).unwrap() == Decision::Allow
}
