//! Decides which steps an event needs and whether they are allowed.
//!
//! It only reads: the function continues from the decision, the preview stops there.

use std::collections::{BTreeMap, BTreeSet};

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
use mlops_roles_core::text::listed;

/// The plan of an event, with the observation that it was made from.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The query that was observed.
    pub query: Query,
    /// IAM's metadata of the observed roles, by role name.
    pub metadata: BTreeMap<Name, RoleMetadata>,
    /// The observed state before any step.
    pub before: State,
    /// The desired state.
    pub desired: State,
    /// The plan from `before` to `desired`. Empty where nothing has to change.
    pub steps: Vec<Step>,
}

/// Observes the account, checks all preconditions and makes the plan.
///
/// # Errors
/// When the account can't be observed or a precondition is not met. The text names everything that prevents the plan,
/// as the reason for the response. Nothing is written.
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
    let attached = replaceable(iam, prior, context, deadline).await?;
    prior.check_within_guardrails(&before, owner)?;
    let desired = owner.desired(&spec.state, &prior.managed, &before);
    within_quota(&desired)?;
    // The policies of a definition in Amazon S3 are only known by what is attached.
    let attached = attached.iter().filter(|arn| !prior.superseded.policies.contains_key(*arn));
    let going = prior.superseded.policies.keys().chain(attached).chain(gone(&desired, &before));
    let ours = owner.roles_of(&before).map(|(name, _)| name);
    let ours: Vec<&Name> = ours.chain(prior.superseded.roles.keys()).collect();
    unused(iam, going, &ours, &BTreeMap::new(), deadline).await?;
    let steps = plan(&desired, &before);
    Ok(Decision { query, metadata: observed.metadata, before, desired, steps })
}

/// Observes the query, and the owner's policies that are attached to the owner's roles under names that the properties
/// no longer mention.
///
/// # Errors
/// When the account can't be observed.
pub async fn observe(
    iam: &impl Iam,
    query: &Query,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Result<Observation, String> {
    let observed = retry::until(deadline, async || iam.observe(query).await).await;
    let mut observed =
        observed.map_err(|cause| format!("could not read the roles and policies: {cause}; nothing was changed"))?;
    let state = &observed.state;
    let ours = context.owner.roles_of(state);
    let hidden =
        |arn: &&String| !state.policies.contains_key(*arn) && context.guardrails.allows_policy(arn, context.place);
    let more = Query::for_policies(ours.flat_map(|(_, role)| &role.attached).filter(hidden).cloned());
    if !more.policies.is_empty() {
        // An attached policy exists; where a read does not find it, the read is stale.
        let all = |attached: &Observation| attached.state.policies.len() == more.policies.len();
        let attached = poll_until(iam, &more, all, deadline).await;
        let attached = attached.ok_or_else(|| {
            let arns: Vec<String> = more.policies.keys().cloned().collect();
            format!("could not read the attached policies {}; nothing was changed", listed(&arns))
        })?;
        let marked = attached
            .state
            .policies
            .into_iter()
            .filter(|(arn, policy)| query.policies.contains_key(arn) || context.owner.owns(&policy.tags));
        observed.state.policies.extend(marked);
    }
    Ok(observed)
}

/// Checks that CloudFormation's cleanup will be able to delete the roles that a replacement supersedes. Without the
/// check, nobody would notice: CloudFormation does not report a cleanup that fails. Returns the ARNs of the owner's
/// policies that are attached to these roles.
async fn replaceable(
    iam: &impl Iam,
    prior: &PriorState,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Result<BTreeSet<String>, String> {
    let mut attached = BTreeSet::new();
    for name in prior.superseded.roles.keys() {
        let observed = observe(iam, &Query::for_roles([name.clone()]), context, deadline).await?.state;
        let role = observed.roles.get(name).filter(|role| context.owner.owns(&role.tags));
        if role.is_some() {
            attached.extend(observed.policies.keys().cloned());
        }
        if let Some(role) = role.filter(|role| !context.guardrails.allows_path(&role.path)) {
            return Err(format!(
                "this update replaces role `{name}`, which the function can't delete: its path `{}` is not in the \
                 deployer's `RolePaths`; ask the deployer to add the path, then try again; nothing was changed",
                role.path
            ));
        }
    }
    Ok(attached)
}

/// Returns the ARNs of the policies that existed before and are not part of the desired state.
pub fn gone<'a>(desired: &'a State, before: &'a State) -> impl Iterator<Item = &'a String> {
    before.policies.keys().filter(|arn| !desired.policies.contains_key(*arn))
}
