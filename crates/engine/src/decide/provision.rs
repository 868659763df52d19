//! The decision of a Create or an Update.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Provision, gone};
use super::observe::observe;
use super::refusal::Refusal;
use crate::context::Context;
use crate::port::Aws;
use crate::preconditions::{in_use, objections, over_quota};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::query::Query;

/// Decides how the account becomes what the spec asks for.
pub async fn decide<A: Aws>(cx: &Context<'_, A>, spec: ResourceSpec, prior: PriorState) -> Result<Provision, Refusal> {
    let owner = cx.read.owner;
    let mut query = Query::default();
    query.add(&spec.state);
    query.expect_present(&prior.managed);
    let observed = observe(cx, &query).await?;
    let objections = objections(cx, &spec, &observed.state).await;
    if !objections.is_empty() {
        return Err(Refusal::Objections(objections));
    }
    let attached = replaceable(cx, &prior).await?;
    let provision = Provision::from_observed(owner, spec, prior, (query, observed))?;
    let Provision { prior, before, desired, .. } = &provision;
    let over = over_quota(desired);
    if !over.is_empty() {
        return Err(Refusal::OverQuota(over));
    }
    // The policies of a definition in Amazon S3 are only known by what is attached.
    let attached = attached.iter().filter(|arn| !prior.superseded.policies.contains_key(*arn));
    let going = prior.superseded.policies.keys().chain(attached).chain(gone(desired, before));
    let ours = owner.roles_of(before).map(|(name, _)| name);
    let ours: Vec<&Name> = ours.chain(prior.superseded.roles.keys()).collect();
    let in_use = in_use(cx.aws.iam(), going, &ours, &BTreeMap::new(), cx.deadlines.work).await?;
    if in_use.is_empty() { Ok(provision) } else { Err(Refusal::PoliciesInUse(in_use)) }
}

/// Checks that CloudFormation's cleanup will be able to delete the roles that a replacement supersedes. Without the
/// check, nobody would notice: CloudFormation does not report a cleanup that fails. Returns the ARNs of the owner's
/// policies that are attached to these roles.
async fn replaceable<A: Aws>(cx: &Context<'_, A>, prior: &PriorState) -> Result<BTreeSet<String>, Refusal> {
    let mut attached = BTreeSet::new();
    for name in prior.superseded.roles.keys() {
        let observed = observe(cx, &Query::for_roles([name.clone()])).await?.state;
        let Some(role) = observed.roles.get(name).filter(|role| cx.read.owner.owns(&role.tags)) else { continue };
        attached.extend(observed.policies.keys().cloned());
        if !cx.read.guardrails.allows_path(&role.path) {
            return Err(Refusal::SupersededPath { role: name.clone(), path: role.path.clone() });
        }
    }
    Ok(attached)
}
