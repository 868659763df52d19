//! Defines the steps of a plan: each is one change that IAM can make.

use std::collections::BTreeSet;
use std::fmt;

use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::state::{Entity, Policy, Role, Tags};

/// When a document is set, where its statements may move to another policy of the same role. That policy gets them
/// first, so that the role never lacks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// The document loses no statement that may move.
    First,
    /// The document both gains and loses statements.
    Second,
    /// The document only loses statements.
    Last,
}

/// One change that IAM can make. Sending a step twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates a customer-managed policy with its tags.
    CreatePolicy {
        /// The ARN that the policy gets: `arn:aws:iam::123456789012:policy/path/Name`. It gives the path and the name.
        arn: String,
        /// The document and the tags.
        policy: Policy,
    },
    /// Adds tags to a customer-managed policy, or changes their values.
    TagPolicy {
        /// The ARN of the policy.
        arn: String,
        /// The tags to set. Other tags stay.
        tags: Tags,
    },
    /// Removes tags from a customer-managed policy.
    UntagPolicy {
        /// The ARN of the policy.
        arn: String,
        /// The keys of the tags to remove.
        keys: BTreeSet<String>,
    },
    /// Changes the document of a customer-managed policy: the new document becomes the default version.
    SetPolicyDocument {
        /// The ARN of the policy.
        arn: String,
        /// The document of the default version.
        document: Document,
        /// When the step runs among those that set documents.
        turn: Turn,
    },
    /// Deletes a customer-managed policy with all its versions.
    DeletePolicy {
        /// The ARN of the policy.
        arn: String,
    },
    /// Creates a role. The call itself sets the trust policy, the boundary and the tags, so the role never lacks them.
    CreateRole {
        /// The name of the role.
        role: Name,
        /// The role as `CreateRole` makes it: without attached and inline policies.
        made: Role,
    },
    /// Adds tags to a role, or changes their values.
    TagRole {
        /// The name of the role.
        role: Name,
        /// The tags to set. Other tags stay.
        tags: Tags,
    },
    /// Removes tags from a role.
    UntagRole {
        /// The name of the role.
        role: Name,
        /// The keys of the tags to remove.
        keys: BTreeSet<String>,
    },
    /// Sets the permissions boundary of a role.
    SetBoundary {
        /// The name of the role.
        role: Name,
        /// The ARN of the boundary.
        arn: String,
    },
    /// Removes the permissions boundary of a role.
    RemoveBoundary {
        /// The name of the role.
        role: Name,
    },
    /// Sets the trust policy of a role.
    SetTrust {
        /// The name of the role.
        role: Name,
        /// The trust policy.
        trust: Document,
    },
    /// Sets the description and the maximum session duration of a role together: IAM resets the one that is left out.
    SetDetails {
        /// The name of the role.
        role: Name,
        /// The description; empty for none.
        description: String,
        /// The maximum session duration in seconds, 3,600 to 43,200.
        max_session_duration: i32,
    },
    /// Attaches a managed policy to a role.
    Attach {
        /// The name of the role.
        role: Name,
        /// The ARN of the policy, which may be customer-managed or one of AWS.
        arn: String,
    },
    /// Detaches a managed policy from a role.
    Detach {
        /// The name of the role.
        role: Name,
        /// The ARN of the policy, which may be customer-managed or one of AWS.
        arn: String,
    },
    /// Creates or replaces an inline policy of a role.
    PutInline {
        /// The name of the role.
        role: Name,
        /// The name of the inline policy.
        name: String,
        /// The document of the inline policy.
        document: Document,
    },
    /// Deletes an inline policy of a role.
    DeleteInline {
        /// The name of the role.
        role: Name,
        /// The name of the inline policy.
        name: String,
    },
    /// Removes a role from an instance profile.
    RemoveFromInstanceProfile {
        /// The name of the role.
        role: Name,
        /// The name of the instance profile.
        profile: String,
    },
    /// Deletes a role. Earlier steps remove its policies, and remove it from its instance profiles.
    DeleteRole {
        /// The name of the role.
        role: Name,
    },
}

impl Step {
    /// The role or policy that the step changes.
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

    /// Whether the step creates an entity.
    pub fn creates(&self) -> bool {
        matches!(self, Self::CreatePolicy { .. } | Self::CreateRole { .. })
    }

    /// Whether the step deletes an entity.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::DeletePolicy { .. } | Self::DeleteRole { .. })
    }

    /// Whether the step removes something. If that is found to be gone already, the step is done.
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
        match self {
            Self::CreatePolicy { arn, .. } => write!(f, "create policy `{arn}`"),
            Self::TagPolicy { arn, tags } => write!(f, "tag policy `{arn}` with {}", quoted(tags.keys())),
            Self::UntagPolicy { arn, keys } => write!(f, "remove tags {} from policy `{arn}`", quoted(keys)),
            Self::SetPolicyDocument { arn, .. } => write!(f, "set the document of policy `{arn}`"),
            Self::DeletePolicy { arn } => write!(f, "delete policy `{arn}`"),
            Self::CreateRole { role, made } => {
                let boundary = made.boundary.as_deref().unwrap_or("none");
                write!(f, "create role `{role}` at path `{}` with permissions boundary `{boundary}`", made.path)
            }
            Self::TagRole { role, tags } => write!(f, "tag role `{role}` with {}", quoted(tags.keys())),
            Self::UntagRole { role, keys } => write!(f, "remove tags {} from role `{role}`", quoted(keys)),
            Self::SetBoundary { role, arn } => write!(f, "set the permissions boundary of role `{role}` to `{arn}`"),
            Self::RemoveBoundary { role } => write!(f, "remove the permissions boundary of role `{role}`"),
            Self::SetTrust { role, .. } => write!(f, "set the trust policy of role `{role}`"),
            Self::SetDetails { role, max_session_duration, .. } => {
                write!(
                    f,
                    "set the description of role `{role}` and its maximum session duration to {max_session_duration} s"
                )
            }
            Self::Attach { role, arn } => write!(f, "attach `{arn}` to role `{role}`"),
            Self::Detach { role, arn } => write!(f, "detach `{arn}` from role `{role}`"),
            Self::PutInline { role, name, .. } => write!(f, "put inline policy `{name}` on role `{role}`"),
            Self::DeleteInline { role, name } => write!(f, "delete inline policy `{name}` of role `{role}`"),
            Self::RemoveFromInstanceProfile { role, profile } => {
                write!(f, "remove role `{role}` from instance profile `{profile}`")
            }
            Self::DeleteRole { role } => write!(f, "delete role `{role}`"),
        }
    }
}

/// Formats the keys of tags: each in backticks, separated by commas.
fn quoted<'a>(keys: impl IntoIterator<Item = &'a String>) -> String {
    keys.into_iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
