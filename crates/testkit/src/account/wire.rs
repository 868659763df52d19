//! The account behind the real clients: answers their HTTP requests.

use std::fmt::Write as _;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};

use mlops_roles::aws::cloudformation::CloudFormationClient;
use mlops_roles::aws::iam::IamClient;
use mlops_roles::aws::s3::ObjectClient;
use mlops_roles::aws::sagemaker::SageMakerClients;
use mlops_roles_engine::port::ONE_CALL;

use super::call::{Call, Params};
use super::handle::Fake;
use super::model::sagemaker::Request;
use super::reply::{Failure, Refusal};
use crate::fixtures::ACCOUNT;

/// The elements that IAM sends percent-encoded.
const DOCUMENTS: [&str; 3] = ["AssumeRolePolicyDocument", "Document", "PolicyDocument"];
/// The elements that hold dates.
const DATES: [&str; 5] = ["CreateDate", "CreationTime", "LastUpdatedTimestamp", "LastUsedDate", "Timestamp"];

impl Fake {
    /// The real IAM client, connected to this account.
    pub fn iam(&self) -> IamClient {
        let config = aws_sdk_iam::config::Builder::from(&self.config());
        IamClient::new(aws_sdk_iam::Client::from_conf(
            config.behavior_version(aws_sdk_iam::config::BehaviorVersion::latest()).build(),
        ))
    }

    /// The real CloudFormation client, connected to this account.
    pub fn stacks(&self) -> CloudFormationClient {
        let config = aws_sdk_cloudformation::config::Builder::from(&self.config());
        CloudFormationClient::new(aws_sdk_cloudformation::Client::from_conf(
            config.behavior_version(aws_sdk_cloudformation::config::BehaviorVersion::latest()).build(),
        ))
    }

    /// The real SageMaker clients, connected to this account.
    pub fn sagemaker(&self) -> SageMakerClients {
        let latest = aws_sdk_sagemaker::config::BehaviorVersion::latest();
        SageMakerClients::new(self.config().into_builder().behavior_version(latest).build())
    }

    /// The real client of Amazon S3, connected to this account.
    pub fn objects(&self) -> ObjectClient {
        let credentials = Credentials::new("test", "test", None, None, "test");
        ObjectClient::new(SharedHttpConnector::new(self.clone()), Some(credentials), None)
    }

    fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let http: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let credentials = Credentials::new("test", "test", None, None, "test");
        SdkConfig::builder()
            // The tests ask SageMaker in other regions.
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(ONE_CALL).build())
            .http_client(http)
            .build()
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fake = self.clone();
        let call = parse(&request);
        HttpConnectorFuture::new(async move {
            match (fake.ask(&call).await, &call) {
                (Ok(body), Call::SageMaker(_)) => Ok(response(200, body.to_string())),
                (Ok(body), Call::S3(_)) => Ok(response(200, body.as_str().unwrap().to_owned())),
                (Ok(body), call) => Ok(response(200, document(call.action(), &body))),
                (Err(Failure::Refused(refusal)), Call::SageMaker(_)) => {
                    let body = json!({ "__type": refusal.code, "message": refusal.message });
                    Ok(response(refusal.status, body.to_string()))
                }
                (Err(Failure::Refused(refusal)), _) => Ok(error(&refusal)),
                (Err(Failure::Lost), _) => Err(ConnectorError::io("connection reset".into())),
            }
        })
    }
}

fn parse(request: &HttpRequest) -> Call {
    if let Some(owner) = request.headers().get("x-amz-expected-bucket-owner") {
        assert_eq!((request.method(), owner), ("GET", ACCOUNT));
        let url = url::Url::parse(request.uri()).unwrap();
        let (bucket, _) = url.host_str().unwrap().split_once(".s3.us-east-1.").unwrap();
        let key = percent_encoding::percent_decode_str(url.path().trim_start_matches('/')).decode_utf8().unwrap();
        let version = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Call::S3(format!("{bucket}/{key}{version}"));
    }
    let body = request.body().bytes().unwrap_or_default();
    if let Some(target) = request.headers().get("x-amz-target") {
        let action = target.strip_prefix("SageMaker.").unwrap().to_owned();
        // Credential=key/date/region/service/aws4_request
        let region = request.headers().get("authorization").unwrap().split('/').nth(2).unwrap().to_owned();
        let body: Value = serde_json::from_slice(body).unwrap();
        let members = body.as_object().unwrap().iter();
        let members = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        return Call::SageMaker(Request { action, region, members });
    }
    let mut params = Params { values: url::form_urlencoded::parse(body).into_owned().collect(), ..Params::default() };
    params.action = params.values.remove("Action").unwrap_or_default();
    let version = params.values.remove("Version").unwrap_or_default();
    if version == "2010-05-08" { Call::Iam(params) } else { Call::CloudFormation(params) }
}

fn document(action: &str, result: &Value) -> String {
    let mut xml = format!("<{action}Response>");
    let empty = json!({});
    element(&mut xml, &format!("{action}Result"), if result.is_null() { &empty } else { result });
    let _ = write!(xml, "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>");
    xml
}

fn element(xml: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    let _ = write!(xml, "<{name}>");
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(xml, "member", item)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| element(xml, name, value)),
        Value::String(text) if DOCUMENTS.contains(&name) => {
            let _ = write!(xml, "{}", percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC));
        }
        Value::String(text) => xml.push_str(&escaped(text)),
        seconds if DATES.contains(&name) => {
            let at = aws_smithy_types::DateTime::from_secs(seconds.as_i64().unwrap());
            xml.push_str(&at.fmt(Format::DateTime).unwrap());
        }
        other => xml.push_str(&other.to_string()),
    }
    let _ = write!(xml, "</{name}>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn error(refusal: &Refusal) -> HttpResponse {
    let (code, message) = (&refusal.code, escaped(&refusal.message));
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    response(refusal.status, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
}

fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}
