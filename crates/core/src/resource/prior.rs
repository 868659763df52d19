//! What there was before an event, told by its physical id and its properties. Pure.

use serde_json::{Map, Value};

use crate::iam::arn::Arn;
use crate::iam::name::Name;
use crate::resource;
use crate::resource::role;
use crate::resource::role_set::ID_PREFIX;
use crate::resource::spec::{ReadContext, ResourceSpec};
use crate::state::State;
use crate::state::ownership::Owner;
use crate::text::listed;

/// The resource as it was.
#[derive(Clone, Debug, Default)]
pub struct PriorState {
    /// What its properties asked for, where the resource stays the same or goes: what is no longer asked for goes.
    pub managed: State,
    /// Where else its policies may be: the deployer's default path may have been another when they were made, and the
    /// function's tables. ARNs.
    pub alternate_arns: Vec<String>,
    /// What a replacement leaves for the Delete that CloudFormation sends when the whole update has succeeded.
    pub superseded: State,
    /// Names of policies that the deployer's prefixes no longer admit.
    names_outside_guardrails: Vec<String>,
}

impl PriorState {
    /// # Errors
    /// When the update replaces the resource and can't: names that have to change, or could not be cleaned up.
    pub fn from_update(
        kind: &str,
        spec: &ResourceSpec,
        physical_id: &str,
        properties: &Value,
        context: ReadContext<'_>,
    ) -> Result<Self, String> {
        let empty = Map::new();
        let properties = properties.as_object().unwrap_or(&empty);
        let existing = Name::new(physical_id);
        let parse =
            |existing| resource::parse(kind, properties, ReadContext { existing, ..context }).map(|read| read.0);
        if existing == Name::new(&spec.physical_id) {
            // Names by the former properties, not by the id: that finds what a replacement left that was not undone.
            let Some(prior) = parse(None) else { return Ok(Self::default()) };
            return Ok(Self {
                managed: prior.state,
                names_outside_guardrails: prior.names_outside_guardrails,
                ..Self::default()
            });
        }
        if resource::is_set(kind) {
            return Self::of_other_set(spec, physical_id, parse(None).unwrap_or_default());
        }
        if !context.guardrails.allows_name(physical_id) {
            return Err(format!(
                "this update replaces role `{existing}`, and that is outside the deployer's `RoleNamePrefixes`, so it \
                 could not be deleted: have its prefix added, then try again; nothing was changed"
            ));
        }
        let superseded = parse(Some(&existing)).map(|prior| prior.state).unwrap_or_default();
        let clash = |arn: &&String| superseded.policies.keys().any(|old| policy_name(old) == policy_name(arn));
        if let Some(arn) = spec.state.policies.keys().find(clash) {
            return Err(format!(
                "this update replaces role `{existing}` by `{}`, and policy `{arn}` can't serve both: give `PolicyName` \
                 a new value too; nothing was changed",
                spec.physical_id
            ));
        }
        Ok(Self { superseded, ..Self::default() })
    }

    /// A set of roles under other names: the old ones stand until the cleanup, so no name can serve both.
    fn of_other_set(spec: &ResourceSpec, physical_id: &str, prior: ResourceSpec) -> Result<Self, String> {
        let gone =
            |what: &str| Err(format!("this update replaces the set `{physical_id}`, {what}; nothing was changed"));
        if !prior.names_outside_guardrails.is_empty() {
            let names = listed(&prior.names_outside_guardrails);
            return gone(&format!(
                "and {names} are outside the deployer's `RoleNamePrefixes`, so they could not be deleted: have their \
                 prefix added, then try again"
            ));
        }
        is_told(physical_id, &prior)?;
        let roles = prior.state.roles.keys().filter(|name| spec.state.roles.contains_key(name)).map(Name::to_string);
        let is_kept = |arn: &&String| spec.state.policies.keys().any(|new| policy_name(new) == policy_name(arn));
        let policies = prior.state.policies.keys().filter(is_kept).cloned();
        let both: Vec<String> = roles.chain(policies).collect();
        if !both.is_empty() {
            return gone(&format!("and {} can't serve both: give them new names by `RoleNames` too", listed(&both)));
        }
        Ok(Self { superseded: prior.state, ..Self::default() })
    }

    /// Whether the properties count beside the id, since that may be one that was never given out.
    pub fn goes_by_properties(
        kind: &str,
        physical_id: &str,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> bool {
        if resource::is_set(kind) {
            return !physical_id.starts_with(ID_PREFIX);
        }
        !matches!(Id::parse(physical_id, properties, context), Id::Role(_))
    }

    /// `lives` is the id under which the stack has the resource by now, where that is another: what it stands for stays.
    ///
    /// # Errors
    /// When the id names a role that the deployer's prefixes no longer admit.
    pub fn from_delete(
        kind: &str,
        physical_id: &str,
        lives: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, String> {
        if !resource::TYPES.contains(&kind) {
            // Of a type that does not exist, nothing was made.
            return Ok(Self::default());
        }
        if resource::is_set(kind) {
            return Self::of_set(kind, physical_id, lives, properties, context);
        }
        // The role that the id names, and no other: what the properties lead to under today's rules may by now be the
        // role that took this one's place. Only where the id may be invented do they count.
        let existing = match Id::parse(physical_id, properties, context) {
            Id::Role(name) if !context.guardrails.allows_name(physical_id) => {
                return Err(format!(
                    "role `{name}` is outside the deployer's `RoleNamePrefixes`, so it can't be deleted: have its \
                     prefix added, then delete again"
                ));
            }
            Id::Role(name) => vec![Some(name)],
            Id::Perhaps(name) => vec![Some(name), None],
            Id::Nothing => vec![None],
        };
        let mut prior = Self::default();
        let mut surplus_arns = Vec::new();
        for existing in existing {
            let named = ReadContext { existing: existing.as_ref(), ..context };
            let Some((read, _)) = resource::parse(kind, properties, named) else { continue };
            if lives.is_some_and(|id| Name::new(id) == Name::new(&read.physical_id)) {
                continue;
            }
            prior.managed.merge(read.state);
            prior.names_outside_guardrails.extend(read.names_outside_guardrails);
            surplus_arns.extend(read.surplus_arns);
        }
        let paths = &context.guardrails.role_paths;
        let arns = prior.managed.policies.keys().chain(&surplus_arns);
        let names = arns.filter_map(|arn| Some(Arn::parse(arn)?.iam_entity("policy")?.1));
        prior.alternate_arns =
            names.flat_map(|name| paths.iter().map(|path| context.place.policy_arn(path, name))).collect();
        Ok(prior)
    }

    /// A set that was made has one of our ids. Under another one its Create has failed, and whatever there is of it goes.
    fn of_set(
        kind: &str,
        physical_id: &str,
        lives: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, String> {
        let Some((read, _)) = resource::parse(kind, properties, context) else { return Ok(Self::default()) };
        if lives == Some(read.physical_id.as_str()) {
            return Ok(Self::default());
        }
        let is_given_out = physical_id.starts_with(ID_PREFIX);
        if is_given_out && !read.names_outside_guardrails.is_empty() {
            return Err(format!(
                "{}: outside the deployer's `RoleNamePrefixes`, so they can't be deleted: have their prefix added, then \
                 delete again",
                listed(&read.names_outside_guardrails)
            ));
        }
        is_told(physical_id, &read)?;
        Ok(Self { managed: read.state, ..Self::default() })
    }

    /// A policy under a name that the deployer's prefixes no longer admit can't even be looked at: it must not be
    /// forgotten.
    ///
    /// # Errors
    /// When one hangs on a role of ours.
    pub fn check_within_guardrails(&self, observed: &State, owner: &Owner) -> Result<(), String> {
        let ours = owner.roles_of(observed).map(|(_, role)| role);
        let lost = |arn: &&String| self.names_outside_guardrails.iter().any(|name| policy_name(arn) == Name::new(name));
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
fn is_told(physical_id: &str, prior: &ResourceSpec) -> Result<(), String> {
    if !physical_id.starts_with(ID_PREFIX) || prior.physical_id == physical_id {
        return Ok(());
    }
    Err(format!(
        "the properties do not lead to the names that `{physical_id}` stands for, but to those of `{}`: deploy the version of \
         this function that made the roles; nothing was changed",
        prior.physical_id
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
    fn parse(physical_id: &str, properties: &Map<String, Value>, context: ReadContext<'_>) -> Self {
        if !role::is_role_name(physical_id) {
            return Self::Nothing;
        }
        let explicit = properties.get("RoleName").and_then(Value::as_str) == Some(physical_id);
        let stack = context.owner.stack_id.split('/').nth(1).unwrap_or_default();
        let start: String = stack.chars().take(8).collect();
        let name = Name::new(physical_id);
        if explicit || role::is_derived(physical_id, context) {
            Self::Role(name)
        } else if context.guardrails.allows_name(physical_id) {
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
