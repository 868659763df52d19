//! The status that CloudFormation reports for a resource or a stack.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>

use std::borrow::Cow;
use std::fmt;

/// The status of a resource or a stack, such as `UPDATE_ROLLBACK_IN_PROGRESS`.
///
/// A status that this project does not know is kept as it is. An empty one stands for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceStatus(Cow<'static, str>);

impl ResourceStatus {
    /// The creation failed.
    pub const CREATE_FAILED: Self = Self(Cow::Borrowed("CREATE_FAILED"));
    /// The creation has begun.
    pub const CREATE_IN_PROGRESS: Self = Self(Cow::Borrowed("CREATE_IN_PROGRESS"));
    /// The deletion failed.
    pub const DELETE_FAILED: Self = Self(Cow::Borrowed("DELETE_FAILED"));
    /// The deletion has begun.
    pub const DELETE_IN_PROGRESS: Self = Self(Cow::Borrowed("DELETE_IN_PROGRESS"));
    /// The update has begun.
    pub const UPDATE_IN_PROGRESS: Self = Self(Cow::Borrowed("UPDATE_IN_PROGRESS"));

    /// Returns whether CloudFormation is at work: `…_IN_PROGRESS`.
    pub fn is_in_progress(&self) -> bool {
        self.0.ends_with("_IN_PROGRESS")
    }

    /// Returns whether CloudFormation deletes the resource, has deleted it or failed to: `DELETE_…`.
    pub fn deletes(&self) -> bool {
        self.0.starts_with("DELETE")
    }

    /// Returns whether the latest operation is an update, or the rollback of one: `UPDATE_…`.
    pub fn is_update(&self) -> bool {
        self.0.starts_with("UPDATE_")
    }

    /// Returns whether a stack returns, or has returned, to its state before an update: `UPDATE_ROLLBACK_…`.
    pub fn is_update_rollback(&self) -> bool {
        self.0.starts_with("UPDATE_ROLLBACK")
    }

    /// Returns whether a stack deletes what an update or its rollback replaced: `…_CLEANUP_IN_PROGRESS`.
    pub fn is_cleanup(&self) -> bool {
        self.0.ends_with("CLEANUP_IN_PROGRESS")
    }

    /// Returns whether a stack rolls back, or has rolled back, a creation, an update or an import: `…ROLLBACK…`.
    pub fn rolls_back(&self) -> bool {
        self.0.contains("ROLLBACK")
    }

    /// Returns whether a creation or an update succeeded: `CREATE_COMPLETE` or `UPDATE_COMPLETE`.
    pub fn is_complete(&self) -> bool {
        matches!(&*self.0, "CREATE_COMPLETE" | "UPDATE_COMPLETE")
    }
}

impl From<&str> for ResourceStatus {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }
}

impl From<String> for ResourceStatus {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for ResourceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
