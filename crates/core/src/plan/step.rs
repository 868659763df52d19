//! One change that IAM can make.

use std::collections::BTreeSet;
use std::fmt;

use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::state::{Entity, Policy, Role, Tags};

/// One change that IAM can make. Each may be sent twice without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    CreatePolicy {
        arn: String,
        policy: Policy,
    },
    TagPolicy {
        arn: String,
        tags: Tags,
    },
    UntagPolicy {
        arn: String,
        keys: BTreeSet<String>,
    },
    SetPolicyDocument {
        arn: String,
        document: Document,
    },
    DeletePolicy {
        arn: String,
    },
    /// Trust, boundary and tags go with the call itself, so the role is never without them.
    CreateRole {
        role: Name,
        made: Role,
    },
    TagRole {
        role: Name,
        tags: Tags,
    },
    UntagRole {
        role: Name,
        keys: BTreeSet<String>,
    },
    SetBoundary {
        role: Name,
        arn: String,
    },
    RemoveBoundary {
        role: Name,
    },
    SetTrust {
        role: Name,
        trust: Document,
    },
    /// Description and longest session together: IAM resets the one that is left out.
    SetDetails {
        role: Name,
        description: String,
        max_session_duration: i32,
    },
    Attach {
        role: Name,
        arn: String,
    },
    Detach {
        role: Name,
        arn: String,
    },
    PutInline {
        role: Name,
        name: String,
        document: Document,
    },
    DeleteInline {
        role: Name,
        name: String,
    },
    RemoveFromInstanceProfile {
        role: Name,
        profile: String,
    },
    DeleteRole {
        role: Name,
    },
}

impl Step {
    pub fn entity(&self) -> Entity {
        match self {
            Self::CreatePolicy { arn, .. }
            | Self::TagPolicy { arn, .. }
            | Self::UntagPolicy { arn, .. }
            | Self::SetPolicyDocument { arn, .. }
            | Self::DeletePolicy { arn } => Entity::Policy(arn.clone()),
            Self::CreateRole { role, .. }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::SetBoundary { role, .. }
            | Self::RemoveBoundary { role }
            | Self::SetTrust { role, .. }
            | Self::SetDetails { role, .. }
            | Self::Attach { role, .. }
            | Self::Detach { role, .. }
            | Self::PutInline { role, .. }
            | Self::DeleteInline { role, .. }
            | Self::RemoveFromInstanceProfile { role, .. }
            | Self::DeleteRole { role } => Entity::Role(role.clone()),
        }
    }

    /// Whether the step makes an entity that was not there.
    pub fn creates(&self) -> bool {
        matches!(self, Self::CreatePolicy { .. } | Self::CreateRole { .. })
    }

    /// Whether the step takes an entity away.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::DeletePolicy { .. } | Self::DeleteRole { .. })
    }

    /// Whether the step takes something away, so that finding it gone means that the step is done.
    pub fn removes(&self) -> bool {
        match self {
            Self::UntagPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::UntagRole { .. }
            | Self::RemoveBoundary { .. }
            | Self::Detach { .. }
            | Self::DeleteInline { .. }
            | Self::RemoveFromInstanceProfile { .. }
            | Self::DeleteRole { .. } => true,
            Self::CreatePolicy { .. }
            | Self::TagPolicy { .. }
            | Self::SetPolicyDocument { .. }
            | Self::CreateRole { .. }
            | Self::TagRole { .. }
            | Self::SetBoundary { .. }
            | Self::SetTrust { .. }
            | Self::SetDetails { .. }
            | Self::Attach { .. }
            | Self::PutInline { .. } => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |tags: &Tags| tags.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::CreatePolicy { arn, .. } => write!(f, "create policy `{arn}`"),
            Self::TagPolicy { arn, tags } => write!(f, "tag policy `{arn}` with {}", keys(tags)),
            Self::UntagPolicy { arn, keys } => write!(f, "take tags {keys:?} off policy `{arn}`"),
            Self::SetPolicyDocument { arn, .. } => write!(f, "set the document of policy `{arn}`"),
            Self::DeletePolicy { arn } => write!(f, "delete policy `{arn}`"),
            Self::CreateRole { role, made } => {
                let boundary = made.boundary.as_deref().unwrap_or("none");
                write!(f, "create role `{role}` at `{}` with boundary `{boundary}`", made.path)
            }
            Self::TagRole { role, tags } => write!(f, "tag role `{role}` with {}", keys(tags)),
            Self::UntagRole { role, keys } => write!(f, "take tags {keys:?} off role `{role}`"),
            Self::SetBoundary { role, arn } => write!(f, "set the boundary of role `{role}` to `{arn}`"),
            Self::RemoveBoundary { role } => write!(f, "remove the boundary of role `{role}`"),
            Self::SetTrust { role, .. } => write!(f, "set the trust of role `{role}`"),
            Self::SetDetails { role, max_session_duration, .. } => {
                write!(f, "set the description of role `{role}` and its longest session to {max_session_duration} s")
            }
            Self::Attach { role, arn } => write!(f, "attach `{arn}` to role `{role}`"),
            Self::Detach { role, arn } => write!(f, "detach `{arn}` from role `{role}`"),
            Self::PutInline { role, name, .. } => write!(f, "put inline policy `{name}` on role `{role}`"),
            Self::DeleteInline { role, name } => write!(f, "delete inline policy `{name}` of role `{role}`"),
            Self::RemoveFromInstanceProfile { role, profile } => {
                write!(f, "take role `{role}` out of instance profile `{profile}`")
            }
            Self::DeleteRole { role } => write!(f, "delete role `{role}`"),
        }
    }
}
