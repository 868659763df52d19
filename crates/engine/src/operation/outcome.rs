//! The outcome of an operation, and the attributes, reasons and log lines that report it.

use std::collections::BTreeMap;

use crate::decide::refusal::Refusal;
use crate::failure::{Cause, StepFailure, Touched, joined};
use crate::telemetry;
use crate::transaction::Interrupted;
use mlops_roles_core::iam::name::Name;
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
    /// What went wrong.
    pub failure: Failure,
}

/// Why an event failed, with what it leaves and what to do about it. The events of the stack show the text.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The payload is not a custom resource request. Holds why.
    #[error("{0}")]
    NotARequest(String),
    /// The function does not act on the event.
    #[error("{}", .0.reason())]
    Refused(#[from] Refusal),
    /// A Create or Update was interrupted and rolled back.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// IAM returned no id for a role that was provisioned.
    #[error("IAM returned no id for a role of this resource; the changes were not rolled back; report it as a bug")]
    NoRoleId,
    /// A deletion is not finished.
    #[error(transparent)]
    Unfinished(#[from] UnfinishedDeletion),
    /// A portfolio could not be disabled, so no role was deleted.
    #[error("could not disable the portfolio in {region}: {cause}; {}", Touched::NoRole)]
    Portfolio {
        /// The region of the portfolio.
        region: String,
        /// The error of SageMaker.
        cause: Cause,
    },
    /// The function has a bug. Holds the message of the panic.
    #[error(
        "the function panicked, which is a bug: {0}; changes may be incomplete; see the function's log, and report the \
         bug"
    )]
    Panicked(String),
    /// The work did not end in time.
    #[error("the function ran out of time; changes may be incomplete; see the function's log")]
    OutOfTime,
}

/// What stopped a deletion, and which steps are left. Nothing was rolled back: the next attempt continues from there.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}; the deletion is incomplete, and the next attempt continues from here; {}",
    joined(.failures, "; "),
    if .left.is_empty() {
        "the last step may have been applied".to_owned()
    } else {
        format!("remaining steps: {}", joined(.left, ", "))
    }
)]
pub struct UnfinishedDeletion {
    /// The steps that failed.
    pub failures: Vec<StepFailure>,
    /// The steps that are left.
    pub left: Vec<Step>,
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

    /// Builds a success without attributes that keeps the physical id of the response target.
    pub fn unchanged(target: &ResponseTarget) -> Self {
        Self { physical_id: target.physical_id.clone(), data: BTreeMap::new() }
    }
}

impl Failed {
    /// Builds a failure that keeps the physical id of the response target.
    pub fn with_id_of(target: &ResponseTarget, failure: impl Into<Failure>) -> Self {
        Self { physical_id: target.physical_id.clone(), failure: failure.into() }
    }
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
pub fn measure(request: &Request, spec: &ResourceSpec) -> Result<(), Refusal> {
    let mut data = spec.attributes.clone();
    data.extend(spec.role_ids.keys().map(|attribute| ((*attribute).to_owned(), "x".repeat(LONGEST_ROLE_ID))));
    let size = Response::success(&request.target, &spec.physical_id, data).body().len();
    if size <= MAX_RESPONSE_BYTES { Ok(()) } else { Err(Refusal::LongResponse { size }) }
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
