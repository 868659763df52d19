//! What an author declares of a state, because the definition does not name it.

use std::fmt;

use serde::Deserialize;

/// What a state uses besides what its definition names: an item of the property `TaskResources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskResources {
    /// The ARNs of what the state reads: `arn:aws:s3:::sales/2026/*`. They may have wildcards. `None` if the author does
    /// not say.
    pub read: Option<Vec<String>>,
    /// The ARNs of what the state writes, which may have wildcards. `None` if the author does not say.
    pub write: Option<Vec<String>>,
    /// The roles that the state passes. `None` if the author does not say.
    pub pass_roles: Option<Vec<DeclaredRole>>,
}

/// A role that a state passes to a service, as its author declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredRole {
    /// The ARN of the role: `arn:aws:iam::123456789012:role/x`.
    pub role: String,
    /// The service principal that the role is passed to: `ecs-tasks.amazonaws.com`.
    pub service: String,
}

/// How a state uses what its definition does not name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It reads the content.
    Read,
    /// It writes the content.
    Write,
    /// It passes a role.
    PassRole,
    /// It uses a KMS key by way of another service.
    Key,
}

impl TaskResources {
    /// Whether the author says what the state needs for a use. An empty object says that it needs nothing at all.
    pub fn tells(&self, used: Use) -> bool {
        match used {
            _ if *self == Self::default() => true,
            Use::Read => self.read.is_some(),
            Use::Write => self.write.is_some(),
            Use::PassRole => self.pass_roles.is_some(),
            Use::Key => false,
        }
    }

    /// The ARNs that are declared for a use. Roles and keys are none of them.
    pub fn arns(&self, used: Use) -> &[String] {
        match used {
            Use::Read => self.read.as_deref().unwrap_or_default(),
            Use::Write => self.write.as_deref().unwrap_or_default(),
            Use::PassRole | Use::Key => &[],
        }
    }

    /// The roles that are declared, for any service.
    pub fn all_roles(&self) -> &[DeclaredRole] {
        self.pass_roles.as_deref().unwrap_or_default()
    }

    /// The roles that are passed to a service principal.
    pub fn roles(&self, service: &str) -> impl Iterator<Item = &DeclaredRole> {
        self.all_roles().iter().filter(move |declared| declared.service == service)
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::PassRole => "passes",
            Self::Key => "uses",
        })
    }
}
