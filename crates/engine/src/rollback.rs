//! Taking the account back to where it was before a plan that could not be finished.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::execution::{Execution, replace};
use crate::failure::{Cause, Failure};
use crate::port::Iam;
use crate::retry::{LONGEST_PAUSE, wait_until_visible};
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::next_round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

/// Puts the world back as it was. What may have been created is looked for first, and goes only if it shows our tags.
/// A step that is refused is passed over, so that the others are still taken.
///
/// # Errors
/// The steps of the way back that were not taken.
pub async fn roll_back(
    iam: &impl Iam,
    write_scope: &WriteScope<'_>,
    before: &State,
    mut reached: State,
    outcome_unknown: &BTreeSet<Entity>,
    deadline: Instant,
) -> Result<(), Vec<Failure>> {
    let mut stuck: Vec<Failure> = Vec::new();
    let found = join_all(outcome_unknown.iter().map(|entity| wait_until_visible(iam, entity, deadline))).await;
    for (entity, observed) in outcome_unknown.iter().zip(found) {
        match observed {
            Some(observed) if write_scope.covers(entity, &observed.state) => {
                replace(&mut reached, entity, observed.state)
            }
            observed => {
                // Not to have seen it for lack of time is no proof that it is not there.
                if observed.is_none() && Instant::now() + LONGEST_PAUSE >= deadline {
                    stuck.push(Failure { step: deletion(entity), cause: Cause::OutOfTime });
                }
                tracing::warn!(%entity, foreign = observed.is_some(), "taken for not created by us");
                reached.remove(entity);
            }
        }
    }
    let mut execution = Execution { iam, write_scope, deadline, rolling_back: true, reached, retry_states: Vec::new() };
    loop {
        // A look in between may show again what a step that is stuck was to take away.
        let is_stuck = |step: &Step| stuck.iter().any(|failure| failure.step == *step);
        let steps: Vec<Step> = plan(before, &execution.reached).into_iter().filter(|step| !is_stuck(step)).collect();
        if steps.is_empty() {
            break;
        }
        // Our tags are the handle of whatever is left: they stay on while anything else does.
        let is_kept = |step: &Step| {
            let untags = matches!(step, Step::UntagRole { .. } | Step::UntagPolicy { .. });
            untags && stuck.iter().any(|failure| failure.step.entity() == step.entity())
        };
        let (kept, taken): (Vec<Step>, Vec<Step>) = next_round(&steps).into_iter().partition(is_kept);
        let refused = execution.take(taken).await.into_iter().map(|(step, refusal)| (step, refusal.cause));
        for (step, cause) in kept.into_iter().map(|step| (step, Cause::Kept)).chain(refused) {
            execution.reached = after(execution.reached, &step);
            stuck.push(Failure { step, cause });
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
