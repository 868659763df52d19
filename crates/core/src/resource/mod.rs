//! The resource types: they turn the properties of a resource into a resource spec.
//!
//! The code here is pure. It collects all validation errors instead of stopping at the first.

pub mod definition_location;
pub mod execution_role_source;
pub mod physical_id;
pub mod prior;
pub mod properties;
pub mod spec;

mod by_state;
pub mod definition;
pub mod deploy_target;
pub mod execution_role;
mod guide;
pub mod kept_grants;
pub mod mlops_roles;
pub mod reserved;
pub mod role;
pub mod role_set;
pub mod service_catalog;
pub mod service_catalog_role;
pub mod single_role;
mod undeclared;
pub mod workflow_role;

use serde_json::{Map, Value};

use crate::guardrails::Guardrails;
use crate::resource::properties::{Reader, ValidationErrors};
use crate::resource::spec::{ReadContext, ResourceSpec};
use crate::text::closest;

/// The names of all resource types, such as `Custom::StepFunctionsWorkflowRole`, enabled or not.
pub const TYPES: [&str; 5] =
    [workflow_role::TYPE, execution_role::TYPE, deploy_target::TYPE, mlops_roles::TYPE, service_catalog::TYPE];

/// Parses the properties of one resource into its spec and the validation errors.
///
/// A property with an invalid value is reported and read as absent. Delete must accept properties of any shape and
/// still find the names that they lead to.
///
/// Returns `None` for a type that does not exist, and for the service-catalog type, which has a flow of its own.
pub fn parse(
    resource_type: &str,
    properties: &Map<String, Value>,
    context: ReadContext<'_>,
) -> Option<(ResourceSpec, ValidationErrors)> {
    parse_with_definition(resource_type, properties, context, None)
}

/// Parses the properties as [`parse`] does. `definition` is the text of the object that `DefinitionS3Location` names;
/// `None` where it was not read.
///
/// Without it, a workflow role with that property has no grants. Placeholders have the names of the policies that the
/// definition may lead to, so that a Delete finds these policies.
pub fn parse_with_definition(
    resource_type: &str,
    properties: &Map<String, Value>,
    context: ReadContext<'_>,
    definition: Option<&str>,
) -> Option<(ResourceSpec, ValidationErrors)> {
    let reader = Reader::with_definition(properties, definition);
    let spec = match resource_type {
        workflow_role::TYPE => workflow_role::parse(&reader, context),
        execution_role::TYPE => execution_role::parse(&reader, context),
        deploy_target::TYPE => deploy_target::parse(&reader, context),
        mlops_roles::TYPE => mlops_roles::parse(&reader, context),
        _ => return None,
    };
    Some((spec, reader.finish()))
}

/// Returns whether resources of this type are role sets.
pub fn is_set(resource_type: &str) -> bool {
    [deploy_target::TYPE, mlops_roles::TYPE].contains(&resource_type)
}

/// The reason why this function can't provision a resource of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The type does not exist.
    #[error("`{resource_type}` is not a resource type of this function{}", hint(*.closest))]
    NoSuchType {
        /// The type that was asked for.
        resource_type: String,
        /// The type that the author most likely means. `None` where no type has a similar name.
        closest: Option<&'static str>,
    },
    /// The deployer has not enabled the type. Holds the type.
    #[error("resource type `{0}` is disabled; ask the deployer to add it to `EnabledTypes`")]
    Disabled(String),
}

/// The end of the message for a type that does not exist.
fn hint(closest: Option<&str>) -> String {
    closest.map_or_else(
        || format!("; the types are `{}`", TYPES.join("`, `")),
        |close| format!(", did you mean `{close}`?"),
    )
}

/// Returns why this function can't provision a resource of this type. Returns `None` for an enabled type.
pub fn unavailable(resource_type: &str, guardrails: &Guardrails) -> Option<Unavailable> {
    if !TYPES.contains(&resource_type) {
        let closest = closest(resource_type, TYPES.into_iter());
        return Some(Unavailable::NoSuchType { resource_type: resource_type.to_owned(), closest });
    }
    let enabled = guardrails.types.iter().any(|enabled| enabled == resource_type);
    (!enabled).then(|| Unavailable::Disabled(resource_type.to_owned()))
}
