//! The execution role that something in SageMaker runs with, so that nobody has to look for it by eye.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam, SageMaker};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::execution_role_source::{PROPERTY, Source};

/// Roles that a reason names before it only counts them.
const NAMED: usize = 10;

/// The ARN of the one role. `itself` are the names of the role that it is looked up for, before and after: it is never the
/// one, though its name may begin as asked for.
///
/// # Errors
/// When there is none, or several, or AWS does not tell.
pub async fn find(
    iam: &impl Iam,
    sagemaker: &impl SageMaker,
    source: &Source,
    place: &Place,
    itself: &[&str],
    deadline: Instant,
) -> Result<String, String> {
    let asked = retry::until(deadline, async || match source {
        Source::RoleNamePrefix(prefix) => iam.roles_named(prefix).await,
        source => sagemaker.execution_roles(&place.region, source).await,
    });
    let mut roles = asked.await.map_err(|cause| untold(source, place, &cause))?;
    roles.retain(|role| !itself.iter().any(|name| role.rsplit('/').next() == Some(*name)));
    let mut rest = roles.iter();
    match (rest.next(), rest.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) if matches!(source, Source::RoleNamePrefix(_)) => {
            Err(format!("`{PROPERTY}`: {source}: account {} has no such role; nothing was changed", place.account))
        }
        (None, _) => Err(format!("`{PROPERTY}`: {source} has no execution role; nothing was changed")),
        _ => Err(format!(
            "`{PROPERTY}`: {source}: found {} roles, {}: name the one by `SageMakerExecutionRoleArns`, or by a longer \
             prefix; nothing was changed",
            roles.len(),
            listed(&roles)
        )),
    }
}

fn listed(roles: &BTreeSet<String>) -> String {
    let named: Vec<String> = roles.iter().take(NAMED).map(|role| format!("`{role}`")).collect();
    let more = roles.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

/// Why it is not told, and what to do about it.
fn untold(source: &Source, place: &Place, cause: &Cause) -> String {
    let why = match cause {
        Cause::Aws(AwsError { kind: FaultKind::NotFound, call, .. }) if source.call() == *call => {
            format!("does not exist in {} ({cause}): correct the name, or look in its own region", place.region)
        }
        Cause::Aws(AwsError { kind: FaultKind::NotFound, .. }) => format!("what it runs with does not exist ({cause})"),
        Cause::Aws(AwsError { kind: FaultKind::MaybePropagating, .. }) => {
            format!("the function may not look at it: {cause}")
        }
        Cause::Aws(AwsError { kind: FaultKind::Transient, .. }) | Cause::OutOfTime => {
            format!("AWS did not tell before the time was up, try again later: {cause}")
        }
        _ => cause.to_string(),
    };
    format!("`{PROPERTY}`: {source}: {why}; nothing was changed")
}
