//! The first observation of an event.

use super::refusal::Refusal;
use crate::context::Context;
use crate::failure::{Question, Unread};
use crate::port::{Aws, Iam as _};
use crate::retry;
use crate::retry::poll_until;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::query::Query;

/// Observes the query, and the owner's policies that are attached to the owner's roles under names that the properties
/// no longer mention.
///
/// # Errors
/// When the account can't be observed.
pub async fn observe<A: Aws>(cx: &Context<'_, A>, query: &Query) -> Result<Observation, Refusal> {
    let (iam, deadline) = (cx.aws.iam(), cx.deadlines.work);
    let observed = retry::until(deadline, async || iam.observe(query).await).await;
    let mut observed = observed.map_err(Unread::because(Question::RolesAndPolicies))?;
    let state = &observed.state;
    let ours = cx.read.owner.roles_of(state);
    let hidden =
        |arn: &&String| !state.policies.contains_key(*arn) && cx.read.guardrails.allows_policy(arn, cx.read.place);
    let more = Query::for_policies(ours.flat_map(|(_, role)| &role.attached).filter(hidden).cloned());
    if !more.policies.is_empty() {
        // An attached policy exists; where a read does not find it, the read is stale.
        let all = |attached: &Observation| attached.state.policies.len() == more.policies.len();
        let attached = poll_until(iam, &more, all, deadline).await;
        let attached =
            attached.ok_or_else(|| Refusal::AttachedPoliciesUnread(more.policies.keys().cloned().collect()))?;
        let marked = attached
            .state
            .policies
            .into_iter()
            .filter(|(arn, policy)| query.policies.contains_key(arn) || cx.read.owner.owns(&policy.tags));
        observed.state.policies.extend(marked);
    }
    Ok(observed)
}
