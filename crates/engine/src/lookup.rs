//! Looks up the execution role that a SageMaker resource runs with, so that authors need not find its ARN by hand.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam, SageMaker};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::execution_role_source::{PROPERTY, Source};

/// How many roles a reason names; it only counts the others.
const NAMED: usize = 10;

/// Returns the ARN of the one execution role of the source: `arn:aws:iam::123456789012:role/x`.
///
/// `itself` holds the names, before and after the event, of the role that the look-up is for. That role never counts as
/// the result, though its name may begin with the source's prefix.
///
/// # Errors
/// When the source has no execution role or several, or when AWS refuses or does not answer the calls.
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
    let mut roles = asked.await.map_err(|cause| explain(source, place, &cause))?;
    roles.retain(|role| !itself.iter().any(|name| role.rsplit('/').next() == Some(*name)));
    let mut rest = roles.iter();
    match (rest.next(), rest.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) if matches!(source, Source::RoleNamePrefix(_)) => Err(format!(
            "`{PROPERTY}`: {source}: account {} has no such role; correct the prefix; nothing was changed",
            place.account
        )),
        (None, _) => Err(format!(
            "`{PROPERTY}`: {source} has no execution role; name another resource, or set \
             `SageMakerExecutionRoleArns`; nothing was changed"
        )),
        _ => {
            let is_prefix = matches!(source, Source::RoleNamePrefix(_));
            let longer = if is_prefix { ", or use a longer `RoleNamePrefix`" } else { "" };
            Err(format!(
                "`{PROPERTY}`: {source}: found {} roles, expected one: {}; set `SageMakerExecutionRoleArns`{longer}; \
                 nothing was changed",
                roles.len(),
                listed(&roles)
            ))
        }
    }
}

/// Lists the first roles by ARN, and counts the others.
fn listed(roles: &BTreeSet<String>) -> String {
    let named: Vec<String> = roles.iter().take(NAMED).map(|role| format!("`{role}`")).collect();
    let more = roles.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

/// Explains why the look-up failed, and what to do about it.
fn explain(source: &Source, place: &Place, cause: &Cause) -> String {
    let why = match cause {
        Cause::Aws(AwsError { kind: FaultKind::NotFound, call, .. }) if source.call() == *call => {
            let region = &place.region;
            format!("does not exist in {region}, the only region that the function reads ({cause}); correct the name")
        }
        Cause::Aws(AwsError { kind: FaultKind::NotFound, .. }) => {
            format!("a resource that it refers to does not exist ({cause})")
        }
        Cause::Aws(AwsError { kind: FaultKind::MaybePropagating, .. }) => {
            format!("the function is not allowed to read it: {cause}")
        }
        Cause::Aws(AwsError { kind: FaultKind::Transient, .. }) | Cause::OutOfTime => {
            format!("AWS did not return the role in time: {cause}; try again later")
        }
        _ => cause.to_string(),
    };
    format!("`{PROPERTY}`: {source}: {why}; nothing was changed")
}
