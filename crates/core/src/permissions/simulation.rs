//! Questions to IAM's policy simulator about what a role must be allowed to do, and the simulator's answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};

/// One question to IAM's policy simulator: actions on resources, under a request context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who acts, in words for a message: "state `Train`".
    pub who: String,
    /// The IAM actions: `sagemaker:CreateTrainingJob`.
    pub actions: BTreeSet<String>,
    /// The ARNs that the actions touch, which may have wildcards. `*` stands for actions without a resource.
    pub resources: BTreeSet<String>,
    /// The condition keys that the call carries. Empty for a grant without a condition.
    pub context: Vec<ContextEntry>,
}

/// A condition key that the call will carry, because the condition of the grant asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextEntry {
    /// The name of the condition key: `iam:PassedToService`.
    pub key: String,
    /// The value of the key in the call: `sagemaker.amazonaws.com`.
    pub value: String,
    /// Whether the value is a boolean (the condition operator is `Bool`). Other values are strings.
    pub is_bool: bool,
}

impl ContextEntry {
    /// Creates an entry with text.
    pub fn text(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), is_bool: false }
    }

    /// Lists the condition keys that a call carries that meets the `Condition` of a statement, each once.
    pub fn of_condition(condition: Option<&Value>) -> Vec<Self> {
        // `Null` asks whether a key is there, not for a value.
        let operators = condition.and_then(Value::as_object).into_iter().flatten().filter(|(one, _)| *one != "Null");
        let told = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.filter_map(move |(key, values)| {
                let first = values.as_array().and_then(|values| values.first()).unwrap_or(values);
                // The simulator needs a value that matches the pattern. `*` matches any text, so `x` will do.
                let value = first.as_str()?.replace('*', "x");
                Some(Self { key: key.clone(), value, is_bool: operator == "Bool" })
            })
        });
        // IAM refuses a request that has a context key twice.
        let mut context: Vec<Self> = Vec::new();
        for one in told {
            if !context.iter().any(|other| other.key.eq_ignore_ascii_case(&one.key)) {
                context.push(one);
            }
        }
        context
    }
}

/// An action on a resource that the simulator says is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The IAM action that is denied: `s3:GetObject`.
    pub action: String,
    /// The ARN of the resource that the action is denied on.
    pub resource: String,
    /// What denies it, in words for a message: `the permissions boundary`.
    pub side: &'static str,
}

/// The simulator's answer to a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// The number of actions that the simulator judged, summed over its calls.
    pub judged: usize,
    /// The actions that are denied. Empty if all judged actions are allowed.
    pub denials: Vec<Denial>,
    /// The actions that the simulator can't judge, each with the reason.
    pub unjudged: BTreeMap<String, String>,
}

impl Simulated {
    /// Adds the reply to another call to this one.
    pub fn merge(&mut self, other: Self) {
        self.judged += other.judged;
        self.denials.extend(other.denials);
        self.unjudged.extend(other.unjudged);
    }
}

impl Check {
    /// Lists the checks of all required permissions, each permission once, under the first state that needs it.
    ///
    /// `who` puts the path of a state into words. Without a state machine, the name of a property stands for the state.
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
        let context = ContextEntry::of_condition(grant.condition.as_ref());
        Self { who, actions: grant.actions.clone(), resources: grant.resources.clone(), context }
    }

    fn from_pass_role_grant(pass_role_grant: &PassRoleGrant, who: String) -> Self {
        Self {
            who,
            actions: ["iam:PassRole".to_owned()].into(),
            resources: [pass_role_grant.role.clone()].into(),
            context: vec![ContextEntry::text("iam:PassedToService", &pass_role_grant.service)],
        }
    }
}
