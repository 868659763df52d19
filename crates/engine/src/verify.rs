//! Whether the role may do what it was made for, as IAM's own simulator decides: with its boundary and the
//! organization's policies, which no document of ours shows.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::retry;
use crate::retry::PROPAGATION_TIMEOUT;
use crate::telemetry;
use mlops_roles_core::permissions::simulation::{Check, Denial, Simulated};

/// Denials that a reason names before it only counts them.
const NAMED: usize = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

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
    let until = deadline.min(Instant::now() + PROPAGATION_TIMEOUT);
    // Each with what was told of it at last.
    let mut all: Vec<(&Check, Option<Simulated>)> = checks.iter().map(|check| (check, None)).collect();
    loop {
        let mut hidden = None;
        for (check, told) in all.iter_mut().filter(|(_, told)| is_open(told.as_ref())) {
            match retry::until(deadline, async || iam.simulate(role_arn, check).await).await {
                Ok(now) => *told = Some(now),
                Err(Cause::Aws(error @ AwsError { kind: FaultKind::NotFound, .. })) => hidden = Some(error),
                Err(cause) => return Err(format!("could not verify the permissions: {cause}")),
            }
        }
        if !all.iter().any(|(_, told)| is_open(told.as_ref())) {
            break;
        }
        if Instant::now() + PAUSE >= until {
            if let Some(error) = hidden {
                return Err(format!("could not verify the permissions: {error}"));
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
        telemetry::pause(PAUSE).await;
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
