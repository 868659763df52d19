//! Verifies with IAM's policy simulator that a role has the permissions it was created for.
//!
//! The simulator includes the permissions boundary and the organization's policies, which no document of this project
//! shows.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::retry;
use crate::retry::PROPAGATION_TIMEOUT;
use crate::telemetry;
use mlops_roles_core::permissions::simulation::{Check, Denial, Simulated};

/// How many denials a reason names; it only counts the others.
const NAMED: usize = 10;
/// The pause between two rounds of simulation.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// Why the permissions of a role are not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotVerified {
    /// IAM denies what the role must be allowed.
    #[error("{}", shortened(.0))]
    Denied(Vec<DeniedCall>),
    /// The simulation failed.
    #[error("could not verify the permissions: {0}")]
    NotSimulated(Cause),
    /// The simulator can judge none of the actions. Holds the reason by action.
    #[error(
        "could not verify any permission, because IAM's policy simulator can't evaluate the actions: {}; remove \
         `VerifyPermissions` or `VerifyAccess`",
        reasons(.0)
    )]
    NotJudged(BTreeMap<String, String>),
}

/// A call that IAM denies to the role.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{who} can't perform `{}` on `{}`: denied by {}", .denial.action, .denial.resource, .denial.side)]
pub struct DeniedCall {
    /// What makes the call: a state, or a capability.
    pub who: String,
    /// The action, the resource and the policy that denies it.
    pub denial: Denial,
}

/// Names the first denials and counts the others.
fn shortened(denied: &[DeniedCall]) -> String {
    let mut named: Vec<String> = denied.iter().take(NAMED).map(DeniedCall::to_string).collect();
    let more = denied.len().saturating_sub(NAMED);
    named.extend((more > 0).then(|| format!("{more} more")));
    named.join("; ")
}

fn reasons(unjudged: &BTreeMap<String, String>) -> String {
    let reasons = unjudged.iter().take(NAMED).map(|(action, why)| format!("`{action}`: {why}"));
    reasons.collect::<Vec<_>>().join("; ")
}

/// Simulates the checks until nothing is denied, at most until the propagation timeout or the deadline. A role that was
/// just created may not be visible yet.
///
/// Returns the names of the actions that IAM's simulator says it can't judge.
///
/// # Errors
/// When an action is denied; the text names the state, the action, the resource and the policy that denies it. Also
/// when the simulation is refused, or when the simulator can't judge any of the actions.
pub async fn verify(
    iam: &impl Iam,
    role_arn: &str,
    checks: &[Check],
    deadline: Instant,
) -> Result<Vec<String>, NotVerified> {
    let until = deadline.min(Instant::now() + PROPAGATION_TIMEOUT);
    // Each check with its latest result.
    let mut all: Vec<(&Check, Option<Simulated>)> = checks.iter().map(|check| (check, None)).collect();
    loop {
        let mut hidden = None;
        for (check, told) in all.iter_mut().filter(|(_, told)| is_open(told.as_ref())) {
            match retry::until(deadline, async || iam.simulate(role_arn, check).await).await {
                Ok(now) => *told = Some(now),
                Err(Cause::Aws(error @ AwsError { kind: FaultKind::NotFound, .. })) => hidden = Some(error),
                Err(cause) => return Err(NotVerified::NotSimulated(cause)),
            }
        }
        if !all.iter().any(|(_, told)| is_open(told.as_ref())) {
            break;
        }
        if Instant::now() + PAUSE >= until {
            if let Some(error) = hidden {
                return Err(NotVerified::NotSimulated(error.into()));
            }
            let told = all.iter().flat_map(|(check, told)| told.iter().map(move |told| (&check.who, &told.denials)));
            let denied = told.flat_map(|(who, denials)| {
                denials.iter().map(|denial| DeniedCall { who: who.clone(), denial: denial.clone() })
            });
            return Err(NotVerified::Denied(denied.collect()));
        }
        telemetry::pause(PAUSE).await;
    }
    let told = || all.iter().filter_map(|(_, told)| told.as_ref());
    let unjudged: BTreeMap<&String, &String> = told().flat_map(|told| &told.unjudged).collect();
    if told().all(|told| told.judged == 0) && !checks.is_empty() {
        let unjudged = unjudged.into_iter().map(|(action, why)| (action.clone(), why.clone()));
        return Err(NotVerified::NotJudged(unjudged.collect()));
    }
    for (action, why) in &unjudged {
        tracing::warn!(action, reason = why, "action not verified");
    }
    Ok(unjudged.into_keys().cloned().collect())
}

/// Returns whether a check must be simulated again: it has no result yet, or something was denied.
fn is_open(told: Option<&Simulated>) -> bool {
    told.is_none_or(|told| !told.denials.is_empty())
}
