//! The answer to CloudFormation: at most 4,096 bytes, PUT until it is delivered or time is up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::arn::Place;
use crate::event::Address;
use crate::summary;

/// Bytes of a whole answer, this many included.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>
pub const LONGEST: usize = 4_096;

const ONE_TRY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The suffix of S3's hosts, by partition.
const S3_SUFFIXES: [(&str, &str); 8] = [
    ("aws", "amazonaws.com"),
    ("aws-cn", "amazonaws.com.cn"),
    ("aws-eusc", "amazonaws.eu"),
    ("aws-iso", "c2s.ic.gov"),
    ("aws-iso-b", "sc2s.sgov.gov"),
    ("aws-iso-e", "cloud.adc-e.uk"),
    ("aws-iso-f", "csp.hci.ic.gov"),
    ("aws-us-gov", "amazonaws.com"),
];

/// The presigned URL that takes the answer. Whoever holds it can answer for us, so it never shows.
#[derive(Clone)]
pub struct ResponseUrl(String);

impl ResponseUrl {
    pub fn new(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// When the event was sent, in seconds since the epoch, as the signature says (`X-Amz-Date=20261122T010158Z`).
    pub fn signed_at(&self) -> Option<i64> {
        let url = Url::parse(&self.0).ok()?;
        let (_, text) = url.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case("X-Amz-Date"))?;
        let part = |from: usize, to: usize| text.get(from..to);
        let (day, time) = (part(0, 8)?, part(9, 15)?);
        let date = format!("{}-{}-{}", day.get(..4)?, day.get(4..6)?, day.get(6..)?);
        let time = format!("{}:{}:{}", time.get(..2)?, time.get(2..4)?, time.get(4..)?);
        let at = DateTime::from_str(&format!("{date}T{time}Z"), Format::DateTime).ok()?;
        Some(at.secs())
    }

    /// The URL, if it is one of CloudFormation's response buckets or of the endpoint that the deployer set.
    ///
    /// # Errors
    /// When an answer may not go there. The error shows no more of it than the rule that it breaks.
    fn checked(&self, endpoint: Option<&str>, place: Option<&Place>) -> Result<Url, Undelivered> {
        let untrusted = |why| Undelivered::Untrusted { why };
        let url = Url::parse(&self.0).map_err(|_| untrusted("is no URL"))?;
        let endpoint = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
        let at = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        if !url.username().is_empty() || url.password().is_some() {
            return Err(untrusted("holds credentials"));
        }
        if endpoint.is_some_and(|endpoint| at(&endpoint) == at(&url)) {
            return Ok(url);
        }
        if url.scheme() != "https" || url.port().is_some() {
            return Err(untrusted("is not https on the usual port"));
        }
        if !url.host_str().zip(place).is_some_and(|(host, place)| is_response_bucket(host, place)) {
            return Err(untrusted("is not at CloudFormation's response bucket for this region"));
        }
        Ok(url)
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[response URL]")
    }
}

impl fmt::Display for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `cloudformation-custom-resource-response-useast1.s3.amazonaws.com`, or with the region in front of the suffix
/// (`s3-us-east-1`, `s3.us-east-1`), under FIPS and dual-stack endpoints too: the bucket of this region and no other, since
/// anybody may own another.
/// <https://docs.aws.amazon.com/general/latest/gr/s3.html>
fn is_response_bucket(host: &str, place: &Place) -> bool {
    let Place { partition, region, .. } = place;
    let Some((_, suffix)) = S3_SUFFIXES.iter().find(|(name, _)| name == partition) else { return false };
    let bucket = format!("cloudformation-custom-resource-response-{}", region.replace('-', ""));
    let service = host.strip_prefix(&bucket).and_then(|rest| rest.strip_suffix(suffix));
    let regional = ["s3-", "s3.", "s3.dualstack.", "s3-fips.", "s3-fips.dualstack."];
    service
        .is_some_and(|service| service == ".s3." || regional.iter().any(|form| service == format!(".{form}{region}.")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Success,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
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

impl Answer {
    pub fn success(address: &Address, physical_id: &str, data: BTreeMap<String, String>) -> Self {
        Self { data, ..Self::new(Status::Success, String::new(), address, physical_id) }
    }

    /// Control characters become spaces: a stack whose events hold one can't be listed any more.
    /// <https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1601>
    pub fn failed(address: &Address, physical_id: &str, reason: String) -> Self {
        let plain = if reason.contains(char::is_control) { reason.replace(char::is_control, " ") } else { reason };
        Self::new(Status::Failed, plain, address, physical_id)
    }

    fn new(status: Status, reason: String, address: &Address, physical_id: &str) -> Self {
        Self {
            status,
            reason,
            physical_resource_id: physical_id.to_owned(),
            stack_id: address.stack_id.clone(),
            request_id: address.request_id.clone(),
            logical_resource_id: address.logical_id.clone(),
            data: BTreeMap::new(),
        }
    }

    /// The answer as it goes out. A reason that is too long is cut at the end of a character.
    pub fn body(&self) -> Vec<u8> {
        let json = |answer: &Self| serde_json::to_vec(answer).unwrap_or_default();
        let mut answer = self.clone();
        let mut body = json(&answer);
        while body.len() > LONGEST && !answer.reason.is_empty() {
            // Room for the ellipsis too, which is what makes the last round fit.
            let mut excess = body.len() - LONGEST + '…'.len_utf8();
            while excess > 0
                && let Some(last) = answer.reason.pop()
            {
                // An escaped character is longer than itself: count it as it is written, without the quotes.
                let written = serde_json::to_string(&last).map_or(1, |text| text.len() - 2);
                excess = excess.saturating_sub(written);
            }
            if !answer.reason.is_empty() {
                answer.reason.push('…');
            }
            body = json(&answer);
        }
        body
    }
}

/// CloudFormation has certainly not been told. Lambda is to run the event again, which finds the work done.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    #[error("the answer was not sent: the response URL {why}")]
    Untrusted { why: &'static str },
    #[error("the answer was refused with status {status}")]
    Refused { status: u16 },
    #[error("the answer could not be delivered in {tries} tries: {last}")]
    OutOfTime { tries: u32, last: String },
    #[error("{why}, and without a response URL nobody can be told")]
    Nobody { why: String },
}

/// Where answers go out, and the one endpoint besides CloudFormation's that they may go to.
#[derive(Clone, Debug)]
pub struct Post {
    pub http: SharedHttpConnector,
    /// `AWS_ENDPOINT_URL`, where the deployer set it.
    pub endpoint: Option<String>,
}

impl Post {
    /// # Errors
    /// When an answer may not go there.
    pub fn check(&self, to: &ResponseUrl, place: Option<&Place>) -> Result<(), Undelivered> {
        to.checked(self.endpoint.as_deref(), place).map(drop)
    }

    /// PUTs the answer until a 2xx or the deadline. Redirects are not followed. `place` is the function's: answers go
    /// to the response bucket of that region.
    ///
    /// # Errors
    /// When it was certainly not delivered.
    pub async fn deliver(
        &self,
        to: &ResponseUrl,
        answer: &Answer,
        place: Option<&Place>,
        deadline: Instant,
    ) -> Result<u16, Undelivered> {
        let url = to.checked(self.endpoint.as_deref(), place)?;
        let body = answer.body();
        summary::answering(answer, body.len());
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        let mut last = "no time was left".to_owned();
        while Instant::now() < deadline {
            tries += 1;
            let request = put(&url, &body).ok_or(Undelivered::Untrusted { why: "can't be requested" })?;
            let until = deadline.min(Instant::now() + ONE_TRY);
            match timeout_at(until, self.http.call(request)).await {
                Ok(Ok(response)) if response.status().is_success() => {
                    let status = response.status().as_u16();
                    summary::answered(status);
                    return Ok(status);
                }
                Ok(Ok(response)) => {
                    let status = response.status().as_u16();
                    if !matches!(status, 408 | 429 | 500..) {
                        return Err(Undelivered::Refused { status });
                    }
                    last = format!("status {status}");
                }
                Ok(Err(error)) => kind(&error).clone_into(&mut last),
                Err(_) => "no reply in time".clone_into(&mut last),
            }
            tracing::warn!(tries, last, "answer not delivered yet");
            summary::pause(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Err(Undelivered::OutOfTime { tries, last })
    }
}

/// S3 signed the URL for an empty content type; any other is refused.
fn put(url: &Url, body: &[u8]) -> Option<HttpRequest> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT").ok()?;
    request.set_uri(url.as_str()).ok()?;
    request.headers_mut().insert("content-type", "");
    request.headers_mut().insert("content-length", body.len().to_string());
    Some(request)
}

/// The kind only: what an HTTP client says of an error may repeat the URL.
fn kind(error: &ConnectorError) -> &'static str {
    if error.is_timeout() {
        "no reply in time"
    } else if error.is_io() {
        "the connection failed"
    } else {
        "the request failed"
    }
}
