//! Executes the steps of one round against IAM, and classifies the outcome of each.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::retry::{Backoff, PROPAGATION_TIMEOUT, patience, query_of, wait_until_visible};
use crate::telemetry;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

/// The propagation timeout during a rollback, 8 seconds. It is shorter than `PROPAGATION_TIMEOUT`, because little time
/// is left and the rollback goes on without a refused step.
const ROLLBACK_PROPAGATION_TIMEOUT: Duration = Duration::from_secs(8);

/// How long one step of a rollback is tried at most: 20 seconds.
const ROLLBACK_STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// The progress of applying a plan or rolling it back.
#[derive(Debug)]
pub struct Execution<'a, I> {
    /// The port to IAM.
    pub iam: &'a I,
    /// What the event may write to.
    pub write_scope: &'a WriteScope<'a>,
    /// When the last call must have ended.
    pub deadline: Instant,
    /// Whether this is a rollback: less time is left, and no single step may use all of it.
    pub rolling_back: bool,
    /// The state after the steps that are done, corrected by what reads in between showed.
    pub reached: State,
    /// The steps that failed and await another try, each with its earlier tries.
    pub retry_states: Vec<(Step, RetryState)>,
}

/// The failure of a step that is not worth another try.
#[derive(Debug)]
pub struct StepRefusal {
    /// Why the step failed.
    pub cause: Cause,
    /// Whether IAM may have applied the step all the same: the outcome of a try is unknown, or the entity can't be
    /// read.
    pub may_have_applied: bool,
}

/// The outcome of trying a step once.
#[derive(Debug)]
pub struct Tried {
    /// `Ok(true)`: the step is done. `Ok(false)`: it is worth a new plan and another try. `Err`: it is not.
    pub outcome: Result<bool, StepRefusal>,
    /// What a read of the step's entity showed in between. `None` where there was no such read.
    pub observed: Option<State>,
}

impl<I: Iam> Execution<'_, I> {
    /// Tries the steps side by side, each once, and waits for all of them. Updates `reached` and `retry_states`.
    /// Returns the steps that are not worth another try.
    pub async fn take(&mut self, steps: Vec<Step>) -> Vec<(Step, StepRefusal)> {
        let retry_state = |step: &Step| {
            let at = self.retry_states.iter().position(|(retried, _)| retried == step);
            at.map_or_else(RetryState::default, |at| self.retry_states.swap_remove(at).1)
        };
        let mut retry_states: Vec<RetryState> = steps.iter().map(retry_state).collect();
        let attempts = steps.iter().zip(&mut retry_states).map(|(step, retry_state)| self.attempt(step, retry_state));
        let tried = join_all(attempts).await;
        let mut refused = Vec::new();
        for ((step, retry_state), Tried { outcome, observed }) in steps.into_iter().zip(retry_states).zip(tried) {
            if let Some(observed) = observed {
                replace(&mut self.reached, &step.entity(), observed);
            }
            match outcome {
                Ok(true) => self.reached = after(std::mem::take(&mut self.reached), &step),
                Ok(false) => self.retry_states.push((step, retry_state)),
                Err(refusal) => refused.push((step, refusal)),
            }
        }
        refused
    }

    async fn attempt(&self, step: &Step, retry_state: &mut RetryState) -> Tried {
        let mut observed = None;
        Tried { outcome: self.attempt_seeing(step, retry_state, &mut observed).await, observed }
    }

    async fn attempt_seeing(
        &self,
        step: &Step,
        retry_state: &mut RetryState,
        observed: &mut Option<State>,
    ) -> Result<bool, StepRefusal> {
        let (iam, write_scope, deadline) = (self.iam, self.write_scope, self.deadline);
        let (propagation_timeout, step_timeout) = if self.rolling_back {
            (ROLLBACK_PROPAGATION_TIMEOUT, ROLLBACK_STEP_TIMEOUT)
        } else {
            (PROPAGATION_TIMEOUT, Duration::MAX)
        };
        let entity = step.entity();
        if Instant::now() >= deadline {
            return Err(StepRefusal { cause: Cause::OutOfTime, may_have_applied: retry_state.outcome_unknown });
        }
        let outcome = timeout_at(deadline, iam.execute(step)).await;
        if let Ok(Ok(())) = outcome {
            tracing::info!(%step, "step applied");
            return Ok(true);
        }
        let since = *retry_state.since.get_or_insert_with(Instant::now);
        retry_state.tries += 1;
        let Ok(Err(error)) = outcome else {
            return Err(StepRefusal { cause: Cause::OutOfTime, may_have_applied: true });
        };
        retry_state.outcome_unknown |= error.outcome_unknown;
        let may_have_applied = retry_state.outcome_unknown;
        let waited = since.elapsed();
        tracing::warn!(%step, %error, tries = retry_state.tries, "attempt to apply a step failed");

        if error.kind == FaultKind::AlreadyExists && step.creates() {
            let Some(there) = wait_until_visible(iam, &entity, deadline).await else {
                return Err(StepRefusal { cause: Cause::Hidden(entity), may_have_applied: true });
            };
            if !write_scope.covers(&entity, &there.state) {
                return Err(StepRefusal { cause: Cause::Foreign(entity), may_have_applied: false });
            }
            if !may_have_applied && !self.rolling_back {
                return Err(StepRefusal { cause: Cause::Found(there.state), may_have_applied });
            }
            *observed = Some(there.state);
            return Ok(false);
        }
        // A step names what was observed or created before, so a reply that it is absent may be stale too.
        let kind = if error.kind == FaultKind::NotFound { FaultKind::MaybePropagating } else { error.kind };
        let mut patience = patience(kind, propagation_timeout, step_timeout);
        if step.removes() && self.is_gone(&entity, &error, observed).await {
            // The entity was observed, or this event created it. Unless an earlier try may have removed it, the read
            // may merely be stale.
            let detail = error.kind == FaultKind::NotFound && !step.deletes();
            if detail || may_have_applied || waited >= propagation_timeout {
                tracing::info!(%step, "nothing to remove");
                return Ok(true);
            }
            patience = Duration::MAX;
        }
        // The last try falls on the end of the timeout, whatever the random part of the pause.
        let left = patience.saturating_sub(waited);
        let pause = retry_state.backoff.next_pause().min(left);
        if left.is_zero() || Instant::now() + pause >= deadline {
            return Err(StepRefusal { cause: error.into(), may_have_applied });
        }
        telemetry::pause(pause).await;
        Ok(false)
    }

    /// Returns whether what the step removes is gone.
    ///
    /// IAM reports that directly, or it denies the call: the permission depends on the tags of the entity, which IAM no
    /// longer finds. A refusal may also mean that somebody attached something that must be removed first. Then
    /// `observed` receives the entity as it is, for the next plan.
    async fn is_gone(&self, entity: &Entity, error: &AwsError, observed: &mut Option<State>) -> bool {
        if error.kind != FaultKind::MaybePropagating {
            return error.kind == FaultKind::NotFound;
        }
        let Ok(Ok(there)) = timeout_at(self.deadline, self.iam.observe(&query_of(entity))).await else { return false };
        if self.write_scope.covers(entity, &there.state) {
            *observed = Some(there.state);
            return false;
        }
        there.state == State::default()
    }
}

/// The earlier tries of a step that failed and is tried again.
#[derive(Debug, Default)]
pub struct RetryState {
    /// When the step failed for the first time. `None` where it has not failed.
    pub since: Option<Instant>,
    /// How many tries have failed.
    pub tries: u32,
    /// Whether the outcome of at least one try is unknown, so that IAM may have applied the step.
    pub outcome_unknown: bool,
    /// The pauses before the next tries.
    pub backoff: Backoff,
}

/// Replaces the entity in the state by its observed state. Removes the entity where the observation does not hold it.
pub fn replace(state: &mut State, entity: &Entity, observed: State) {
    state.remove(entity);
    state.merge(observed);
}
