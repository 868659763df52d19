//! The resource types: from properties to what should be there. Pure; all mistakes come at once.

pub mod definition;
pub mod deploy_target;
pub mod execution_role;
mod guide;
pub mod made_role;
pub mod mlops_roles;
pub mod reserved;
pub mod role;
pub mod role_set;
pub mod service_catalog;
pub mod service_catalog_role;
pub mod workflow_role;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arn::Place;
use crate::discovery::Source;
use crate::fence::Fence;
use crate::integration::Needs;
use crate::ownership::Owner;
use crate::properties::{Mistakes, Reader, closest};
use crate::verify::Check;
use crate::world::{Name, World};

/// Every resource type that there is, switched on or not.
pub const TYPES: [&str; 5] =
    [workflow_role::TYPE, execution_role::TYPE, deploy_target::TYPE, mlops_roles::TYPE, service_catalog::TYPE];

/// The attribute of what the resource has and a new one could not have, what is denied it after a rollback, and what it goes
/// without.
pub const WARNINGS: &str = "Warnings";
/// The attribute of what was to be verified and IAM's simulator can't judge.
pub const NOT_VERIFIED: &str = "NotVerified";

/// What properties are read against.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub place: &'a Place,
    pub fence: &'a Fence,
    pub owner: &'a Owner,
    /// The role that the resource stands for, whatever name its properties lead to.
    pub existing: Option<&'a Name>,
    /// The ARN of the execution role that the properties say where to find.
    pub found: Option<&'a str>,
}

/// What a resource asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What `Ref` gives: where the resource is one role, its name. Empty where the properties are too wrong to tell.
    pub physical_id: String,
    /// Roles and policies, without the tags that tell their owner.
    pub world: World,
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
    pub needs: Needs,
    /// What is made and may surprise.
    pub remarks: Vec<String>,
    /// What the role must be allowed once it stands. Empty where nobody asked.
    pub checks: Vec<Check>,
    /// How long to wait once a role was made.
    pub settle: Duration,
    /// Names that the deployer's prefixes don't admit (any more): of policies, of a set of roles too.
    pub outside: Vec<String>,
    /// Policies that the same properties may have led to before. ARNs.
    pub outgrown: Vec<String>,
    /// The ARN of its roles' permissions boundary.
    pub boundary: String,
    /// The property that names its roles.
    pub naming: &'static str,
}

/// Reads the properties of one resource. What is wrong is noted and read as absent, so that Delete, which must take
/// any shape, can still tell the names that they lead to.
///
/// # Errors
/// `None` for a type that does not exist or makes no role by this way.
pub fn read(resource_type: &str, properties: &Map<String, Value>, setting: Setting<'_>) -> Option<(Wanted, Mistakes)> {
    let reader = Reader::new(properties);
    let wanted = match resource_type {
        workflow_role::TYPE => workflow_role::read(&reader, setting),
        execution_role::TYPE => execution_role::read(&reader, setting),
        deploy_target::TYPE => deploy_target::read(&reader, setting),
        mlops_roles::TYPE => mlops_roles::read(&reader, setting),
        _ => return None,
    };
    Some((wanted, reader.finish()))
}

/// Whether resources of this type are sets of roles.
pub fn is_set(resource_type: &str) -> bool {
    [deploy_target::TYPE, mlops_roles::TYPE].contains(&resource_type)
}

/// Why a resource of this type can't be made here, if so.
pub fn unavailable(resource_type: &str, fence: &Fence) -> Option<String> {
    if !TYPES.contains(&resource_type) {
        let hint = closest(resource_type, TYPES.into_iter()).map(|close| format!(", did you mean `{close}`?"));
        return Some(format!(
            "`{resource_type}` is no resource type of this function{}",
            hint.unwrap_or_else(|| format!("; the types are `{}`", TYPES.join("`, `")))
        ));
    }
    let enabled = fence.types.iter().any(|enabled| enabled == resource_type);
    (!enabled).then(|| {
        format!("`{resource_type}` is switched off: the deployer of this function can add it to `EnabledTypes`")
    })
}
