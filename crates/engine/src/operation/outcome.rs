//! What an operation ends with, and how it is told.

use std::collections::BTreeMap;

use crate::failure::{Failures, Stopped};
use crate::telemetry;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response::{LONGEST, Response};
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::observation::RoleMetadata;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::{Entity, State};

/// As long as a `RoleId` gets, for measuring the answer before there is one. IAM's own are 21 characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
const LONGEST_ROLE_ID: usize = 128;

/// What the answer says when all went well.
#[derive(Debug)]
pub struct Done {
    pub physical_id: String,
    pub data: BTreeMap<String, String>,
}

/// What it says otherwise.
#[derive(Debug)]
pub struct Failed {
    pub physical_id: String,
    pub reason: String,
}

impl Done {
    /// `None` where the id of a role is not known.
    pub fn from_spec(spec: &ResourceSpec, metadata: &BTreeMap<Name, RoleMetadata>) -> Option<Self> {
        let mut data = spec.attributes.clone();
        for (attribute, name) in &spec.role_ids {
            data.insert((*attribute).to_owned(), metadata.get(name)?.id.clone());
        }
        Some(Self { physical_id: spec.physical_id.clone(), data })
    }
}

pub fn failed(target: &ResponseTarget, reason: String) -> Failed {
    Failed { physical_id: target.physical_id.clone(), reason }
}

/// Success without anything to show.
pub fn nothing(request: &Request) -> Done {
    Done { physical_id: request.target.physical_id.clone(), data: BTreeMap::new() }
}

/// What the function noticed, as an attribute, as far as it fits the answer: in full, only counted, or in the log alone.
/// Empty text where there is nothing.
pub fn tell(request: &Request, spec: &mut ResourceSpec, attribute: &str, texts: &[String]) {
    let counted = format!("{}: the function's log lists them", texts.len());
    for text in [texts.join("; "), counted, String::new()] {
        spec.attributes.insert(attribute.to_owned(), text);
        if texts.is_empty() || measure(request, spec).is_ok() {
            return;
        }
    }
}

/// Whether the answer will fit, before anything is done that it would have to tell of.
pub fn measure(request: &Request, spec: &ResourceSpec) -> Result<(), String> {
    let mut data = spec.attributes.clone();
    data.extend(spec.role_ids.keys().map(|attribute| ((*attribute).to_owned(), "x".repeat(LONGEST_ROLE_ID))));
    let size = Response::success(&request.target, &spec.physical_id, data).body().len();
    if size <= LONGEST {
        return Ok(());
    }
    Err(format!("the answer would have {size} bytes, CloudFormation takes {LONGEST}: choose shorter names and paths"))
}

/// The plan goes to the log, and with it what it changes for good: so that it could be put back by hand.
pub fn show(steps: &[Step], before: &State, owner: &Owner) {
    let plan: Vec<String> = steps.iter().map(Step::to_string).collect();
    telemetry::planned(steps);
    tracing::info!(?plan, "planned");
    let touched = |entity: Entity| steps.iter().any(|step| step.entity() == entity);
    for (name, role) in &before.roles {
        if touched(Entity::Role(name.clone())) {
            tracing::info!(%name, prior = ?role, ownership = ?owner.ownership(&role.tags), "role before");
        }
    }
    for (arn, policy) in &before.policies {
        if touched(Entity::Policy(arn.clone())) {
            tracing::info!(%arn, prior = ?policy, ownership = ?owner.ownership(&policy.tags), "policy before");
        }
    }
}

/// What stopped a deletion, and what it leaves to do.
pub fn unfinished(stopped: &Stopped, desired: &State) -> String {
    let left: Vec<String> = plan(desired, &stopped.reached).iter().map(Step::to_string).collect();
    let failures = Failures(&stopped.failures);
    format!("{failures}; the next try goes on from here; still to do: {}", left.join(", "))
}
