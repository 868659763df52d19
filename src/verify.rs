//! Whether the role may do what it was made for, as IAM's own simulator decides: with its boundary and the
//! organization's policies, which no document of ours shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::time::Instant;

use crate::apply::{Cause, LAG, patiently};
use crate::integration::{Grant, Needs, Passing};
use crate::port::{Fault, Iam, Kind};
use crate::summary;

/// Denials that a reason names before it only counts them.
const NAMED: usize = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// What is done, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who does it: "state `Train`".
    pub who: String,
    pub actions: BTreeSet<String>,
    pub resources: BTreeSet<String>,
    pub context: Vec<Context>,
}

/// What the call will carry, as the grant is conditioned on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
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
    pub fn absorb(&mut self, other: Self) {
        self.judged += other.judged;
        self.denials.extend(other.denials);
        self.unjudged.extend(other.unjudged);
    }
}

impl Check {
    /// Each permission once, under the first that needs it. `who` puts a state, or what stands for one, into words.
    pub fn of_needs(needs: &Needs, who: impl Fn(&str) -> String) -> Vec<Self> {
        let grants = needs.grants.iter().map(|grant| Self::of_grant(grant, who(&grant.state)));
        let passings = needs.passings.iter().map(|passing| Self::of_passing(passing, who(&passing.state)));
        let mut seen = BTreeSet::new();
        let context =
            |check: &Self| check.context.iter().map(|one| (one.key.clone(), one.value.clone())).collect::<Vec<_>>();
        let new = |check: &Self| seen.insert((check.actions.clone(), check.resources.clone(), context(check)));
        grants.chain(passings).filter(new).collect()
    }

    fn of_grant(grant: &Grant, who: String) -> Self {
        let operators = grant.condition.as_ref().and_then(Value::as_object).into_iter().flatten();
        let told = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.filter_map(move |(key, values)| {
                let first = values.as_array().and_then(|values| values.first()).unwrap_or(values);
                // What fits the pattern: an asterisk stands for anything.
                let value = first.as_str()?.replace('*', "x");
                Some(Context { key: key.clone(), value, is_bool: operator == "Bool" })
            })
        });
        // IAM refuses a key that is told twice.
        let mut context: Vec<Context> = Vec::new();
        for one in told {
            if !context.iter().any(|other| other.key.eq_ignore_ascii_case(&one.key)) {
                context.push(one);
            }
        }
        Self { who, actions: grant.actions.clone(), resources: grant.resources.clone(), context }
    }

    fn of_passing(passing: &Passing, who: String) -> Self {
        let key = "iam:PassedToService".to_owned();
        Self {
            who,
            actions: ["iam:PassRole".to_owned()].into(),
            resources: [passing.role.clone()].into(),
            context: vec![Context { key, value: passing.service.clone(), is_bool: false }],
        }
    }
}

/// Asks until nothing is denied, or for as long as IAM may lag: a role that was just made may not show yet. Gives what IAM's
/// simulator can't judge, as it says itself.
///
/// # Errors
/// What is denied, to which state and by whom; the question that was refused; or that nothing could be judged.
pub async fn verify(
    iam: &impl Iam,
    role_arn: &str,
    checks: &[Check],
    deadline: Instant,
) -> Result<Vec<String>, String> {
    let until = deadline.min(Instant::now() + LAG);
    // Each with what was told of it at last.
    let mut all: Vec<(&Check, Option<Simulated>)> = checks.iter().map(|check| (check, None)).collect();
    loop {
        let mut hidden = None;
        for (check, told) in all.iter_mut().filter(|(_, told)| is_open(told.as_ref())) {
            match patiently(deadline, async || iam.simulate(role_arn, check).await).await {
                Ok(now) => *told = Some(now),
                Err(Cause::Fault(fault @ Fault { kind: Kind::NotThere, .. })) => hidden = Some(fault),
                Err(cause) => return Err(format!("could not verify the permissions: {cause}")),
            }
        }
        if !all.iter().any(|(_, told)| is_open(told.as_ref())) {
            break;
        }
        if Instant::now() + PAUSE >= until {
            if let Some(fault) = hidden {
                return Err(format!("could not verify the permissions: {fault}"));
            }
            let denied = all.iter().flat_map(|(check, told)| told.iter().map(move |told| (&check.who, &told.denials)));
            let mut texts = denied.flat_map(|(who, denials)| {
                denials.iter().map(move |Denial { action, resource, side }| {
                    format!("{who} may not `{action}` on `{resource}`: denied by {side}")
                })
            });
            let mut named: Vec<String> = texts.by_ref().take(NAMED).collect();
            let more = texts.count();
            named.extend((more > 0).then(|| format!("{more} more")));
            return Err(named.join("; "));
        }
        summary::pause(PAUSE).await;
    }
    let told = || all.iter().filter_map(|(_, told)| told.as_ref());
    let unjudged: BTreeMap<&String, &String> = told().flat_map(|told| &told.unjudged).collect();
    if told().all(|told| told.judged == 0) && !checks.is_empty() {
        let why: Vec<String> = unjudged.iter().take(NAMED).map(|(action, why)| format!("`{action}`: {why}")).collect();
        return Err(format!("could not verify any permission, IAM's simulator can't judge them: {}", why.join("; ")));
    }
    for (action, why) in &unjudged {
        tracing::warn!(action, why, "not verified");
    }
    Ok(unjudged.into_keys().cloned().collect())
}

/// Whether it is still to be asked.
fn is_open(told: Option<&Simulated>) -> bool {
    told.is_none_or(|told| !told.denials.is_empty())
}
