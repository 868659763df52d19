//! Taking the steps of a round, and what becomes of each.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::retry::{FIRST_PAUSE, LONGEST_PAUSE, PROPAGATION_TIMEOUT, query_of, wait_until_visible};
use crate::telemetry;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::{Entity, State};

/// The same on the way back, where time is short and a step that is refused is passed over.
const ROLLBACK_PROPAGATION_TIMEOUT: Duration = Duration::from_secs(8);

/// How long one step of the way back is tried at the most.
const ROLLBACK_STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// One way through a plan.
#[derive(Debug)]
pub struct Execution<'a, I> {
    pub iam: &'a I,
    pub write_scope: &'a WriteScope<'a>,
    pub deadline: Instant,
    /// On the way back, where there is less time and one step must not use it all up.
    pub rolling_back: bool,
    pub reached: State,
    /// Of steps that have failed and are tried again.
    pub retry_states: Vec<(Step, RetryState)>,
}

#[derive(Debug)]
pub struct Refusal {
    pub cause: Cause,
    pub may_have_applied: bool,
}

/// What became of trying a step once.
#[derive(Debug)]
pub struct Tried {
    /// Whether it is done; else it is worth planning and trying again.
    pub outcome: Result<bool, Refusal>,
    /// What a look at its entity showed in between.
    pub observed: Option<State>,
}

impl<I: Iam> Execution<'_, I> {
    /// Tries the steps side by side, each once, and waits for all of them. Gives those that are not worth another try.
    pub async fn take(&mut self, steps: Vec<Step>) -> Vec<(Step, Refusal)> {
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
    ) -> Result<bool, Refusal> {
        let (iam, write_scope, deadline) = (self.iam, self.write_scope, self.deadline);
        let (lag, longest) = if self.rolling_back {
            (ROLLBACK_PROPAGATION_TIMEOUT, ROLLBACK_STEP_TIMEOUT)
        } else {
            (PROPAGATION_TIMEOUT, Duration::MAX)
        };
        let entity = step.entity();
        if Instant::now() >= deadline {
            return Err(Refusal { cause: Cause::OutOfTime, may_have_applied: retry_state.outcome_unknown });
        }
        let outcome = timeout_at(deadline, iam.execute(step)).await;
        if let Ok(Ok(())) = outcome {
            tracing::info!(%step, "done");
            return Ok(true);
        }
        let since = *retry_state.since.get_or_insert_with(Instant::now);
        retry_state.tries += 1;
        let Ok(Err(error)) = outcome else {
            return Err(Refusal { cause: Cause::OutOfTime, may_have_applied: true });
        };
        retry_state.outcome_unknown |= error.outcome_unknown;
        let may_have_applied = retry_state.outcome_unknown;
        let waited = since.elapsed();
        tracing::warn!(%step, %error, tries = retry_state.tries, "not done yet");

        if error.kind == FaultKind::AlreadyExists && step.creates() {
            let Some(there) = wait_until_visible(iam, &entity, deadline).await else {
                return Err(Refusal { cause: Cause::Hidden(entity), may_have_applied: true });
            };
            if !write_scope.covers(&entity, &there.state) {
                return Err(Refusal { cause: Cause::Foreign(entity), may_have_applied: false });
            }
            if !may_have_applied && !self.rolling_back {
                return Err(Refusal { cause: Cause::Found(there.state), may_have_applied });
            }
            *observed = Some(there.state);
            return Ok(false);
        }
        let mut patience = match error.kind {
            FaultKind::Transient => longest,
            FaultKind::NotFound | FaultKind::MaybePropagating => lag,
            FaultKind::AlreadyExists | FaultKind::Refused => Duration::ZERO,
        };
        let pause = retry_state.pause();
        if step.removes() && self.is_gone(&entity, &error, observed).await {
            // It was there when we looked, or we made it: unless our own try may have taken it away, IAM may only lag.
            let detail = error.kind == FaultKind::NotFound && !step.deletes();
            if detail || may_have_applied || waited >= lag {
                tracing::info!(%step, "nothing was there");
                return Ok(true);
            }
            patience = Duration::MAX;
        }
        if waited.saturating_add(pause) > patience || Instant::now() + pause >= deadline {
            return Err(Refusal { cause: error.into(), may_have_applied });
        }
        telemetry::pause(pause).await;
        Ok(false)
    }

    /// Whether what the step takes away has gone by now. IAM says so itself, or denies the call, since it no longer
    /// knows the tags that the permission hangs on; or somebody attached something that has to go first.
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

/// How often a step has failed that is tried again.
#[derive(Debug, Default)]
pub struct RetryState {
    pub since: Option<Instant>,
    pub tries: u32,
    pub outcome_unknown: bool,
}

impl RetryState {
    fn pause(&self) -> Duration {
        LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(self.tries.saturating_sub(1).min(8)))
    }
}

pub fn replace(state: &mut State, entity: &Entity, observed: State) {
    state.remove(entity);
    state.merge(observed);
}
