//! The Lambda function: clients, environment, and the runtime's loop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use mlops_roles::answer::{Post, connector};
use mlops_roles::cloudformation::Region;
use mlops_roles::event::payload;
use mlops_roles::fence::Fence;
use mlops_roles::handler::{Handler, Invocation};
use mlops_roles::iam::{Account, ONE_CALL};
use mlops_roles::log;
use mlops_roles::sagemaker::Regions;

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    log::init(variable("LOG_LEVEL").as_deref());

    let http = connector();
    let shared = SharedHttpConnector::clone(&http);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| shared.clone()))
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ONE_CALL).build())
        .load()
        .await;
    let post = Post { http, endpoint: variable("AWS_ENDPOINT_URL") };
    let handler = Handler {
        iam: Account::new(aws_sdk_iam::Client::new(&config)),
        stacks: Region::new(aws_sdk_cloudformation::Client::new(&config)),
        sagemaker: Regions::new(config),
        fence: Fence::read(variable),
        post,
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let invocation = Invocation {
            function_arn: event.context.invoked_function_arn.clone(),
            remaining: remaining(event.context.deadline),
            now: i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX),
        };
        handler.handle(&payload(event.payload.get()), &invocation).await.map_err(Error::from)
    }))
    .await
}

/// `deadline` is in milliseconds since the epoch.
fn remaining(deadline: u64) -> Duration {
    Duration::from_millis(deadline).saturating_sub(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
