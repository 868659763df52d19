//! What is to be read from the account.

use std::collections::{BTreeMap, BTreeSet};

use crate::iam::name::Name;
use crate::state::{Role, State};

/// What to look at: the names that an event's properties lead to. What is likely to be there is asked for everything at
/// once; of what may well be absent it is first asked whether it is there at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Where a role is likely to be there, with the names of its inline policies as far as they are known.
    pub roles: BTreeMap<Name, Option<BTreeSet<String>>>,
    /// By ARN, and whether it is likely to be there.
    pub policies: BTreeMap<String, bool>,
    /// Whether all roles are to stay: only of one that goes it matters which instance profiles hold it.
    pub staying: bool,
}

impl Scope {
    /// That may well be absent.
    pub fn of_roles(names: impl IntoIterator<Item = Name>) -> Self {
        let mut scope = Self::default();
        scope.roles.extend(names.into_iter().map(|name| (name, None)));
        scope
    }

    pub fn policy(arn: &str) -> Self {
        let mut scope = Self::default();
        scope.policies.insert(arn.to_owned(), false);
        scope
    }

    /// That are likely to be there.
    pub fn of_policies(arns: impl IntoIterator<Item = String>) -> Self {
        let mut scope = Self::default();
        scope.policies.extend(arns.into_iter().map(|arn| (arn, true)));
        scope
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
    pub fn expect(&mut self, state: &State) {
        let inline = |role: &Role| Some(role.inline.keys().cloned().collect());
        self.roles.extend(state.roles.iter().map(|(name, role)| (name.clone(), inline(role))));
        self.policies.extend(state.policies.keys().map(|arn| (arn.clone(), true)));
    }
}
