//! The Lambda function: clients, environment, and the runtime's loop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region as RegionName;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use mlops_roles::answer::Post;
use mlops_roles::cloudformation::Region;
use mlops_roles::event::payload;
use mlops_roles::fence::Fence;
use mlops_roles::handler::{Handler, Invocation};
use mlops_roles::http::connector;
use mlops_roles::iam::Account;
use mlops_roles::log;
use mlops_roles::port::ONE_CALL;
use mlops_roles::sagemaker::Regions;
use mlops_roles::summary::Summary;

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Error> {
    log::init(variable("LOG_LEVEL").as_deref());
    let http = connector();
    let config = config(&http);
    let mut sagemaker = config.to_builder();
    if let Some(endpoint) = variable("AWS_ENDPOINT_URL_SAGEMAKER") {
        sagemaker.set_endpoint_url(Some(endpoint));
    }
    let handler = Handler {
        iam: Account::new(aws_sdk_iam::Client::new(&config)),
        stacks: Region::new(aws_sdk_cloudformation::Client::new(&config)),
        sagemaker: Regions::new(sagemaker.build()),
        fence: Fence::read(variable),
        post: Post { http, endpoint: variable("AWS_ENDPOINT_URL") },
    };
    let function = variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let invocation = Invocation {
            function_arn: event.context.invoked_function_arn.clone(),
            remaining: remaining(event.context.deadline),
            now: i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX),
        };
        let (outcome, summary) = Summary::of(handler.handle(&payload(event.payload.get()), &invocation)).await;
        log::line(&summary.line(&function, since_epoch().as_millis()));
        outcome.map_err(Error::from)
    }))
    .await
}

/// What Lambda's environment says, and nothing else: no file is read and nobody is asked on the network.
fn config(http: &SharedHttpConnector) -> SdkConfig {
    let shared = http.clone();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| shared.clone()))
        .retry_config(RetryConfig::disabled())
        // Replies are short, and each has a time limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ONE_CALL).build());
    config.set_region(variable("AWS_REGION").map(RegionName::new));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    // Lambda starts a new process before they expire.
    if let Some((id, secret)) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY")) {
        let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "Lambda's environment");
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
    }
    config.build()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// `deadline` is in milliseconds since the epoch.
fn remaining(deadline: u64) -> Duration {
    Duration::from_millis(deadline).saturating_sub(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
