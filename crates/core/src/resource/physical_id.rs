//! What a physical id stands for.

use std::fmt;

use serde_json::{Map, Value};

use crate::iam::name::Name;
use crate::resource::role;
use crate::resource::spec::ReadContext;

/// The beginning of every physical id of a role set. An id that CloudFormation generates has no slash.
const ROLE_SET: &str = "role-set/";

/// The beginning of every physical id of the service-catalog type.
const SERVICE_CATALOG_ROLES: &str = "SageMakerServiceCatalogRoles/";

/// The physical id of a resource, which `Ref` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhysicalId {
    /// The name of a role, which this function returned as the physical id.
    Role(Name),
    /// Either the name of a role, or an id that CloudFormation invented for a Create that got no response. Such an id
    /// is `stack-LogicalId-1ABCDEFGHIJKL`, with long names cut.
    RoleOrInvented(Name),
    /// A role set. Holds the name of the set and the hash of its names: `Environment/0123456789ab`.
    RoleSet(String),
    /// The service-catalog roles. Holds the logical id of the resource.
    ServiceCatalogRoles(String),
    /// An id that this function never returned for something that it created.
    Invented(String),
}

impl PhysicalId {
    /// Parses the physical id of a resource with these properties.
    pub fn parse(text: &str, properties: &Map<String, Value>, context: ReadContext<'_>) -> Self {
        if let Some(rest) = text.strip_prefix(ROLE_SET) {
            return Self::RoleSet(rest.to_owned());
        }
        if let Some(rest) = text.strip_prefix(SERVICE_CATALOG_ROLES) {
            return Self::ServiceCatalogRoles(rest.to_owned());
        }
        if !role::is_role_name(text) {
            return Self::Invented(text.to_owned());
        }
        let explicit = properties.get("RoleName").and_then(Value::as_str) == Some(text);
        let stack = context.owner.stack_id.split('/').nth(1).unwrap_or_default();
        let start: String = stack.chars().take(8).collect();
        if explicit || role::is_derived(text, context) {
            Self::Role(Name::new(text))
        } else if context.guardrails.allows_name(text) {
            Self::RoleOrInvented(Name::new(text))
        } else if text.starts_with(&start) {
            Self::Invented(text.to_owned())
        } else {
            Self::Role(Name::new(text))
        }
    }
}

impl fmt::Display for PhysicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) | Self::RoleOrInvented(name) => name.fmt(f),
            Self::RoleSet(rest) => write!(f, "{ROLE_SET}{rest}"),
            Self::ServiceCatalogRoles(logical_id) => write!(f, "{SERVICE_CATALOG_ROLES}{logical_id}"),
            Self::Invented(text) => f.write_str(text),
        }
    }
}
