//! Holds where the response to an event goes, and what the response repeats.

use serde_json::Value;

use crate::protocol::response_url::ResponseUrl;

/// The response URL of an event, and the ids that the response repeats.
#[derive(Clone, Debug)]
pub struct ResponseTarget {
    /// The presigned S3 URL that takes the response.
    pub response_url: ResponseUrl,
    /// The ARN of the stack; empty if the event has none.
    pub stack_id: String,
    /// The id of the request; empty if the event has none.
    pub request_id: String,
    /// The logical id of the resource; empty if the event has none.
    pub logical_id: String,
    /// The physical id of a response that has no better one.
    ///
    /// It is the physical id of the event, or `not-created/LogicalId` if the event has none. That marker names no role.
    pub physical_id: String,
}

impl ResponseTarget {
    /// Reads as many fields as any payload has. Returns `None` only if the payload has no response URL.
    pub(super) fn salvage(payload: &Value) -> Option<Self> {
        let text = |field| payload.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let response_url = payload.get("ResponseURL").and_then(Value::as_str)?;
        let logical_id = text("LogicalResourceId");
        let physical_id = match text("PhysicalResourceId") {
            // The slash makes sure that the marker is not the name of a role.
            id if id.is_empty() => format!("not-created/{logical_id}"),
            id => id,
        };
        Some(Self {
            response_url: ResponseUrl::new(response_url),
            stack_id: text("StackId"),
            request_id: text("RequestId"),
            logical_id,
            physical_id,
        })
    }
}
