//! The answer to CloudFormation: at most 4,096 bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::protocol::target::ResponseTarget;

/// Bytes of a whole answer, this many included.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>
pub const LONGEST: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Success,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    pub status: Status,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub physical_resource_id: String,
    pub stack_id: String,
    pub request_id: String,
    pub logical_resource_id: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

impl Response {
    pub fn success(target: &ResponseTarget, physical_id: &str, data: BTreeMap<String, String>) -> Self {
        Self { data, ..Self::new(Status::Success, String::new(), target, physical_id) }
    }

    /// Control characters become spaces: a stack whose events hold one can't be listed any more.
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

    /// The answer as it goes out. A reason that is too long is cut at the end of a character.
    pub fn body(&self) -> Vec<u8> {
        let json = |response: &Self| serde_json::to_vec(response).unwrap_or_default();
        let mut response = self.clone();
        let mut body = json(&response);
        while body.len() > LONGEST && !response.reason.is_empty() {
            // Room for the ellipsis too, which is what makes the last round fit.
            let mut excess = body.len() - LONGEST + '…'.len_utf8();
            while excess > 0
                && let Some(last) = response.reason.pop()
            {
                // An escaped character is longer than itself: count it as it is written, without the quotes.
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
