//! Tests the calls that read resources of SageMaker: the request that replaces the one of the SDK, and what is made of
//! each reply.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sagemaker::config::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use mlops_roles::aws::sagemaker::SageMakerClients;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_engine::port::{AwsError, FaultKind, Origin, SageMaker};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/SageMaker-found";

/// The headers and the body of a request.
type Seen = (Vec<(String, String)>, Value);

/// A connector that gives every request the same reply. It keeps the headers and the body of the last request.
#[derive(Clone, Debug)]
struct Stub {
    seen: Arc<Mutex<Seen>>,
    status: u16,
    body: String,
}

impl Stub {
    fn new(status: u16, body: impl Into<String>) -> Self {
        Self { seen: Arc::default(), status, body: body.into() }
    }

    fn clients(&self) -> SageMakerClients {
        let connector = SharedHttpConnector::new(self.clone());
        let http: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SageMakerClients::new(
            SdkConfig::builder()
                .region(Region::new("eu-central-1"))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .behavior_version(BehaviorVersion::latest())
                .retry_config(RetryConfig::disabled())
                .http_client(http)
                .build(),
        )
    }

    async fn roles(&self, source: &Source) -> Result<Vec<String>, AwsError> {
        Ok(self.clients().execution_roles("eu-west-1", source).await?.into_iter().collect())
    }

    fn header(&self, name: &str) -> String {
        let seen = self.seen.lock().unwrap();
        let values: Vec<_> = seen.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect();
        assert_eq!(values.len(), 1, "{name}");
        values[0].clone()
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert_eq!((request.method(), request.uri()), ("POST", "https://api.sagemaker.eu-west-1.amazonaws.com/"));
        let headers = request.headers().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        *self.seen.lock().unwrap() = (headers, body);
        let reply = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.as_str()));
        HttpConnectorFuture::ready(Ok(reply))
    }
}

#[tokio::test]
async fn the_request_names_the_operation_and_its_members_and_is_signed_as_such() {
    let reply = json!({ "ValidationSpecification": { "ValidationRole": ROLE } }).to_string();
    let stub = Stub::new(200, reply);
    assert_eq!(stub.roles(&Source::ModelPackage("churn \"1\"".into())).await.unwrap(), [ROLE]);
    let body = stub.seen.lock().unwrap().1.clone();
    assert_eq!(body, json!({ "ModelPackageName": "churn \"1\"", "IncludedData": "MetadataOnly" }));
    assert_eq!(stub.header("x-amz-target"), "SageMaker.DescribeModelPackage");
    assert_eq!(stub.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(stub.header("content-length"), body.to_string().len().to_string());
    let authorization = stub.header("authorization");
    assert!(authorization.contains("/eu-west-1/sagemaker/aws4_request"), "{authorization}");
    assert!(authorization.contains("x-amz-target"), "the name of the operation is signed: {authorization}");
}

#[tokio::test]
async fn members_that_the_carrier_does_not_know_and_any_status_are_taken() {
    for status in [json!("InService"), json!("SomethingNew"), json!(""), Value::Null] {
        let reply = json!({
            "Nested": { "List": [1, 2.5, true, null, { "Status": 5 }] },
            "Status": status,
            "DefaultUserSettings": { "ExecutionRole": ROLE, "KernelGatewayAppSettings": {} },
            "After": "\u{1f980} \\ \" \n",
        });
        let stub = Stub::new(200, reply.to_string());
        assert_eq!(stub.roles(&Source::Domain("d-1".into())).await.unwrap(), [ROLE], "{status}");
    }
    let none = Stub::new(200, json!({ "RoleArn": "" }).to_string());
    assert!(none.roles(&Source::Pipeline("p".into())).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reply_of_another_form_is_an_error_and_no_panic() {
    let replies = ["", "{", "<html>", "[]", "5", "null", r#"{"Status": 5}"#, r#"{"Status": {"a": 1}}"#, "{} {}"];
    for reply in replies {
        let error = Stub::new(200, reply).roles(&Source::Domain("d-1".into())).await.unwrap_err();
        assert_eq!(error.to_string(), "sagemaker:DescribeDomain: the reply could not be read", "{reply}");
        assert_eq!((error.kind, error.outcome_unknown), (FaultKind::Transient, true), "{reply}");
    }
}

#[tokio::test]
async fn an_error_is_told_by_its_code_and_message() {
    let refused = |code: &str, member: &str, message: &str| json!({ "__type": code, member: message }).to_string();
    for (status, reply, kind, told) in [
        (400, refused("ResourceNotFound", "Message", "gone"), FaultKind::NotFound, "ResourceNotFound: gone"),
        (
            400,
            refused("com.amazonaws.sagemaker#ResourceNotFound", "Message", "gone"),
            FaultKind::NotFound,
            "ResourceNotFound: gone",
        ),
        (
            400,
            refused("ValidationException", "message", "Requested resource not found."),
            FaultKind::NotFound,
            "ValidationException: Requested resource not found.",
        ),
        (
            400,
            refused("ValidationException", "message", "too long"),
            FaultKind::Refused,
            "ValidationException: too long",
        ),
        (
            400,
            refused("AccessDeniedException", "Message", "no"),
            FaultKind::MaybePropagating,
            "AccessDeniedException: no",
        ),
        (400, refused("ThrottlingException", "message", "slow"), FaultKind::Transient, "ThrottlingException: slow"),
        (500, refused("InternalFailure", "message", "oh"), FaultKind::Transient, "InternalFailure: oh"),
    ] {
        let error = Stub::new(status, reply).roles(&Source::TrainingJob("job".into())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("sagemaker:DescribeTrainingJob: {told}"));
        assert_eq!((error.kind, error.outcome_unknown), (kind, status == 500), "{told}");
    }
}

/// That the product of a project is gone must not look as if the project were.
#[tokio::test]
async fn only_a_message_about_the_project_says_that_it_is_gone() {
    let refused = |message: &str| json!({ "__type": "ValidationException", "message": message }).to_string();
    let gone = Stub::new(400, refused("Project arn:aws:sagemaker:eu-west-1:123456789012:project/p does not exist."));
    assert_eq!(gone.clients().origin("eu-west-1", "p").await.unwrap(), Origin::Gone);
    let other = Stub::new(400, refused("Provisioning artifact pa-1 does not exist or access was denied"));
    assert_eq!(other.clients().origin("eu-west-1", "p").await.unwrap_err().kind, FaultKind::NotFound);
}
