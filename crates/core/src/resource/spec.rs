//! The types that all resource types share: the context that properties are parsed in, and the resource spec.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::guardrails::Guardrails;
use crate::iam::arn::Place;
use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::simulation::Check;
use crate::resource::definition_location::Location;
use crate::resource::execution_role_source::Source;
use crate::state::State;
use crate::state::ownership::Owner;

/// The name of the `Fn::GetAtt` attribute that holds warnings. They say what the resource keeps although a new one
/// could not have it, what a role set leaves out, and which quota a role exceeds unless it was raised. After a rollback
/// of the stack they say what its role is denied.
pub const WARNINGS: &str = "Warnings";

/// The name of the `Fn::GetAtt` attribute that lists the actions to verify that IAM's policy simulator can't judge.
pub const NOT_VERIFIED: &str = "NotVerified";

/// The context that properties are parsed in.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'a> {
    /// The partition, region and account that the function serves.
    pub place: &'a Place,
    /// The deployer's limits.
    pub guardrails: &'a Guardrails,
    /// The resource that the event is about: its stack and logical id.
    pub owner: &'a Owner,
    /// The name of the role that the resource already has. It takes precedence over the name that the properties lead
    /// to. `None` where the properties decide.
    pub existing: Option<&'a Name>,
    /// The ARN of the execution role that the look-up of `SageMakerExecutionRole` found. `None` before the look-up, and
    /// where the property is absent.
    pub found: Option<&'a str>,
}

/// What the properties of a resource ask for.
#[derive(Clone, Debug, Default)]
pub struct ResourceSpec {
    /// The physical id, which `Ref` returns: the name of the role, or the id of the role set, such as
    /// `role-set/Environment/0123456789ab`. Empty where the properties are too wrong to lead to an id.
    pub physical_id: String,
    /// The roles and policies of the resource, without the tags that name their owner.
    pub state: State,
    /// The `Fn::GetAtt` attributes that are known before anything is created, by name.
    pub attributes: BTreeMap<String, String>,
    /// The `Fn::GetAtt` attributes whose value is the id that IAM gives a role, each with the name of that role.
    pub role_ids: BTreeMap<&'static str, Name>,
    /// Whether the resource may adopt unowned roles and policies.
    pub adopt_existing: bool,
    /// The id of the stack whose roles and policies the resource may adopt. `None` where it names no stack.
    pub adopt_from: Option<String>,
    /// Where the function finds the execution role. `None` where the properties don't ask for a look-up.
    pub source: Option<Source>,
    /// The object in Amazon S3 with the definition. `None` where the properties name none.
    pub definition: Option<Location>,
    /// The required permissions that the policies were derived from. Empty where nothing is derived.
    pub required: RequiredPermissions,
    /// Notes on parts of the spec that may surprise the author. The attribute `Warnings` and the command line have
    /// them.
    pub notices: Vec<String>,
    /// What IAM's policy simulator must find allowed once the role exists. Empty where the author did not ask for it.
    pub checks: Vec<Check>,
    /// The pause after the creation of a role.
    pub propagation_wait: Duration,
    /// Names outside the deployer's `RoleNamePrefixes`, perhaps because the deployer has removed a prefix. The names of
    /// policies; for a role set, the names of roles too.
    pub names_outside_guardrails: Vec<String>,
    /// The ARNs of policies beyond those in `state` that the same properties may have led to before.
    pub surplus_arns: Vec<String>,
    /// The ARN of the permissions boundary of the roles.
    pub boundary: String,
    /// The property that names the roles: `RoleName`, or `RoleNames` for a role set.
    pub naming: &'static str,
}

/// The policies that a role is granted, and what they were derived from.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// The scoped policies, each within IAM's size quota for a managed policy.
    pub policies: Vec<Document>,
    /// The inline policy that allows `iam:PassRole`. `None` where the role passes no role.
    pub pass_role_grant: Option<Document>,
    /// The required permissions that `policies` and `pass_role_grant` were derived from.
    pub required: RequiredPermissions,
    /// What to verify once the role exists. Empty where the author did not ask for it.
    pub checks: Vec<Check>,
    /// The object in Amazon S3 with the definition. `None` where the properties name none.
    pub definition: Option<Location>,
    /// Whether the definition was not read, so that the policies are placeholders.
    pub is_unread: bool,
}

impl Granted {
    /// Returns what stands for the grants of a definition that was not read: one empty policy, and an empty inline
    /// policy.
    pub fn unread(definition: Option<Location>) -> Self {
        let empty = || Document::from_statements(Vec::new());
        Self { policies: vec![empty()], pass_role_grant: Some(empty()), definition, is_unread: true, ..Self::default() }
    }
}

/// Returns the actions that the boundary of `template.yaml` denies, whatever a policy grants, each with the states that
/// need the action. A deployer's own boundary may differ.
///
/// A denied member of a call is part of the key: `<action> with <member>`.
pub fn beyond_boundary<'a>(
    required: &'a RequiredPermissions,
    guardrails: &Guardrails,
) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut beyond: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for grant in &required.grants {
        for action in &grant.actions {
            if guardrails.boundary_denies(action, grant.resources.iter().map(String::as_str)) {
                beyond.entry(action.clone()).or_default().insert(&grant.state);
            }
        }
    }
    for (state, action, member) in &required.overrides {
        if guardrails.boundary_denies.members(action).any(|denied| denied == *member) {
            beyond.entry(format!("{action} with {member}")).or_default().insert(state);
        }
    }
    beyond
}
