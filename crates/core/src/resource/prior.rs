//! The prior state of a resource, computed from its physical id and its properties.
//!
//! The code here is pure.

use serde_json::{Map, Value};

use crate::iam::arn::Arn;
use crate::iam::name::Name;
use crate::resource;
use crate::resource::physical_id::PhysicalId;
use crate::resource::spec::{ReadContext, ResourceSpec};
use crate::state::State;
use crate::state::ownership::Owner;
use crate::text::listed;

/// The reason why an event can't go on from its prior state. The text is for the author. The function finds it before its
/// first write, so the caller ends the reason with what that means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriorStateError {
    /// An Update replaces a role whose name the deployer's `RoleNamePrefixes` no longer allow.
    #[error(
        "this update replaces role `{0}`, which the function can't delete: the name is outside the deployer's \
         `RoleNamePrefixes`; ask the deployer to add its prefix, then try again"
    )]
    ReplacesRoleOutsidePrefixes(Name),
    /// An Update replaces a role, and the old and the new role would have the same policy.
    #[error(
        "this update replaces role `{old}` with `{new}`, but both roles would have policy `{policy}`; give `PolicyName` \
         a new value too"
    )]
    SharedPolicy {
        /// The name of the old role.
        old: Name,
        /// The name of the new role.
        new: String,
        /// The ARN of the policy.
        policy: String,
    },
    /// An Update replaces a role set with names that the deployer's `RoleNamePrefixes` no longer allow.
    #[error(
        "this update replaces role set `{id}`, which the function can't delete: these names are outside the deployer's \
         `RoleNamePrefixes`: {}; ask the deployer to add their prefix, then try again",
        listed(.names)
    )]
    ReplacesSetOutsidePrefixes {
        /// The physical id of the old role set.
        id: String,
        /// The names of its roles and policies.
        names: Vec<String>,
    },
    /// An Update replaces a role set, and the old and the new role set would share names.
    #[error(
        "this update replaces role set `{id}`, but both role sets would have {}; give these roles new names with \
         `RoleNames` too",
        listed(.shared)
    )]
    SharedNames {
        /// The physical id of the old role set.
        id: String,
        /// The names of the roles and the ARNs of the policies.
        shared: Vec<String>,
    },
    /// The properties lead to other names than the physical id of the role set stands for.
    #[error(
        "role set `{id}` has other names than the properties lead to, which are those of `{of_properties}`; deploy the \
         version of the function that created the role set, then try again"
    )]
    OtherNames {
        /// The physical id of the role set.
        id: String,
        /// The physical id that the properties lead to.
        of_properties: String,
    },
    /// A Delete names a role whose name the deployer's `RoleNamePrefixes` no longer allow.
    #[error(
        "role `{0}` can't be deleted: the name is outside the deployer's `RoleNamePrefixes`; ask the deployer to add its \
         prefix, then delete again"
    )]
    RoleOutsidePrefixes(Name),
    /// A Delete names a role set with names that the deployer's `RoleNamePrefixes` no longer allow.
    #[error(
        "role set `{id}` can't be deleted: these names are outside the deployer's `RoleNamePrefixes`: {}; ask the \
         deployer to add their prefix, then delete again",
        listed(.names)
    )]
    SetOutsidePrefixes {
        /// The physical id of the role set.
        id: String,
        /// The names of its roles and policies.
        names: Vec<String>,
    },
    /// A policy is attached whose name the deployer's `RoleNamePrefixes` no longer allow. Holds its ARN.
    #[error(
        "policy `{0}` can't be deleted: the name is outside the deployer's `RoleNamePrefixes`; ask the deployer to add \
         its prefix, then try again"
    )]
    PolicyOutsidePrefixes(String),
}

impl PriorStateError {
    /// Returns whether the reason ends with "nothing was deleted" instead of "nothing was changed".
    pub fn refuses_deletion(&self) -> bool {
        matches!(self, Self::RoleOutsidePrefixes(_) | Self::SetOutsidePrefixes { .. })
    }
}

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
    /// The update is a replacement that can't succeed. Either old and new entities would share a name, or an old name is
    /// outside the deployer's `RoleNamePrefixes`, so that the function could not delete it.
    pub fn from_update(
        kind: &str,
        spec: &ResourceSpec,
        physical_id: &str,
        properties: &Value,
        context: ReadContext<'_>,
    ) -> Result<Self, PriorStateError> {
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
            let id = PhysicalId::parse(physical_id, properties, context);
            return Self::from_other_set(spec, &id, parse(None).unwrap_or_default());
        }
        if !context.guardrails.allows_name(physical_id) {
            return Err(PriorStateError::ReplacesRoleOutsidePrefixes(existing));
        }
        let prior = parse(Some(&existing)).unwrap_or_default();
        // How many policies a definition in Amazon S3 led to is not known.
        let further = prior.surplus_arns.iter().filter(|_| prior.definition.is_some());
        let names: Vec<Name> = prior.state.policies.keys().chain(further).map(|old| policy_name(old)).collect();
        let clash = |arn: &&String| names.contains(&policy_name(arn));
        if let Some(arn) = spec.state.policies.keys().find(clash) {
            let (new, policy) = (spec.physical_id.clone(), arn.clone());
            return Err(PriorStateError::SharedPolicy { old: existing, new, policy });
        }
        Ok(Self { superseded: prior.state, ..Self::default() })
    }

    /// Returns the prior state for an Update that replaces a role set. The old roles and policies exist until
    /// CloudFormation's cleanup, so the old and the new set can't share a name.
    ///
    /// # Errors
    /// The two sets share a name, or the function could not delete the old set.
    fn from_other_set(spec: &ResourceSpec, id: &PhysicalId, prior: ResourceSpec) -> Result<Self, PriorStateError> {
        if !prior.names_outside_guardrails.is_empty() {
            let names = prior.names_outside_guardrails;
            return Err(PriorStateError::ReplacesSetOutsidePrefixes { id: id.to_string(), names });
        }
        check_names(id, &prior)?;
        let roles = prior.state.roles.keys().filter(|name| spec.state.roles.contains_key(name)).map(Name::to_string);
        let is_kept = |arn: &&String| spec.state.policies.keys().any(|new| policy_name(new) == policy_name(arn));
        let policies = prior.state.policies.keys().filter(is_kept).cloned();
        let shared: Vec<String> = roles.chain(policies).collect();
        if !shared.is_empty() {
            return Err(PriorStateError::SharedNames { id: id.to_string(), shared });
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
        match PhysicalId::parse(physical_id, properties, context) {
            PhysicalId::RoleSet(_) => !resource::is_set(kind),
            PhysicalId::Role(_) => resource::is_set(kind),
            _ => true,
        }
    }

    /// Returns the prior state for a Delete of the resource with `physical_id` and `properties`.
    ///
    /// `current_id` is the physical id that the stack has for the resource by now, where that is another id. What that id
    /// stands for is left out, so that it stays.
    ///
    /// # Errors
    /// The function can't delete what the physical id stands for. Either a name is outside the deployer's
    /// `RoleNamePrefixes`, or the properties do not lead to the names of the role set.
    pub fn from_delete(
        kind: &str,
        physical_id: &str,
        current_id: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, PriorStateError> {
        if !resource::TYPES.contains(&kind) {
            // The function creates nothing for a type that does not exist.
            return Ok(Self::default());
        }
        let id = PhysicalId::parse(physical_id, properties, context);
        if resource::is_set(kind) {
            return Self::from_set(kind, &id, current_id, properties, context);
        }
        // Delete only the role that the physical id names. Under the current rules the properties may lead to the role
        // that has replaced this one. The properties count only where CloudFormation may have invented the id.
        let existing = match id {
            PhysicalId::Role(name) if !context.guardrails.allows_name(physical_id) => {
                return Err(PriorStateError::RoleOutsidePrefixes(name));
            }
            PhysicalId::Role(name) => vec![Some(name)],
            PhysicalId::RoleOrInvented(name) => vec![Some(name), None],
            PhysicalId::RoleSet(_) | PhysicalId::ServiceCatalogRoles(_) | PhysicalId::Invented(_) => vec![None],
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

    /// Returns the prior state for a Delete of a role set. A set that was created has the id of a role set. Under any
    /// other id its Create has failed, and the Delete removes whatever exists of the set.
    ///
    /// # Errors
    /// A name is outside the deployer's `RoleNamePrefixes`, or the properties do not lead to the names of the set.
    fn from_set(
        kind: &str,
        id: &PhysicalId,
        current_id: Option<&str>,
        properties: &Map<String, Value>,
        context: ReadContext<'_>,
    ) -> Result<Self, PriorStateError> {
        let Some((read, _)) = resource::parse(kind, properties, context) else { return Ok(Self::default()) };
        if current_id == Some(read.physical_id.as_str()) {
            return Ok(Self::default());
        }
        if matches!(id, PhysicalId::RoleSet(_)) && !read.names_outside_guardrails.is_empty() {
            let names = read.names_outside_guardrails;
            return Err(PriorStateError::SetOutsidePrefixes { id: id.to_string(), names });
        }
        check_names(id, &read)?;
        Ok(Self { managed: read.state, ..Self::default() })
    }

    /// Checks that no policy of the resource is out of the function's reach. The function can't even read a policy
    /// whose name the deployer's `RoleNamePrefixes` no longer allow, and must not leave it behind unnoticed.
    ///
    /// # Errors
    /// Such a policy is attached to one of the owner's roles in `observed`.
    pub fn check_within_guardrails(&self, observed: &State, owner: &Owner) -> Result<(), PriorStateError> {
        let ours = owner.roles_of(observed).map(|(_, role)| role);
        let lost = |arn: &&String| self.names_outside_guardrails.iter().any(|name| policy_name(arn) == Name::new(name));
        match ours.flat_map(|role| &role.attached).find(lost) {
            None => Ok(()),
            Some(arn) => Err(PriorStateError::PolicyOutsidePrefixes(arn.clone())),
        }
    }
}

/// Checks that the properties of a role set lead to the names that its physical id stands for. Otherwise the function
/// would leave roles and policies behind under the other names. An id that is not of a role set passes.
fn check_names(id: &PhysicalId, prior: &ResourceSpec) -> Result<(), PriorStateError> {
    let text = id.to_string();
    if !matches!(id, PhysicalId::RoleSet(_)) || prior.physical_id == text {
        return Ok(());
    }
    Err(PriorStateError::OtherNames { id: text, of_properties: prior.physical_id.clone() })
}

fn policy_name(arn: &str) -> Name {
    Name::new(arn.rsplit('/').next().unwrap_or_default())
}
