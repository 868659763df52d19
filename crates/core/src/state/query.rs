//! Names what to read from the account.

use std::collections::{BTreeMap, BTreeSet};

use crate::iam::name::Name;
use crate::state::{Role, State};

/// The roles and policies to read: those that the properties of an event lead to.
///
/// All calls for an entity that probably exists go out at once. For an entity that may be absent, a first call asks
/// whether it exists, and the other calls follow only if it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The roles to read. `None` says that the role may be absent. `Some` says that the role probably exists, and
    /// names its inline policies as far as they are known.
    pub roles: BTreeMap<Name, Option<BTreeSet<String>>>,
    /// The ARNs of the policies to read, each with whether the policy probably exists.
    pub policies: BTreeMap<String, bool>,
    /// Whether to leave out the instance profiles of the roles. It is set if all roles stay: instance
    /// profiles matter only for a role that is to be deleted.
    pub skip_instance_profiles: bool,
}

impl Query {
    /// A query for roles that may be absent.
    pub fn for_roles(names: impl IntoIterator<Item = Name>) -> Self {
        let mut query = Self::default();
        query.roles.extend(names.into_iter().map(|name| (name, None)));
        query
    }

    /// A query for one policy, by its ARN, that may be absent.
    pub fn for_policy(arn: &str) -> Self {
        let mut query = Self::default();
        query.policies.insert(arn.to_owned(), false);
        query
    }

    /// A query for policies, by their ARNs, that probably exist.
    pub fn for_policies(arns: impl IntoIterator<Item = String>) -> Self {
        let mut query = Self::default();
        query.policies.extend(arns.into_iter().map(|arn| (arn, true)));
        query
    }

    /// Adds the roles and policies of `state` as possibly absent. Entries that the query has already stay as they are.
    pub fn add(&mut self, state: &State) {
        for name in state.roles.keys() {
            self.roles.entry(name.clone()).or_default();
        }
        for arn in state.policies.keys() {
            self.policies.entry(arn.clone()).or_default();
        }
    }

    /// Adds the roles and policies of `state` as probably existing. They replace earlier entries.
    pub fn expect_present(&mut self, state: &State) {
        let inline = |role: &Role| Some(role.inline.keys().cloned().collect());
        self.roles.extend(state.roles.iter().map(|(name, role)| (name.clone(), inline(role))));
        self.policies.extend(state.policies.keys().map(|arn| (arn.clone(), true)));
    }
}
