//! What the resource types have in common: what their properties are read against, and what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::guardrails::Guardrails;
use crate::iam::arn::Place;
use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::simulation::Check;
use crate::resource::execution_role_source::Source;
use crate::state::State;
use crate::state::ownership::Owner;

/// The attribute of what the resource has and a new one could not have, what is denied it after a rollback, and what it goes
/// without.
pub const WARNINGS: &str = "Warnings";

/// The attribute of what was to be verified and IAM's simulator can't judge.
pub const NOT_VERIFIED: &str = "NotVerified";

/// What properties are read against.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'a> {
    pub place: &'a Place,
    pub guardrails: &'a Guardrails,
    pub owner: &'a Owner,
    /// The role that the resource stands for, whatever name its properties lead to.
    pub existing: Option<&'a Name>,
    /// The ARN of the execution role that the properties say where to find.
    pub found: Option<&'a str>,
}

/// What a resource asks for.
#[derive(Clone, Debug, Default)]
pub struct ResourceSpec {
    /// What `Ref` gives: where the resource is one role, its name. Empty where the properties are too wrong to tell.
    pub physical_id: String,
    /// Roles and policies, without the tags that tell their owner.
    pub state: State,
    /// The `Fn::GetAtt` attributes that are known before anything is made.
    pub attributes: BTreeMap<String, String>,
    /// Those that hold the id that IAM gives a role.
    pub role_ids: BTreeMap<&'static str, Name>,
    /// Whether a role or policy that carries no owner may be taken over.
    pub adopt_existing: bool,
    /// The stack whose roles and policies may be taken over.
    pub adopt_from: Option<String>,
    /// Where the execution role is to be found, before it is.
    pub source: Option<Source>,
    /// What the grants were derived from. Empty where nothing is derived.
    pub required: RequiredPermissions,
    /// What is made and may surprise.
    pub remarks: Vec<String>,
    /// What the role must be allowed once it stands. Empty where nobody asked.
    pub checks: Vec<Check>,
    /// How long to wait once a role was made.
    pub propagation_wait: Duration,
    /// Names that the deployer's prefixes don't admit (any more): of policies, of a set of roles too.
    pub names_outside_guardrails: Vec<String>,
    /// Policies that the same properties may have led to before. ARNs.
    pub surplus_arns: Vec<String>,
    /// The ARN of its roles' permissions boundary.
    pub boundary: String,
    /// The property that names its roles.
    pub naming: &'static str,
}

/// What the role is granted.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Scoped policies, each within IAM's quota.
    pub policies: Vec<Document>,
    /// The grant to pass roles, where any is passed.
    pub pass_role_grant: Option<Document>,
    /// What both were derived from.
    pub required: RequiredPermissions,
    /// What is to be verified once the role stands, if asked for.
    pub checks: Vec<Check>,
}

/// Actions that the boundary of `template.yaml` denies, whatever a policy grants, and the states that need them. A
/// deployer's own boundary may differ.
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
