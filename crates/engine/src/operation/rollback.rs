//! Rolls back a Create or Update that can't be finished.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::failure::IncompleteRollback;
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks};
use crate::rollback::roll_back;
use crate::staleness::{StackProgress, stack_progress};
use crate::telemetry;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Rolls back to the state before the event, and returns the reason for the response.
    ///
    /// If CloudFormation deletes the resource meanwhile, the method instead deletes what the resource manages and
    /// releases what it adopted, since the Delete event may have come and gone. It asks the stack once more after the
    /// last write. If another delivery of the event has succeeded, what that delivery made stays.
    ///
    /// `what` says why the operation can't be finished. `ours` is what the old and new properties name.
    /// `outcome_unknown` has the entities that may have been created without a reply.
    pub(crate) async fn roll_back_operation(
        &self,
        request: &Request,
        (physical_id, was_rolling_back): (&str, Option<bool>),
        what: &str,
        (before, ours): (&State, &State),
        (reached, outcome_unknown): (State, BTreeSet<Entity>),
        deadline: Instant,
    ) -> String {
        tracing::error!(reason = what, "rolling back");
        let owner = request.owner();
        let write_scope = WriteScope::owned_by(&owner);
        let ask_stack = async || stack_progress(&self.stacks, request, physical_id, was_rolling_back, deadline).await;
        let goes = |progress: StackProgress| matches!(progress, StackProgress::MovedOn { deletes: true, .. });
        let nothing = owner.desired(&State::default(), ours, &reached);
        let first = ask_stack().await;
        if first == StackProgress::Succeeded {
            return format!("{what}; another delivery of this event succeeded, so nothing was rolled back");
        }
        let (goes_first, mut goes_then) = (goes(first), false);
        let done = if goes_first {
            roll_back(&self.iam, &write_scope, &nothing, reached, &outcome_unknown, deadline).await
        } else {
            let done = roll_back(&self.iam, &write_scope, before, reached, &outcome_unknown, deadline).await;
            goes_then = goes(ask_stack().await);
            if goes_then {
                let nothing = owner.desired(&State::default(), ours, before);
                // The reason must still report the steps of the first rollback that failed.
                done.and(roll_back(&self.iam, &write_scope, &nothing, before.clone(), &BTreeSet::new(), deadline).await)
            } else {
                done
            }
        };
        match done {
            Ok(()) if goes_first || goes_then => {
                format!("{what}; the stack deletes the resource, so its roles and policies were deleted or released")
            }
            Ok(()) => format!("{what}; rolled back"),
            Err(stuck) => {
                telemetry::left_behind(stuck.len());
                format!("{what}; {}", IncompleteRollback(&stuck))
            }
        }
    }
}
