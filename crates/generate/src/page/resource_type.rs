//! The properties, attributes and errors of a resource type, from its schema and from the function's own reading.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource;
use mlops_roles_core::resource::properties::{Problem, Reader, ValidationError};
use mlops_roles_core::resource::service_catalog::ServiceCatalogRoles;
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::state::ownership::Owner;
use serde_json::{Map, Value, json};

use super::table::{Part, code, list, members, table, text};
use crate::error::PartError;

/// Returns the table of the named properties, or of all.
///
/// # Errors
/// When the type has no such property, or a property has no description.
pub fn properties(schema: &Value, names: &[&str]) -> Result<Part, PartError> {
    let required = list(schema.get("required"));
    let mut rows = Vec::new();
    let names = named(schema.get("properties"), names);
    for name in &names {
        let property = schema.pointer(&format!("/properties/{name}"));
        let property = property.ok_or_else(|| PartError::NoProperty(name.clone()))?;
        let meaning = text(property, "description");
        if meaning.is_empty() {
            return Err(PartError::NoDescription(format!("property `{name}`")));
        }
        let default = match text(property, "x-default") {
            "" if required.contains(&name.as_str()) => "**required**",
            "" => "none",
            default => default,
        };
        rows.push([code(name), meaning.to_owned(), default.to_owned()]);
    }
    Ok((table(["property", "meaning", "default"], rows), names))
}

/// Returns the table of the named attributes, or of all.
///
/// # Errors
/// When the type has no such attribute.
pub fn attributes(schema: &Value, names: &[&str]) -> Result<Part, PartError> {
    let mut rows = Vec::new();
    let names = named(schema.get("x-attributes"), names);
    for name in &names {
        let meaning = schema.pointer(&format!("/x-attributes/{name}")).and_then(Value::as_str);
        let meaning = meaning.ok_or_else(|| PartError::NoAttribute(name.clone()))?;
        rows.push([code(name), meaning.to_owned()]);
    }
    Ok((table(["attribute", "value"], rows), names))
}

fn named(all: Option<&Value>, names: &[&str]) -> Vec<String> {
    if names.is_empty() {
        members(all).map(|(name, _)| name.clone()).collect()
    } else {
        names.iter().map(ToString::to_string).collect()
    }
}

/// Returns the table of what the function says of a wrong value, property by property.
///
/// # Errors
/// When the function accepts every wrong value of a property.
pub fn errors(of: &str, schema: &Value) -> Result<String, PartError> {
    let sets = schema.pointer("/properties/RoleSet/enum").and_then(Value::as_array);
    // A role set has its properties only once it is named.
    let bases: Vec<Map<String, Value>> = match sets {
        Some(sets) => sets.iter().map(|set| Map::from_iter([("RoleSet".to_owned(), set.clone())])).collect(),
        None => vec![Map::new()],
    };
    let mut rows = Vec::new();
    for (name, _) in members(schema.get("properties")) {
        // CloudFormation checks the first two, and `Revision` may be anything.
        if ["ServiceToken", "ServiceTimeout", "Revision"].contains(&name.as_str()) {
            continue;
        }
        let mut reasons = BTreeSet::new();
        for base in &bases {
            for wrong in [json!("?!"), json!(["?!"]), json!({ "?!": "?!" }), json!("?".repeat(2_000))] {
                let properties = base.iter().map(|(name, value)| (name.clone(), value.clone()));
                let properties = properties.chain([(name.clone(), wrong)]).collect();
                reasons.extend(refusals(of, name, &properties)?);
            }
        }
        // What every property of text says of another type; the other reason tells more.
        let is_general = |(_, reason): &(String, String)| reason == "expected text that is not empty";
        if !reasons.iter().all(is_general) {
            reasons.retain(|reason| !is_general(reason));
        }
        if reasons.is_empty() {
            return Err(PartError::NothingRefused(name.clone()));
        }
        rows.extend(reasons.into_iter().map(|(of, expected)| [of, expected]));
    }
    Ok(table(["property", "reason"], rows))
}

/// Returns the errors about the property `name`, each as its path and the rest of the error.
fn refusals(of: &str, name: &str, properties: &Map<String, Value>) -> Result<Vec<(String, String)>, PartError> {
    let stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/churn/7c1d";
    let place = Place::from_arn(stack).ok_or_else(|| PartError::NoContext("no place".to_owned()))?;
    let variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "AmazonSageMaker"),
        ("ROLE_PATHS", "/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::123456789012:role/*SageMaker*"),
    ]);
    let guardrails = Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned()));
    let guardrails = guardrails.map_err(|error| PartError::NoContext(error.to_string()))?;
    let owner = Owner { stack_id: stack.to_owned(), logical_id: "Role".to_owned() };
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    let errors = resource::parse(&format!("Custom::{of}"), properties, context).map_or_else(
        || {
            let reader = Reader::new(properties);
            ServiceCatalogRoles::parse(&reader, context);
            reader.finish()
        },
        |(_, errors)| errors,
    );
    Ok(errors.errors.iter().filter_map(|error| split(error, name)).collect())
}

/// Splits an error about the property `name` into its path and the rest. What was found is left out.
///
/// ``"`Tags[0]`: found `x`, expected y"`` gives ``("`Tags[0]`", "expected y")``.
fn split(error: &ValidationError, name: &str) -> Option<(String, String)> {
    let [path] = error.paths.as_slice() else { return None };
    let below = path.strip_prefix(name)?;
    let rest = match &error.problem {
        Problem::Invalid { expected, .. } => format!("expected {expected}"),
        other => other.to_string(),
    };
    let is_other = !below.is_empty() && !below.starts_with(['.', '[']) || rest.starts_with("no such property");
    // Names that derive from the wrong value are wrong too. The error about the value itself says what is expected.
    let is_derived = rest.contains("??");
    (!is_other && !is_derived).then(|| (format!("`{path}`").replace("?!", "…"), rest.replace("?!", "…")))
}
