//! Holds what one read of the account showed.

use std::collections::BTreeMap;

use crate::iam::name::Name;
use crate::state::State;

/// An observed state, with the metadata that IAM keeps of its roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The roles and policies of the query that exist.
    pub state: State,
    /// The metadata of each role in `state`, by the name of the role.
    pub metadata: BTreeMap<Name, RoleMetadata>,
}

/// What IAM records of a role and nobody can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMetadata {
    /// The unique id of the role: `AROA1234567890EXAMPLE`. A role that is deleted and created again gets another id.
    pub id: String,
    /// When the role was created, in seconds since the Unix epoch.
    pub made_at: i64,
    /// The last use within the 400 days that IAM keeps track of; `None` if there was none.
    pub last_used: Option<LastUse>,
}

/// The last time that somebody used a role.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When the role was used, in seconds since the Unix epoch.
    pub at: i64,
    /// The region in which the role was used: `eu-west-1`. Empty if IAM names none.
    pub region: String,
}
