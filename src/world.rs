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

/// What to look at: the names that an event's properties lead to. What is likely to be there is asked for everything at
/// once; of what may well be absent it is first asked whether it is there at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Where a role is likely to be there, with the names of its inline policies as far as they are known.
    pub roles: BTreeMap<Name, Option<BTreeSet<String>>>,
    /// By ARN, and whether it is likely to be there.
    pub policies: BTreeMap<String, bool>,
    /// Whether all roles are to stay: only of one that goes it matters which instance profiles hold it.
    pub staying: bool,
}

impl Scope {
    /// That may well be absent.
    pub fn of_roles(names: impl IntoIterator<Item = Name>) -> Self {
        let mut scope = Self::default();
        scope.roles.extend(names.into_iter().map(|name| (name, None)));
        scope
    }

    pub fn policy(arn: &str) -> Self {
        let mut scope = Self::default();
        scope.policies.insert(arn.to_owned(), false);
        scope
    }

    /// That are likely to be there.
    pub fn of_policies(arns: impl IntoIterator<Item = String>) -> Self {
        let mut scope = Self::default();
        scope.policies.extend(arns.into_iter().map(|arn| (arn, true)));
        scope
    }

    /// What may well be absent. What is likely to be there stays so.
    pub fn add(&mut self, world: &World) {
        for name in world.roles.keys() {
            self.roles.entry(name.clone()).or_default();
        }
        for arn in world.policies.keys() {
            self.policies.entry(arn.clone()).or_default();
        }
    }

    /// What is likely to be there.
    pub fn expect(&mut self, world: &World) {
        let inline = |role: &Role| Some(role.inline.keys().cloned().collect());
        self.roles.extend(world.roles.iter().map(|(name, role)| (name.clone(), inline(role))));
        self.policies.extend(world.policies.keys().map(|arn| (arn.clone(), true)));
    }
}
