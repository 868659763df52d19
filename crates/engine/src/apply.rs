//! Applies a plan to the account until it matches the desired state.

use tokio::time::Instant;

use crate::execution::Execution;
use crate::failure::{Cause, StepFailure, Stopped};
use crate::port::Iam;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::next_round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::WriteScope;

/// Applies steps until the account matches the desired state, and returns the state reached.
///
/// `from` is the observed state that the first plan starts from. Each round makes a new plan, which covers what turned
/// up in between. Examples are an entity of this event whose creation had an unknown outcome, and an attachment that
/// somebody else made.
///
/// # Errors
/// When a step is refused, when an entity to create already exists, or when the deadline passes. The error holds the
/// state that was reached, for a rollback.
pub async fn apply(
    iam: &impl Iam,
    write_scope: &WriteScope<'_>,
    desired: &State,
    from: State,
    deadline: Instant,
) -> Result<State, Stopped> {
    let mut execution =
        Execution { iam, write_scope, deadline, rolling_back: false, reached: from, retry_states: Vec::new() };
    loop {
        let steps = plan(desired, &execution.reached);
        if steps.is_empty() {
            return Ok(execution.reached);
        }
        let refused = execution.take(next_round(&steps)).await;
        if refused.is_empty() {
            continue;
        }
        // The steps that await another try beside the refused ones may have been applied too.
        let open = plan(desired, &execution.reached);
        let outcome_unknown = execution
            .retry_states
            .iter()
            .filter(|(step, retry_state)| retry_state.outcome_unknown && open.contains(step));
        let mut may_be_applied: Vec<Step> = outcome_unknown.map(|(step, _)| step.clone()).collect();
        let only_found = refused.iter().all(|(_, refusal)| matches!(refusal.cause, Cause::Found(_)));
        if only_found && !may_be_applied.is_empty() {
            // The caller makes a new plan from the state reached, so unknown outcomes must be settled first.
            continue;
        }
        let mut failures = Vec::new();
        for (step, refusal) in refused {
            may_be_applied.extend(refusal.may_have_applied.then(|| step.clone()));
            failures.push(StepFailure { step, cause: refusal.cause });
        }
        let outcome_unknown = may_be_applied.iter().filter(|step| step.creates()).map(Step::entity).collect();
        let reached = may_be_applied.iter().fold(execution.reached, after);
        return Err(Stopped { reached, outcome_unknown, failures });
    }
}
