//! Names who has a customer-managed policy, attached or as a permissions boundary.

use std::cmp::Ordering;
use std::fmt;

use crate::iam::name::Name;

/// An entity that has a policy.
///
/// Groups come before roles, and roles before users. Entities of one kind are in the order of their names, with case.
#[derive(Clone, Debug)]
pub enum PolicyUser {
    /// A role, by its name.
    Role(Name),
    /// An IAM user, by its name.
    User(String),
    /// A group of IAM users, by its name.
    Group(String),
}

impl PolicyUser {
    /// The kind and the name. They compare as their text does, because no two kinds begin with the same letter.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Role(name) => ("role", name.as_str()),
            Self::User(name) => ("user", name),
            Self::Group(name) => ("group", name),
        }
    }
}

impl fmt::Display for PolicyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.parts();
        write!(f, "{kind} {name}")
    }
}

impl PartialEq for PolicyUser {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for PolicyUser {}

impl Ord for PolicyUser {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for PolicyUser {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
