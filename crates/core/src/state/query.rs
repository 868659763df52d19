//! What is to be read from the account.

use std::collections::{BTreeMap, BTreeSet};

use crate::iam::name::Name;
use crate::state::{Role, State};

/// What to look at: the names that an event's properties lead to. What is likely to be there is asked for everything at
/// once; of what may well be absent it is first asked whether it is there at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Where a role is likely to be there, with the names of its inline policies as far as they are known.
    pub roles: BTreeMap<Name, Option<BTreeSet<String>>>,
    /// By ARN, and whether it is likely to be there.
    pub policies: BTreeMap<String, bool>,
    /// Whether all roles are to stay: only of one that goes it matters which instance profiles hold it.
    pub skip_instance_profiles: bool,
}

impl Query {
    /// That may well be absent.
    pub fn for_roles(names: impl IntoIterator<Item = Name>) -> Self {
        let mut query = Self::default();
        query.roles.extend(names.into_iter().map(|name| (name, None)));
        query
    }

    pub fn for_policy(arn: &str) -> Self {
        let mut query = Self::default();
        query.policies.insert(arn.to_owned(), false);
        query
    }

    /// That are likely to be there.
    pub fn for_policies(arns: impl IntoIterator<Item = String>) -> Self {
        let mut query = Self::default();
        query.policies.extend(arns.into_iter().map(|arn| (arn, true)));
        query
    }

    /// What may well be absent. What is likely to be there stays so.
    pub fn add(&mut self, state: &State) {
        for name in state.roles.keys() {
            self.roles.entry(name.clone()).or_default();
        }
        for arn in state.policies.keys() {
            self.policies.entry(arn.clone()).or_default();
        }
    }

    /// What is likely to be there.
    pub fn expect_present(&mut self, state: &State) {
        let inline = |role: &Role| Some(role.inline.keys().cloned().collect());
        self.roles.extend(state.roles.iter().map(|(name, role)| (name.clone(), inline(role))));
        self.policies.extend(state.policies.keys().map(|arn| (arn.clone(), true)));
    }
}
