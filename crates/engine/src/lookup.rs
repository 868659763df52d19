//! Looks up the execution role that a SageMaker resource runs with, so that authors need not find its ARN by hand.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::failure::Cause;
use crate::port::{Aws, AwsError, FaultKind, Iam as _, SageMaker as _};
use crate::retry;
use crate::staleness::is_rolling_back;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::execution_role_source::{PROPERTY, Source};

/// How many roles a reason names; it only counts the others.
const NAMED: usize = 10;

/// Why the execution role of a source is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{PROPERTY}`: {looked_up}{}{problem}", .problem.separator())]
pub struct LookupError {
    /// Where the role was looked up.
    pub looked_up: Source,
    /// What went wrong.
    pub problem: LookupProblem,
}

/// What went wrong with a look-up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupProblem {
    /// No role of the account has the prefix.
    #[error("account {account} has no such role; correct the prefix")]
    NoSuchPrefix {
        /// The id of the account.
        account: String,
    },
    /// The source has no role.
    #[error("has no execution role; name another resource, or set `SageMakerExecutionRoleArns`")]
    NoRole,
    /// The source has several roles. Holds their ARNs.
    #[error(
        "found {} roles, expected one: {}; set `SageMakerExecutionRoleArns`{}",
        .roles.len(),
        listed(.roles),
        if *.is_prefix { ", or use a longer `RoleNamePrefix`" } else { "" }
    )]
    Several {
        /// The ARNs of the roles.
        roles: BTreeSet<String>,
        /// Whether the source is a prefix of names.
        is_prefix: bool,
    },
    /// The source itself does not exist in the region.
    #[error("does not exist in {region}, the only region that the function reads ({cause}); correct the name")]
    NoSource {
        /// The region of the function.
        region: String,
        /// The error of AWS.
        cause: Cause,
    },
    /// Something that the source names does not exist.
    #[error("a resource that it refers to does not exist ({0})")]
    NoReferred(Cause),
    /// The function may not read the source.
    #[error("the function is not allowed to read it: {0}")]
    NotAllowed(Cause),
    /// AWS did not answer in time.
    #[error("AWS did not return the role in time: {0}; try again later")]
    TooLate(Cause),
    /// AWS refused a call for another reason.
    #[error("{0}")]
    Other(Cause),
}

/// Returns the ARN of the one execution role of the source: `arn:aws:iam::123456789012:role/x`.
///
/// `itself` is as in [`find_role`].
async fn find<A: Aws>(cx: &Context<'_, A>, source: &Source, itself: &[&str]) -> Result<String, LookupError> {
    let place = cx.read.place;
    let failed = |problem| LookupError { looked_up: source.clone(), problem };
    let asked = retry::until(cx.deadlines.work, async || match source {
        Source::RoleNamePrefix(prefix) => cx.aws.iam().roles_named(prefix).await,
        source => cx.aws.sagemaker().execution_roles(&place.region, source).await,
    });
    let mut roles = asked.await.map_err(|cause| failed(LookupProblem::of_cause(cause, source, place)))?;
    roles.retain(|role| !itself.iter().any(|name| role.rsplit('/').next() == Some(*name)));
    let is_prefix = matches!(source, Source::RoleNamePrefix(_));
    let mut rest = roles.iter();
    match (rest.next(), rest.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) if is_prefix => Err(failed(LookupProblem::NoSuchPrefix { account: place.account.clone() })),
        (None, _) => Err(failed(LookupProblem::NoRole)),
        _ => Err(failed(LookupProblem::Several { roles, is_prefix })),
    }
}

/// A role that was found, with a warning where the present version of the function would not have found it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The ARN of the role.
    pub role: String,
    /// What the author should know of it.
    pub warning: Option<String>,
}

/// Finds the one execution role of the source. `request` is the event; `None` for a resource of a template.
///
/// An Update that leaves the source as it is, or that rolls back, may look it up as an earlier version of this function
/// did. What this version reads besides then keeps no stack from rolling back.
///
/// `itself` holds the names, before and after the event, of the role that the look-up is for. That role never counts as
/// the result, though its name may begin with the source's prefix.
///
/// # Errors
/// When the source has no execution role or several, or when AWS refuses or does not answer the calls.
pub async fn find_role<A: Aws>(
    cx: &Context<'_, A>,
    request: Option<&Request>,
    source: &Source,
    itself: &[&str],
) -> Result<Found, LookupError> {
    let why = match find(cx, source, itself).await {
        Ok(role) => return Ok(Found { role, warning: None }),
        Err(why) => why,
    };
    let (Some(earlier), Some(Request { operation: Operation::Update { old_properties, .. }, properties, .. })) =
        (source.earlier(), request)
    else {
        return Err(why);
    };
    let is_kept = old_properties.get(PROPERTY) == properties.get(PROPERTY)
        || is_rolling_back(cx.aws.stacks(), &cx.read.owner.stack_id, cx.deadlines.work).await == Some(true);
    if !is_kept {
        return Err(why);
    }
    let role = find(cx, &earlier, itself).await.map_err(|_| why)?;
    let warning = format!(
        "`{PROPERTY}`: {source}: a model of an instance pool has another role, which this resource does not pass, or is \
         absent; set `SageMakerExecutionRoleArns`"
    );
    Ok(Found { role, warning: Some(warning) })
}

/// Lists the first roles by ARN, and counts the others.
fn listed(roles: &BTreeSet<String>) -> String {
    let named: Vec<String> = roles.iter().take(NAMED).map(|role| format!("`{role}`")).collect();
    let more = roles.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

impl LookupProblem {
    /// Returns what stands between the source and the problem.
    fn separator(&self) -> &'static str {
        if matches!(self, Self::NoRole) { " " } else { ": " }
    }

    fn of_cause(cause: Cause, source: &Source, place: &Place) -> Self {
        match &cause {
            Cause::Aws(AwsError { kind: FaultKind::NotFound, call, .. }) if source.call() == *call => {
                Self::NoSource { region: place.region.clone(), cause }
            }
            Cause::Aws(AwsError { kind: FaultKind::NotFound, .. }) => Self::NoReferred(cause),
            Cause::Aws(AwsError { kind: FaultKind::MaybePropagating, .. }) => Self::NotAllowed(cause),
            Cause::Aws(AwsError { kind: FaultKind::Transient, .. }) | Cause::OutOfTime => Self::TooLate(cause),
            _ => Self::Other(cause),
        }
    }
}
