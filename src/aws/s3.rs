//! Implements `Objects` by one signed GET over the client of the SDKs. The SDK of Amazon S3 would add far more code than
//! this one call needs.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use crate::aws::error::{lost, unreadable};
use crate::http::counting::EXPECTED_OWNER;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::response_url::s3_suffix;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES};
use mlops_roles_engine::port::{AwsError, FaultKind, ONE_CALL, Objects};

/// The maximum size of an error that is read, in bytes. An error has a few hundred bytes.
const MAX_ERROR_BYTES: usize = 4_096;

/// The maximum length of an error code, in characters. A longer one is not of S3.
const MAX_CODE_LENGTH: usize = 64;

/// What is encoded in a query. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is encoded in a key. The slashes of a key stay.
const IN_KEY: AsciiSet = IN_QUERY.remove(b'/');

/// A client of Amazon S3.
#[derive(Clone, Debug)]
pub struct ObjectClient {
    http: SharedHttpConnector,
    credentials: Option<Credentials>,
    endpoint: Option<String>,
}

impl ObjectClient {
    /// Creates a client that sends its calls with `http`. `endpoint` takes the calls in place of S3; `None` for S3
    /// itself. Without credentials, every call fails.
    pub fn new(http: SharedHttpConnector, credentials: Option<Credentials>, endpoint: Option<String>) -> Self {
        Self { http, credentials, endpoint }
    }

    /// Returns the URL of the object. `None` for a partition that the function does not know.
    ///
    /// The bucket is part of the host, unless it has a dot, which no certificate of S3 covers, or an endpoint is set.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
    fn url(&self, place: &Place, location: &Location) -> Option<String> {
        let Location { bucket, key, version, .. } = location;
        let (region, suffix) = (&place.region, s3_suffix(&place.partition)?);
        let base = match &self.endpoint {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None if bucket.contains('.') => format!("https://s3.{region}.{suffix}/{bucket}"),
            None => format!("https://{bucket}.s3.{region}.{suffix}"),
        };
        let key = utf8_percent_encode(key, &IN_KEY);
        Some(match version {
            Some(version) => format!("{base}/{key}?versionId={}", utf8_percent_encode(version, &IN_QUERY)),
            None => format!("{base}/{key}"),
        })
    }

    /// Builds and signs the request. S3 refuses it where another account owns the bucket.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
    fn request(&self, place: &Place, location: &Location) -> Option<HttpRequest> {
        let url = self.url(place, location)?;
        let identity = Identity::from(self.credentials.clone()?);
        // S3 decodes a path once and normalizes none, and needs the hash of the payload in a header.
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&place.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .ok()?;
        let params = SigningParams::from(params);
        let headers = [(EXPECTED_OWNER, place.account.as_str())];
        let signable = SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::empty()).ok()?;
        let (signed, _) = sign(signable, &params).ok()?.into_parts();
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method("GET").ok()?;
        request.set_uri(url.as_str()).ok()?;
        request.headers_mut().insert(EXPECTED_OWNER, place.account.clone());
        for (name, value) in signed.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Some(request)
    }

    async fn send(&self, request: HttpRequest, call: &'static str) -> Result<Option<Vec<u8>>, AwsError> {
        let reply = self.http.call(request).await.map_err(|error| {
            lost(call, if error.is_timeout() { "no reply arrived in time" } else { "the connection failed" })
        })?;
        let status = reply.status().as_u16();
        if status == 200 {
            let announced = reply.headers().get("content-length").and_then(|length| length.parse::<usize>().ok());
            if announced.is_some_and(|length| length > MAX_BYTES) {
                return Ok(None);
            }
            return whole(reply.into_body(), MAX_BYTES, call).await;
        }
        let body = whole(reply.into_body(), MAX_ERROR_BYTES, call).await?.unwrap_or_default();
        Err(refused(status, &String::from_utf8_lossy(&body), call))
    }
}

impl Objects for ObjectClient {
    async fn read(&self, place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError> {
        let call = if location.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let request = self.request(place, location).ok_or_else(|| AwsError {
            kind: FaultKind::Refused,
            outcome_unknown: false,
            call,
            code: String::new(),
            message: "the request could not be built".to_owned(),
        })?;
        timeout(ONE_CALL, self.send(request, call))
            .await
            .unwrap_or_else(|_| Err(lost(call, "no reply arrived in time")))
    }
}

/// Reads a body. `None` where it has more than `most` bytes; the rest is not read.
async fn whole(body: SdkBody, most: usize, call: &'static str) -> Result<Option<Vec<u8>>, AwsError> {
    let (mut parts, mut bytes) = (ByteStream::new(body), Vec::new());
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| unreadable(call))?;
        if bytes.len() + part.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes))
}

/// Classifies an error reply by its code. Nothing else of the body gets into the error.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn refused(status: u16, body: &str, call: &'static str) -> AwsError {
    let code = match error_code(body) {
        "" if status == 301 => "PermanentRedirect",
        code => code,
    };
    let kind = match code {
        // A version that is a delete marker has no method `GET`.
        "NoSuchBucket" | "NoSuchKey" | "NoSuchVersion" | "MethodNotAllowed" => FaultKind::NotFound,
        // The names of a new bucket may still lead to another region.
        "TemporaryRedirect" => FaultKind::Transient,
        _ if status == 404 => FaultKind::NotFound,
        code => FaultKind::from_response(code, "", status),
    };
    // S3 decrypts with the permissions of whoever reads, and then names that action in its message.
    let is_of_key = code.starts_with("KMS.") || body.contains("kms:Decrypt");
    AwsError {
        kind,
        outcome_unknown: status >= 500,
        call: if is_of_key { "kms:Decrypt" } else { call },
        code: code.to_owned(),
        message: format!("HTTP status {status}"),
    }
}

/// Returns the code of an error: `NoSuchKey`. Empty where the body has none.
fn error_code(body: &str) -> &str {
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let is_code = |code: &&str| {
        code.len() <= MAX_CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    };
    code.filter(is_code).unwrap_or_default()
}
