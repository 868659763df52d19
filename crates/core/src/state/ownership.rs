//! Tells which resource owns a role or policy, by its tags and never by its name.
//!
//! The call that creates the role or policy sets the tags, or its adoption does.

use std::fmt;

use crate::iam::name::Name;
use crate::state::query::Query;
use crate::state::{Entity, Policy, Role, State, Tags};

/// The key of the tag that holds the id of the owning stack. The create call itself sets it, with [`LOGICAL_TAG`].
pub const STACK_TAG: &str = "mlops-roles:stack-id";
/// The key of the tag that holds the logical id of the owning resource.
pub const LOGICAL_TAG: &str = "mlops-roles:logical-id";

/// The key of the tag on an adopted entity, which is released rather than deleted. The value is `true`.
pub const ADOPTED_TAG: &str = "mlops-roles:adopted";

/// The keys of the ownership tags. A template may not set them.
pub const TAG_KEYS: [&str; 3] = [STACK_TAG, LOGICAL_TAG, ADOPTED_TAG];
const ADOPTED: &str = "true";

/// A resource of a stack, as the owner of roles and policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The ARN of the stack: `arn:aws:cloudformation:eu-west-1:123456789012:stack/name/uuid`.
    pub stack_id: String,
    /// The logical id of the resource in the template of the stack.
    pub logical_id: String,
}

/// What an event may write to.
#[derive(Clone, Debug)]
pub struct WriteScope<'a> {
    /// The owner whose entities may be written to.
    pub owner: &'a Owner,
    /// Entities that may be deleted whoever created them: the service-catalog roles that a resource is to delete, and
    /// their policies.
    pub also_deletable: Query,
}

impl<'a> WriteScope<'a> {
    /// The write scope of the owner's entities and nothing else.
    pub fn owned_by(owner: &'a Owner) -> Self {
        Self { owner, also_deletable: Query::default() }
    }

    /// Whether `state` has the entity and the event may write to it.
    pub fn covers(&self, entity: &Entity, state: &State) -> bool {
        let also_deletable = match entity {
            Entity::Role(name) => self.also_deletable.roles.contains_key(name) && state.roles.contains_key(name),
            Entity::Policy(arn) => self.also_deletable.policies.contains_key(arn) && state.policies.contains_key(arn),
        };
        also_deletable || self.owner.owns_entity(entity, state)
    }
}

/// Whose an entity is, by its tags, from the point of view of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The owner created the entity.
    Managed,
    /// The owner adopted the entity.
    Adopted,
    /// Another stack, or another resource of the same stack, owns the entity. An id whose tag is missing is empty.
    Foreign(Owner),
    /// The entity has no tag that names an owner.
    Unowned,
}

impl Owner {
    /// The two tags that name this owner: the stack id and the logical id.
    pub fn tags(&self) -> Tags {
        Tags::from([(STACK_TAG.to_owned(), self.stack_id.clone()), (LOGICAL_TAG.to_owned(), self.logical_id.clone())])
    }

    /// Tells whose an entity with these tags is.
    pub fn ownership(&self, tags: &Tags) -> Ownership {
        let (stack, logical) = (tags.get(STACK_TAG), tags.get(LOGICAL_TAG));
        if stack.is_none() && logical.is_none() {
            return Ownership::Unowned;
        }
        let found =
            Self { stack_id: stack.cloned().unwrap_or_default(), logical_id: logical.cloned().unwrap_or_default() };
        if found != *self {
            return Ownership::Foreign(found);
        }
        if tags.contains_key(ADOPTED_TAG) { Ownership::Adopted } else { Ownership::Managed }
    }

    /// Whether an entity with these tags is managed or adopted by this owner.
    pub fn owns(&self, tags: &Tags) -> bool {
        matches!(self.ownership(tags), Ownership::Managed | Ownership::Adopted)
    }

    /// The roles of `state` that this owner manages or has adopted.
    pub fn roles_of<'a>(&self, state: &'a State) -> impl Iterator<Item = (&'a Name, &'a Role)> {
        state.roles.iter().filter(|(_, role)| self.owns(&role.tags))
    }

    /// Whether `state` has the entity, and this owner manages it or has adopted it.
    pub fn owns_entity(&self, entity: &Entity, state: &State) -> bool {
        let tags = match entity {
            Entity::Role(name) => state.roles.get(name).map(|role| &role.tags),
            Entity::Policy(arn) => state.policies.get(arn).map(|policy| &policy.tags),
        };
        tags.is_some_and(|tags| self.owns(tags))
    }

    /// The roles and policies that are both in `desired` and in `observed` and are foreign or unowned.
    pub fn foreign_entities(&self, desired: &State, observed: &State) -> Vec<Entity> {
        let roles =
            desired.roles.keys().filter(|name| observed.roles.get(name).is_some_and(|role| !self.owns(&role.tags)));
        let is_other = |arn: &&String| observed.policies.get(*arn).is_some_and(|policy| !self.owns(&policy.tags));
        let policies = desired.policies.keys().filter(is_other);
        roles.cloned().map(Entity::Role).chain(policies.cloned().map(Entity::Policy)).collect()
    }

    /// Computes the desired state.
    ///
    /// The desired state has what the resource asks for. What the resource has and no longer asks for is left out if it
    /// is managed, and released if it is adopted. Foreign and unowned entities stay as they are.
    ///
    /// `new` is what the properties ask for and `old` what the old properties asked for, both without ownership tags;
    /// `observed` is the observed state. An entity of `new` that is foreign or unowned in `observed` is adopted: the
    /// caller has checked beforehand that it may be.
    pub fn desired(&self, new: &State, old: &State, observed: &State) -> State {
        let mut desired = State::default();
        for (name, have) in &observed.roles {
            if new.roles.contains_key(name) {
                continue;
            }
            match self.ownership(&have.tags) {
                Ownership::Managed => {}
                Ownership::Adopted => {
                    let mut role = released_role(have, old.roles.get(name));
                    role.attached.retain(|arn| !self.goes(arn, new, observed));
                    desired.roles.insert(name.clone(), role);
                }
                Ownership::Foreign(_) | Ownership::Unowned => {
                    desired.roles.insert(name.clone(), have.clone());
                }
            }
        }
        for (name, want) in &new.roles {
            let role = match observed.roles.get(name) {
                None => Role { tags: self.tagged(&want.tags), ..want.clone() },
                Some(have) => self.kept_role(want, old.roles.get(name), have),
            };
            desired.roles.insert(name.clone(), role);
        }
        for (arn, have) in &observed.policies {
            if new.policies.contains_key(arn) {
                continue;
            }
            match self.ownership(&have.tags) {
                Ownership::Managed => {}
                Ownership::Adopted => {
                    let tags = released_tags(&have.tags, old.policies.get(arn).map(|policy| &policy.tags));
                    desired.policies.insert(arn.clone(), Policy { tags, ..have.clone() });
                }
                Ownership::Foreign(_) | Ownership::Unowned => {
                    desired.policies.insert(arn.clone(), have.clone());
                }
            }
        }
        for (arn, want) in &new.policies {
            let tags = match observed.policies.get(arn) {
                None => self.tagged(&want.tags),
                Some(have) => {
                    let prior = old.policies.get(arn).map(|policy| &policy.tags);
                    let mut tags = self.kept_tags(&want.tags, prior, &have.tags);
                    if self.ownership(&have.tags) != Ownership::Managed {
                        tags.entry(ADOPTED_TAG.to_owned()).or_insert_with(|| ADOPTED.to_owned());
                    }
                    tags
                }
            };
            desired.policies.insert(arn.clone(), Policy { document: want.document.clone(), tags });
        }
        desired
    }

    /// Whether the ARN is that of a managed policy that `new` no longer asks for.
    fn goes(&self, arn: &str, new: &State, observed: &State) -> bool {
        let ownership = observed.policies.get(arn).map(|policy| self.ownership(&policy.tags));
        ownership == Some(Ownership::Managed) && !new.policies.contains_key(arn)
    }

    fn tagged(&self, tags: &Tags) -> Tags {
        tags.clone().into_iter().chain(self.tags()).collect()
    }

    /// Keeps the tags that others added. Removes those that the old properties set and the new properties don't.
    fn kept_tags(&self, want: &Tags, prior: Option<&Tags>, have: &Tags) -> Tags {
        let others = have.iter().filter(|(key, _)| !prior.is_some_and(|prior| prior.contains_key(*key)));
        others.map(|(k, v)| (k.clone(), v.clone())).chain(self.tagged(want)).collect()
    }

    /// The desired form of a role that exists.
    ///
    /// A managed role grants what the properties ask for and nothing else. An adopted role keeps what others gave it.
    fn kept_role(&self, want: &Role, old: Option<&Role>, have: &Role) -> Role {
        let mut role = Role {
            path: have.path.clone(),
            tags: self.kept_tags(&want.tags, old.map(|old| &old.tags), &have.tags),
            instance_profiles: have.instance_profiles.clone(),
            ..want.clone()
        };
        if self.ownership(&have.tags) == Ownership::Managed {
            return role;
        }
        role.tags.entry(ADOPTED_TAG.to_owned()).or_insert_with(|| ADOPTED.to_owned());
        let theirs = without(have, old);
        role.attached.extend(theirs.attached);
        for (name, document) in theirs.inline {
            role.inline.entry(name).or_insert(document);
        }
        role
    }
}

/// The role without the policies that the old properties gave it.
fn without(have: &Role, old: Option<&Role>) -> Role {
    let mut role = have.clone();
    if let Some(old) = old {
        role.attached.retain(|arn| !old.attached.contains(arn));
        role.inline.retain(|name, _| !old.inline.contains_key(name));
    }
    role
}

/// The role as it is once it is released.
///
/// The boundary stays: without it, whoever chose the trust policy would get everything that others granted to the role.
fn released_role(have: &Role, old: Option<&Role>) -> Role {
    Role { tags: released_tags(&have.tags, old.map(|old| &old.tags)), ..without(have, old) }
}

/// The tags of an entity once it is released.
///
/// Those are the tags in `have` without the ownership tags and without the tags in `old`, which the old properties set.
pub fn released_tags(have: &Tags, old: Option<&Tags>) -> Tags {
    let ours = |key: &String| TAG_KEYS.contains(&key.as_str()) || old.is_some_and(|old| old.contains_key(key));
    have.iter().filter(|(key, _)| !ours(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource `{}` of stack `{}`", self.logical_id, self.stack_id)
    }
}
