//! Sends calls of SageMaker that read a resource, and returns their replies as JSON.
//!
//! The SDK's own Describe operations deserialize whole domains, spaces and endpoint configurations. The function reads
//! one or two members of each reply, and the deserializers took a large part of the package. So this module sends every
//! such call as the smallest operation of the SDK: `GetSagemakerServicecatalogPortfolioStatus` has no input, and one
//! text in its output. An interceptor replaces the name of the operation and the body before the request is signed, and
//! keeps the body of the reply. Endpoint, signature, timeouts and the classification of errors stay the SDK's.
//!
//! The protocol allows it: a header names the operation, and the path is always `/`.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
//! The SDK skips the members of a reply that the operation does not have. It reads `Status` as text, whatever the text
//! is. A reply with another type there is an error.

use std::sync::{Arc, Mutex};

use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::{Map, Value};

use crate::aws::error::{classify, unreadable};
use mlops_roles_engine::port::AwsError;

/// Sends a call with these members, all of them text, and returns the reply.
///
/// `call` is the IAM action: `sagemaker:DescribeDomain`. Its second part is the name of the operation.
///
/// # Errors
/// Returns the error of the call. A reply that is no JSON counts as lost.
pub async fn describe(config: Builder, call: &'static str, members: &[(&str, &str)]) -> Result<Value, AwsError> {
    let operation = call.rsplit(':').next().unwrap_or(call);
    let members: Map<String, Value> =
        members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    let substitute = Substitute {
        target: format!("SageMaker.{operation}"),
        body: Value::Object(members).to_string(),
        reply: Arc::default(),
    };
    let client = Client::from_conf(config.interceptor(substitute.clone()).build());
    classify(call, client.get_sagemaker_servicecatalog_portfolio_status().send().await)?;
    let reply = substitute.reply.lock().ok().and_then(|body| serde_json::from_slice(&body).ok());
    reply.ok_or_else(|| unreadable(call))
}

/// Replaces the request of an operation, and keeps the body of its reply.
#[derive(Clone, Debug)]
struct Substitute {
    /// The header that names the operation: `SageMaker.DescribeDomain`.
    target: String,
    /// The body of the request.
    body: String,
    /// The body of the last reply.
    reply: Arc<Mutex<Vec<u8>>>,
}

impl Intercept for Substitute {
    fn name(&self) -> &'static str {
        "Substitute"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().try_insert("x-amz-target", self.target.clone())?;
        request.headers_mut().try_insert("content-length", self.body.len().to_string())?;
        *request.body_mut() = SdkBody::from(self.body.as_str());
        Ok(())
    }

    /// The whole body is in memory by now, since the SDK has just deserialized it.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Ok(mut reply) = self.reply.lock() {
            *reply = context.response().body().bytes().unwrap_or_default().to_vec();
        }
        Ok(())
    }
}
