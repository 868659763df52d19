//! Reads the guardrails of the function that will get the events.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::text::closest;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::input::document::parse;
use crate::input::repository::Repository;
use crate::input::symbol::Symbols;
use crate::input::template::{Known, Template};
use crate::options::error::OptionError;
use crate::plan::deployed::TEMPLATE;
use crate::settings::Settings;

/// The stand-in for the name of the permissions boundary.
pub const BOUNDARY: &str = "ZqBoundary";

/// The guardrails of the deployed function: its own template defines the environment from which they are parsed.
/// `function` has the parameters and physical ids of the function's stack by name, as far as they are known.
///
/// # Errors
/// When `--deployer` names no parameter of the function, or a value that the parameter can't have.
pub fn guardrails(
    place: &Place,
    function: &BTreeMap<String, String>,
    settings: &Settings<'_>,
) -> Result<Guardrails, Error> {
    let template = parse(TEMPLATE).map_err(Error::FunctionTemplate)?;
    let mut values = function.clone();
    values.entry("PermissionsBoundary".to_owned()).or_insert_with(|| place.policy_arn("/", BOUNDARY));
    let parameters = template.get("Parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &settings.deployer {
        check(name, value, &parameters)?;
        values.insert(name.clone(), value.clone());
    }
    let symbols = RefCell::new(Symbols::default());
    let repository = Repository::of(Path::new(""));
    let known = Known {
        place,
        stack_name: &settings.deployment,
        stack_id: "",
        values: &values,
        repository: &repository,
        guardrails: None,
    };
    let template = Template::new(&template, known, &symbols);
    let environment = template.part("Function", &["Properties", "Environment", "Variables"]);
    let variable = |name: &str| environment.get(name)?.as_str().map(str::to_owned);
    Ok(Guardrails::from_environment(variable).map_err(|wrong| OptionError::Guardrail { wrong })?)
}

/// Refuses a value of `--deployer` that the parameters of the function's template don't allow.
fn check(name: &str, value: &str, parameters: &Map<String, Value>) -> Result<(), OptionError> {
    let name = name.to_owned();
    let Some(parameter) = parameters.get(&name) else {
        let near = closest(&name, parameters.keys().map(String::as_str)).map(str::to_owned);
        return Err(OptionError::NoParameter { name, near, parameters: parameters.keys().cloned().collect() });
    };
    let Some(allowed) = parameter.get("AllowedValues").and_then(Value::as_array) else { return Ok(()) };
    let text = |one: &Value| one.as_str().map_or_else(|| one.to_string(), str::to_owned);
    let allowed: Vec<String> = allowed.iter().map(text).collect();
    if allowed.iter().any(|one| one == value) {
        return Ok(());
    }
    Err(OptionError::Parameter { name, value: value.to_owned(), allowed })
}
