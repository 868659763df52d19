//! Where the answer to an event goes, and what it repeats.

use serde_json::Value;

use crate::protocol::response_url::ResponseUrl;

/// What to answer to, and what the answer repeats.
#[derive(Clone, Debug)]
pub struct ResponseTarget {
    pub response_url: ResponseUrl,
    pub stack_id: String,
    pub request_id: String,
    pub logical_id: String,
    /// What an answer says unless it has something better: the id that came in, or a marker that names no role.
    pub physical_id: String,
}

impl ResponseTarget {
    /// Whatever fields are there, from any payload.
    pub(super) fn salvage(payload: &Value) -> Option<Self> {
        let text = |field| payload.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let response_url = payload.get("ResponseURL").and_then(Value::as_str)?;
        let logical_id = text("LogicalResourceId");
        let physical_id = match text("PhysicalResourceId") {
            // The slash keeps it from being the name of a role.
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
