//! Describes the properties of `Custom::SageMakerDeployTarget`.

use mlops_roles_core::catalog;
use mlops_roles_core::catalog::DEPLOY_TARGET;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::common::{Always, Makes};
use crate::role_set::{self, OfSets};

/// What a tool needs that deploys models: the role that they run with, and two policies
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = of_catalog)]
pub struct DeployTarget {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    of_sets: OfSets,
}

/// Adds the parameters, roles and attributes of the role set to the schema.
fn of_catalog(schema: &mut Schema) {
    let Ok(set) = catalog::role_set(DEPLOY_TARGET) else { return };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        role_set::describe(properties, set);
    }
    schema.insert("x-attributes".to_owned(), role_set::attributes(&[(DEPLOY_TARGET, set)]).into());
}
