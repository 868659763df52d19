//! SageMaker in memory, region by region: projects and the service-catalog portfolio, behind the real client and in its
//! own protocol (AWS JSON 1.1).

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sagemaker::config::BehaviorVersion;
use aws_sdk_sagemaker::config::retry::RetryConfig;
use aws_sdk_sagemaker::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use serde_json::{Value, json};

use mlops_roles::iam::ONE_CALL;
use mlops_roles::sagemaker::Regions;

/// A region of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Names and states.
    pub projects: Vec<(String, String)>,
    pub portfolio: bool,
    /// Not switched on for the account.
    pub closed: bool,
    /// What is described, by operation and the values of the request's members: `DescribeSpace d-1/own`.
    pub described: BTreeMap<String, Value>,
}

impl Region {
    pub fn with(projects: &[(&str, &str)]) -> Self {
        let projects = projects.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
        Self { projects, ..Self::default() }
    }
}

pub struct Request {
    pub action: String,
    region: String,
    token: usize,
    /// The values of the members, in the order of their names.
    named: String,
}

impl Request {
    /// `None` where the request is of another protocol.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let action = request.headers().get("x-amz-target")?.strip_prefix("SageMaker.")?.to_owned();
        // Credential=key/date/region/service/aws4_request
        let region = request.headers().get("authorization")?.split('/').nth(2)?.to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let token = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let values = body.as_object()?.values().filter_map(Value::as_str);
        let named = values.collect::<Vec<_>>().join("/");
        Some(Self { action, region, token, named })
    }
}

pub fn answer(regions: &mut BTreeMap<String, Region>, request: &Request, page: usize) -> HttpResponse {
    let region = regions.entry(request.region.clone()).or_default();
    if region.closed {
        return refusal(400, "UnrecognizedClientException", "The security token included in the request is invalid.");
    }
    let body = match request.action.as_str() {
        "ListProjects" => {
            let end = region.projects.len().min(request.token + page);
            let shown = region.projects[request.token..end].iter().map(|(name, status)| {
                json!({
                    "ProjectName": name,
                    "ProjectId": "p-1",
                    "ProjectArn": format!("arn:aws:sagemaker:{}:123456789012:project/{name}", request.region),
                    "ProjectStatus": status,
                    "CreationTime": 1.0,
                })
            });
            let mut body = json!({ "ProjectSummaryList": shown.collect::<Vec<_>>() });
            if end < region.projects.len() {
                body["NextToken"] = json!(end.to_string());
            }
            body
        }
        "GetSagemakerServicecatalogPortfolioStatus" => {
            json!({ "Status": if region.portfolio { "Enabled" } else { "Disabled" } })
        }
        "DisableSagemakerServicecatalogPortfolio" => {
            region.portfolio = false;
            json!({})
        }
        describe if describe.starts_with("Describe") => {
            match region.described.get(&format!("{describe} {}", request.named)) {
                Some(found) => found.clone(),
                None => return absent(describe, &request.named),
            }
        }
        other => return refusal(400, "UnknownOperationException", other),
    };
    if *region == Region::default() {
        // A region that was only asked is no change of the account.
        regions.remove(&request.region);
    }
    response(200, &body)
}

/// In the words of each API.
fn absent(action: &str, name: &str) -> HttpResponse {
    let (code, message) = match action {
        "DescribeNotebookInstance" => ("ValidationException", "RecordNotFound".to_owned()),
        "DescribeEndpoint" | "DescribeEndpointConfig" | "DescribeModel" => {
            ("ValidationException", format!("Could not find {name:?}."))
        }
        _ => ("ResourceNotFound", format!("{name} does not exist.")),
    };
    response(400, &json!({ "__type": code, "message": message }))
}

/// `code` as IAM would name it. SageMaker has no word for two writes at once.
pub fn refusal(status: u16, code: &str, message: &str) -> HttpResponse {
    let code = if code == "ConcurrentModification" { "Throttling" } else { code };
    let code = if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") };
    response(status, &json!({ "__type": code, "message": message }))
}

fn response(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

pub fn regions(http: SharedHttpClient) -> Regions {
    let credentials = Credentials::new("test", "test", None, None, "test");
    Regions::new(
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(ONE_CALL).build())
            .http_client(http)
            .build(),
    )
}
