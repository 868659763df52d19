//! The events of role sets, and a function that may make all of them.

use serde_json::{Value, json};

use mlops_roles_core::guardrails::Guardrails;

use crate::data;
use crate::fake::{Books, Fake};
use crate::stage::{Stage, guardrails};

/// A function that may make every set, and the account that it works in.
pub fn stage(books: Books) -> Stage {
    let mut stage = Stage::new(Fake::with(books));
    stage.handler.guardrails = Ok(wide());
    stage
}

pub fn wide() -> Guardrails {
    let mut guardrails = guardrails();
    guardrails.role_name_prefixes =
        ["AmazonSageMaker", "ds-team", "DS", "DataScience", "bridge"].map(str::to_owned).into();
    guardrails.role_paths = ["/", "/service-role/"].map(str::to_owned).into();
    guardrails
}

pub fn of_type(mut event: Value, kind: &str) -> Value {
    event["ResourceType"] = json!(kind);
    event["LogicalResourceId"] = json!("Roles");
    event
}

/// The properties, and more; null takes one away.
pub fn asking(properties: &Value, more: Value) -> Value {
    let mut asked = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:mlops-roles",
        "SettleSeconds": "0",
    });
    for given in [properties, &more] {
        asked.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
    }
    asked.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    asked
}

pub fn environment(more: Value) -> Value {
    asking(&json!({ "RoleSet": "Environment", "EnvName": "ds-team" }), more)
}

pub fn target_account(more: Value) -> Value {
    asking(&file("published.json")["TargetAccount"]["properties"], more)
}

/// A file beside the role sets' expected policies.
pub fn file(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(data("role_sets").join(name)).unwrap()).unwrap()
}
