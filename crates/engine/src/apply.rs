//! Taking the steps of a plan until the account is as desired.

use tokio::time::Instant;

use crate::execution::Execution;
use crate::failure::{Cause, Failure, Stopped};
use crate::port::Iam;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::next_round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::WriteScope;

/// Takes steps until the world is as desired. What turns up on the way (a creation of our own whose reply was lost, an
/// attachment that somebody made in between) is planned for anew.
///
/// # Errors
/// When a step is refused, what is to be made turns out to be there, or the deadline comes.
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
        // What was to be tried again beside what is refused may have landed too.
        let open = plan(desired, &execution.reached);
        let outcome_unknown = execution
            .retry_states
            .iter()
            .filter(|(step, retry_state)| retry_state.outcome_unknown && open.contains(step));
        let mut may_be_applied: Vec<Step> = outcome_unknown.map(|(step, _)| step.clone()).collect();
        let only_found = refused.iter().all(|(_, refusal)| matches!(refusal.cause, Cause::Found(_)));
        if only_found && !may_be_applied.is_empty() {
            // The plan is made anew from what is known for sure: first that has to be.
            continue;
        }
        let mut failures = Vec::new();
        for (step, refusal) in refused {
            may_be_applied.extend(refusal.may_have_applied.then(|| step.clone()));
            failures.push(Failure { step, cause: refusal.cause });
        }
        let outcome_unknown = may_be_applied.iter().filter(|step| step.creates()).map(Step::entity).collect();
        let reached = may_be_applied.iter().fold(execution.reached, after);
        return Err(Stopped { reached, outcome_unknown, failures });
    }
}
