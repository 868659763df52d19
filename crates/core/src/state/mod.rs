//! Models the part of an account that one event concerns: roles and customer-managed policies.

pub mod observation;
pub mod ownership;
pub mod policy_user;
pub mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::iam::document::Document;
use crate::iam::name::Name;

/// The keys and values of tags, as IAM stores them.
pub type Tags = BTreeMap<String, String>;

/// An IAM role with its policies and tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The path: `/service-role/`. It begins and ends with a slash, and IAM fixes it at creation.
    pub path: String,
    /// The trust policy: who may assume the role.
    pub trust: Document,
    /// The description; empty if there is none.
    pub description: String,
    /// The maximum session duration in seconds, 3,600 to 43,200.
    pub max_session_duration: i32,
    /// The ARN of the permissions boundary; `None` if the role has no boundary.
    pub boundary: Option<String>,
    /// The tags. In an observed or a desired state, the ownership tags may be among them.
    pub tags: Tags,
    /// The ARNs of the attached managed policies.
    pub attached: BTreeSet<String>,
    /// The inline policies by name.
    pub inline: BTreeMap<String, Document>,
    /// The names of the instance profiles that hold the role. The project removes a role from them before it deletes
    /// the role, and never adds one.
    pub instance_profiles: BTreeSet<String>,
}

impl Role {
    /// The role as `CreateRole` makes it: without attached policies, inline policies and instance profiles.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self { attached: BTreeSet::new(), inline: BTreeMap::new(), instance_profiles: BTreeSet::new(), ..self.clone() }
    }
}

/// A customer-managed policy. Only its default version counts: the other versions grant nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The document of the default version.
    pub document: Document,
    /// The tags. In an observed or a desired state, the ownership tags may be among them.
    pub tags: Tags,
}

/// The roles and customer-managed policies that exist, or that should exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The roles by name.
    pub roles: BTreeMap<Name, Role>,
    /// The customer-managed policies by ARN.
    pub policies: BTreeMap<String, Policy>,
}

impl State {
    /// Adds the roles and policies of another state. They replace those with the same name or ARN.
    pub fn merge(&mut self, other: Self) {
        self.roles.extend(other.roles);
        self.policies.extend(other.policies);
    }

    /// Removes the role or policy if the state has it.
    pub fn remove(&mut self, entity: &Entity) {
        match entity {
            Entity::Role(name) => drop(self.roles.remove(name)),
            Entity::Policy(arn) => drop(self.policies.remove(arn)),
        }
    }
}

/// One role or one customer-managed policy, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// A role, by its name.
    Role(Name),
    /// A customer-managed policy, by its ARN.
    Policy(String),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role `{name}`"),
            Self::Policy(arn) => write!(f, "policy `{arn}`"),
        }
    }
}
