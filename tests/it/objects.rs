//! Tests the one request to Amazon S3: where it goes, how it is signed, and what is made of each reply.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use mlops_roles::aws::s3::ObjectClient;
use mlops_roles::http::connector;
use mlops_roles::log;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES};
use mlops_roles_engine::port::{AwsError, FaultKind, Objects};
use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{Stage, create, properties, with};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing::Level;
use tracing::instrument::WithSubscriber;

use crate::log::{Lines, keep_events_on};

const HIDDEN: &str = "hidden-content";
/// The SHA-256 of nothing.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request as the connector gets it: the method, the URI, and the headers.
type Seen = (String, String, BTreeMap<String, String>);

/// A connector that gives every request the same reply.
#[derive(Clone, Debug)]
struct Stub {
    seen: Arc<Mutex<Vec<Seen>>>,
    status: u16,
    length: Option<usize>,
    body: Vec<u8>,
}

impl Stub {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { seen: Arc::default(), status, length: None, body: body.into() }
    }

    async fn read(
        &self,
        place: &Place,
        location: &Location,
        endpoint: Option<&str>,
    ) -> Result<Option<Vec<u8>>, AwsError> {
        let http = SharedHttpConnector::new(self.clone());
        ObjectClient::new(http, Some(credentials()), endpoint.map(str::to_owned)).read(place, location).await
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let seen = (request.method().to_owned(), request.uri().to_owned(), headers.collect());
        self.seen.lock().unwrap().push(seen);
        let mut response = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.clone()));
        if let Some(length) = self.length {
            response.headers_mut().insert("content-length", length.to_string());
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "the-secret-key", Some("the-token".to_owned()), None, "test")
}

fn place(partition: &str, region: &str) -> Place {
    Place { partition: partition.to_owned(), region: region.to_owned(), account: "123456789012".to_owned() }
}

fn location(bucket: &str, key: &str, version: Option<&str>) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: version.map(str::to_owned),
        sha256: None,
        refusals: Vec::new(),
    }
}

#[tokio::test]
async fn the_request_goes_to_the_bucket_of_the_region_or_to_the_endpoint() {
    for (partition, region, bucket, key, version, endpoint, uri) in [
        ("aws", "us-east-1", "b-1", "a/b.json", None, None, "https://b-1.s3.us-east-1.amazonaws.com/a/b.json"),
        ("aws-cn", "cn-north-1", "b-1", "k", None, None, "https://b-1.s3.cn-north-1.amazonaws.com.cn/k"),
        ("aws", "eu-west-1", "b.x", "k", None, None, "https://s3.eu-west-1.amazonaws.com/b.x/k"),
        (
            "aws",
            "eu-west-1",
            "b-1",
            "k",
            Some("v.1_-"),
            None,
            "https://b-1.s3.eu-west-1.amazonaws.com/k?versionId=v.1_-",
        ),
        (
            "aws",
            "eu-west-1",
            "b-1",
            "k",
            Some("a&b=/"),
            None,
            "https://b-1.s3.eu-west-1.amazonaws.com/k?versionId=a%26b%3D%2F",
        ),
        (
            "aws",
            "eu-west-1",
            "b-1",
            "/a b/../ü+?#%",
            None,
            None,
            "https://b-1.s3.eu-west-1.amazonaws.com//a%20b/../%C3%BC%2B%3F%23%25",
        ),
        ("aws", "eu-west-1", "b-1", "k", None, Some("http://localhost:4566/"), "http://localhost:4566/b-1/k"),
    ] {
        let stub = Stub::new(200, "{}");
        let read = stub.read(&place(partition, region), &location(bucket, key, version), endpoint).await;
        assert_eq!(read.unwrap().unwrap(), b"{}");
        let seen = stub.seen.lock().unwrap();
        assert_eq!((seen.len(), seen[0].0.as_str(), seen[0].1.as_str()), (1, "GET", uri));
    }
}

#[tokio::test]
async fn the_request_is_signed_for_s3_and_names_the_account_that_must_own_the_bucket() {
    let stub = Stub::new(200, "{}");
    stub.read(&place("aws", "eu-west-1"), &location("b-1", "k", Some("1")), None).await.unwrap();
    let (_, _, headers) = stub.seen.lock().unwrap()[0].clone();
    assert_eq!(headers["x-amz-expected-bucket-owner"], "123456789012");
    assert_eq!(headers["x-amz-content-sha256"], OF_NOTHING);
    assert_eq!(headers["x-amz-security-token"], "the-token");
    let day = headers["x-amz-date"].split('T').next().unwrap();
    let (scope, signature) = headers["authorization"].split_once(", Signature=").unwrap();
    let signed = "host;x-amz-content-sha256;x-amz-date;x-amz-expected-bucket-owner;x-amz-security-token";
    let credential = format!("AKIDEXAMPLE/{day}/eu-west-1/s3/aws4_request");
    assert_eq!(scope, format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}"));
    assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()), "{signature}");
    assert!(headers.values().all(|value| !value.contains("the-secret-key")));
}

#[tokio::test]
async fn an_unknown_partition_and_missing_credentials_make_no_request() {
    let stub = Stub::new(200, "{}");
    let error = stub.read(&place("aws-moon", "moon-1"), &location("b-1", "k", None), None).await.unwrap_err();
    assert_eq!(error.to_string(), "s3:GetObject: the request could not be built");
    let client = ObjectClient::new(SharedHttpConnector::new(stub.clone()), None, None);
    let error = client.read(&place("aws", "eu-west-1"), &location("b-1", "k", None)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Refused);
    assert!(stub.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_error_is_told_apart_by_its_code_and_nothing_of_the_body_is_told() {
    let xml = |code: &str, message: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message} {HIDDEN}</Message>\
             <Key>{HIDDEN}</Key></Error>"
        )
    };
    let long = "x".repeat(65);
    let (get, decrypt) = ("s3:GetObject", "kms:Decrypt");
    for (status, body, call, code, kind) in [
        (404, xml("NoSuchKey", ""), get, "NoSuchKey", FaultKind::NotFound),
        (404, xml("NoSuchVersion", ""), get, "NoSuchVersion", FaultKind::NotFound),
        (404, xml("NoSuchBucket", ""), get, "NoSuchBucket", FaultKind::NotFound),
        (405, xml("MethodNotAllowed", ""), get, "MethodNotAllowed", FaultKind::NotFound),
        (404, String::new(), get, "", FaultKind::NotFound),
        (403, xml("AccessDenied", "Access Denied"), get, "AccessDenied", FaultKind::MaybePropagating),
        (403, xml("AccessDenied", "not to perform: kms:Decrypt"), decrypt, "AccessDenied", FaultKind::MaybePropagating),
        (400, xml("KMS.DisabledException", ""), decrypt, "KMS.DisabledException", FaultKind::Refused),
        (301, xml("PermanentRedirect", ""), get, "PermanentRedirect", FaultKind::Refused),
        (301, String::new(), get, "PermanentRedirect", FaultKind::Refused),
        (307, xml("TemporaryRedirect", ""), get, "TemporaryRedirect", FaultKind::Transient),
        (400, xml("AuthorizationHeaderMalformed", ""), get, "AuthorizationHeaderMalformed", FaultKind::Refused),
        (503, xml("SlowDown", ""), get, "SlowDown", FaultKind::Transient),
        (500, format!("<html>{HIDDEN}"), get, "", FaultKind::Transient),
        (400, xml(HIDDEN, ""), get, "", FaultKind::Refused),
        (400, xml(&long, ""), get, "", FaultKind::Refused),
        (400, format!("{}{}", " ".repeat(5_000), xml("NoSuchKey", "")), get, "", FaultKind::Refused),
    ] {
        let stub = Stub::new(status, body.clone());
        let read = stub.read(&place("aws", "eu-west-1"), &location("b-1", "k", None), None).await;
        let error = read.unwrap_err();
        assert_eq!((error.call, error.code.as_str(), error.kind), (call, code, kind), "{status} {body}");
        assert_eq!(error.message, format!("HTTP status {status}"));
        assert!(!format!("{error} {error:?}").contains(HIDDEN), "{error}");
    }
}

#[tokio::test]
async fn an_object_has_at_most_the_bytes_of_a_definition() {
    let (place, location) = (place("aws", "eu-west-1"), location("b-1", "k", None));
    let most = Stub::new(200, vec![b' '; MAX_BYTES]);
    assert_eq!(most.read(&place, &location, None).await.unwrap().map(|bytes| bytes.len()), Some(MAX_BYTES));
    let more = Stub::new(200, vec![b' '; MAX_BYTES + 1]);
    assert_eq!(more.read(&place, &location, None).await.unwrap(), None);
    let announced = Stub { length: Some(MAX_BYTES + 1), ..Stub::new(200, "{}") };
    assert_eq!(announced.read(&place, &location, None).await.unwrap(), None);
}

#[tokio::test]
async fn the_object_is_read_over_a_real_connection() {
    let work = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend(&buffer[..read]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let client = ObjectClient::new(connector(), Some(credentials()), Some(format!("http://{host}")));
        let read = client.read(&place("aws", "eu-west-1"), &location("b-1", "a/k", Some("1"))).await;
        assert_eq!(read.unwrap().unwrap(), b"{}");
        let head = server.await.unwrap().to_lowercase();
        assert!(head.starts_with("get /b-1/a/k?versionid=1 http/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
    };
    tokio::task::LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn the_content_is_in_no_line_and_no_response_at_trace_level() {
    keep_events_on();
    // A message that another thread logs for the first time just now might miss the subscriber, so one event runs
    // before.
    Stage::wired(Fake::new()).send(&create(&properties())).await.success();
    let lines = Lines::default();
    let subscriber = log::subscriber(Level::TRACE, lines.clone());
    async {
        let machine = json!({
            "StartAt": "Done", "Comment": HIDDEN, "States": { "Done": { "Type": "Succeed", "Comment": HIDDEN } },
        });
        for (content, is_good) in [(machine.to_string(), true), (format!("Comment: {HIDDEN}"), false)] {
            let stage = Stage::wired(Fake::new());
            let object = "artifacts/churn/one.asl.json?versionId=1".to_owned();
            stage.fake.change(|books| drop(books.objects.insert(object, content)));
            let location = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "1" });
            let asked = with(json!({ "SageMakerExecutionRoleArns": null, "DefinitionS3Location": location }));
            let response = stage.send(&create(&asked)).await;
            assert_eq!(response.succeeded(), is_good, "{}", response.0);
            assert!(!response.0.to_string().contains(HIDDEN), "{}", response.0);
        }
    }
    .with_subscriber(subscriber)
    .await;
    let text = lines.text();
    assert!(text.contains("definition read"), "the log has our lines:\n{text}");
    assert!(!text.contains(HIDDEN), "{text}");
}
