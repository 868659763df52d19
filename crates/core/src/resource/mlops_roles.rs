//! Reads the properties of `Custom::SageMakerMlopsRoles`, a role set that a secure `MLOps` environment needs.
//!
//! The environment needs these roles before it is deployed.

use crate::catalog;
use crate::catalog::DEPLOY_TARGET;
use crate::resource::properties::{Problem, Reader};
use crate::resource::role_set;
use crate::resource::spec::{ReadContext, ResourceSpec};

/// The resource type.
pub const TYPE: &str = "Custom::SageMakerMlopsRoles";

/// Parses `RoleSet` and the properties of that set into its spec; the reader collects the validation errors.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let names: Vec<(&str, &str)> =
        catalog::names().filter(|name| *name != DEPLOY_TARGET).map(|name| (name, name)).collect();
    let Some(name) = reader.choice("RoleSet", &names) else {
        if !reader.has("RoleSet") {
            let names: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
            reader.report("RoleSet", format!("missing, expected one of {}", names.join(", ")));
        }
        return ResourceSpec::default();
    };
    match catalog::role_set(name) {
        Ok(set) => role_set::parse(name, set, reader, context),
        Err(why) => {
            reader.report("", Problem::other(why));
            ResourceSpec::default()
        }
    }
}
