//! The Delete operation: deletes what the resource manages and releases what it adopted.

use futures_util::future::join3;
use serde_json::Map;

use crate::apply::apply;
use crate::deadlines::Deadlines;
use crate::decide::{gone, observe};
use crate::operation::outcome::{Done, Failed, failed, nothing, show, unfinished};
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks};
use crate::preconditions::{unused, users};
use crate::staleness::{check_redelivery, current_physical_id};
use crate::telemetry::{Phase, timed};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::WriteScope;
use mlops_roles_core::state::query::Query;

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Deletes the entities whose tags name this resource, and releases the adopted ones.
    ///
    /// A Delete is never rolled back, and it accepts properties of any shape. `asked` is true if the staleness check
    /// has already asked the stack.
    ///
    /// # Errors
    /// Fails when the event is a redelivery, the guardrails no longer admit a name, somebody else uses a policy, or AWS
    /// can't be asked or refuses a step.
    pub(crate) async fn delete(
        &self,
        request: &Request,
        asked: bool,
        context: ReadContext<'_>,
        physical_id: &str,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.target, reason);
        let empty = Map::new();
        let properties = request.properties.as_object().unwrap_or(&empty);
        let kind = &request.resource_type;
        let alternate_id = if PriorState::is_identified_by_properties(kind, physical_id, properties, context) {
            current_physical_id(&self.stacks, request, deadlines.work).await.map_err(fail)?
        } else {
            None
        };
        let prior =
            PriorState::from_delete(kind, physical_id, alternate_id.as_deref(), properties, context).map_err(fail)?;
        let mut query = Query::default();
        query.policies.extend(prior.alternate_arns.iter().map(|arn| (arn.clone(), false)));
        query.expect_present(&prior.managed);
        let observed = observe(&self.iam, &query, context, deadlines.work);
        let users = users(&self.iam, prior.managed.policies.keys(), deadlines.work);
        let again = check_redelivery(&self.stacks, request, asked, deadlines.work);
        let (observed, users, again) = timed(Phase::Observe, join3(observed, users, again)).await;
        again.map_err(fail)?;
        let before = observed.map_err(fail)?.state;
        prior.check_within_guardrails(&before, context.owner).map_err(fail)?;
        let desired = context.owner.desired(&State::default(), &prior.managed, &before);
        let ours: Vec<&Name> = context.owner.roles_of(&before).map(|(name, _)| name).collect();
        let unused = unused(&self.iam, gone(&desired, &before), &ours, &users, deadlines.work);
        timed(Phase::Observe, unused).await.map_err(fail)?;
        show(&plan(&desired, &before), &before, context.owner);
        let write_scope = WriteScope::owned_by(context.owner);
        match timed(Phase::Apply, apply(&self.iam, &write_scope, &desired, before, deadlines.work)).await {
            Ok(_) => Ok(nothing(request)),
            Err(stopped) => Err(fail(unfinished(&stopped, &desired))),
        }
    }
}
