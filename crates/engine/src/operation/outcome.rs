//! The outcome of an operation, and the attributes, reasons and log lines that report it.

use std::collections::BTreeMap;

use crate::failure::{Failures, Stopped};
use crate::telemetry;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response::{MAX_RESPONSE_BYTES, Response};
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::observation::RoleMetadata;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::{Entity, State};

/// The maximum length of a `RoleId`, in characters. It stands in for the id when a response is measured before the role
/// exists. The ids that IAM assigns have 21 characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
const LONGEST_ROLE_ID: usize = 128;

/// The content of a successful response.
#[derive(Debug)]
pub struct Done {
    /// The physical id of the resource, which `Ref` returns: the name of its role, or the id of a role set.
    pub physical_id: String,
    /// The attributes that `Fn::GetAtt` reads, by name.
    pub data: BTreeMap<String, String>,
}

/// The content of a failed response.
#[derive(Debug)]
pub struct Failed {
    /// The physical id that CloudFormation records. After a failed Create, the Delete that follows carries it.
    pub physical_id: String,
    /// What went wrong, what was changed, and what to do about it. The events of the stack show this text.
    pub reason: String,
}

impl Done {
    /// Builds the response from the attributes of a spec and from the ids that IAM gave its roles. Returns `None` when
    /// the metadata lacks a role whose id is an attribute.
    pub fn from_spec(spec: &ResourceSpec, metadata: &BTreeMap<Name, RoleMetadata>) -> Option<Self> {
        let mut data = spec.attributes.clone();
        for (attribute, name) in &spec.role_ids {
            data.insert((*attribute).to_owned(), metadata.get(name)?.id.clone());
        }
        Some(Self { physical_id: spec.physical_id.clone(), data })
    }
}

/// Builds a failure that keeps the physical id of the response target.
pub fn failed(target: &ResponseTarget, reason: String) -> Failed {
    Failed { physical_id: target.physical_id.clone(), reason }
}

/// Builds a success without attributes that keeps the physical id of the response target.
pub fn nothing(request: &Request) -> Done {
    Done { physical_id: request.target.physical_id.clone(), data: BTreeMap::new() }
}

/// Sets an attribute to the texts, as far as the response has room for them.
///
/// The attribute has all texts, or else only their number. If not even the number fits, it is empty and only the log
/// has the texts. It is also empty when there are no texts.
pub fn tell(request: &Request, spec: &mut ResourceSpec, attribute: &str, texts: &[String]) {
    let counted = format!("{} entries; see the function's log", texts.len());
    for text in [texts.join("; "), counted, String::new()] {
        spec.attributes.insert(attribute.to_owned(), text);
        if texts.is_empty() || measure(request, spec).is_ok() {
            return;
        }
    }
}

/// Checks that the response will fit, before the function changes anything that the response would have to report.
///
/// # Errors
/// Fails when the response would have more than 4,096 bytes, the maximum that CloudFormation accepts.
pub fn measure(request: &Request, spec: &ResourceSpec) -> Result<(), String> {
    let mut data = spec.attributes.clone();
    data.extend(spec.role_ids.keys().map(|attribute| ((*attribute).to_owned(), "x".repeat(LONGEST_ROLE_ID))));
    let size = Response::success(&request.target, &spec.physical_id, data).body().len();
    if size <= MAX_RESPONSE_BYTES {
        return Ok(());
    }
    Err(format!(
        "the response would have {size} bytes, and CloudFormation accepts at most {MAX_RESPONSE_BYTES}; choose shorter \
         names and paths; nothing was changed"
    ))
}

/// Logs a plan, and the state before it of each entity that it changes. An operator can restore by hand from that log
/// what the plan changes for good.
pub fn show(steps: &[Step], before: &State, owner: &Owner) {
    let plan: Vec<String> = steps.iter().map(Step::to_string).collect();
    telemetry::planned(steps);
    tracing::info!(?plan, "planned");
    let touched = |entity: Entity| steps.iter().any(|step| step.entity() == entity);
    for (name, role) in &before.roles {
        if touched(Entity::Role(name.clone())) {
            let ownership = owner.ownership(&role.tags);
            tracing::info!(%name, prior = ?role, ?ownership, "role before the change");
        }
    }
    for (arn, policy) in &before.policies {
        if touched(Entity::Policy(arn.clone())) {
            let ownership = owner.ownership(&policy.tags);
            tracing::info!(%arn, prior = ?policy, ?ownership, "policy before the change");
        }
    }
}

/// Describes what stopped a deletion and which steps are left. Nothing was rolled back: the next attempt continues from
/// there.
pub fn unfinished(stopped: &Stopped, desired: &State) -> String {
    let left: Vec<String> = plan(desired, &stopped.reached).iter().map(Step::to_string).collect();
    let failures = Failures(&stopped.failures);
    let left = match left.as_slice() {
        [] => "the last step may have been applied".to_owned(),
        steps => format!("remaining steps: {}", steps.join(", ")),
    };
    format!("{failures}; the deletion is incomplete, and the next attempt continues from here; {left}")
}
