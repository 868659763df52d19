//! Counting the calls to AWS for the telemetry of an event.

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use mlops_roles_engine::telemetry::called;

/// The connector, and each call to AWS through it counted by its action.
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

/// IAM and CloudFormation name the action first in the body, SageMaker in a header. The answer has none.
fn action(request: &HttpRequest) -> Option<String> {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().map(str::to_owned);
    }
    let body = std::str::from_utf8(request.body().bytes()?).ok()?;
    body.strip_prefix("Action=")?.split('&').next().map(str::to_owned)
}
