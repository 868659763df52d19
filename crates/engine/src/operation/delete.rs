//! The Delete operation: deletes what the resource manages and releases what it adopted.

use serde_json::Map;

use crate::context::Context;
use crate::decide::decision::Change;
use crate::operation::action::{carry_out, decide_unless_redelivered};
use crate::operation::outcome::{Done, Failure};
use crate::port::Aws;
use mlops_roles_core::protocol::request::Request;

/// Deletes the entities whose tags name this resource, and releases the adopted ones.
///
/// A Delete is never rolled back, and it accepts properties of any shape. `asked` is true if the staleness check has
/// already asked the stack.
///
/// # Errors
/// Fails when the event is a redelivery, the guardrails no longer admit a name, somebody else uses a policy, or AWS
/// can't be asked or refuses a step.
pub(crate) async fn delete<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    physical_id: &str,
    asked: bool,
) -> Result<Done, Failure> {
    let empty = Map::new();
    let change = Change::Delete { physical_id, properties: request.properties.as_object().unwrap_or(&empty) };
    let (_, decision) = decide_unless_redelivered(cx, request, asked, change).await?;
    carry_out(cx, request, decision.action, None).await?;
    Ok(Done::unchanged(&request.target))
}
