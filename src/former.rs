//! What there was before an event, told by its physical id and its properties. Pure.

use serde_json::{Map, Value};

use crate::arn::Arn;
use crate::fence::listed;
use crate::ownership::{Owner, PHYSICAL_TAG};
use crate::resource::role_set::ID_PREFIX;
use crate::resource::{self, Setting, Wanted, role};
use crate::world::{Name, Tags, World};

/// The resource as it was.
#[derive(Clone, Debug, Default)]
pub struct Former {
    /// What its properties asked for, where the resource stays the same or goes: what is no longer asked for goes.
    pub leaving: World,
    /// Where else its policies may be: the deployer's default path may have been another when they were made, and the
    /// function's tables. ARNs.
    pub elsewhere: Vec<String>,
    /// What a replacement leaves for the Delete that CloudFormation sends when the whole update has succeeded.
    pub replaced: World,
    /// Whether a set of roles gets another id.
    pub moves: bool,
    /// Of a set of roles that goes, its id: what carries another one by now stays.
    generation: Option<String>,
    /// Names of policies that the deployer's prefixes no longer admit.
    outside: Vec<String>,
}

impl Former {
    /// # Errors
    /// When the update replaces the resource and can't: names that have to change, or could not be cleaned up.
    pub fn of_update(
        kind: &str,
        wanted: &Wanted,
        physical_id: &str,
        properties: &Value,
        setting: Setting<'_>,
    ) -> Result<Self, String> {
        let empty = Map::new();
        let properties = properties.as_object().unwrap_or(&empty);
        let existing = Name::new(physical_id);
        let read = |existing| resource::read(kind, properties, Setting { existing, ..setting }).map(|read| read.0);
        if existing == Name::new(&wanted.physical_id) {
            // Names by the former properties, not by the id: that finds what a replacement left that was not undone.
            let Some(former) = read(None) else { return Ok(Self::default()) };
            return Ok(Self { leaving: former.world, outside: former.outside, ..Self::default() });
        }
        if resource::is_set(kind) {
            return Self::of_other_names(wanted, physical_id, read(None).unwrap_or_default());
        }
        if !setting.fence.admits_name(physical_id) {
            return Err(format!(
                "this update replaces role `{existing}`, and that is outside the deployer's `RoleNamePrefixes`, so it \
                 could not be deleted: have its prefix added, then try again; nothing was changed"
            ));
        }
        let replaced = read(Some(&existing)).map(|former| former.world).unwrap_or_default();
        let clash = |arn: &&String| replaced.policies.keys().any(|old| policy_name(old) == policy_name(arn));
        if let Some(arn) = wanted.world.policies.keys().find(clash) {
            return Err(format!(
                "this update replaces role `{existing}` by `{}`, and policy `{arn}` can't serve both: give `PolicyName` \
                 a new value too; nothing was changed",
                wanted.physical_id
            ));
        }
        Ok(Self { replaced, ..Self::default() })
    }

    /// A set of roles whose names change: what both have stays and gets the new id, the rest goes by the Delete of the old
    /// one.
    fn of_other_names(wanted: &Wanted, physical_id: &str, former: Wanted) -> Result<Self, String> {
        if !former.outside.is_empty() {
            return Err(format!(
                "this update replaces {}, outside the deployer's `RoleNamePrefixes`, so they could not be deleted: have \
                 their prefix added, then try again; nothing was changed",
                listed(&former.outside)
            ));
        }
        is_told(physical_id, &former)?;
        let (mut leaving, mut replaced) = (World::default(), World::default());
        for (name, role) in former.world.roles {
            let stays = wanted.world.roles.contains_key(&name);
            if stays { &mut leaving } else { &mut replaced }.roles.insert(name, role);
        }
        for (arn, policy) in former.world.policies {
            let stays = wanted.world.policies.contains_key(&arn);
            if stays { &mut leaving } else { &mut replaced }.policies.insert(arn, policy);
        }
        Ok(Self { leaving, replaced, moves: true, ..Self::default() })
    }

    /// # Errors
    /// When the id names a role that the deployer's prefixes no longer admit.
    pub fn of_delete(
        kind: &str,
        physical_id: &str,
        properties: &Map<String, Value>,
        setting: Setting<'_>,
    ) -> Result<Self, String> {
        if !resource::TYPES.contains(&kind) {
            // Of a type that does not exist, nothing was made.
            return Ok(Self::default());
        }
        if resource::is_set(kind) {
            return Self::of_set(kind, physical_id, properties, setting);
        }
        // The role that the id names, and no other: what the properties lead to under today's rules may by now be the
        // role that took this one's place. Only where the id may be invented do they count.
        let existing = match Id::read(physical_id, properties, setting) {
            Id::Role(name) if !setting.fence.admits_name(physical_id) => {
                return Err(format!(
                    "role `{name}` is outside the deployer's `RoleNamePrefixes`, so it can't be deleted: have its \
                     prefix added, then delete again"
                ));
            }
            Id::Role(name) => vec![Some(name)],
            Id::Perhaps(name) => vec![Some(name), None],
            Id::Nothing => vec![None],
        };
        let mut former = Self::default();
        let mut outgrown = Vec::new();
        for existing in existing {
            let named = Setting { existing: existing.as_ref(), ..setting };
            let Some((read, _)) = resource::read(kind, properties, named) else { continue };
            former.leaving.absorb(read.world);
            former.outside.extend(read.outside);
            outgrown.extend(read.outgrown);
        }
        let paths = &setting.fence.role_paths;
        let arns = former.leaving.policies.keys().chain(&outgrown);
        let names = arns.filter_map(|arn| Some(Arn::parse(arn)?.iam_entity("policy")?.1));
        former.elsewhere =
            names.flat_map(|name| paths.iter().map(|path| setting.place.policy_arn(path, name))).collect();
        Ok(former)
    }

    /// A set that was made has one of our ids. Under another one its Create has failed, and whatever there is of it goes.
    fn of_set(
        kind: &str,
        physical_id: &str,
        properties: &Map<String, Value>,
        setting: Setting<'_>,
    ) -> Result<Self, String> {
        let Some((read, _)) = resource::read(kind, properties, setting) else { return Ok(Self::default()) };
        let generation = physical_id.starts_with(ID_PREFIX).then(|| physical_id.to_owned());
        if generation.is_some() && !read.outside.is_empty() {
            return Err(format!(
                "{}: outside the deployer's `RoleNamePrefixes`, so they can't be deleted: have their prefix added, then \
                 delete again",
                listed(&read.outside)
            ));
        }
        if generation.is_some() {
            is_told(physical_id, &read)?;
        }
        Ok(Self { leaving: read.world, generation, ..Self::default() })
    }

    /// Takes out of the world what belongs to another set of the same resource.
    pub fn spare(&self, seen: &mut World) {
        seen.roles.retain(|_, role| self.is_of_it(&role.tags));
        seen.policies.retain(|_, policy| self.is_of_it(&policy.tags));
    }

    /// Whether it would take anything out.
    pub fn spares(&self, seen: &World) -> bool {
        let mut tags = seen.roles.values().map(|role| &role.tags).chain(seen.policies.values().map(|one| &one.tags));
        !tags.all(|tags| self.is_of_it(tags))
    }

    fn is_of_it(&self, tags: &Tags) -> bool {
        let Some(id) = &self.generation else { return true };
        tags.get(PHYSICAL_TAG).is_none_or(|tag| tag == id)
    }

    /// A policy under a name that the deployer's prefixes no longer admit can't even be looked at: it must not be
    /// forgotten.
    ///
    /// # Errors
    /// When one hangs on a role of ours.
    pub fn in_reach(&self, seen: &World, owner: &Owner) -> Result<(), String> {
        let ours = owner.roles_of(seen).map(|(_, role)| role);
        let lost = |arn: &&String| self.outside.iter().any(|name| policy_name(arn) == Name::new(name));
        match ours.flat_map(|role| &role.attached).find(lost) {
            None => Ok(()),
            Some(arn) => Err(format!(
                "policy `{arn}` is outside the deployer's `RoleNamePrefixes`, so it can't be deleted: have its prefix \
                 added, then try again; nothing was changed"
            )),
        }
    }
}

/// Under an id that was given out, the properties have to lead to the very names that it was given out for: else what stands
/// under others would be forgotten.
fn is_told(physical_id: &str, former: &Wanted) -> Result<(), String> {
    if !physical_id.starts_with(ID_PREFIX) || former.physical_id == physical_id {
        return Ok(());
    }
    Err(format!(
        "the properties do not lead to the names that `{physical_id}` stands for, but to those of `{}`: deploy the version of \
         this function that made the roles; nothing was changed",
        former.physical_id
    ))
}

/// What a physical resource id tells.
enum Id {
    /// The name of a role that we gave out, and nothing else.
    Role(Name),
    /// Perhaps the name of a role, perhaps an id that CloudFormation invented for a Create that it never had an answer
    /// to (`stack-LogicalId-1ABCDEFGHIJKL`, the names cut where they are long).
    Perhaps(Name),
    /// No role of ours could be called so.
    Nothing,
}

impl Id {
    fn read(physical_id: &str, properties: &Map<String, Value>, setting: Setting<'_>) -> Self {
        if !role::is_role_name(physical_id) {
            return Self::Nothing;
        }
        let explicit = properties.get("RoleName").and_then(Value::as_str) == Some(physical_id);
        let stack = setting.owner.stack_id.split('/').nth(1).unwrap_or_default();
        let start: String = stack.chars().take(8).collect();
        let name = Name::new(physical_id);
        if explicit || role::is_derived(physical_id, setting) {
            Self::Role(name)
        } else if setting.fence.admits_name(physical_id) {
            Self::Perhaps(name)
        } else if physical_id.starts_with(&start) {
            Self::Nothing
        } else {
            Self::Role(name)
        }
    }
}

fn policy_name(arn: &str) -> Name {
    Name::new(arn.rsplit('/').next().unwrap_or_default())
}
