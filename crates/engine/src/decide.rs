//! What would be done, and whether it may be. Reads only: the function goes on from here, the preview stops.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::port::{Iam, Stacks};
use crate::preconditions::{unused, within_quota, writable};
use crate::retry;
use crate::retry::poll_until;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::State;
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::query::Query;

/// From one look at the account to the steps.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What was looked at.
    pub query: Query,
    /// What IAM knows of the roles.
    pub metadata: BTreeMap<Name, RoleMetadata>,
    pub before: State,
    pub desired: State,
    pub steps: Vec<Step>,
}

/// # Errors
/// All that stands against it.
pub async fn decide(
    iam: &impl Iam,
    stacks: &impl Stacks,
    spec: &ResourceSpec,
    prior: &PriorState,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Result<Decision, String> {
    let owner = context.owner;
    let mut query = Query::default();
    query.add(&spec.state);
    query.expect_present(&prior.managed);
    let observed = observe(iam, &query, context, deadline).await?;
    let before = observed.state;
    writable(iam, stacks, spec, &before, context, deadline).await?;
    replaceable(iam, prior, context, deadline).await?;
    prior.check_within_guardrails(&before, owner)?;
    let desired = owner.desired(&spec.state, &prior.managed, &before);
    within_quota(&desired)?;
    let going = prior.superseded.policies.keys().chain(gone(&desired, &before));
    let ours = owner.roles_of(&before).map(|(name, _)| name);
    let ours: Vec<&Name> = ours.chain(prior.superseded.roles.keys()).collect();
    unused(iam, going, &ours, &BTreeMap::new(), deadline).await?;
    let steps = plan(&desired, &before);
    Ok(Decision { query, metadata: observed.metadata, before, desired, steps })
}

/// The scope, and the policies of ours that hang on our roles under names that the properties no longer tell.
///
/// # Errors
/// When the account can't be looked at.
pub async fn observe(
    iam: &impl Iam,
    query: &Query,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Result<Observation, String> {
    let observed = retry::until(deadline, async || iam.observe(query).await).await;
    let mut observed =
        observed.map_err(|cause| format!("could not look at the account: {cause}; nothing was changed"))?;
    let state = &observed.state;
    let ours = context.owner.roles_of(state);
    let hidden =
        |arn: &&String| !state.policies.contains_key(*arn) && context.guardrails.allows_policy(arn, context.place);
    let more = Query::for_policies(ours.flat_map(|(_, role)| &role.attached).filter(hidden).cloned());
    if !more.policies.is_empty() {
        // What is attached exists: where it does not show, IAM lags.
        let all = |attached: &Observation| attached.state.policies.len() == more.policies.len();
        let attached = poll_until(iam, &more, all, deadline).await;
        let attached =
            attached.ok_or_else(|| format!("could not look at {:?}; nothing was changed", more.policies.keys()))?;
        let marked = attached
            .state
            .policies
            .into_iter()
            .filter(|(arn, policy)| query.policies.contains_key(arn) || context.owner.owns(&policy.tags));
        observed.state.policies.extend(marked);
    }
    Ok(observed)
}

/// Whether CloudFormation's cleanup will be able to take away what a replacement leaves behind. If not, nobody would
/// hear of it: a cleanup that fails fails silently.
async fn replaceable(
    iam: &impl Iam,
    prior: &PriorState,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Result<(), String> {
    for name in prior.superseded.roles.keys() {
        let observed = observe(iam, &Query::for_roles([name.clone()]), context, deadline).await?.state;
        let role = observed.roles.get(name).filter(|role| context.owner.owns(&role.tags));
        if let Some(role) = role.filter(|role| !context.guardrails.allows_path(&role.path)) {
            return Err(format!(
                "this update replaces role `{name}`, and its path `{}` is not among the deployer's `RolePaths`, so it \
                 could not be deleted: have it added, then try again; nothing was changed",
                role.path
            ));
        }
    }
    Ok(())
}

/// Policies that there were before and that are not wanted any more. ARNs.
pub fn gone<'a>(desired: &'a State, before: &'a State) -> impl Iterator<Item = &'a String> {
    before.policies.keys().filter(|arn| !desired.policies.contains_key(*arn))
}
