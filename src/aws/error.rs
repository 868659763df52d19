//! Classifies the errors of the AWS SDKs for the engine.

use aws_sdk_iam::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use mlops_roles_engine::port::{AwsError, FaultKind, throttles};

/// Classifies a reply, and returns `None` when the entity does not exist.
///
/// # Errors
/// Returns every other error of the call.
pub fn if_exists<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, AwsError>
where
    E: ProvideErrorMetadata,
{
    match classify(call, reply) {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if error.kind == FaultKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Classifies the reply to a read that follows one which found the entity. An entity that no longer exists counts as
/// `MaybePropagating`, so that the whole observation is repeated.
///
/// # Errors
/// Returns the error of the call.
pub fn unless_changed<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<T, AwsError>
where
    E: ProvideErrorMetadata,
{
    classify(call, reply).map_err(|error| match error.kind {
        FaultKind::NotFound => AwsError { kind: FaultKind::MaybePropagating, ..error },
        _ => error,
    })
}

/// Classifies a reply by the error code on the wire, since not every operation models every error that it returns.
/// `call` is the IAM action: `iam:CreateRole`.
///
/// # Errors
/// Returns the error of the call.
pub fn classify<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<T, AwsError>
where
    E: ProvideErrorMetadata,
{
    reply.map_err(|error| told(call, error.map_service_error(|error| error.meta().clone())))
}

/// Builds the error. This function does not depend on the many error types of the SDKs, so the binary contains it once.
fn told(call: &'static str, error: SdkError<ErrorMetadata, HttpResponse>) -> AwsError {
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or_default().to_owned();
            let message = context.err().message().unwrap_or("no message").to_owned();
            let kind = FaultKind::from_response(&code, &message, status);
            AwsError { kind, outcome_unknown: status >= 500, call, code, message }
        }
        SdkError::ConstructionFailure(_) => AwsError {
            kind: FaultKind::Refused,
            outcome_unknown: false,
            call,
            code: String::new(),
            message: "the request could not be built".to_owned(),
        },
        SdkError::TimeoutError(_) => lost(call, "no reply arrived in time"),
        SdkError::DispatchFailure(_) => lost(call, "the connection failed"),
        _ => unreadable(call),
    }
}

/// Builds the error of a call whose reply has another form than expected.
pub fn unreadable(call: &'static str) -> AwsError {
    lost(call, "the reply could not be read")
}

/// Builds the error of a call whose outcome is unknown, because no usable reply arrived.
pub fn lost(call: &'static str, message: &str) -> AwsError {
    AwsError {
        kind: FaultKind::Transient,
        outcome_unknown: true,
        call,
        code: String::new(),
        message: message.to_owned(),
    }
}

/// Returns whether AWS refused the call because the account made too many calls.
pub fn is_throttled<T, E: ProvideErrorMetadata>(reply: &Result<T, SdkError<E, HttpResponse>>) -> bool {
    let Err(SdkError::ServiceError(context)) = reply else { return false };
    throttles(context.err().code().unwrap_or_default(), context.raw().status().as_u16())
}
