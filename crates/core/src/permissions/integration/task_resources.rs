//! What an author declares of a state, because the definition does not name it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a state uses besides what its definition names: an item of the property `TaskResources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskResources {
    /// The ARNs of what the state reads: `arn:aws:s3:::sales/2026/*`. They may have wildcards.
    pub read: Vec<String>,
    /// The ARNs of what the state writes, which may have wildcards.
    pub write: Vec<String>,
    /// The roles that the state passes.
    pub pass_roles: Vec<DeclaredRole>,
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
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// The ARNs that are declared for a use. Roles and keys are none of them.
    pub fn arns(&self, used: Use) -> &[String] {
        match used {
            Use::Read => &self.read,
            Use::Write => &self.write,
            Use::PassRole | Use::Key => &[],
        }
    }

    /// The roles that are passed to a service principal.
    pub fn roles(&self, service: &str) -> impl Iterator<Item = &DeclaredRole> {
        self.pass_roles.iter().filter(move |declared| declared.service == service)
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
