//! The way back of a Create or Update that can't be finished.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::failure::Failures;
use crate::port::{Iam, Ports, SageMaker, Stacks};
use crate::rollback::roll_back;
use crate::staleness::{Course, course};
use crate::telemetry;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

impl<I: Iam, S: Stacks, M: SageMaker> Ports<I, S, M> {
    /// Back to what was before; to nothing of ours where CloudFormation deletes the resource meanwhile, since its Delete may
    /// have come and gone. Asked once more after the last write. What another delivery of the event has made stays. Gives the
    /// reason to answer with.
    pub(crate) async fn roll_back_operation(
        &self,
        request: &Request,
        (physical_id, rolled_back): (&str, Option<bool>),
        what: &str,
        (before, ours): (&State, &State),
        (reached, outcome_unknown): (State, BTreeSet<Entity>),
        deadline: Instant,
    ) -> String {
        tracing::error!(what, "undoing");
        let owner = request.owner();
        let write_scope = WriteScope::owned_by(&owner);
        let course = async || course(&self.stacks, request, physical_id, rolled_back, deadline).await;
        let goes = |course: Course| matches!(course, Course::MovedOn { deletes: true, .. });
        let nothing = owner.desired(&State::default(), ours, &reached);
        let first = course().await;
        if first == Course::Done {
            return format!("{what}; another delivery of this event has succeeded, so nothing was rolled back");
        }
        let (goes_first, mut goes_then) = (goes(first), false);
        let done = if goes_first {
            roll_back(&self.iam, &write_scope, &nothing, reached, &outcome_unknown, deadline).await
        } else {
            let done = roll_back(&self.iam, &write_scope, before, reached, &outcome_unknown, deadline).await;
            goes_then = goes(course().await);
            if goes_then {
                let nothing = owner.desired(&State::default(), ours, before);
                // What was stuck before is still to be told.
                done.and(roll_back(&self.iam, &write_scope, &nothing, before.clone(), &BTreeSet::new(), deadline).await)
            } else {
                done
            }
        };
        match done {
            Ok(()) if goes_first || goes_then => format!("{what}; what this resource had is gone"),
            Ok(()) => format!("{what}; everything is as it was before"),
            Err(stuck) => {
                telemetry::left_behind(stuck.len());
                format!("{what}; then the way back failed too: {}", Failures(&stuck))
            }
        }
    }
}
