//! Counts the calls to AWS for the telemetry of an event.

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use mlops_roles_engine::telemetry::called;

/// The header of a call to Amazon S3 that names the account that has to own the bucket.
pub const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";

/// Wraps a connector, so that each call to AWS is counted by its action.
pub fn counting(connector: SharedHttpConnector) -> SharedHttpConnector {
    SharedHttpConnector::new(Counting(connector))
}

#[derive(Debug)]
struct Counting(SharedHttpConnector);

impl HttpConnector for Counting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(action) = action(&request) {
            called(action);
        }
        self.0.call(request)
    }
}

/// Returns the action of a call: `CreateRole`. IAM and CloudFormation name the action first in the body, SageMaker
/// names it in a header. Amazon S3 is asked for objects only. The response to CloudFormation has no action.
fn action(request: &HttpRequest) -> Option<String> {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().map(str::to_owned);
    }
    if request.headers().contains_key(EXPECTED_OWNER) {
        return Some("GetObject".to_owned());
    }
    let body = std::str::from_utf8(request.body().bytes()?).ok()?;
    body.strip_prefix("Action=")?.split('&').next().map(str::to_owned)
}
