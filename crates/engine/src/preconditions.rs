//! The checks that a plan must pass: whose entities it would change, who else uses them, and IAM's quotas.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, timeout_at};

use crate::port::{Holder, Iam, Stacks};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::iam::quota::{INLINE_SIZE_PER_ROLE, TAGS_PER_ENTITY};
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::Ownership;
use mlops_roles_core::state::{Entity, State, Tags};

/// Checks that the resource may write to every existing entity that its spec names.
///
/// # Errors
/// Returns everything that rules it out. That is an owner other than this resource, another path or letter case, a
/// boundary outside the guardrails, or other users of a policy that would be adopted.
pub async fn writable(
    iam: &impl Iam,
    stacks: &impl Stacks,
    spec: &ResourceSpec,
    observed: &State,
    context: ReadContext<'_>,
    until: Instant,
) -> Result<(), String> {
    let mut objections = Vec::new();
    for (name, want) in &spec.state.roles {
        let Some((found, have)) = observed.roles.get_key_value(name) else { continue };
        let entity = Entity::Role(name.clone());
        let boundary = have.boundary.as_ref().filter(|arn| !context.guardrails.allows_boundary(arn));
        let ours = context.owner.owns(&have.tags);
        if let Some(objection) = why_not_writable(stacks, spec, &entity, &have.tags, context, until).await {
            objections.push(objection);
        } else if have.path != want.path {
            objections.push(format!(
                "role `{name}` is at path `{have}`, and the path of a role can't be changed; give `{naming}` a new value \
                 too, or keep path `{have}`",
                have = have.path,
                naming = spec.naming
            ));
        } else if found.as_str() != name.as_str() {
            objections.push(format!(
                "role `{found}` already exists, and IAM ignores the case of names; set `{}` to another name",
                spec.naming
            ));
        } else if let (Some(boundary), false) = (boundary, ours) {
            objections.push(format!(
                "role `{name}` can't be adopted: its permissions boundary `{boundary}` is not one of the deployer's; \
                 replace the boundary first, or ask the deployer to add it to `NarrowerPermissionsBoundaryArns`"
            ));
        }
    }
    for arn in spec.state.policies.keys() {
        let Some(have) = observed.policies.get(arn) else { continue };
        let entity = Entity::Policy(arn.clone());
        if let Some(objection) = why_not_writable(stacks, spec, &entity, &have.tags, context, until).await {
            objections.push(objection);
        } else if !context.owner.owns(&have.tags) {
            // Anybody else who has the policy would be granted what this resource writes into it.
            let ours: Vec<&Name> = spec.state.roles.keys().collect();
            match other_users(iam, arn, &ours, until).await {
                Ok(others) if others.is_empty() => {}
                Ok(others) => {
                    let others = others.join(", ");
                    objections
                        .push(format!("{entity} can't be adopted: it is in use by {others}; detach it there first"));
                }
                Err(why) => objections.push(why),
            }
        }
    }
    if objections.is_empty() { Ok(()) } else { Err(format!("{}; nothing was changed", objections.join("; "))) }
}

/// Returns why the resource can't write to the entity: it does not own the entity and may not adopt it.
async fn why_not_writable(
    stacks: &impl Stacks,
    spec: &ResourceSpec,
    entity: &Entity,
    tags: &Tags,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Option<String> {
    let (asked, whose, property) = match context.owner.ownership(tags) {
        Ownership::Managed | Ownership::Adopted => return None,
        Ownership::Foreign(other) => {
            let asked = spec.adopt_from.as_ref() == Some(&other.stack_id);
            let property = format!("`AdoptFrom: {}` after that stack no longer has the resource", other.stack_id);
            (asked, Some(other), property)
        }
        Ownership::Unowned => (spec.adopt_existing, None, "`AdoptExisting: true`".to_owned()),
    };
    let elsewhere = whose.as_ref().and_then(|other| Place::from_arn(&other.stack_id));
    if let Some(place) = elsewhere.filter(|place| place.region != context.place.region) {
        let region = place.region;
        return Some(format!(
            "{entity} belongs to a stack in {region}; IAM names are global to the account, so only one region can use \
             these names; choose other names, or deploy only in {region}"
        ));
    }
    let unowned = || "exists and is not managed by this resource".to_owned();
    let belongs = whose.as_ref().map_or_else(unowned, |other| format!("belongs to {other}"));
    if !asked {
        return Some(format!("{entity} {belongs}; choose another name, or adopt it with {property}"));
    }
    if !context.guardrails.allow_adoption {
        return Some(format!("{entity} {belongs}; to adopt it, ask the deployer to set `AllowAdoption`"));
    }
    let still_held = |by: &str| {
        format!(
            "{entity} can't be adopted: it still belongs to {by}; remove it from that stack first, with \
             `DeletionPolicy: Retain`"
        )
    };
    if let Some(stack) = tags.get("aws:cloudformation:stack-id") {
        return Some(still_held(&format!("stack `{stack}`")));
    }
    let id = match entity {
        Entity::Role(name) => name.as_str(),
        Entity::Policy(arn) => arn,
    };
    let holder = retry::until(deadline, async || match &whose {
        Some(other) => {
            Ok(stacks.holds(other).await?.then(|| Holder { owner: other.clone(), resource_type: String::new() }))
        }
        None => stacks.holder(id).await,
    });
    match holder.await {
        Ok(None) => None,
        Ok(Some(holder)) if holder.owner == *context.owner => None,
        Ok(Some(Holder { owner, resource_type })) if may_hold(entity, &resource_type) => {
            Some(still_held(&owner.to_string()))
        }
        Ok(Some(Holder { owner, resource_type })) => Some(format!(
            "{entity} can't be adopted: the `{resource_type}` {owner} has the same physical id, so CloudFormation \
             can't show whether a stack holds {entity}; give that resource another name first"
        )),
        Err(cause) => Some(format!("{entity} can't be adopted: could not read which stack holds it: {cause}")),
    }
}

/// Returns whether a stack's resource of this type can be the one that holds the entity. A custom resource, or one
/// whose type CloudFormation does not name, may be anything.
fn may_hold(entity: &Entity, resource_type: &str) -> bool {
    let of_iam = match entity {
        Entity::Role(_) => "AWS::IAM::Role",
        Entity::Policy(_) => "AWS::IAM::ManagedPolicy",
    };
    resource_type == of_iam
        || !resource_type.starts_with("AWS::")
        || resource_type == "AWS::CloudFormation::CustomResource"
}

/// Returns an error text when the template names a boundary instead of the deployer's own, and that policy does not
/// exist. Returns `None` when IAM can't be asked: IAM then reports a missing boundary when the role is created.
pub async fn absent_boundary(
    iam: &impl Iam,
    spec: &ResourceSpec,
    context: ReadContext<'_>,
    deadline: Instant,
) -> Option<String> {
    let boundary = Some(&spec.boundary).filter(|arn| context.guardrails.narrower_boundaries.contains(arn))?;
    let is_there = retry::until(deadline, async || iam.has_policy(boundary).await).await;
    matches!(is_there, Ok(false)).then(|| {
        format!(
            "`PermissionsBoundary`: policy `{boundary}` does not exist; ask the deployer to create it, or choose \
             another permissions boundary"
        )
    })
}

/// Checks that nobody but the roles in `ours` uses the policies that are to be deleted. `going` has the ARNs of the
/// policies, and `known` the users of some of them, by ARN.
///
/// # Errors
/// Returns who uses which policy, or that IAM could not be asked.
pub async fn unused<'a>(
    iam: &impl Iam,
    going: impl Iterator<Item = &'a String>,
    ours: &[&Name],
    known: &BTreeMap<String, Vec<String>>,
    deadline: Instant,
) -> Result<(), String> {
    let asked = going.map(async |arn| match known.get(arn) {
        Some(users) => Ok((arn, others(users.clone(), ours))),
        None => Ok((arn, other_users(iam, arn, ours, deadline).await?)),
    });
    let asked: Result<Vec<_>, String> = try_join_all(asked).await;
    let in_use: Vec<String> = asked
        .map_err(|why| format!("{why}; nothing was changed"))?
        .into_iter()
        .filter(|(_, others)| !others.is_empty())
        .map(|(arn, others)| format!("policy `{arn}` is in use by {}; detach it there first", others.join(", ")))
        .collect();
    if in_use.is_empty() { Ok(()) } else { Err(format!("{}; nothing was deleted", in_use.join("; "))) }
}

/// Returns the users of each policy by its ARN, such as `role Name`, where IAM answers the first call. Policies without
/// users are left out: IAM may only not know them yet.
pub async fn users(
    iam: &impl Iam,
    policies: impl Iterator<Item = &String>,
    deadline: Instant,
) -> BTreeMap<String, Vec<String>> {
    let ask = async |arn: &String| (arn.clone(), timeout_at(deadline, iam.users_of_policy(arn)).await);
    let mut told = BTreeMap::new();
    for (arn, users) in join_all(policies.map(ask)).await {
        if let Ok(Ok(users)) = users
            && !users.is_empty()
        {
            told.insert(arn, users);
        }
    }
    told
}

/// Returns who, besides the roles in `ours`, has the policy attached or as a permissions boundary, such as `user Name`.
///
/// # Errors
/// Fails when IAM can't be asked.
pub async fn other_users(iam: &impl Iam, arn: &str, ours: &[&Name], deadline: Instant) -> Result<Vec<String>, String> {
    let users = retry::until(deadline, async || iam.users_of_policy(arn).await).await;
    let users = users.map_err(|cause| format!("could not read who uses policy `{arn}`: {cause}"))?;
    Ok(others(users, ours))
}

fn others(users: Vec<String>, ours: &[&Name]) -> Vec<String> {
    let is_ours = |user: &String| user.strip_prefix("role ").is_some_and(|role| ours.contains(&&Name::new(role)));
    users.into_iter().filter(|user| !is_ours(user)).collect()
}

/// Checks that the desired entities stay within IAM's quotas for tags and for inline policies.
///
/// Others may have tagged an entity of this resource, or given an adopted role grants of their own, so there may be too
/// little room. IAM itself checks the quotas that an account can have raised.
///
/// # Errors
/// Returns each entity that would exceed a quota.
pub fn within_quota(desired: &State) -> Result<(), String> {
    let mut full = Vec::new();
    let roles = desired.roles.iter().map(|(name, role)| (Entity::Role(name.clone()), role.tags.len()));
    let policies = desired.policies.iter().map(|(arn, policy)| (Entity::Policy(arn.clone()), policy.tags.len()));
    for (entity, tags) in roles.chain(policies).filter(|(_, tags)| *tags > TAGS_PER_ENTITY) {
        full.push(format!(
            "{entity} would have {tags} tags, including those that others added; IAM allows {TAGS_PER_ENTITY}; remove \
             tags"
        ));
    }
    for (name, role) in &desired.roles {
        let size: usize = role.inline.values().map(Document::size).sum();
        if size > INLINE_SIZE_PER_ROLE {
            full.push(format!(
                "the inline policies of role `{name}` would have {size} characters, including those that others added; \
                 IAM allows {INLINE_SIZE_PER_ROLE}; shorten or remove inline policies"
            ));
        }
    }
    if full.is_empty() { Ok(()) } else { Err(format!("{}; nothing was changed", full.join("; "))) }
}
