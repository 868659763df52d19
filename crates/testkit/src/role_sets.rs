//! The events of role sets, and a function that is allowed to provision all of them.

use serde_json::{Value, json};

use mlops_roles_core::guardrails::Guardrails;

use crate::account::{Books, Fake};
use crate::data;
use crate::fixtures::{FUNCTION, guardrails};
use crate::stage::Stage;

/// A stage with a function that may provision every role set, in front of an account that holds `books`.
pub fn stage(books: Books) -> Stage {
    let mut stage = Stage::new(Fake::with(books));
    stage.handler.guardrails = Ok(wide());
    stage
}

/// Guardrails that allow every role set.
pub fn wide() -> Guardrails {
    let mut guardrails = guardrails();
    guardrails.role_name_prefixes =
        ["AmazonSageMaker", "ds-team", "DS", "DataScience", "bridge"].map(str::to_owned).into();
    guardrails.role_paths = ["/", "/service-role/"].map(str::to_owned).into();
    guardrails
}

/// The event as one for a role set of type `kind`.
pub fn of_type(mut event: Value, kind: &str) -> Value {
    event["ResourceType"] = json!(kind);
    event["LogicalResourceId"] = json!("Roles");
    event
}

/// The properties with `more` added; null in `more` removes a property.
pub fn asking(properties: &Value, more: Value) -> Value {
    let mut asked = json!({
        "ServiceToken": FUNCTION,
        "SettleSeconds": "0",
    });
    for given in [properties, &more] {
        asked.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
    }
    asked.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    asked
}

/// The properties of the `Environment` role set, with `more` added.
pub fn environment(more: Value) -> Value {
    asking(&json!({ "RoleSet": "Environment", "EnvName": "ds-team" }), more)
}

/// The properties of the `TargetAccount` role set as published, with `more` added.
pub fn target_account(more: Value) -> Value {
    asking(&file("published.json")["TargetAccount"]["properties"], more)
}

/// A JSON file beside the role sets' expected policies.
pub fn file(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(data("role_sets").join(name)).unwrap()).unwrap()
}
