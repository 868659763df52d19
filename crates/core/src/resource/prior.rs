//! The prior state of a resource, computed from its physical id and its properties.
//!
//! The code here is pure.

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

/// The prior state: what the resource had before the event.
#[derive(Clone, Debug, Default)]
pub struct PriorState {
    /// What the earlier properties asked for, for an update in place or a Delete. Whatever the new properties no longer
    /// ask for is deleted, or released where it was adopted.
    pub managed: State,
    /// The ARNs that the policies may have instead. The deployer's default path and the function's tables may have been
    /// different when the policies were created.
    pub alternate_arns: Vec<String>,
    /// What a replacement leaves for the Delete that CloudFormation sends once the whole stack update has succeeded.
    pub superseded: State,
    /// Names of policies that the deployer's `RoleNamePrefixes` no longer allow.
    names_outside_guardrails: Vec<String>,
}

impl PriorState {
    /// Returns the prior state for an Update to `spec`. `physical_id` and `properties` are those before the Update.
    ///
    /// # Errors
    /// The update is a replacement that can't succeed, as text for the author. Either old and new entities would share
    /// a name, or an old name is outside the deployer's `RoleNamePrefixes`, so that the function could not delete it.
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
            // The names come from the old properties, not from the physical id. That finds what a replacement left
            // behind when its rollback did not finish.
            let Some(prior) = parse(None) else { return Ok(Self::default()) };
            return Ok(Self {
                managed: prior.state,
                names_outside_guardrails: prior.names_outside_guardrails,
                ..Self::default()
            });
        }
        if resource::is_set(kind) {
            return Self::from_other_set(spec, physical_id, parse(None).unwrap_or_default());
        }
        if !context.guardrails.allows_name(physical_id) {
            return Err(format!(
                "this update replaces role `{existing}`, which the function can't delete: the name is outside the \
                 deployer's `RoleNamePrefixes`; ask the deployer to add its prefix, then try again; nothing was changed"
            ));
        }
        let prior = parse(Some(&existing)).unwrap_or_default();
        // How many policies a definition in Amazon S3 led to is not known.
        let further = prior.surplus_arns.iter().filter(|_| prior.definition.is_some());
        let names: Vec<Name> = prior.state.policies.keys().chain(further).map(|old| policy_name(old)).collect();
        let clash = |arn: &&String| names.contains(&policy_name(arn));
        if let Some(arn) = spec.state.policies.keys().find(clash) {
            return Err(format!(
                "this update replaces role `{existing}` with `{}`, but both roles would have policy `{arn}`; give \
                 `PolicyName` a new value too; nothing was changed",
                spec.physical_id
            ));
        }
        Ok(Self { superseded: prior.state, ..Self::default() })
    }

    /// Returns the prior state for an Update that replaces a role set. The old roles and policies exist until
    /// CloudFormation's cleanup, so the old and the new set can't share a name.
    ///
    /// # Errors
    /// The two sets share a name, or the function could not delete the old set.
    fn from_other_set(spec: &ResourceSpec, physical_id: &str, prior: ResourceSpec) -> Result<Self, String> {
        let gone =
            |what: &str| Err(format!("this update replaces role set `{physical_id}`, {what}; nothing was changed"));
        if !prior.names_outside_guardrails.is_empty() {
            let names = listed(&prior.names_outside_guardrails);
            return gone(&format!(
                "which the function can't delete: these names are outside the deployer's `RoleNamePrefixes`: {names}; \
                 ask the deployer to add their prefix, then try again"
            ));
        }
        check_names(physical_id, &prior)?;
        let roles = prior.state.roles.keys().filter(|name| spec.state.roles.contains_key(name)).map(Name::to_string);
        let is_kept = |arn: &&String| spec.state.policies.keys().any(|new| policy_name(new) == policy_name(arn));
        let policies = prior.state.policies.keys().filter(is_kept).cloned();
        let both: Vec<String> = roles.chain(policies).collect();
        if !both.is_empty() {
            return gone(&format!(
                "but both role sets would have {}; give these roles new names with `RoleNames` too",
                listed(&both)
            ));
        }
        Ok(Self { superseded: prior.state, ..Self::default() })
    }

    /// Returns whether a Delete goes by the properties in addition to the physical id. That is so where this function
    /// may never have returned the physical id: CloudFormation invents one for a Create that got no response.
    pub fn is_identified_by_properties(
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

    /// Returns the prior state for a Delete of the resource with `physical_id` and `properties`.
    ///
    /// `current_id` is the physical id that the stack has for the resource by now, where that is another id. What that id
    /// stands for is left out, so that it stays.
    ///
    /// # Errors
    /// The function can't delete what the physical id stands for, as text for the author. Either a name is outside the
    /// deployer's `RoleNamePrefixes`, or the properties do not lead to the names of the role set.
    pub fn from_delete(
        kind: &str,
        physical_id: &str,
        current_id: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, String> {
        if !resource::TYPES.contains(&kind) {
            // The function creates nothing for a type that does not exist.
            return Ok(Self::default());
        }
        if resource::is_set(kind) {
            return Self::from_set(kind, physical_id, current_id, properties, context);
        }
        // Delete only the role that the physical id names. Under the current rules the properties may lead to the role
        // that has replaced this one. The properties count only where CloudFormation may have invented the id.
        let existing = match Id::parse(physical_id, properties, context) {
            Id::Role(name) if !context.guardrails.allows_name(physical_id) => {
                return Err(format!(
                    "role `{name}` can't be deleted: the name is outside the deployer's `RoleNamePrefixes`; ask the \
                     deployer to add its prefix, then delete again; nothing was deleted"
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
            if current_id.is_some_and(|id| Name::new(id) == Name::new(&read.physical_id)) {
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

    /// Returns the prior state for a Delete of a role set. A set that was created has an id with [`ID_PREFIX`]. Under
    /// any other id its Create has failed, and the Delete removes whatever exists of the set.
    ///
    /// # Errors
    /// A name is outside the deployer's `RoleNamePrefixes`, or the properties do not lead to the names of the set.
    fn from_set(
        kind: &str,
        physical_id: &str,
        current_id: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, String> {
        let Some((read, _)) = resource::parse(kind, properties, context) else { return Ok(Self::default()) };
        if current_id == Some(read.physical_id.as_str()) {
            return Ok(Self::default());
        }
        let is_given_out = physical_id.starts_with(ID_PREFIX);
        if is_given_out && !read.names_outside_guardrails.is_empty() {
            return Err(format!(
                "role set `{physical_id}` can't be deleted: these names are outside the deployer's `RoleNamePrefixes`: \
                 {}; ask the deployer to add their prefix, then delete again; nothing was deleted",
                listed(&read.names_outside_guardrails)
            ));
        }
        check_names(physical_id, &read)?;
        Ok(Self { managed: read.state, ..Self::default() })
    }

    /// Checks that no policy of the resource is out of the function's reach. The function can't even read a policy
    /// whose name the deployer's `RoleNamePrefixes` no longer allow, and must not leave it behind unnoticed.
    ///
    /// # Errors
    /// Such a policy is attached to one of the owner's roles in `observed`, as text for the author.
    pub fn check_within_guardrails(&self, observed: &State, owner: &Owner) -> Result<(), String> {
        let ours = owner.roles_of(observed).map(|(_, role)| role);
        let lost = |arn: &&String| self.names_outside_guardrails.iter().any(|name| policy_name(arn) == Name::new(name));
        match ours.flat_map(|role| &role.attached).find(lost) {
            None => Ok(()),
            Some(arn) => Err(format!(
                "policy `{arn}` can't be deleted: the name is outside the deployer's `RoleNamePrefixes`; ask the \
                 deployer to add its prefix, then try again; nothing was changed"
            )),
        }
    }
}

/// Checks that the properties of a role set lead to the names that its physical id stands for. Otherwise the function
/// would leave roles and policies behind under the other names. An id without [`ID_PREFIX`] passes.
fn check_names(physical_id: &str, prior: &ResourceSpec) -> Result<(), String> {
    if !physical_id.starts_with(ID_PREFIX) || prior.physical_id == physical_id {
        return Ok(());
    }
    Err(format!(
        "role set `{physical_id}` has other names than the properties lead to, which are those of `{}`; deploy the \
         version of the function that created the role set, then try again; nothing was changed",
        prior.physical_id
    ))
}

/// What a physical id stands for.
enum Id {
    /// The name of a role, which this function returned as the physical id.
    Role(Name),
    /// Either the name of a role, or an id that CloudFormation invented for a Create that got no response. Such an id
    /// is `stack-LogicalId-1ABCDEFGHIJKL`, with long names cut.
    Perhaps(Name),
    /// An id that can't be the name of a role of this project.
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
