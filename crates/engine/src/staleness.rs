//! Detects stale events: asks the stack whether CloudFormation is still processing the operation of an event.
//!
//! Lambda may deliver an event again after CloudFormation has moved on, and whoever may invoke the function could forge
//! an event. Only the stack can tell.
//!
//! CloudFormation may also move on during the work, so the function asks the stack once more after the last write.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::Instant;

use crate::port::{StackResource, Stacks};
use crate::retry;
use crate::telemetry;
use mlops_roles_core::protocol::request::{Operation, Request};

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

/// The reason of an event whose operation CloudFormation is no longer processing.
const STALE: &str = "the event is stale: CloudFormation is no longer processing this operation";

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
) -> Result<bool, String> {
    if !verifies_all && !age.is_old() {
        return Ok(false);
    }
    let owner = request.owner();
    let told = retry::until(deadline, async || stacks.resource(&owner).await).await;
    let told =
        told.map_err(|cause| format!("could not read the resource in its stack: {cause}; nothing was changed"))?;
    let status = if verifies_all && matches!(request.operation, Operation::Delete { .. }) {
        let status = retry::until(deadline, async || stacks.status(&owner.stack_id).await).await;
        Some(status.map_err(|cause| format!("could not read the status of the stack: {cause}; nothing was changed"))?)
    } else {
        None
    };
    let checked = match told.as_ref().filter(|told| told.resource_type != request.resource_type) {
        Some(told) => Err(format!(
            "the event does not match the stack: the resource type is `{}` in the event and `{}` in the stack",
            request.resource_type, told.resource_type
        )),
        None => check_operation(&request.operation, told.as_ref(), age, status.as_ref().map(Option::as_deref))
            .map_err(str::to_owned),
    };
    checked.map(|()| true).map_err(|why| {
        let what = told.map_or_else(
            || format!("the stack has no resource `{}`", owner.logical_id),
            |told| in_stack(&owner.logical_id, &told),
        );
        format!("{why}: {what}; nothing was changed")
    })
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
) -> Result<(), String> {
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
            let deletes = told.status.starts_with("DELETE_");
            let ended = match request.operation {
                Operation::Delete { .. } if told.status == "CREATE_IN_PROGRESS" => true,
                Operation::Delete { .. } => !deletes && told.physical_id == request.target.physical_id,
                Operation::Create if told.status.starts_with("UPDATE_") => true,
                _ => deletes || !told.is_in_progress() || told.is_later_than(signed_at),
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
    ended.map_or(Ok(()), |told| {
        Err(format!(
            "the event is a redelivery: CloudFormation has finished this {}: {}; nothing was changed",
            request.operation.name(),
            in_stack(&owner.logical_id, &told)
        ))
    })
}

/// Where CloudFormation is with the resource after a write of a Create or Update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackProgress {
    /// CloudFormation waits for the response to this event.
    Waiting,
    /// Another delivery of the same event has succeeded. The stack relies on what both deliveries made, so none of it
    /// may be repaired or rolled back.
    Succeeded,
    /// CloudFormation is processing something else, so what this event made is rolled back. While `is_passing` is set,
    /// the status may also be the end of what another delivery of the same event has achieved.
    MovedOn {
        /// Whether the stack deletes the resource or has deleted it.
        deletes: bool,
        /// Whether the status will change by itself soon, and does not stand for a deletion or for a rollback of the
        /// stack.
        is_passing: bool,
        /// What CloudFormation is doing instead, for the reason of the response.
        why: String,
    },
}

/// Asks the stack for its progress after the last write, so that no write goes unchecked. A stack that does not answer
/// counts as waiting.
///
/// `physical_id` is the id that the event leads to, empty when it is unknown. `was_rolling_back` says whether the stack
/// was rolling back at the first observation; it is `None` when the stack did not tell.
pub async fn stack_progress(
    stacks: &impl Stacks,
    request: &Request,
    physical_id: &str,
    was_rolling_back: Option<bool>,
    deadline: Instant,
) -> StackProgress {
    let mut progress = stack_progress_now(stacks, request, physical_id, was_rolling_back, deadline).await;
    // Once CloudFormation has the response to a Create, the resource becomes CREATE_IN_PROGRESS a second time. It
    // becomes CREATE_COMPLETE a moment later.
    for _ in 0..REPEATS {
        let is_time = Instant::now() + PAUSE < deadline;
        if !(is_time && matches!(progress, StackProgress::MovedOn { is_passing: true, .. })) {
            break;
        }
        telemetry::pause(PAUSE).await;
        progress = stack_progress_now(stacks, request, physical_id, was_rolling_back, deadline).await;
    }
    progress
}

async fn stack_progress_now(
    stacks: &impl Stacks,
    request: &Request,
    physical_id: &str,
    was_rolling_back: Option<bool>,
    deadline: Instant,
) -> StackProgress {
    let owner = request.owner();
    let told = async { retry::until(deadline, async || stacks.resource(&owner).await).await };
    let starts_rolling_back = async {
        was_rolling_back == Some(false)
            && is_rolling_back(stacks, &owner.stack_id, optional_deadline(deadline)).await == Some(true)
    };
    let (told, starts_rolling_back) = join(told, starts_rolling_back).await;
    let told = told.inspect_err(|cause| tracing::warn!(error = %cause, "could not read the resource in its stack"));
    let Ok(Some(told)) = told else {
        if starts_rolling_back {
            let why = format!("{STALE}: the stack is rolling back");
            return StackProgress::MovedOn { deletes: false, is_passing: false, why };
        }
        return StackProgress::Waiting;
    };
    let signed_at = request.target.response_url.signed_at();
    let deletes = told.status.starts_with("DELETE_");
    let ended = !told.is_in_progress() && told.is_newer_than(signed_at);
    let is_complete = matches!(told.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
    let is_this = physical_id.is_empty() || told.physical_id == physical_id;
    if ended && is_complete && is_this && !starts_rolling_back {
        return StackProgress::Succeeded;
    }
    // CloudFormation only updates what was created, so the Create of this event has succeeded.
    let is_created = matches!(request.operation, Operation::Create) && told.status.starts_with("UPDATE_");
    if is_created && is_this && told.is_newer_than(signed_at) {
        return StackProgress::Succeeded;
    }
    if !(deletes || ended || starts_rolling_back || told.is_later_than(signed_at)) {
        return StackProgress::Waiting;
    }
    let back = if starts_rolling_back { ", and the stack is rolling back" } else { "" };
    let why = format!("{STALE}: {}{back}", in_stack(&owner.logical_id, &told));
    let is_passing = told.is_in_progress() && !deletes && !starts_rolling_back;
    StackProgress::MovedOn { deletes, is_passing, why }
}

/// Returns whether the stack returns to its state before a failed update; `None` when the stack does not tell.
pub async fn is_rolling_back(stacks: &impl Stacks, stack_id: &str, deadline: Instant) -> Option<bool> {
    let status = retry::until(deadline, async || stacks.status(stack_id).await).await;
    let status =
        status.inspect_err(|cause| tracing::warn!(error = %cause, "could not read the status of the stack")).ok()?;
    Some(status?.starts_with("UPDATE_ROLLBACK"))
}

/// Returns the physical id that the resource has in its stack now, if that differs from the id of the Delete event.
///
/// CloudFormation may send the Delete of a failed Create when a later Create has already taken its place.
///
/// # Errors
/// Fails when the stack can't be asked.
pub async fn current_physical_id(
    stacks: &impl Stacks,
    request: &Request,
    deadline: Instant,
) -> Result<Option<String>, String> {
    let owner = request.owner();
    let told = retry::until(deadline, async || stacks.resource(&owner).await).await;
    let told =
        told.map_err(|cause| format!("could not read the resource in its stack: {cause}; nothing was changed"))?;
    let alternate_id = |told: &StackResource| {
        let fails_or_begins = matches!(told.status.as_str(), "CREATE_FAILED" | "CREATE_IN_PROGRESS");
        !told.status.starts_with("DELETE_") && !fails_or_begins && told.physical_id != request.target.physical_id
    };
    Ok(told.filter(alternate_id).map(|told| told.physical_id).filter(|id| !id.is_empty()))
}

/// Describes the resource in its stack, for a reason.
fn in_stack(logical_id: &str, told: &StackResource) -> String {
    format!("in the stack, resource `{logical_id}` has status `{}` and physical id `{}`", told.status, told.physical_id)
}

impl StackResource {
    fn is_in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// Returns whether the stack is updating the resource, as a resource of this type.
    pub fn is_updated(&self, resource_type: &str) -> bool {
        self.status == "UPDATE_IN_PROGRESS" && self.resource_type == resource_type
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
/// that CloudFormation certainly sent is acceptable; otherwise it is `None`. An inner `None` stands for a stack that
/// does not exist.
///
/// # Errors
/// Returns why the event is stale.
pub fn check_operation(
    operation: &Operation,
    told: Option<&StackResource>,
    age: EventAge,
    stack: Option<Option<&str>>,
) -> Result<(), &'static str> {
    let Operation::Delete { physical_id } = operation else {
        let is_current =
            told.is_some_and(|told| told.status.ends_with("_IN_PROGRESS") && !told.status.starts_with("DELETE"));
        let has_later_operation = told.is_some_and(|told| told.is_later_than(age.signed_at));
        return if is_current && !has_later_operation { Ok(()) } else { Err(STALE) };
    };
    let state = told.map(|told| told.status.as_str());
    let at_work = |stack: Option<&str>| stack.is_some_and(|status| status.ends_with("_IN_PROGRESS"));
    // A resource whose deletion failed stays so until somebody deletes the stack again, so the stack must be at work
    // too.
    let goes = |stack| state == Some("DELETE_IN_PROGRESS") || (state == Some("DELETE_FAILED") && at_work(stack));
    let stands_for = told.is_some_and(|told| told.physical_id == *physical_id && !told.status.starts_with("DELETE_"));
    match stack {
        _ if stands_for => Err("the event is stale: CloudFormation is not deleting this resource"),
        None => Ok(()),
        Some(stack) if goes(stack) || stack.is_some_and(|status| status.ends_with("CLEANUP_IN_PROGRESS")) => Ok(()),
        Some(_) => Err("the event is stale: CloudFormation is not deleting this resource"),
    }
}
