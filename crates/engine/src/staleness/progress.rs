//! Asks the stack, after the last write of a Create or Update, whether CloudFormation still waits for the event.

use futures_util::future::join;
use tokio::time::Instant;

use super::{InStack, PAUSE, REPEATS, Staleness, is_rolling_back, optional_deadline};
use crate::port::Stacks;
use crate::retry;
use crate::telemetry;
use mlops_roles_core::protocol::request::{Operation, Request};

/// What CloudFormation does instead of the operation of the event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Superseded {
    /// The stack rolls back, and does not tell of the resource.
    #[error("{}: the stack is rolling back", Staleness::OperationOver)]
    RollingBack,
    /// The resource is in another operation.
    #[error(
        "{}: {shown}{}",
        Staleness::OperationOver,
        if *.is_rolling_back { ", and the stack is rolling back" } else { "" }
    )]
    OtherOperation {
        /// The resource in the stack.
        shown: InStack,
        /// Whether the stack has begun to roll back since the first observation.
        is_rolling_back: bool,
    },
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
        /// What CloudFormation is doing instead.
        instead: Superseded,
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
            return StackProgress::MovedOn { deletes: false, is_passing: false, instead: Superseded::RollingBack };
        }
        return StackProgress::Waiting;
    };
    let signed_at = request.target.response_url.signed_at();
    let deletes = told.status.deletes();
    let ended = !told.status.is_in_progress() && told.is_newer_than(signed_at);
    let is_this = physical_id.is_empty() || told.physical_id == physical_id;
    if ended && told.status.is_complete() && is_this && !starts_rolling_back {
        return StackProgress::Succeeded;
    }
    // CloudFormation only updates what was created, so the Create of this event has succeeded.
    let is_created = matches!(request.operation, Operation::Create) && told.status.is_update();
    if is_created && is_this && told.is_newer_than(signed_at) {
        return StackProgress::Succeeded;
    }
    if !(deletes || ended || starts_rolling_back || told.is_later_than(signed_at)) {
        return StackProgress::Waiting;
    }
    let is_passing = told.status.is_in_progress() && !deletes && !starts_rolling_back;
    let shown = InStack { logical_id: owner.logical_id, resource: Some(told) };
    let instead = Superseded::OtherOperation { shown, is_rolling_back: starts_rolling_back };
    StackProgress::MovedOn { deletes, is_passing, instead }
}
