//! From the world as it is to the world as it should be: steps that can be read before they are taken.
//!
//! The law that the rest of the program leans on: folding [`after`] over `plan(desired, observed)` from `observed`
//! gives `desired`, and `plan(desired, desired)` is empty.

use std::collections::BTreeSet;
use std::fmt;

use crate::policy::Document;
use crate::world::{Name, Policy, Role, Tags, World};

/// Managed policies that a role holds at IAM's default quota (`PoliciesPerRole`).
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MANAGED_POLICIES_PER_ROLE: usize = 10;
/// Characters of a role's inline policies together, white space aside.
pub const INLINE_SIZE_PER_ROLE: usize = 10_240;
/// Tags on one role or policy.
pub const TAGS_PER_ENTITY: usize = 50;

/// One change that IAM can make. Each may be sent twice without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    CreatePolicy {
        arn: String,
        policy: Policy,
    },
    TagPolicy {
        arn: String,
        tags: Tags,
    },
    UntagPolicy {
        arn: String,
        keys: BTreeSet<String>,
    },
    SetPolicyDocument {
        arn: String,
        document: Document,
    },
    DeletePolicy {
        arn: String,
    },
    /// Trust, boundary and tags go with the call itself, so the role is never without them.
    CreateRole {
        role: Name,
        made: Role,
    },
    TagRole {
        role: Name,
        tags: Tags,
    },
    UntagRole {
        role: Name,
        keys: BTreeSet<String>,
    },
    SetBoundary {
        role: Name,
        arn: String,
    },
    RemoveBoundary {
        role: Name,
    },
    SetTrust {
        role: Name,
        trust: Document,
    },
    /// Description and longest session together: IAM resets the one that is left out.
    SetDetails {
        role: Name,
        description: String,
        max_session_duration: i32,
    },
    Attach {
        role: Name,
        arn: String,
    },
    Detach {
        role: Name,
        arn: String,
    },
    PutInline {
        role: Name,
        name: String,
        document: Document,
    },
    DeleteInline {
        role: Name,
        name: String,
    },
    RemoveFromInstanceProfile {
        role: Name,
        profile: String,
    },
    DeleteRole {
        role: Name,
    },
}

/// What a step is done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    Role(Name),
    Policy(String),
}

impl Step {
    pub fn entity(&self) -> Entity {
        match self {
            Self::CreatePolicy { arn, .. }
            | Self::TagPolicy { arn, .. }
            | Self::UntagPolicy { arn, .. }
            | Self::SetPolicyDocument { arn, .. }
            | Self::DeletePolicy { arn } => Entity::Policy(arn.clone()),
            Self::CreateRole { role, .. }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::SetBoundary { role, .. }
            | Self::RemoveBoundary { role }
            | Self::SetTrust { role, .. }
            | Self::SetDetails { role, .. }
            | Self::Attach { role, .. }
            | Self::Detach { role, .. }
            | Self::PutInline { role, .. }
            | Self::DeleteInline { role, .. }
            | Self::RemoveFromInstanceProfile { role, .. }
            | Self::DeleteRole { role } => Entity::Role(role.clone()),
        }
    }

    /// Whether the step makes an entity that was not there.
    pub fn creates(&self) -> bool {
        matches!(self, Self::CreatePolicy { .. } | Self::CreateRole { .. })
    }

    /// Whether the step takes an entity away.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::DeletePolicy { .. } | Self::DeleteRole { .. })
    }

    /// Whether the step takes something away, so that finding it gone means that the step is done.
    pub fn removes(&self) -> bool {
        match self {
            Self::UntagPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::UntagRole { .. }
            | Self::RemoveBoundary { .. }
            | Self::Detach { .. }
            | Self::DeleteInline { .. }
            | Self::RemoveFromInstanceProfile { .. }
            | Self::DeleteRole { .. } => true,
            Self::CreatePolicy { .. }
            | Self::TagPolicy { .. }
            | Self::SetPolicyDocument { .. }
            | Self::CreateRole { .. }
            | Self::TagRole { .. }
            | Self::SetBoundary { .. }
            | Self::SetTrust { .. }
            | Self::SetDetails { .. }
            | Self::Attach { .. }
            | Self::PutInline { .. } => false,
        }
    }
}

/// The steps from `observed` to `desired`, in an order that is safe to stop after any of them.
///
/// On a role that stays: our tags first, the boundary next (without it the function may not write the rest), then a
/// narrower trust, and only then anything that grants; a wider trust after that, a boundary's removal behind it, tags that go last of all. Policies exist before
/// they are attached and go after they are detached.
pub fn plan(desired: &World, observed: &World) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut last = Vec::new();
    for (name, want) in &desired.roles {
        if let Some(have) = kept(observed, name, want) {
            steps.extend(fence(name, want, have));
        }
    }
    for (arn, want) in &desired.policies {
        match observed.policies.get(arn) {
            None => steps.push(Step::CreatePolicy { arn: arn.clone(), policy: want.clone() }),
            Some(have) => {
                let (add, drop) = tag_changes(&want.tags, &have.tags);
                if !drop.is_empty() {
                    let when = if crowded_tags(&want.tags, &have.tags) { &mut steps } else { &mut last };
                    when.push(Step::UntagPolicy { arn: arn.clone(), keys: drop });
                }
                if !add.is_empty() {
                    steps.push(Step::TagPolicy { arn: arn.clone(), tags: add });
                }
                if want.document != have.document {
                    steps.push(Step::SetPolicyDocument { arn: arn.clone(), document: want.document.clone() });
                }
            }
        }
    }
    for (name, want) in &desired.roles {
        if let Some(have) = kept(observed, name, want) {
            let is_trust_set = steps.iter().any(|step| matches!(step, Step::SetTrust { role, .. } if role == name));
            steps.extend(grants(name, want, have, is_trust_set));
            last.extend(untag(name, want, have));
        } else {
            if let Some(have) = observed.roles.get(name) {
                steps.extend(teardown(name, have));
            }
            let made = want.bare();
            steps.push(Step::CreateRole { role: name.clone(), made: made.clone() });
            steps.extend(grants(name, want, &made, false));
        }
    }
    for (name, have) in &observed.roles {
        if !desired.roles.contains_key(name) {
            steps.extend(teardown(name, have));
        }
    }
    for arn in observed.policies.keys() {
        if !desired.policies.contains_key(arn) {
            steps.push(Step::DeletePolicy { arn: arn.clone() });
        }
    }
    steps.extend(last);
    steps
}

/// The role as it is, where it can stay: a path is fixed at creation.
fn kept<'a>(observed: &'a World, name: &Name, want: &Role) -> Option<&'a Role> {
    observed.roles.get(name).filter(|have| have.path == want.path)
}

/// What must stand before any grant on a role that stays.
fn fence(role: &Name, want: &Role, have: &Role) -> Vec<Step> {
    let role = || role.clone();
    let mut steps = Vec::new();
    let (add, drop) = tag_changes(&want.tags, &have.tags);
    if !drop.is_empty() && crowded_tags(&want.tags, &have.tags) {
        steps.push(Step::UntagRole { role: role(), keys: drop });
    }
    if !add.is_empty() {
        steps.push(Step::TagRole { role: role(), tags: add });
    }
    if let Some(arn) = &want.boundary
        && want.boundary != have.boundary
    {
        steps.push(Step::SetBoundary { role: role(), arn: arn.clone() });
    }
    if want.trust != have.trust && want.trust.narrows(&have.trust) {
        steps.push(Step::SetTrust { role: role(), trust: want.trust.clone() });
    }
    steps
}

/// What the role may do, who it trusts unless that is set already, and its details.
fn grants(role: &Name, want: &Role, have: &Role, is_trust_set: bool) -> Vec<Step> {
    let role = || role.clone();
    let mut steps = Vec::new();

    let attach = want.attached.difference(&have.attached).map(|arn| Step::Attach { role: role(), arn: arn.clone() });
    let detach = have.attached.difference(&want.attached).map(|arn| Step::Detach { role: role(), arn: arn.clone() });
    let size_before = |name: &String| have.inline.get(name).map_or(0, Document::size);
    let changed = want.inline.iter().filter(|(name, document)| have.inline.get(*name) != Some(document));
    let mut changed: Vec<_> = changed.collect();
    // What shrinks makes room for what grows.
    changed.sort_by_key(|(name, document)| document.size() > size_before(name));
    let put = changed.into_iter().map(|(name, document)| Step::PutInline {
        role: role(),
        name: name.clone(),
        document: document.clone(),
    });
    let gone = have.inline.keys().filter(|name| !want.inline.contains_key(*name));
    let delete = gone.map(|name| Step::DeleteInline { role: role(), name: name.clone() });
    // Additions before removals, so that a role that is in use never lacks a grant that it keeps under another name,
    // and what others gave it goes when the rest has worked; the other way round where both would break a quota.
    let names: BTreeSet<_> = have.inline.keys().chain(want.inline.keys()).collect();
    let size_after = |name: &String| want.inline.get(name).map_or(0, Document::size);
    let together: usize = names.into_iter().map(|name| size_before(name).max(size_after(name))).sum();
    let crowded =
        want.attached.union(&have.attached).count() > MANAGED_POLICIES_PER_ROLE || together > INLINE_SIZE_PER_ROLE;
    if crowded {
        steps.extend(detach.chain(delete).chain(attach).chain(put));
    } else {
        steps.extend(attach.chain(put).chain(detach).chain(delete));
    }

    if (&want.description, want.max_session_duration) != (&have.description, have.max_session_duration) {
        steps.push(Step::SetDetails {
            role: role(),
            description: want.description.clone(),
            max_session_duration: want.max_session_duration,
        });
    }
    if want.trust != have.trust && !is_trust_set {
        steps.push(Step::SetTrust { role: role(), trust: want.trust.clone() });
    }
    if want.boundary.is_none() && have.boundary.is_some() {
        steps.push(Step::RemoveBoundary { role: role() });
    }
    steps
}

fn teardown(role: &Name, have: &Role) -> Vec<Step> {
    let profiles = have.instance_profiles.iter();
    profiles
        .map(|profile| Step::RemoveFromInstanceProfile { role: role.clone(), profile: profile.clone() })
        .chain(have.attached.iter().map(|arn| Step::Detach { role: role.clone(), arn: arn.clone() }))
        .chain(have.inline.keys().map(|name| Step::DeleteInline { role: role.clone(), name: name.clone() }))
        .chain([Step::DeleteRole { role: role.clone() }])
        .collect()
}

fn untag(role: &Name, want: &Role, have: &Role) -> Option<Step> {
    let (_, keys) = tag_changes(&want.tags, &have.tags);
    let due = !keys.is_empty() && !crowded_tags(&want.tags, &have.tags);
    due.then(|| Step::UntagRole { role: role.clone(), keys })
}

/// Whether old and new tags together would break the quota, so that the old ones have to go first. Our own keys are
/// never among those: they go only where nothing is added.
fn crowded_tags(want: &Tags, have: &Tags) -> bool {
    want.keys().chain(have.keys()).collect::<BTreeSet<_>>().len() > TAGS_PER_ENTITY
}

fn tag_changes(want: &Tags, have: &Tags) -> (Tags, BTreeSet<String>) {
    let add = want.iter().filter(|(key, value)| have.get(*key) != Some(value));
    let drop = have.keys().filter(|key| !want.contains_key(*key));
    (add.map(|(k, v)| (k.clone(), v.clone())).collect(), drop.cloned().collect())
}

/// The world once IAM has taken the step. A step on a role or policy that is not there changes nothing.
pub fn after(mut world: World, step: &Step) -> World {
    match step {
        Step::CreatePolicy { arn, policy } => {
            world.policies.insert(arn.clone(), policy.clone());
        }
        Step::DeletePolicy { arn } => {
            world.policies.remove(arn);
        }
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } | Step::SetPolicyDocument { arn, .. } => {
            if let Some(policy) = world.policies.get_mut(arn) {
                change_policy(policy, step);
            }
        }
        Step::CreateRole { role, made } => {
            world.roles.insert(role.clone(), made.clone());
        }
        Step::DeleteRole { role } => {
            world.roles.remove(role);
        }
        Step::TagRole { role, .. }
        | Step::UntagRole { role, .. }
        | Step::SetBoundary { role, .. }
        | Step::RemoveBoundary { role }
        | Step::SetTrust { role, .. }
        | Step::SetDetails { role, .. }
        | Step::Attach { role, .. }
        | Step::Detach { role, .. }
        | Step::PutInline { role, .. }
        | Step::DeleteInline { role, .. }
        | Step::RemoveFromInstanceProfile { role, .. } => {
            if let Some(role) = world.roles.get_mut(role) {
                change_role(role, step);
            }
        }
    }
    world
}

fn change_policy(policy: &mut Policy, step: &Step) {
    match step {
        Step::TagPolicy { tags, .. } => policy.tags.extend(tags.clone()),
        Step::UntagPolicy { keys, .. } => policy.tags.retain(|key, _| !keys.contains(key)),
        Step::SetPolicyDocument { document, .. } => policy.document = document.clone(),
        _ => {}
    }
}

fn change_role(role: &mut Role, step: &Step) {
    match step {
        Step::TagRole { tags, .. } => role.tags.extend(tags.clone()),
        Step::UntagRole { keys, .. } => role.tags.retain(|key, _| !keys.contains(key)),
        Step::SetBoundary { arn, .. } => role.boundary = Some(arn.clone()),
        Step::RemoveBoundary { .. } => role.boundary = None,
        Step::SetTrust { trust, .. } => role.trust = trust.clone(),
        Step::SetDetails { description, max_session_duration, .. } => {
            role.description.clone_from(description);
            role.max_session_duration = *max_session_duration;
        }
        Step::Attach { arn, .. } => {
            role.attached.insert(arn.clone());
        }
        Step::Detach { arn, .. } => {
            role.attached.remove(arn);
        }
        Step::PutInline { name, document, .. } => {
            role.inline.insert(name.clone(), document.clone());
        }
        Step::DeleteInline { name, .. } => {
            role.inline.remove(name);
        }
        Step::RemoveFromInstanceProfile { profile, .. } => {
            role.instance_profiles.remove(profile);
        }
        _ => {}
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role `{name}`"),
            Self::Policy(arn) => write!(f, "policy `{arn}`"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |tags: &Tags| tags.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::CreatePolicy { arn, .. } => write!(f, "create policy `{arn}`"),
            Self::TagPolicy { arn, tags } => write!(f, "tag policy `{arn}` with {}", keys(tags)),
            Self::UntagPolicy { arn, keys } => write!(f, "take tags {keys:?} off policy `{arn}`"),
            Self::SetPolicyDocument { arn, .. } => write!(f, "set the document of policy `{arn}`"),
            Self::DeletePolicy { arn } => write!(f, "delete policy `{arn}`"),
            Self::CreateRole { role, made } => {
                let boundary = made.boundary.as_deref().unwrap_or("none");
                write!(f, "create role `{role}` at `{}` with boundary `{boundary}`", made.path)
            }
            Self::TagRole { role, tags } => write!(f, "tag role `{role}` with {}", keys(tags)),
            Self::UntagRole { role, keys } => write!(f, "take tags {keys:?} off role `{role}`"),
            Self::SetBoundary { role, arn } => write!(f, "set the boundary of role `{role}` to `{arn}`"),
            Self::RemoveBoundary { role } => write!(f, "remove the boundary of role `{role}`"),
            Self::SetTrust { role, .. } => write!(f, "set the trust of role `{role}`"),
            Self::SetDetails { role, max_session_duration, .. } => {
                write!(f, "set the description of role `{role}` and its longest session to {max_session_duration} s")
            }
            Self::Attach { role, arn } => write!(f, "attach `{arn}` to role `{role}`"),
            Self::Detach { role, arn } => write!(f, "detach `{arn}` from role `{role}`"),
            Self::PutInline { role, name, .. } => write!(f, "put inline policy `{name}` on role `{role}`"),
            Self::DeleteInline { role, name } => write!(f, "delete inline policy `{name}` of role `{role}`"),
            Self::RemoveFromInstanceProfile { role, profile } => {
                write!(f, "take role `{role}` out of instance profile `{profile}`")
            }
            Self::DeleteRole { role } => write!(f, "delete role `{role}`"),
        }
    }
}
