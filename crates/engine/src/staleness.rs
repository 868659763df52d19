//! Whether CloudFormation is still at what an event speaks of. Lambda may deliver an event again after CloudFormation has
//! moved on, and whoever may invoke the function could make one up: the stack itself tells.
//!
//! CloudFormation may also move on during the work, so after the last write it is asked once more.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::Instant;

use crate::port::{StackResource, Stacks};
use crate::retry;
use crate::telemetry;
use mlops_roles_core::protocol::request::{Operation, Request};

/// An event that is younger comes from its first delivery: Lambda waits a minute before it delivers one again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const FIRST_DELIVERY_WINDOW: Duration = Duration::from_secs(45);

/// How long after its signature an event's own operation may at the latest have begun. A later status is another
/// operation's.
const AT_ONCE: i64 = 2;

/// How long an event waits at the most for an answer that it can do without.
const OPTIONAL_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a stack is asked again before an event is refused for what it tells, which may be what was a moment ago.
pub const REPEATS: u32 = 3;
pub const PAUSE: Duration = Duration::from_secs(1);

/// How far the clocks of what signs an event and of what keeps a stack's state may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Until when to wait for an answer of the stack that an event can do without.
pub fn optional_deadline(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + OPTIONAL_ANSWER_TIMEOUT)
}

/// What is known of an event before its stack is asked.
#[derive(Clone, Copy, Debug)]
pub struct EventAge {
    /// When the event was signed, in seconds since the epoch; `None` where its URL does not say.
    pub signed_at: Option<i64>,
    /// The same for now.
    pub now: i64,
}

impl EventAge {
    /// Whether it may have come late. CloudFormation dates its URLs; of one without, nobody can tell.
    fn is_old(self) -> bool {
        let limit = i64::try_from(FIRST_DELIVERY_WINDOW.as_secs()).unwrap_or(i64::MAX);
        self.signed_at.is_some_and(|signed| self.now.saturating_sub(signed) > limit)
    }
}

/// Asks the stack about an event that may be late, or about every event where the deployer wants that. Tells whether it was
/// asked.
///
/// # Errors
/// When CloudFormation is not at it, or can't be asked.
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
        told.map_err(|cause| format!("could not ask for the resource in its stack: {cause}; nothing was changed"))?;
    let status = if verifies_all && matches!(request.operation, Operation::Delete { .. }) {
        let status = retry::until(deadline, async || stacks.status(&owner.stack_id).await).await;
        Some(
            status
                .map_err(|cause| format!("could not ask for the state of the stack: {cause}; nothing was changed"))?,
        )
    } else {
        None
    };
    let checked = match told.as_ref().filter(|told| told.resource_type != request.resource_type) {
        Some(told) => {
            Err(format!("the stack has it as a `{}`, the event as a `{}`", told.resource_type, request.resource_type))
        }
        None => check_operation(&request.operation, told.as_ref(), age, status.as_ref().map(Option::as_deref))
            .map_err(str::to_owned),
    };
    checked.map(|()| true).map_err(|why| {
        let what = told.map_or("there is no such resource".to_owned(), |told| {
            format!("resource `{}` is `{}` as `{}`", owner.logical_id, told.status, told.physical_id)
        });
        format!("{why}: in its stack, {what}; nothing was changed")
    })
}

/// Whether a young event is a second delivery, whose operation has ended: Lambda may deliver an event twice at any time. A
/// Create or Update has ended once CloudFormation is not at it any more, or is at a later one; a Delete, once the stack has the resource again, under
/// the very same id or under none yet. Asked along with the first look, so that nothing is written. A stack that does not
/// tell soon counts as one that waits; one that was `asked` already is not asked again.
///
/// # Errors
/// When it has ended.
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
        let told = told.inspect_err(|cause| tracing::warn!(%cause, "could not ask for the resource in its stack"));
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
            "this {} was delivered a second time: in its stack, resource `{}` is `{}` by now as `{}`; nothing was changed",
            request.operation.name(),
            owner.logical_id,
            told.status,
            told.physical_id
        ))
    })
}

/// Where CloudFormation is with the resource after a write of a Create or Update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackProgress {
    /// It waits for this event.
    Waiting,
    /// Another delivery of the same event has succeeded, and the stack lives with what both made: nothing of it is to be
    /// repaired or rolled back.
    Succeeded,
    /// It is at something else: what was made is to be rolled back. While that passes, it may also be the end of what another
    /// delivery of the same event has brought about.
    MovedOn { deletes: bool, is_passing: bool, why: String },
}

/// Asked after the last write, so nothing is written unseen. `physical_id` is what the event leads to, empty where that is
/// not known; `was_rolling_back` is whether the stack did at the first look, where it told.
///
/// A stack that does not tell counts as one that waits.
pub async fn stack_progress(
    stacks: &impl Stacks,
    request: &Request,
    physical_id: &str,
    was_rolling_back: Option<bool>,
    deadline: Instant,
) -> StackProgress {
    let mut stack_progress = stack_progress_now(stacks, request, physical_id, was_rolling_back, deadline).await;
    // The resource of a Create becomes CREATE_IN_PROGRESS a second time once CloudFormation has the answer, and is
    // CREATE_COMPLETE a moment later.
    for _ in 0..REPEATS {
        let is_time = Instant::now() + PAUSE < deadline;
        if !(is_time && matches!(stack_progress, StackProgress::MovedOn { is_passing: true, .. })) {
            break;
        }
        telemetry::pause(PAUSE).await;
        stack_progress = stack_progress_now(stacks, request, physical_id, was_rolling_back, deadline).await;
    }
    stack_progress
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
    let told = told.inspect_err(|cause| tracing::warn!(%cause, "could not ask for the resource in its stack"));
    let Ok(Some(told)) = told else {
        if starts_rolling_back {
            let why = "CloudFormation has moved on, the stack rolls back".to_owned();
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
    // Only what was created is updated.
    let is_created = matches!(request.operation, Operation::Create) && told.status.starts_with("UPDATE_");
    if is_created && is_this && told.is_newer_than(signed_at) {
        return StackProgress::Succeeded;
    }
    if !(deletes || ended || starts_rolling_back || told.is_later_than(signed_at)) {
        return StackProgress::Waiting;
    }
    let back = if starts_rolling_back { ", and the stack rolls back" } else { "" };
    let why =
        format!("CloudFormation has moved on, resource `{}` is `{}` in its stack{back}", owner.logical_id, told.status);
    let is_passing = told.is_in_progress() && !deletes && !starts_rolling_back;
    StackProgress::MovedOn { deletes, is_passing, why }
}

/// Whether the stack goes back to what it was before an update that failed; `None` where it does not tell.
pub async fn is_rolling_back(stacks: &impl Stacks, stack_id: &str, deadline: Instant) -> Option<bool> {
    let status = retry::until(deadline, async || stacks.status(stack_id).await).await;
    let status = status.inspect_err(|cause| tracing::warn!(%cause, "could not ask for the state of the stack")).ok()?;
    Some(status?.starts_with("UPDATE_ROLLBACK"))
}

/// The id under which the stack lives with the resource, where that is another than the Delete's: of a Create that failed,
/// CloudFormation may send the Delete when a later Create has already taken its place.
///
/// # Errors
/// When the stack can't be asked.
pub async fn current_physical_id(
    stacks: &impl Stacks,
    request: &Request,
    deadline: Instant,
) -> Result<Option<String>, String> {
    let owner = request.owner();
    let told = retry::until(deadline, async || stacks.resource(&owner).await).await;
    let told =
        told.map_err(|cause| format!("could not ask for the resource in its stack: {cause}; nothing was changed"))?;
    let alternate_id = |told: &StackResource| {
        let fails_or_begins = matches!(told.status.as_str(), "CREATE_FAILED" | "CREATE_IN_PROGRESS");
        !told.status.starts_with("DELETE_") && !fails_or_begins && told.physical_id != request.target.physical_id
    };
    Ok(told.filter(alternate_id).map(|told| told.physical_id).filter(|id| !id.is_empty()))
}

impl StackResource {
    fn is_in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// Whether its stack updates it, as a resource of this type.
    pub fn is_updated(&self, resource_type: &str) -> bool {
        self.status == "UPDATE_IN_PROGRESS" && self.resource_type == resource_type
    }

    /// Whether its operation began after the event was signed, by more than clocks may be apart.
    fn is_later_than(&self, signed_at: Option<i64>) -> bool {
        let skew = i64::try_from(CLOCK_SKEW.as_secs()).unwrap_or(0);
        self.since.zip(signed_at).is_some_and(|(since, signed)| since > signed.saturating_add(skew))
    }

    /// Whether it came to its status after the event was signed. Only a status that the event's own operation can't have may
    /// be judged by so little.
    fn is_newer_than(&self, signed_at: Option<i64>) -> bool {
        self.since.zip(signed_at).is_some_and(|(since, signed)| since > signed.saturating_add(AT_ONCE))
    }
}

/// `stack` is the state of the stack where only a Delete that CloudFormation surely sent will do.
///
/// # Errors
/// Why the event is not to be followed.
pub fn check_operation(
    kind: &Operation,
    told: Option<&StackResource>,
    age: EventAge,
    stack: Option<Option<&str>>,
) -> Result<(), &'static str> {
    let Operation::Delete { physical_id } = kind else {
        let is_current =
            told.is_some_and(|told| told.status.ends_with("_IN_PROGRESS") && !told.status.starts_with("DELETE"));
        let superseded_by_stack = told.is_some_and(|told| told.is_later_than(age.signed_at));
        return if is_current && !superseded_by_stack {
            Ok(())
        } else {
            Err("CloudFormation is not at this, or not any more")
        };
    };
    let state = told.map(|told| told.status.as_str());
    let at_work = |stack: Option<&str>| stack.is_some_and(|status| status.ends_with("_IN_PROGRESS"));
    // One that has failed rests there until somebody deletes the stack again.
    let goes = |stack| state == Some("DELETE_IN_PROGRESS") || (state == Some("DELETE_FAILED") && at_work(stack));
    let stands_for = told.is_some_and(|told| told.physical_id == *physical_id && !told.status.starts_with("DELETE_"));
    match stack {
        _ if stands_for => Err("CloudFormation is not deleting this"),
        None => Ok(()),
        Some(stack) if goes(stack) || stack.is_some_and(|status| status.ends_with("CLEANUP_IN_PROGRESS")) => Ok(()),
        Some(_) => Err("CloudFormation is not deleting this"),
    }
}
