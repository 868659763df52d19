//! Whose a role or policy is: told by the tags that it was made with, never by its name.

use std::fmt;

use crate::iam::name::Name;
use crate::state::query::Query;
use crate::state::{Entity, Policy, Role, State, Tags};

/// The owning stack's id. With the logical id it goes into the create call itself.
pub const STACK_TAG: &str = "mlops-roles:stack-id";
pub const LOGICAL_TAG: &str = "mlops-roles:logical-id";

/// On what was taken over and is therefore released rather than deleted.
pub const ADOPTED_TAG: &str = "mlops-roles:adopted";

/// Tags that a user may not set.
pub const TAG_KEYS: [&str; 3] = [STACK_TAG, LOGICAL_TAG, ADOPTED_TAG];
const ADOPTED: &str = "true";

/// The resource of a stack that owns what this event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub stack_id: String,
    pub logical_id: String,
}

/// What the work on an event may write to.
#[derive(Clone, Debug)]
pub struct WriteScope<'a> {
    pub owner: &'a Owner,
    /// What goes whoever made it: the service-catalog roles of a resource that tears them down.
    pub also_deletable: Query,
}

impl<'a> WriteScope<'a> {
    /// On what is the owner's, and nothing else.
    pub fn owned_by(owner: &'a Owner) -> Self {
        Self { owner, also_deletable: Query::default() }
    }

    /// Whether the world shows the entity, and as one that may be written to.
    pub fn covers(&self, entity: &Entity, state: &State) -> bool {
        let also_deletable = match entity {
            Entity::Role(name) => self.also_deletable.roles.contains_key(name) && state.roles.contains_key(name),
            Entity::Policy(arn) => self.also_deletable.policies.contains_key(arn) && state.policies.contains_key(arn),
        };
        also_deletable || self.owner.owns_entity(entity, state)
    }
}

/// What the tags of an entity say, as its would-be owner reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// We made it.
    Managed,
    /// We took it over.
    Adopted,
    /// Another stack, or another resource of this one, owns it.
    Foreign(Owner),
    /// It carries none of our tags.
    Unowned,
}

impl Owner {
    pub fn tags(&self) -> Tags {
        Tags::from([(STACK_TAG.to_owned(), self.stack_id.clone()), (LOGICAL_TAG.to_owned(), self.logical_id.clone())])
    }

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

    pub fn owns(&self, tags: &Tags) -> bool {
        matches!(self.ownership(tags), Ownership::Managed | Ownership::Adopted)
    }

    /// Our roles in the world.
    pub fn roles_of<'a>(&self, state: &'a State) -> impl Iterator<Item = (&'a Name, &'a Role)> {
        state.roles.iter().filter(|(_, role)| self.owns(&role.tags))
    }

    /// Whether the world shows this entity as ours.
    pub fn owns_entity(&self, entity: &Entity, state: &State) -> bool {
        let tags = match entity {
            Entity::Role(name) => state.roles.get(name).map(|role| &role.tags),
            Entity::Policy(arn) => state.policies.get(arn).map(|policy| &policy.tags),
        };
        tags.is_some_and(|tags| self.owns(tags))
    }

    /// What the properties name and the world shows as somebody else's.
    pub fn foreign_entities(&self, desired: &State, observed: &State) -> Vec<Entity> {
        let roles =
            desired.roles.keys().filter(|name| observed.roles.get(name).is_some_and(|role| !self.owns(&role.tags)));
        let is_other = |arn: &&String| observed.policies.get(*arn).is_some_and(|policy| !self.owns(&policy.tags));
        let policies = desired.policies.keys().filter(is_other);
        roles.cloned().map(Entity::Role).chain(policies.cloned().map(Entity::Policy)).collect()
    }

    /// The world as it should be: what the resource asks for, what it had and no longer asks for gone or released,
    /// everything that is not ours as it is.
    ///
    /// `new` is what the properties ask for and `old` what the former properties asked for, both without our tags;
    /// `observed` is the account. What `new` names and `observed` has under somebody else's tags is taken over: whoever
    /// calls has judged that before.
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

    /// Whether it is a policy that we made and that is no longer asked for.
    fn goes(&self, arn: &str, new: &State, observed: &State) -> bool {
        let ownership = observed.policies.get(arn).map(|policy| self.ownership(&policy.tags));
        ownership == Some(Ownership::Managed) && !new.policies.contains_key(arn)
    }

    fn tagged(&self, tags: &Tags) -> Tags {
        tags.clone().into_iter().chain(self.tags()).collect()
    }

    /// Tags that others added stay; those that the former properties set and the new ones don't go.
    fn kept_tags(&self, want: &Tags, prior: Option<&Tags>, have: &Tags) -> Tags {
        let others = have.iter().filter(|(key, _)| !prior.is_some_and(|prior| prior.contains_key(*key)));
        others.map(|(k, v)| (k.clone(), v.clone())).chain(self.tagged(want)).collect()
    }

    /// A role that we made grants what was asked for and nothing else. On one that we took over, what others gave it
    /// stays theirs.
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

/// The role without what the former properties gave it.
fn without(have: &Role, old: Option<&Role>) -> Role {
    let mut role = have.clone();
    if let Some(old) = old {
        role.attached.retain(|arn| !old.attached.contains(arn));
        role.inline.retain(|name, _| !old.inline.contains_key(name));
    }
    role
}

/// The boundary stays: without it, whoever chose the trust would come to all that others gave the role.
fn released_role(have: &Role, old: Option<&Role>) -> Role {
    Role { tags: released_tags(&have.tags, old.map(|old| &old.tags)), ..without(have, old) }
}

pub fn released_tags(have: &Tags, old: Option<&Tags>) -> Tags {
    let ours = |key: &String| TAG_KEYS.contains(&key.as_str()) || old.is_some_and(|old| old.contains_key(key));
    have.iter().filter(|(key, _)| !ours(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource `{}` of stack `{}`", self.logical_id, self.stack_id)
    }
}
