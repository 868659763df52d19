//! The checks that a plan must pass: whose entities it would change, who else uses them, and IAM's quotas.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::failure::{Cause, Question, Unread, joined};
use crate::port::{Aws, Holder, Iam, Stacks as _};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::iam::quota::{INLINE_SIZE_PER_ROLE, TAGS_PER_ENTITY};
use mlops_roles_core::resource::properties::ValidationError;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::ownership::{Owner, Ownership};
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::{Entity, State, Tags};

/// Why a resource may not write to an entity that its spec names.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Objection {
    /// The role is at another path, and IAM can't move a role.
    #[error(
        "role `{role}` is at path `{path}`, and the path of a role can't be changed; give `{naming}` a new value too, \
         or keep path `{path}`"
    )]
    OtherPath {
        /// The role.
        role: Name,
        /// The path where it is.
        path: String,
        /// The property that names the role.
        naming: &'static str,
    },
    /// A role exists whose name differs in the case of letters only.
    #[error("role `{role}` already exists, and IAM ignores the case of names; set `{naming}` to another name")]
    OtherCase {
        /// The role, as IAM spells it.
        role: Name,
        /// The property that names the role.
        naming: &'static str,
    },
    /// The role has a permissions boundary that the guardrails do not have.
    #[error(
        "role `{role}` can't be adopted: its permissions boundary `{boundary}` is not one of the deployer's; replace \
         the boundary first, or ask the deployer to add it to `NarrowerPermissionsBoundaryArns`"
    )]
    OtherBoundary {
        /// The role.
        role: Name,
        /// The ARN of its permissions boundary.
        boundary: String,
    },
    /// A stack of another region owns the entity.
    #[error(
        "{entity} belongs to a stack in {region}; IAM names are global to the account, so only one region can use \
         these names; choose other names, or deploy only in {region}"
    )]
    OtherRegion {
        /// The role or policy.
        entity: Entity,
        /// The region of that stack.
        region: String,
    },
    /// The entity is not this resource's, and the properties do not ask to adopt it.
    #[error("{entity} {}; choose another name, or adopt it with {}", belongs(.owner.as_ref()), adoption(.owner.as_ref()))]
    NotOurs {
        /// The role or policy.
        entity: Entity,
        /// Its owner; `None` where its tags name none.
        owner: Option<Owner>,
    },
    /// The deployer does not allow adoption.
    #[error("{entity} {}; to adopt it, ask the deployer to set `AllowAdoption`", belongs(.owner.as_ref()))]
    AdoptionNotAllowed {
        /// The role or policy.
        entity: Entity,
        /// Its owner; `None` where its tags name none.
        owner: Option<Owner>,
    },
    /// A stack holds the entity.
    #[error(
        "{entity} can't be adopted: it still belongs to {by}; remove it from that stack first, with `DeletionPolicy: \
         Retain`"
    )]
    StillHeld {
        /// The role or policy.
        entity: Entity,
        /// What holds it.
        by: HeldBy,
    },
    /// A resource that is no role and no policy has the same physical id.
    #[error(
        "{entity} can't be adopted: the `{}` {} has the same physical id, so CloudFormation can't show whether a stack \
         holds {entity}; give that resource another name first",
        .holder.resource_type,
        .holder.owner
    )]
    SamePhysicalId {
        /// The role or policy.
        entity: Entity,
        /// The other resource.
        holder: Holder,
    },
    /// CloudFormation does not tell which stack holds the entity.
    #[error("{entity} can't be adopted: could not read which stack holds it: {cause}")]
    HolderUnread {
        /// The role or policy.
        entity: Entity,
        /// Why CloudFormation does not tell.
        cause: Cause,
    },
    /// Others use the policy, and adopting it would grant them what this resource writes into it.
    #[error("{entity} can't be adopted: it is in use by {}; detach it there first", joined(.users, ", "))]
    UsedByOthers {
        /// The policy.
        entity: Entity,
        /// The other users.
        users: Vec<PolicyUser>,
    },
    /// IAM does not tell who uses the policy.
    #[error(transparent)]
    UsersUnread(#[from] Unread),
}

/// What holds an entity that is to be adopted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HeldBy {
    /// The stack with this id, as the tags of CloudFormation say.
    #[error("stack `{0}`")]
    Stack(String),
    /// A resource of a stack.
    #[error("{0}")]
    Resource(Owner),
}

fn belongs(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "exists and is not managed by this resource".to_owned(), |owner| format!("belongs to {owner}"))
}

fn adoption(owner: Option<&Owner>) -> String {
    match owner {
        None => "`AdoptExisting: true`".to_owned(),
        Some(owner) => format!("`AdoptFrom: {}` after that stack no longer has the resource", owner.stack_id),
    }
}

/// A policy that is to be deleted, and who uses it besides the resource.
#[derive(Clone, Debug, thiserror::Error)]
#[error("policy `{arn}` is in use by {}; detach it there first", joined(.users, ", "))]
pub struct PolicyInUse {
    /// The ARN of the policy.
    pub arn: String,
    /// The other users.
    pub users: Vec<PolicyUser>,
}

/// A quota of IAM that a desired entity exceeds.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OverQuota {
    /// The entity has too many tags.
    #[error(
        "{entity} would have {tags} tags, including those that others added; IAM allows {TAGS_PER_ENTITY}; remove tags"
    )]
    Tags {
        /// The role or policy.
        entity: Entity,
        /// The number of its tags.
        tags: usize,
    },
    /// The inline policies of a role are too long.
    #[error(
        "the inline policies of role `{role}` would have {size} characters, including those that others added; IAM \
         allows {INLINE_SIZE_PER_ROLE}; shorten or remove inline policies"
    )]
    InlinePolicies {
        /// The role.
        role: Name,
        /// The size of its inline policies, in characters without white space.
        size: usize,
    },
}

/// Returns everything that keeps the resource from writing to the existing entities that its spec names.
///
/// That is an owner other than this resource, another path or letter case, a
/// boundary outside the guardrails, or other users of a policy that would be adopted.
pub async fn objections<A: Aws>(cx: &Context<'_, A>, spec: &ResourceSpec, observed: &State) -> Vec<Objection> {
    let mut objections = Vec::new();
    for (name, want) in &spec.state.roles {
        let Some((found, have)) = observed.roles.get_key_value(name) else { continue };
        let boundary = have.boundary.as_ref().filter(|arn| !cx.read.guardrails.allows_boundary(arn));
        let entity = Entity::Role(name.clone());
        if let Some(objection) = why_not_writable(cx, spec, &entity, &have.tags).await {
            objections.push(objection);
        } else if have.path != want.path {
            let (role, path) = (name.clone(), have.path.clone());
            objections.push(Objection::OtherPath { role, path, naming: spec.naming });
        } else if found.as_str() != name.as_str() {
            objections.push(Objection::OtherCase { role: found.clone(), naming: spec.naming });
        } else if let (Some(boundary), false) = (boundary, cx.read.owner.owns(&have.tags)) {
            objections.push(Objection::OtherBoundary { role: name.clone(), boundary: boundary.clone() });
        }
    }
    for arn in spec.state.policies.keys() {
        let Some(have) = observed.policies.get(arn) else { continue };
        let entity = Entity::Policy(arn.clone());
        if let Some(objection) = why_not_writable(cx, spec, &entity, &have.tags).await {
            objections.push(objection);
        } else if !cx.read.owner.owns(&have.tags) {
            // Anybody else who has the policy would be granted what this resource writes into it.
            let ours: Vec<&Name> = spec.state.roles.keys().collect();
            match other_users(cx.aws.iam(), arn, &ours, cx.deadlines.work).await {
                Ok(users) if users.is_empty() => {}
                Ok(users) => objections.push(Objection::UsedByOthers { entity, users }),
                Err(unread) => objections.push(unread.into()),
            }
        }
    }
    objections
}

/// Returns why the resource can't write to the entity: it does not own the entity and may not adopt it.
async fn why_not_writable<A: Aws>(
    cx: &Context<'_, A>,
    spec: &ResourceSpec,
    entity: &Entity,
    tags: &Tags,
) -> Option<Objection> {
    let (asked, owner) = match cx.read.owner.ownership(tags) {
        Ownership::Managed | Ownership::Adopted => return None,
        Ownership::Foreign(other) => (spec.adopt_from.as_ref() == Some(&other.stack_id), Some(other)),
        Ownership::Unowned => (spec.adopt_existing, None),
    };
    let entity = entity.clone();
    let elsewhere = owner.as_ref().and_then(|other| Place::from_arn(&other.stack_id));
    if let Some(place) = elsewhere.filter(|place| place.region != cx.read.place.region) {
        return Some(Objection::OtherRegion { entity, region: place.region });
    }
    if !asked {
        return Some(Objection::NotOurs { entity, owner });
    }
    if !cx.read.guardrails.allow_adoption {
        return Some(Objection::AdoptionNotAllowed { entity, owner });
    }
    if let Some(stack) = tags.get("aws:cloudformation:stack-id") {
        return Some(Objection::StillHeld { entity, by: HeldBy::Stack(stack.clone()) });
    }
    held(cx, entity, owner).await
}

/// Returns why an entity can't be adopted: a stack holds it, or CloudFormation does not tell.
async fn held<A: Aws>(cx: &Context<'_, A>, entity: Entity, owner: Option<Owner>) -> Option<Objection> {
    let id = match &entity {
        Entity::Role(name) => name.as_str(),
        Entity::Policy(arn) => arn,
    };
    let stacks = cx.aws.stacks();
    let holder = retry::until(cx.deadlines.work, async || match &owner {
        Some(other) => {
            Ok(stacks.holds(other).await?.then(|| Holder { owner: other.clone(), resource_type: String::new() }))
        }
        None => stacks.holder(id).await,
    });
    match holder.await {
        Ok(None) => None,
        Ok(Some(holder)) if holder.owner == *cx.read.owner => None,
        Ok(Some(Holder { owner, resource_type })) if may_hold(&entity, &resource_type) => {
            Some(Objection::StillHeld { entity, by: HeldBy::Resource(owner) })
        }
        Ok(Some(holder)) => Some(Objection::SamePhysicalId { entity, holder }),
        Err(cause) => Some(Objection::HolderUnread { entity, cause }),
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

/// Returns an error if the template names a boundary instead of the deployer's own, and that policy does not exist.
/// Returns `None` when IAM can't be asked: IAM then reports a missing boundary when the role is created.
pub async fn absent_boundary<A: Aws>(cx: &Context<'_, A>, spec: &ResourceSpec) -> Option<ValidationError> {
    let boundary = Some(&spec.boundary).filter(|arn| cx.read.guardrails.narrower_boundaries.contains(arn))?;
    let is_there = retry::until(cx.deadlines.work, async || cx.aws.iam().has_policy(boundary).await).await;
    let absent = || {
        format!(
            "policy `{boundary}` does not exist; ask the deployer to create it, or choose another permissions boundary"
        )
    };
    matches!(is_there, Ok(false)).then(|| ValidationError::new("PermissionsBoundary", absent()))
}

/// Returns which of the policies that are to be deleted somebody else than the roles in `ours` uses. `going` has the ARNs
/// of the policies, and `known` the users of some of them, by ARN.
///
/// # Errors
/// Fails when IAM can't be asked.
pub async fn in_use<'a>(
    iam: &impl Iam,
    going: impl Iterator<Item = &'a String>,
    ours: &[&Name],
    known: &BTreeMap<String, Vec<PolicyUser>>,
    deadline: Instant,
) -> Result<Vec<PolicyInUse>, Unread> {
    let asked = going.map(async |arn| {
        let users = match known.get(arn) {
            Some(users) => others(users.clone(), ours),
            None => other_users(iam, arn, ours, deadline).await?,
        };
        Ok(PolicyInUse { arn: arn.clone(), users })
    });
    let asked: Vec<PolicyInUse> = try_join_all(asked).await?;
    Ok(asked.into_iter().filter(|policy| !policy.users.is_empty()).collect())
}

/// Returns the users of each policy by its ARN, where IAM answers the first call. Policies without users are left out:
/// IAM may only not know them yet.
pub async fn users(
    iam: &impl Iam,
    policies: impl Iterator<Item = &String>,
    deadline: Instant,
) -> BTreeMap<String, Vec<PolicyUser>> {
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

/// Returns who, besides the roles in `ours`, has the policy attached or as a permissions boundary.
///
/// # Errors
/// Fails when IAM can't be asked.
pub async fn other_users(
    iam: &impl Iam,
    arn: &str,
    ours: &[&Name],
    deadline: Instant,
) -> Result<Vec<PolicyUser>, Unread> {
    let users = retry::until(deadline, async || iam.users_of_policy(arn).await).await;
    let users = users.map_err(Unread::because(Question::UsersOfPolicy(arn.to_owned())))?;
    Ok(others(users, ours))
}

fn others(users: Vec<PolicyUser>, ours: &[&Name]) -> Vec<PolicyUser> {
    let is_ours = |user: &PolicyUser| matches!(user, PolicyUser::Role(role) if ours.contains(&role));
    users.into_iter().filter(|user| !is_ours(user)).collect()
}

/// Returns the quotas for tags and for inline policies that the desired entities exceed.
///
/// Others may have tagged an entity of this resource, or given an adopted role grants of their own, so there may be too
/// little room. IAM itself checks the quotas that an account can have raised.
pub fn over_quota(desired: &State) -> Vec<OverQuota> {
    let mut over = Vec::new();
    let roles = desired.roles.iter().map(|(name, role)| (Entity::Role(name.clone()), role.tags.len()));
    let policies = desired.policies.iter().map(|(arn, policy)| (Entity::Policy(arn.clone()), policy.tags.len()));
    let full = roles.chain(policies).filter(|(_, tags)| *tags > TAGS_PER_ENTITY);
    over.extend(full.map(|(entity, tags)| OverQuota::Tags { entity, tags }));
    for (name, role) in &desired.roles {
        let size: usize = role.inline.values().map(Document::size).sum();
        if size > INLINE_SIZE_PER_ROLE {
            over.push(OverQuota::InlinePolicies { role: name.clone(), size });
        }
    }
    over
}
