//! Rolls the account back to the state before a plan that could not be finished.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::execution::{Execution, replace};
use crate::failure::{Cause, StepFailure};
use crate::port::Iam;
use crate::retry::{PROPAGATION_TIMEOUT, poll_until, query_of};
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::next_round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

/// The time that the look-up of entities leaves to the steps of the rollback: 10 seconds, but at most half of the time.
const TIME_FOR_STEPS: Duration = Duration::from_secs(10);

/// Where a plan that could not be finished has stopped.
#[derive(Debug)]
pub struct Reached<'a> {
    /// The state after the steps that IAM applied and those that it may have applied.
    pub state: State,
    /// The entities that may have been created. They are looked for first, and deleted only if they carry the owner's
    /// tags.
    pub outcome_unknown: &'a BTreeSet<Entity>,
}

/// Rolls the account back from the state reached to the state `before`.
///
/// A step that is refused is skipped, so that the other steps are still applied.
///
/// # Errors
/// The steps of the rollback that were not applied, each with its cause.
pub async fn roll_back(
    iam: &impl Iam,
    write_scope: &WriteScope<'_>,
    before: &State,
    from: Reached<'_>,
    deadline: Instant,
) -> Result<(), Vec<StepFailure>> {
    let Reached { state: mut reached, outcome_unknown } = from;
    let mut stuck: Vec<StepFailure> = Vec::new();
    let began = Instant::now();
    let left = deadline.saturating_duration_since(began);
    let search_end = began + left - TIME_FOR_STEPS.min(left / 2);
    let search = async |entity: &Entity| {
        let last_read = Cell::new(None);
        let shows = |observed: &Observation| {
            last_read.set(Some(Instant::now()));
            is_visible(observed)
        };
        (poll_until(iam, &query_of(entity), shows, search_end).await, last_read.get())
    };
    let found = join_all(outcome_unknown.iter().map(search)).await;
    for (entity, (observed, last_read)) in outcome_unknown.iter().zip(found) {
        match observed {
            Some(observed) if write_scope.covers(entity, &observed.state) => {
                replace(&mut reached, entity, observed.state);
            }
            observed => {
                let foreign = observed.as_ref().is_some_and(is_visible);
                // An entity that no read could look for, or that was not looked for long enough, may still exist.
                if !foreign && last_read.is_none_or(|read| read < began + PROPAGATION_TIMEOUT) {
                    stuck.push(StepFailure { step: deletion(entity), cause: Cause::OutOfTime });
                }
                tracing::warn!(%entity, foreign, "entity does not count as created by this event");
                reached.remove(entity);
            }
        }
    }
    let mut execution = Execution { iam, write_scope, deadline, rolling_back: true, reached, retry_states: Vec::new() };
    loop {
        // A read in between may show again what a stuck step should have removed; that step is not planned again.
        let is_stuck = |step: &Step| stuck.iter().any(|failure| failure.step == *step);
        let steps: Vec<Step> = plan(before, &execution.reached).into_iter().filter(|step| !is_stuck(step)).collect();
        if steps.is_empty() {
            break;
        }
        // What is left of an entity is found by its owner tags, so they stay until everything else is rolled back.
        let is_kept = |step: &Step| {
            let untags = matches!(step, Step::UntagRole { .. } | Step::UntagPolicy { .. });
            untags && stuck.iter().any(|failure| failure.step.entity() == step.entity())
        };
        let (kept, taken): (Vec<Step>, Vec<Step>) = next_round(&steps).into_iter().partition(is_kept);
        let refused = execution.take(taken).await.into_iter().map(|(step, refusal)| (step, refusal.cause));
        for (step, cause) in kept.into_iter().map(|step| (step, Cause::Kept)).chain(refused) {
            execution.reached = after(execution.reached, &step);
            stuck.push(StepFailure { step, cause });
        }
    }
    if stuck.is_empty() { Ok(()) } else { Err(stuck) }
}

fn deletion(entity: &Entity) -> Step {
    match entity {
        Entity::Role(role) => Step::DeleteRole { role: role.clone() },
        Entity::Policy(arn) => Step::DeletePolicy { arn: arn.clone() },
    }
}

fn is_visible(observed: &Observation) -> bool {
    observed.state != State::default()
}
