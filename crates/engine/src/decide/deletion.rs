//! The decision of a Delete.

use futures_util::future::join;
use serde_json::{Map, Value};

use super::decision::{Deletion, gone};
use super::observe::observe;
use super::refusal::Refusal;
use crate::context::Context;
use crate::port::Aws;
use crate::preconditions::{in_use, users};
use crate::staleness::current_physical_id;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::state::query::Query;

/// Decides what is deleted: the entities whose tags name this resource. Adopted ones are released.
pub async fn decide<A: Aws>(
    cx: &Context<'_, A>,
    physical_id: &str,
    properties: &Map<String, Value>,
) -> Result<Deletion, Refusal> {
    let (kind, owner, deadline) = (cx.resource_type, cx.read.owner, cx.deadlines.work);
    let alternate_id = if PriorState::is_identified_by_properties(kind, physical_id, properties, cx.read) {
        current_physical_id(cx.aws.stacks(), owner, physical_id, deadline).await?
    } else {
        None
    };
    let prior = PriorState::from_delete(kind, physical_id, alternate_id.as_deref(), properties, cx.read)?;
    let mut query = Query::default();
    query.policies.extend(prior.alternate_arns.iter().map(|arn| (arn.clone(), false)));
    query.expect_present(&prior.managed);
    let users = users(cx.aws.iam(), prior.managed.policies.keys(), deadline);
    let (observed, users) = join(observe(cx, &query), users).await;
    let before = observed?.state;
    let deletion = Deletion::from_observed(owner, &prior, before)?;
    let ours: Vec<&Name> = owner.roles_of(&deletion.before).map(|(name, _)| name).collect();
    let going = gone(deletion.desired(), &deletion.before);
    let in_use = in_use(cx.aws.iam(), going, &ours, &users, deadline).await?;
    if in_use.is_empty() { Ok(deletion) } else { Err(Refusal::PoliciesInUse(in_use)) }
}
