//! The event that CloudFormation sends: the envelope first, so that there is somebody to answer whatever else is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::cloudformation::CloudFormationCustomResourceRequest as Envelope;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::target::ResponseTarget;
use crate::state::ownership::Owner;

/// Stands for what is nested deeper than a JSON parser without a stack of its own goes.
const TOO_DEEP: &str = "nested more than 127 levels deep";

/// The payload as it came in. A member that is nested too deep does not keep the others from being read, so that there is
/// somebody to answer.
pub fn payload(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
        let parse = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(TOO_DEEP));
        members.into_iter().map(|(name, raw)| (name, parse(&raw))).collect()
    })
}

#[derive(Clone, Debug)]
pub struct Request {
    pub target: ResponseTarget,
    pub resource_type: String,
    pub properties: Value,
    pub operation: Operation,
    /// How long CloudFormation waits, where the template says so.
    pub service_timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub enum Operation {
    Create,
    Update {
        physical_id: String,
        old_properties: Value,
    },
    /// The id may be one that CloudFormation invented, for a Create that it had no answer to.
    Delete {
        physical_id: String,
    },
}

/// An event that is none, with as much of the envelope as there is. Without a response URL nobody can be answered.
#[derive(Clone, Debug)]
pub struct Broken {
    pub target: Option<ResponseTarget>,
    pub why: String,
}

impl Request {
    /// # Errors
    /// When the payload is no custom resource request.
    pub fn parse(payload: &Value) -> Result<Self, Box<Broken>> {
        let broken = |why: String| Box::new(Broken { target: ResponseTarget::salvage(payload), why });
        let envelope: Envelope = serde::Deserialize::deserialize(payload)
            .map_err(|error| broken(format!("the event is no custom resource request: {error}")))?;
        let target =
            ResponseTarget::salvage(payload).ok_or_else(|| broken("the event has no `ResponseURL`".to_owned()))?;
        let physical_id = target.physical_id.clone();
        let (operation, resource_type, properties) = match envelope {
            Envelope::Create(request) => (Operation::Create, request.resource_type, request.resource_properties),
            Envelope::Update(request) => (
                Operation::Update { physical_id, old_properties: request.old_resource_properties },
                request.resource_type,
                request.resource_properties,
            ),
            Envelope::Delete(request) => {
                (Operation::Delete { physical_id }, request.resource_type, request.resource_properties)
            }
            _ => return Err(broken("the event is of an unknown request type".to_owned())),
        };
        for (field, text) in [("StackId", &target.stack_id), ("LogicalResourceId", &target.logical_id)] {
            if text.is_empty() {
                return Err(broken(format!("the event has an empty `{field}`")));
            }
        }
        let service_timeout = properties.get("ServiceTimeout").and_then(seconds);
        Ok(Self { target, resource_type, properties, operation, service_timeout })
    }

    pub fn owner(&self) -> Owner {
        Owner { stack_id: self.target.stack_id.clone(), logical_id: self.target.logical_id.clone() }
    }
}

impl Operation {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update { .. } => "Update",
            Self::Delete { .. } => "Delete",
        }
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    (number > 0).then(|| Duration::from_secs(number))
}

/// The properties as an object, or what they are instead.
///
/// # Errors
/// When they are no object.
pub fn object(properties: &Value) -> Result<&Map<String, Value>, String> {
    properties.as_object().ok_or_else(|| {
        let operation = match properties {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(text) if text == TOO_DEEP => TOO_DEEP,
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        format!("the properties are {operation}, expected an object")
    })
}
