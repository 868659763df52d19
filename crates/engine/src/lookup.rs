//! Looks up the execution role that a SageMaker resource runs with, so that authors need not find its ARN by hand.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam, Objects, Ports, SageMaker, Stacks};
use crate::retry;
use crate::staleness::is_rolling_back;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::execution_role_source::{PROPERTY, Source};
use mlops_roles_core::resource::spec::ReadContext;

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

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Finds the role as [`find`] does. Returns it with a warning, where there is one.
    ///
    /// An Update that leaves the source as it is, or that rolls back, may look it up as an earlier version of this
    /// function did. What this version reads besides then keeps no stack from rolling back.
    ///
    /// # Errors
    /// As [`find`].
    pub(crate) async fn find_role(
        &self,
        request: &Request,
        source: &Source,
        context: ReadContext<'_>,
        itself: &[&str],
        deadline: Instant,
    ) -> Result<(String, Option<String>), String> {
        let found = find(&self.iam, &self.sagemaker, source, context.place, itself, deadline).await;
        let why = match (found, source.earlier()) {
            (Ok(role), _) => return Ok((role, None)),
            (Err(why), None) => return Err(why),
            (Err(why), Some(_)) => why,
        };
        let Operation::Update { old_properties, .. } = &request.operation else { return Err(why) };
        let is_kept = old_properties.get(PROPERTY) == request.properties.get(PROPERTY)
            || is_rolling_back(&self.stacks, &context.owner.stack_id, deadline).await == Some(true);
        let Some(earlier) = source.earlier().filter(|_| is_kept) else { return Err(why) };
        let role = find(&self.iam, &self.sagemaker, &earlier, context.place, itself, deadline).await;
        let role = role.map_err(|_| why)?;
        let warning = format!(
            "`{PROPERTY}`: {source}: a model of an instance pool has another role, which this resource does not pass, \
             or is absent; set `SageMakerExecutionRoleArns`"
        );
        Ok((role, Some(warning)))
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
