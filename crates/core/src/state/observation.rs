//! What one read of the account showed.

use std::collections::BTreeMap;

use crate::iam::name::Name;
use crate::state::State;

/// What was seen, and what IAM alone knows of the roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub state: State,
    pub metadata: BTreeMap<Name, RoleMetadata>,
}

/// What IAM keeps of a role, and nobody can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMetadata {
    pub id: String,
    /// Seconds since the epoch.
    pub made_at: i64,
    /// Within the 400 days that IAM keeps track of.
    pub last_used: Option<LastUse>,
}

/// The last time that somebody acted with a role.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// Seconds since the epoch.
    pub at: i64,
    pub region: String,
}
