//! The part of an account that one event is about: roles and customer-managed policies.

pub mod observation;
pub mod ownership;
pub mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::iam::document::Document;
use crate::iam::name::Name;

/// Tag keys and values as IAM holds them.
pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Begins and ends with a slash. Fixed at creation.
    pub path: String,
    pub trust: Document,
    /// Empty where there is none.
    pub description: String,
    /// Seconds, 3,600 to 43,200.
    pub max_session_duration: i32,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub tags: Tags,
    /// ARNs of the managed policies attached.
    pub attached: BTreeSet<String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, Document>,
    /// Instance profiles that hold the role. Only ever taken away, when the role goes: nothing here adds one.
    pub instance_profiles: BTreeSet<String>,
}

impl Role {
    /// What `CreateRole` makes of it: all but what is attached afterwards.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self { attached: BTreeSet::new(), inline: BTreeMap::new(), instance_profiles: BTreeSet::new(), ..self.clone() }
    }
}

/// A customer-managed policy. Only its default version counts; the others grant nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub document: Document,
    pub tags: Tags,
}

/// Roles by name and customer-managed policies by ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub roles: BTreeMap<Name, Role>,
    pub policies: BTreeMap<String, Policy>,
}

impl State {
    /// Takes over what the other world holds, in place of what is here under the same names.
    pub fn merge(&mut self, other: Self) {
        self.roles.extend(other.roles);
        self.policies.extend(other.policies);
    }

    /// Removes the role or policy, where there is one.
    pub fn remove(&mut self, entity: &Entity) {
        match entity {
            Entity::Role(name) => drop(self.roles.remove(name)),
            Entity::Policy(arn) => drop(self.policies.remove(arn)),
        }
    }
}

/// What a step is done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    Role(Name),
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
