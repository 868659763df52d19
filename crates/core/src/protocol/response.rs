//! Builds the response to CloudFormation, which has at most 4,096 bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::protocol::target::ResponseTarget;

/// The most bytes that the body of a response may have, inclusive.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>
pub const MAX_RESPONSE_BYTES: usize = 4_096;

/// Whether the operation succeeded: `SUCCESS` or `FAILED` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The operation succeeded.
    Success,
    /// The operation failed; the reason of the response says why.
    Failed,
}

/// A response to CloudFormation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    /// Whether the operation succeeded.
    pub status: Status,
    /// Why the operation failed. Empty, and absent from the JSON, if it succeeded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The physical id: the name of the role, the id of a role set, or the physical id of the response target.
    pub physical_resource_id: String,
    /// The id of the stack, repeated from the request.
    pub stack_id: String,
    /// The id of the request, repeated from the request.
    pub request_id: String,
    /// The logical id of the resource, repeated from the request.
    pub logical_resource_id: String,
    /// The attributes for `Fn::GetAtt`, by name. Absent from the JSON if there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

impl Response {
    /// The response to an operation that succeeded, with `data` as the attributes of the resource.
    pub fn success(target: &ResponseTarget, physical_id: &str, data: BTreeMap<String, String>) -> Self {
        Self { data, ..Self::new(Status::Success, String::new(), target, physical_id) }
    }

    /// The response to an operation that failed.
    ///
    /// Control characters in the reason become spaces: a stack whose events hold one can no longer be listed.
    /// <https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1601>
    pub fn failed(target: &ResponseTarget, physical_id: &str, reason: String) -> Self {
        let plain = if reason.contains(char::is_control) { reason.replace(char::is_control, " ") } else { reason };
        Self::new(Status::Failed, plain, target, physical_id)
    }

    fn new(status: Status, reason: String, target: &ResponseTarget, physical_id: &str) -> Self {
        Self {
            status,
            reason,
            physical_resource_id: physical_id.to_owned(),
            stack_id: target.stack_id.clone(),
            request_id: target.request_id.clone(),
            logical_resource_id: target.logical_id.clone(),
            data: BTreeMap::new(),
        }
    }

    /// The body of the response, as JSON.
    ///
    /// If the body is longer than [`MAX_RESPONSE_BYTES`], the reason is cut at the end of a character and an ellipsis is added.
    /// Nothing else is cut, so a body whose other fields are too long stays too long.
    pub fn body(&self) -> Vec<u8> {
        let json = |response: &Self| serde_json::to_vec(response).unwrap_or_default();
        let mut response = self.clone();
        let mut body = json(&response);
        while body.len() > MAX_RESPONSE_BYTES && !response.reason.is_empty() {
            // The excess includes the bytes of the ellipsis, so that the last round fits.
            let mut excess = body.len() - MAX_RESPONSE_BYTES + '…'.len_utf8();
            while excess > 0
                && let Some(last) = response.reason.pop()
            {
                // JSON escapes some characters, which makes them longer. Count the escaped form, without its quotes.
                let written = serde_json::to_string(&last).map_or(1, |text| text.len() - 2);
                excess = excess.saturating_sub(written);
            }
            if !response.reason.is_empty() {
                response.reason.push('…');
            }
            body = json(&response);
        }
        body
    }
}
