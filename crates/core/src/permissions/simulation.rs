//! What a role is to be allowed, as questions to IAM's policy simulator and its answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};

/// What is done, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who does it: "state `Train`".
    pub who: String,
    pub actions: BTreeSet<String>,
    pub resources: BTreeSet<String>,
    pub context: Vec<ContextEntry>,
}

/// What the call will carry, as the grant is conditioned on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextEntry {
    pub key: String,
    pub value: String,
    pub is_bool: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub action: String,
    pub resource: String,
    /// Who denies it.
    pub side: &'static str,
}

/// What IAM's simulator says of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// How many actions it judged.
    pub judged: usize,
    pub denials: Vec<Denial>,
    /// Actions that it says it can't judge, and why.
    pub unjudged: BTreeMap<String, String>,
}

impl Simulated {
    pub fn merge(&mut self, other: Self) {
        self.judged += other.judged;
        self.denials.extend(other.denials);
        self.unjudged.extend(other.unjudged);
    }
}

impl Check {
    /// Each permission once, under the first that needs it. `who` puts a state, or what stands for one, into words.
    pub fn from_required(required: &RequiredPermissions, who: impl Fn(&str) -> String) -> Vec<Self> {
        let grants = required.grants.iter().map(|grant| Self::from_grant(grant, who(&grant.state)));
        let pass_role_grants = required
            .pass_role_grants
            .iter()
            .map(|pass_role_grant| Self::from_pass_role_grant(pass_role_grant, who(&pass_role_grant.state)));
        let mut seen = BTreeSet::new();
        let context =
            |check: &Self| check.context.iter().map(|one| (one.key.clone(), one.value.clone())).collect::<Vec<_>>();
        let new = |check: &Self| seen.insert((check.actions.clone(), check.resources.clone(), context(check)));
        grants.chain(pass_role_grants).filter(new).collect()
    }

    fn from_grant(grant: &Grant, who: String) -> Self {
        let operators = grant.condition.as_ref().and_then(Value::as_object).into_iter().flatten();
        let told = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.filter_map(move |(key, values)| {
                let first = values.as_array().and_then(|values| values.first()).unwrap_or(values);
                // What fits the pattern: an asterisk stands for anything.
                let value = first.as_str()?.replace('*', "x");
                Some(ContextEntry { key: key.clone(), value, is_bool: operator == "Bool" })
            })
        });
        // IAM refuses a key that is told twice.
        let mut context: Vec<ContextEntry> = Vec::new();
        for one in told {
            if !context.iter().any(|other| other.key.eq_ignore_ascii_case(&one.key)) {
                context.push(one);
            }
        }
        Self { who, actions: grant.actions.clone(), resources: grant.resources.clone(), context }
    }

    fn from_pass_role_grant(pass_role_grant: &PassRoleGrant, who: String) -> Self {
        let key = "iam:PassedToService".to_owned();
        Self {
            who,
            actions: ["iam:PassRole".to_owned()].into(),
            resources: [pass_role_grant.role.clone()].into(),
            context: vec![ContextEntry { key, value: pass_role_grant.service.clone(), is_bool: false }],
        }
    }
}
