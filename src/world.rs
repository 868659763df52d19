//! The part of an account that one event is about: roles and customer-managed policies.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::policy::Document;

/// The name of a role. IAM's names are unique without regard to case, so they compare without it; the spelling stays.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
#[derive(Clone, Debug)]
pub struct Name(String);

impl Name {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Characters of a role's name.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const ROLE_NAME_LENGTH: usize = 64;

/// Whether IAM takes it for the name of a role or policy.
pub fn is_iam_name(name: &str, longest: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    (1..=longest).contains(&name.len()) && name.bytes().all(allowed)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

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
pub struct World {
    pub roles: BTreeMap<Name, Role>,
    pub policies: BTreeMap<String, Policy>,
}

impl World {
    /// Takes over what the other world holds, in place of what is here under the same names.
    pub fn absorb(&mut self, other: Self) {
        self.roles.extend(other.roles);
        self.policies.extend(other.policies);
    }
}

/// What to look at: the names that an event's properties lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub roles: BTreeSet<Name>,
    pub policies: BTreeSet<String>,
}

impl Scope {
    pub fn role(name: &Name) -> Self {
        Self { roles: BTreeSet::from([name.clone()]), ..Self::default() }
    }

    pub fn policy(arn: &str) -> Self {
        Self { policies: BTreeSet::from([arn.to_owned()]), ..Self::default() }
    }

    pub fn add(&mut self, world: &World) {
        self.roles.extend(world.roles.keys().cloned());
        self.policies.extend(world.policies.keys().cloned());
    }
}
