//! Configures the SDKs from the environment that Lambda gives the function. It reads no file and makes no network call.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use mlops_roles_engine::port::ONE_CALL;

/// Builds the configuration of the SDKs' clients, which send their calls with the connector `http`.
///
/// Region, endpoint and credentials come from the environment: `AWS_REGION`, `AWS_ENDPOINT_URL` and the keys of the
/// function's role. Each call times out after `ONE_CALL` and is not retried by the SDK.
pub fn sdk_config(http: &SharedHttpConnector) -> SdkConfig {
    let shared = http.clone();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client_fn(move |_, _| shared.clone()))
        .retry_config(RetryConfig::disabled())
        // Stalled streams need no protection: replies are short, and each has a time limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ONE_CALL).build());
    config.set_region(variable("AWS_REGION").map(Region::new));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.set_credentials_provider(credentials().map(SharedCredentialsProvider::new));
    config.build()
}

/// Reads the keys of the function's role. They are never renewed: Lambda starts a new process before they expire.
pub fn credentials() -> Option<Credentials> {
    let (id, secret) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"))?;
    Some(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "Lambda's environment"))
}

/// Reads an environment variable. An empty variable counts as absent.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
