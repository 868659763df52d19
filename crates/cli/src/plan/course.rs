//! What the function would do about one resource: the plan, with the states before and after.

use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource;
use mlops_roles_core::resource::service_catalog::{OnCreate, TYPE as SERVICE_CATALOG};
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::State;
use mlops_roles_engine::decide::decision::{Action, Change, Decision};
use mlops_roles_engine::decide::foresee;
use mlops_roles_engine::decide::refusal::Refusal;
use serde_json::{Map, Value};

use crate::input::definition::{LOCATION, replace};
use crate::plan::scene::Scene;
use crate::plan::subject::{Subject, is_same_object};

/// What the function would do, with the states before and after.
#[derive(Debug, Default)]
pub struct Course {
    /// The plan; empty when there is nothing to do.
    pub steps: Vec<Step>,
    /// The state that the steps start from.
    pub before: State,
    /// The desired state. Empty for a deletion.
    pub desired: State,
}

/// One resource with its event.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The resource type.
    pub kind: &'a str,
    /// The properties: those of the event, or those of the template without unknown values.
    pub properties: &'a Value,
    /// The event; `None` for a resource of a template, which is planned as if it were created.
    pub request: Option<&'a Request>,
    /// Whether the stack has the resource of the template already.
    pub is_deployed: bool,
    /// The context that the properties were parsed in.
    pub context: ReadContext<'a>,
}

impl Scene<'_> {
    /// Makes the function's own decision. Without `--against-account`, the observed state is what the old properties
    /// asked for and nothing else.
    ///
    /// # Errors
    /// What the function would refuse.
    pub async fn course(&self, case: Case<'_>, read: &mut Subject, notes: &mut Vec<String>) -> Result<Course, Refusal> {
        let operation = case.request.map_or(&Operation::Create, |request| &request.operation);
        if self.account.is_none() && !matches!(operation, Operation::Create) {
            notes.push(ASSUMED.to_owned());
        }
        if case.is_deployed && read.catalog.as_ref().is_some_and(|asked| asked.on_create != OnCreate::Provision) {
            // Only the creation of the resource and its deletion do something, and neither is to come.
            read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..ResourceSpec::default() };
            return Ok(Course::default());
        }
        let old;
        let mut unknown = Vec::new();
        let empty = Map::new();
        let change = match operation {
            _ if case.kind == SERVICE_CATALOG => {
                let signed_at = case.request.and_then(|request| request.target.response_url.signed_at());
                Change::ServiceCatalog { operation, properties: case.properties, signed_at }
            }
            Operation::Create => Change::Provision { spec: &read.spec, old: None },
            Operation::Update { physical_id, old_properties } => {
                old = self.earlier(read, notes, old_properties, case);
                let before = old.as_object().and_then(|old| resource::parse(case.kind, old, case.context));
                unknown = before.map(|(spec, _)| spec.surplus_arns).unwrap_or_default();
                Change::Provision { spec: &read.spec, old: Some((physical_id, &old)) }
            }
            Operation::Delete { physical_id } => {
                Change::Delete { physical_id, properties: case.properties.as_object().unwrap_or(&empty) }
            }
        };
        if self.account.is_none() {
            notes.extend(unknown_to_plan(operation, case.properties).map(str::to_owned));
        }
        let decision = match &self.account {
            Some(account) => account.decide(case.kind, change, case.context).await?,
            None => foresee(case.context, case.kind, change, &unknown)?,
        };
        Ok(told(decision, case.kind, read, notes))
    }

    /// The old properties of an Update, with the definition instead of its location if the new properties name the same
    /// object. With an account, they stay as they are: the plan then starts from what the account has.
    fn earlier(&self, read: &Subject, notes: &mut Vec<String>, old_properties: &Value, case: Case<'_>) -> Value {
        let mut old = old_properties.clone();
        let Some(members) = old.as_object_mut() else { return old };
        if self.account.is_some() || !members.contains_key(LOCATION) {
            return old;
        }
        let is_same = is_same_object(case.kind, old_properties, case.properties, case.context);
        match read.object.as_ref().filter(|_| is_same) {
            Some(text) => replace(members, Value::from(text.as_str())),
            None => notes.push(
                "`DefinitionS3Location` changes, and the program does not know what the old definition needed"
                    .to_owned(),
            ),
        }
        old
    }
}

/// The note on what is known of an event without an account.
const ASSUMED: &str =
    "the account was not read; the plan assumes that it has what the properties asked for before this event";

/// The note on what only the account tells about an event.
fn unknown_to_plan(operation: &Operation, properties: &Value) -> Option<&'static str> {
    let looked_up = |properties: &Value| properties.get("SageMakerExecutionRole").cloned();
    match operation {
        Operation::Update { old_properties, .. } if looked_up(old_properties) != looked_up(properties) => {
            Some("`SageMakerExecutionRole` changes; if it finds another role, an inline policy changes too")
        }
        Operation::Delete { .. } if properties.get(LOCATION).is_some() => Some(
            "`DefinitionS3Location`: the program does not know how many policies the definition led to, and the \
             function deletes all of them",
        ),
        _ => None,
    }
}

/// The course of a decision. The spec of service-catalog roles is only known by the decision.
fn told(decision: Decision, kind: &str, read: &mut Subject, notes: &mut Vec<String>) -> Course {
    if kind == SERVICE_CATALOG {
        read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..ResourceSpec::default() };
    }
    match decision.action {
        Action::Nothing => Course::default(),
        Action::Provision(provision) => {
            notes.extend(provision.prior.superseded.roles.keys().map(|name| {
                format!(
                    "role `{name}` and its policies stay until the Delete that CloudFormation sends after the stack \
                     update"
                )
            }));
            if kind == SERVICE_CATALOG {
                read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..provision.spec };
            }
            Course { steps: provision.steps, before: provision.before, desired: provision.desired }
        }
        Action::Delete(deletion) => {
            notes.extend(
                deletion
                    .portfolios
                    .iter()
                    .map(|region| format!("the function first disables SageMaker's portfolio in {region}")),
            );
            Course { steps: deletion.steps, before: deletion.before, desired: State::default() }
        }
    }
}
