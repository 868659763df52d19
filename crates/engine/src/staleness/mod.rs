//! Detects stale events: asks the stack whether CloudFormation is still processing the operation of an event.
//!
//! Lambda may deliver an event again after CloudFormation has moved on, and whoever may invoke the function could forge
//! an event. Only the stack can tell.
//!
//! CloudFormation may also move on during the work, so the function asks the stack once more after the last write:
//! [`progress`].

pub mod progress;

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Question, Unread};
use crate::port::{StackResource, Stacks};
use crate::retry;
use crate::telemetry;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::protocol::resource_status::ResourceStatus;
use mlops_roles_core::state::ownership::Owner;

/// The age up to which an event comes from its first delivery: Lambda waits a minute before it delivers an event again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const FIRST_DELIVERY_WINDOW: Duration = Duration::from_secs(45);

/// The maximum time from the signature of an event to the start of its own operation, in seconds. A later status
/// belongs to another operation.
const AT_ONCE: i64 = 2;

/// The maximum time that an event waits for a reply about the stack that it can do without.
const OPTIONAL_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of times that a stack is asked again before its status refuses an event: the status may be a moment old.
pub const REPEATS: u32 = 3;
/// The pause before a stack is asked again.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The maximum difference between the clock that signs events and the clock that dates the status of a stack's
/// resources.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Why an event counts as stale. Most variants have what the stack shows instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StaleEvent {
    /// The stack can't be asked.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// The resource of the stack has another type than that of the event, which somebody may have forged.
    #[error(
        "the event does not match the stack: the resource type is `{event}` in the event and `{stack}` in the stack: \
         {shown}"
    )]
    OtherType {
        /// The resource type of the event.
        event: String,
        /// The resource type in the stack.
        stack: String,
        /// The resource in the stack.
        shown: InStack,
    },
    /// CloudFormation has moved on.
    #[error("{0}: {1}")]
    Stale(Staleness, InStack),
    /// An earlier delivery of the event has been answered.
    #[error("the event is a redelivery: CloudFormation has finished this {operation}: {shown}")]
    Redelivery {
        /// The request type: `Create`.
        operation: &'static str,
        /// The resource in the stack.
        shown: InStack,
    },
}

/// What CloudFormation no longer does, although the event asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Staleness {
    /// It no longer processes the operation of the event.
    #[error("the event is stale: CloudFormation is no longer processing this operation")]
    OperationOver,
    /// It does not delete the resource.
    #[error("the event is stale: CloudFormation is not deleting this resource")]
    NotDeleting,
}

/// The resource in its stack, for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InStack {
    /// The logical id of the resource.
    pub logical_id: String,
    /// The resource; `None` where the stack never had it.
    pub resource: Option<StackResource>,
}

impl fmt::Display for InStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logical_id, resource } = self;
        match resource {
            None => write!(f, "the stack has no resource `{logical_id}`"),
            Some(StackResource { status, physical_id, .. }) => {
                write!(f, "in the stack, resource `{logical_id}` has status `{status}` and physical id `{physical_id}`")
            }
        }
    }
}

/// Returns until when to wait for a reply about the stack that an event can do without: 10 seconds from now, but at
/// most until `deadline`.
pub fn optional_deadline(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + OPTIONAL_ANSWER_TIMEOUT)
}

/// What an event itself tells of its age, before its stack is asked.
#[derive(Clone, Copy, Debug)]
pub struct EventAge {
    /// When the event was signed, in seconds since the Unix epoch. `None` when its response URL has no date.
    pub signed_at: Option<i64>,
    /// The current time, in seconds since the Unix epoch.
    pub now: i64,
}

impl EventAge {
    /// Returns whether the event may be a late delivery. CloudFormation dates its response URLs. The age of an event
    /// without a date is unknown, so it does not count as old.
    fn is_old(self) -> bool {
        let limit = i64::try_from(FIRST_DELIVERY_WINDOW.as_secs()).unwrap_or(i64::MAX);
        self.signed_at.is_some_and(|signed| self.now.saturating_sub(signed) > limit)
    }
}

/// Asks the stack whether an event is stale, if the event may be late or if `verifies_all` is set. The deployer decides
/// whether all events are verified. Returns whether the stack was asked.
///
/// # Errors
/// Fails when the event is stale, or when CloudFormation can't be asked.
pub async fn check_staleness(
    stacks: &impl Stacks,
    request: &Request,
    age: EventAge,
    verifies_all: bool,
    deadline: Instant,
) -> Result<bool, StaleEvent> {
    if !verifies_all && !age.is_old() {
        return Ok(false);
    }
    let owner = request.owner();
    let told = retry::until(deadline, async || stacks.resource(&owner).await).await;
    let told = told.map_err(Unread::because(Question::ResourceInStack))?;
    let status = if verifies_all && matches!(request.operation, Operation::Delete { .. }) {
        let status = retry::until(deadline, async || stacks.status(&owner.stack_id).await).await;
        Some(status.map_err(Unread::because(Question::StackStatus))?.unwrap_or_default())
    } else {
        None
    };
    let staleness = check_operation(&request.operation, told.as_ref(), age, status.as_ref());
    let shown = InStack { logical_id: owner.logical_id, resource: told };
    match &shown.resource {
        Some(told) if told.resource_type != request.resource_type => {
            let (event, stack) = (request.resource_type.clone(), told.resource_type.clone());
            Err(StaleEvent::OtherType { event, stack, shown })
        }
        _ => staleness.map(|()| true).map_err(|why| StaleEvent::Stale(why, shown)),
    }
}

/// Checks that a young event is not a redelivery whose operation has ended: Lambda may deliver an event twice at any
/// time.
///
/// A Create or Update has ended once CloudFormation no longer processes it, or processes a later operation. A Delete
/// has ended once the stack has the resource again, under the very same physical id or under none yet. The check runs
/// beside the first observation, so nothing has been written when it fails.
///
/// A stack that does not answer within 10 seconds counts as waiting for the event. If `asked` is set, the stack was
/// asked already and is not asked again. An event without a date passes.
///
/// # Errors
/// Fails when the operation has ended.
pub async fn check_redelivery(
    stacks: &impl Stacks,
    request: &Request,
    asked: bool,
    deadline: Instant,
) -> Result<(), StaleEvent> {
    let signed_at = request.target.response_url.signed_at();
    if asked || signed_at.is_none() {
        return Ok(());
    }
    let owner = request.owner();
    let until = optional_deadline(deadline);
    let has_ended = async || {
        let told = retry::until(until, async || stacks.resource(&owner).await).await;
        let told = told.inspect_err(|cause| tracing::warn!(error = %cause, "could not read the resource in its stack"));
        told.ok().flatten().filter(|told| {
            let deletes = told.status.deletes();
            let ended = match request.operation {
                Operation::Delete { .. } if told.status == ResourceStatus::CREATE_IN_PROGRESS => true,
                Operation::Delete { .. } => !deletes && told.physical_id == request.target.physical_id,
                Operation::Create if told.status.is_update() => true,
                _ => deletes || !told.status.is_in_progress() || told.is_later_than(signed_at),
            };
            ended && told.is_newer_than(signed_at)
        })
    };
    let mut ended = has_ended().await;
    for _ in 0..REPEATS {
        if ended.is_none() {
            break;
        }
        telemetry::pause(PAUSE).await;
        ended = has_ended().await;
    }
    let Some(resource) = ended else { return Ok(()) };
    let shown = InStack { logical_id: owner.logical_id, resource: Some(resource) };
    Err(StaleEvent::Redelivery { operation: request.operation.name(), shown })
}

/// Returns whether the stack returns to its state before a failed update; `None` when the stack does not tell.
pub async fn is_rolling_back(stacks: &impl Stacks, stack_id: &str, deadline: Instant) -> Option<bool> {
    let status = retry::until(deadline, async || stacks.status(stack_id).await).await;
    let status =
        status.inspect_err(|cause| tracing::warn!(error = %cause, "could not read the status of the stack")).ok()?;
    Some(status?.is_update_rollback())
}

/// Returns the physical id that the resource has in its stack now, if that differs from the id of the Delete event.
///
/// CloudFormation may send the Delete of a failed Create when a later Create has already taken its place.
///
/// # Errors
/// Fails when the stack can't be asked.
pub async fn current_physical_id(
    stacks: &impl Stacks,
    owner: &Owner,
    physical_id: &str,
    deadline: Instant,
) -> Result<Option<String>, Unread> {
    let told = retry::until(deadline, async || stacks.resource(owner).await).await;
    let told = told.map_err(Unread::because(Question::ResourceInStack))?;
    let alternate_id = |told: &StackResource| {
        let fails_or_begins =
            [ResourceStatus::CREATE_FAILED, ResourceStatus::CREATE_IN_PROGRESS].contains(&told.status);
        !told.status.deletes() && !fails_or_begins && told.physical_id != physical_id
    };
    Ok(told.filter(alternate_id).map(|told| told.physical_id).filter(|id| !id.is_empty()))
}

impl StackResource {
    /// Returns whether the stack is updating the resource, as a resource of this type.
    pub fn is_updated(&self, resource_type: &str) -> bool {
        self.status == ResourceStatus::UPDATE_IN_PROGRESS && self.resource_type == resource_type
    }

    /// Returns whether the operation of the resource began after the event was signed, by more than the clocks may
    /// differ.
    fn is_later_than(&self, signed_at: Option<i64>) -> bool {
        let skew = i64::try_from(CLOCK_SKEW.as_secs()).unwrap_or(0);
        self.since.zip(signed_at).is_some_and(|(since, signed)| since > signed.saturating_add(skew))
    }

    /// Returns whether the resource reached its status more than 2 seconds after the event was signed. So small a
    /// difference may only judge a status that the event's own operation can't have.
    fn is_newer_than(&self, signed_at: Option<i64>) -> bool {
        self.since.zip(signed_at).is_some_and(|(since, signed)| since > signed.saturating_add(AT_ONCE))
    }
}

/// Checks the operation of an event against the resource in its stack.
///
/// `told` is the resource, or `None` when the stack never had it. `stack` is the status of the stack when only a Delete
/// that CloudFormation certainly sent is acceptable; otherwise it is `None`. It is empty for a stack that does not exist.
///
/// # Errors
/// Returns why the event is stale.
fn check_operation(
    operation: &Operation,
    told: Option<&StackResource>,
    age: EventAge,
    stack: Option<&ResourceStatus>,
) -> Result<(), Staleness> {
    let Operation::Delete { physical_id } = operation else {
        let is_current = told.is_some_and(|told| told.status.is_in_progress() && !told.status.deletes());
        let has_later_operation = told.is_some_and(|told| told.is_later_than(age.signed_at));
        return if is_current && !has_later_operation { Ok(()) } else { Err(Staleness::OperationOver) };
    };
    let has = |status| told.is_some_and(|told| told.status == status);
    // A resource whose deletion failed stays so until somebody deletes the stack again, so the stack must be at work
    // too.
    let goes = |stack: &ResourceStatus| {
        has(ResourceStatus::DELETE_IN_PROGRESS) || (has(ResourceStatus::DELETE_FAILED) && stack.is_in_progress())
    };
    let stands_for = told.is_some_and(|told| told.physical_id == *physical_id && !told.status.deletes());
    match stack {
        _ if stands_for => Err(Staleness::NotDeleting),
        None => Ok(()),
        Some(stack) if goes(stack) || stack.is_cleanup() => Ok(()),
        Some(_) => Err(Staleness::NotDeleting),
    }
}
