//! Tests which requests count as calls to AWS.

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use mlops_roles::http::counting::counting;
use mlops_roles_engine::telemetry::Telemetry;
use serde_json::{Value, json};

#[derive(Debug)]
struct Nowhere;

impl HttpConnector for Nowhere {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::io("nobody is there".into())))
    }
}

#[tokio::test]
async fn calls_are_counted_by_action_and_the_answer_is_none() {
    let http = counting(SharedHttpConnector::new(Nowhere));
    let call = |body: &'static str, target: Option<&'static str>| {
        let mut request = HttpRequest::new(body.into());
        if let Some(target) = target {
            request.headers_mut().insert("x-amz-target", target);
        }
        http.call(request)
    };
    let calls = async {
        for body in ["Action=GetRole&Version=2010-05-08", "Action=GetRole&RoleName=x", "Action=PutRolePolicy"] {
            drop(call(body, None));
        }
        drop(call("{}", Some("SageMaker.ListProjects")));
        let mut read = HttpRequest::new("".into());
        read.headers_mut().insert("x-amz-expected-bucket-owner", "123456789012");
        drop(http.call(read));
        drop(call("{\"Status\":\"SUCCESS\"}", None));
    };
    let ((), telemetry) = Telemetry::gather(calls).await;
    let told: Value = serde_json::from_str(&telemetry.line("f", 0)).unwrap();
    assert_eq!(told["CallsByAction"], json!({ "GetRole": 2, "PutRolePolicy": 1, "ListProjects": 1, "GetObject": 1 }));
    assert_eq!(told["Calls"], 5);
}
