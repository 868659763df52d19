//! Taking the steps of a plan until the account is as desired.

use tokio::time::Instant;

use crate::execution::Pass;
use crate::failure::{Cause, Failure, Stopped};
use crate::port::Iam;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::WriteScope;

/// Takes steps until the world is as desired. What turns up on the way (a creation of our own whose reply was lost, an
/// attachment that somebody made in between) is planned for anew.
///
/// # Errors
/// When a step is refused, what is to be made turns out to be there, or the deadline comes.
pub async fn converge(
    iam: &impl Iam,
    write_scope: &WriteScope<'_>,
    desired: &State,
    from: State,
    deadline: Instant,
) -> Result<State, Stopped> {
    let mut pass = Pass { iam, write_scope, deadline, undoing: false, reached: from, troubles: Vec::new() };
    loop {
        let steps = plan(desired, &pass.reached);
        if steps.is_empty() {
            return Ok(pass.reached);
        }
        let refused = pass.take(round(&steps)).await;
        if refused.is_empty() {
            continue;
        }
        // What was to be tried again beside what is refused may have landed too.
        let open = plan(desired, &pass.reached);
        let unsure = pass.troubles.iter().filter(|(step, trouble)| trouble.unsure && open.contains(step));
        let mut landed: Vec<Step> = unsure.map(|(step, _)| step.clone()).collect();
        let only_found = refused.iter().all(|(_, refusal)| matches!(refusal.cause, Cause::Found(_)));
        if only_found && !landed.is_empty() {
            // The plan is made anew from what is known for sure: first that has to be.
            continue;
        }
        let mut failures = Vec::new();
        for (step, refusal) in refused {
            landed.extend(refusal.may_have_landed.then(|| step.clone()));
            failures.push(Failure { step, cause: refusal.cause });
        }
        let unsure = landed.iter().filter(|step| step.creates()).map(Step::entity).collect();
        let reached = landed.iter().fold(pass.reached, after);
        return Err(Stopped { reached, unsure, failures });
    }
}
