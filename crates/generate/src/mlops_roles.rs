//! Describes the properties of `Custom::SageMakerMlopsRoles`.

use std::borrow::Cow;

use mlops_roles_core::catalog;
use mlops_roles_core::catalog::{DEPLOY_TARGET, RoleSet};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::common::{Always, Makes, also};
use crate::forms::words;
use crate::role_set::{self, OfSets};

/// A set of roles that amazon-sagemaker-secure-mlops needs before it is deployed
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = of_catalog)]
pub struct MlopsRoles {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    of_sets: OfSets,
    /// Which roles
    role_set: Name,
}

/// The name of a role set.
struct Name;

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "RoleSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(sets().map(|(name, _)| name))
    }
}

/// Returns the role sets of this resource type: all but the one of `Custom::SageMakerDeployTarget`.
fn sets() -> impl Iterator<Item = (&'static str, &'static RoleSet)> {
    let sets = catalog::names().filter(|name| *name != DEPLOY_TARGET);
    sets.filter_map(|name| Some((name, catalog::role_set(name).ok()?)))
}

/// Adds the parameters, roles, attributes and rules of all role sets to the schema.
fn of_catalog(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let of_all: Vec<String> = properties.keys().cloned().collect();
    for (_, set) in sets() {
        role_set::describe(properties, set);
    }
    schema.insert("x-attributes".to_owned(), role_set::attributes(&sets().collect::<Vec<_>>()).into());
    for (name, set) in sets() {
        also(schema, of_set(name, set, &of_all));
    }
}

/// Returns the rule of one role set, which forbids the parameters and roles of the other sets.
///
/// `of_all` are the properties that all sets share.
fn of_set(name: &str, set: &RoleSet, of_all: &[String]) -> Value {
    let required = set.parameters.iter().filter(|parameter| parameter.default.is_none() && !parameter.optional);
    let required: Vec<&String> = required.map(|parameter| &parameter.name).collect();
    let known = |name: &String| (name.clone(), Value::Bool(true));
    let roles: Map<String, Value> = set.roles.keys().map(known).collect();
    let parameters = set.parameters.iter().map(|parameter| &parameter.name);
    let mut properties: Map<String, Value> = of_all.iter().chain(parameters).map(known).collect();
    properties.insert("RoleNames".to_owned(), json!({ "properties": roles, "additionalProperties": false }));
    json!({
        "if": { "properties": { "RoleSet": { "const": name } }, "required": ["RoleSet"] },
        "then": { "required": required, "properties": properties, "additionalProperties": false },
    })
}
