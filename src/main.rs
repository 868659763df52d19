//! The Lambda function: reads the environment, creates the clients, and runs the loop of the Lambda runtime.

mod config;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use mlops_roles::aws::cloudformation::CloudFormationClient;
use mlops_roles::aws::iam::IamClient;
use mlops_roles::aws::s3::ObjectClient;
use mlops_roles::aws::sagemaker::SageMakerClients;
use mlops_roles::http::connector;
use mlops_roles::http::transport::HttpTransport;
use mlops_roles::log;
use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::protocol::request::payload;
use mlops_roles_engine::deliver::ResponseSender;
use mlops_roles_engine::handler::{Handler, Invocation};
use mlops_roles_engine::port::Ports;
use mlops_roles_engine::telemetry::Telemetry;

use config::{credentials, sdk_config, variable};

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Error> {
    log::init(variable("LOG_LEVEL").as_deref());
    let http = connector();
    let config = sdk_config(&http);
    let mut sagemaker = config.to_builder();
    if let Some(endpoint) = variable("AWS_ENDPOINT_URL_SAGEMAKER") {
        sagemaker.set_endpoint_url(Some(endpoint));
    }
    let handler = Handler {
        ports: Ports {
            iam: IamClient::new(aws_sdk_iam::Client::new(&config)),
            stacks: CloudFormationClient::new(aws_sdk_cloudformation::Client::new(&config)),
            sagemaker: SageMakerClients::new(sagemaker.build()),
            objects: ObjectClient::new(http.clone(), credentials(), variable("AWS_ENDPOINT_URL")),
        },
        guardrails: Guardrails::from_environment(variable),
        sender: ResponseSender { transport: HttpTransport(http), endpoint: variable("AWS_ENDPOINT_URL") },
    };
    let function = variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let invocation = Invocation {
            function_arn: event.context.invoked_function_arn.clone(),
            remaining: remaining(event.context.deadline),
            now: i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX),
        };
        let (outcome, telemetry) = Telemetry::gather(handler.handle(&payload(event.payload.get()), &invocation)).await;
        log::line(&telemetry.line(&function, since_epoch().as_millis()));
        outcome.map_err(Error::from)
    }))
    .await
}

/// Returns the time until `deadline`, which is in milliseconds since the Unix epoch.
fn remaining(deadline: u64) -> Duration {
    Duration::from_millis(deadline).saturating_sub(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
