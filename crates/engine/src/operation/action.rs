//! Makes the decision about an event, and carries it out.

use futures_util::future::join;

use crate::apply::apply;
use crate::context::Context;
use crate::decide::decide;
use crate::decide::decision::{Action, Change, Decision, Deletion, Provision};
use crate::decide::refusal::Refusal;
use crate::operation::outcome::{Failure, UnfinishedDeletion, show};
use crate::port::{Aws, SageMaker as _};
use crate::retry;
use crate::staleness::{check_redelivery, is_rolling_back, optional_deadline};
use crate::telemetry::{Phase, timed};
use crate::transaction::{Reconciled, Transaction, verify_roles};
use mlops_roles_core::plan::plan;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::state::ownership::WriteScope;

/// Makes the decision, and checks meanwhile that the event is not a redelivery. `asked` is true if the stack has been
/// asked already. Returns with the decision whether the stack is rolling back; `None` where it does not tell.
///
/// # Errors
/// Fails when the event is a redelivery, or the decision refuses it.
pub(crate) async fn decide_unless_redelivered<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    asked: bool,
    change: Change<'_>,
) -> Result<(Option<bool>, Decision), Refusal> {
    let (stacks, deadline) = (cx.aws.stacks(), cx.deadlines.work);
    let at_first = async {
        // The status of the stack is read before that of the resource. If a rollback begins between the two reads, the
        // last question to the stack notices it.
        let was_rolling_back = match request.operation {
            Operation::Update { .. } => {
                is_rolling_back(stacks, &cx.read.owner.stack_id, optional_deadline(deadline)).await
            }
            _ => None,
        };
        check_redelivery(stacks, request, asked, deadline).await.map(|()| was_rolling_back)
    };
    let (was_rolling_back, decided) = timed(Phase::Observe, join(at_first, decide(cx, change))).await;
    Ok((was_rolling_back?, decided?))
}

/// Carries out what was decided. Returns what it knows of the roles afterwards.
///
/// # Errors
/// Fails when the permissions can't be verified, or AWS refuses a step or does not answer in time.
pub(crate) async fn carry_out<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    action: Action,
    was_rolling_back: Option<bool>,
) -> Result<Reconciled, Failure> {
    match action {
        Action::Nothing => Ok(Reconciled::default()),
        Action::Provision(provision) => reconcile(cx, request, *provision, was_rolling_back).await,
        Action::Delete(deletion) => delete(cx, deletion).await.map(|()| Reconciled::default()),
    }
}

/// Applies a plan, or rolls it back.
async fn reconcile<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    provision: Provision,
    was_rolling_back: Option<bool>,
) -> Result<Reconciled, Failure> {
    show(&provision.steps, &provision.before, cx.read.owner);
    if provision.steps.is_empty() {
        let verified = verify_roles(cx, &provision.spec, &provision.desired, was_rolling_back).await;
        let verified = verified.map_err(Refusal::from)?;
        return Ok(Reconciled { metadata: provision.metadata, verified });
    }
    Ok(Transaction::new(*cx, request, provision, was_rolling_back).run().await?)
}

/// Disables the portfolios of the deletion, and takes it from stage to stage.
async fn delete<A: Aws>(cx: &Context<'_, A>, deletion: Deletion) -> Result<(), Failure> {
    show(&deletion.steps, &deletion.before, cx.read.owner);
    let end = deletion.desired().clone();
    let Deletion { before: mut from, stages, also_deletable, portfolios, .. } = deletion;
    let deadline = cx.deadlines.work;
    for region in portfolios {
        let disabled = retry::until(deadline, async || cx.aws.sagemaker().disable_portfolio(&region).await).await;
        if let Err(cause) = disabled {
            return Err(Failure::Portfolio { region, cause });
        }
        tracing::info!(region, "portfolio disabled");
    }
    let write_scope = WriteScope { owner: cx.read.owner, also_deletable };
    for desired in &stages {
        match timed(Phase::Apply, apply(cx.aws.iam(), &write_scope, desired, from, deadline)).await {
            Ok(reached) => from = reached,
            Err(stopped) => {
                let left = plan(&end, &stopped.reached);
                return Err(UnfinishedDeletion { failures: stopped.failures, left }.into());
            }
        }
    }
    Ok(())
}
