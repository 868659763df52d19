//! Parses the event that CloudFormation sends.
//!
//! The envelope is read first, so that a response can be sent whatever else is wrong with the event.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::cloudformation::CloudFormationCustomResourceRequest as Envelope;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::target::ResponseTarget;
use crate::state::ownership::Owner;

/// Replaces a value that is nested too deep for a recursive JSON parser, which has no stack of its own.
const TOO_DEEP: &str = "nested more than 127 levels deep";

/// Parses the text of an event.
///
/// A member that is nested too deep is replaced by a text that says so. The other members are still read, so that a
/// response can be sent. Text that can't be read at all gives an empty object.
pub fn payload(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
        let parse = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(TOO_DEEP));
        members.into_iter().map(|(name, raw)| (name, parse(&raw))).collect()
    })
}

/// A custom resource request, parsed from an event.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the response goes, and the ids that it repeats.
    pub target: ResponseTarget,
    /// The resource type: `Custom::StepFunctionsWorkflowRole`.
    pub resource_type: String,
    /// The properties (`ResourceProperties`), not checked yet; [`object`] tells whether they are an object.
    pub properties: Value,
    /// What the event asks for.
    pub operation: Operation,
    /// How long CloudFormation waits for the response, in whole seconds (`ServiceTimeout`).
    ///
    /// `None` if the template does not say, or says something other than a positive number.
    pub service_timeout: Option<Duration>,
}

/// What an event asks for.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Create the resource.
    Create,
    /// Update the resource, or replace it.
    Update {
        /// The physical id of the resource before the update.
        physical_id: String,
        /// The properties before the update (`OldResourceProperties`), not checked.
        old_properties: Value,
    },
    /// Delete the resource.
    Delete {
        /// The physical id of the resource. CloudFormation invents one after a Create that it got no response to.
        physical_id: String,
    },
}

/// An event that is not a valid custom resource request, with as much of its envelope as could be read.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Where a response can go. `None` if the event has no response URL: then no response can be sent.
    pub target: Option<ResponseTarget>,
    /// What is wrong with the event, as a message for the response.
    pub why: String,
}

impl Request {
    /// Parses the payload of an event.
    ///
    /// # Errors
    /// When the payload is not a custom resource request: a field is missing, the request type is unknown, or `StackId`
    /// or `LogicalResourceId` is empty.
    pub fn parse(payload: &Value) -> Result<Self, Box<Broken>> {
        let broken = |why: String| Box::new(Broken { target: ResponseTarget::salvage(payload), why });
        let envelope: Envelope = serde::Deserialize::deserialize(payload)
            .map_err(|error| broken(format!("the event is not a custom resource request: {error}")))?;
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
            _ => return Err(broken("the event has an unknown `RequestType`".to_owned())),
        };
        for (field, text) in [("StackId", &target.stack_id), ("LogicalResourceId", &target.logical_id)] {
            if text.is_empty() {
                return Err(broken(format!("the event has an empty `{field}`")));
            }
        }
        let service_timeout = properties.get("ServiceTimeout").and_then(seconds);
        Ok(Self { target, resource_type, properties, operation, service_timeout })
    }

    /// The owner that the event speaks for: its stack and its logical id.
    pub fn owner(&self) -> Owner {
        Owner { stack_id: self.target.stack_id.clone(), logical_id: self.target.logical_id.clone() }
    }
}

impl Operation {
    /// The request type as CloudFormation spells it: `Create`, `Update` or `Delete`.
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

/// The error for properties that are not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// The properties have another JSON type. Holds that type, as a noun phrase.
    #[error("the properties are {0}, expected an object")]
    OfType(&'static str),
    /// The properties are nested too deep for a JSON parser.
    #[error("the properties are {TOO_DEEP}; give `Definition` as text")]
    TooDeep,
}

/// Returns the properties as an object.
///
/// # Errors
/// When the properties are not an object. The error says what they are instead.
pub fn object(properties: &Value) -> Result<&Map<String, Value>, NotAnObject> {
    Err(match properties {
        Value::Object(members) => return Ok(members),
        Value::String(text) if text == TOO_DEEP => NotAnObject::TooDeep,
        Value::Null => NotAnObject::OfType("null"),
        Value::Bool(_) => NotAnObject::OfType("a boolean"),
        Value::Number(_) => NotAnObject::OfType("a number"),
        Value::String(_) => NotAnObject::OfType("text"),
        Value::Array(_) => NotAnObject::OfType("a list"),
    })
}
