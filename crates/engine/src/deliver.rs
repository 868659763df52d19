//! Delivering the answer: PUT until it has arrived or time is up.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::port::{Transport, TransportError};
use crate::telemetry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::response_url::{ResponseUrl, UntrustedUrl};

const ONE_TRY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// CloudFormation has certainly not been told. Lambda is to run the event again, which finds the work done.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the answer was not sent: {0}")]
    Untrusted(#[from] UntrustedUrl),
    #[error("the answer was refused with status {status}")]
    Refused { status: u16 },
    #[error("the answer could not be delivered in {tries} tries: {last}")]
    OutOfTime { tries: u32, last: String },
    #[error("{why}, and without a response URL nobody can be told")]
    Nobody { why: String },
}

/// Where answers go out, and the one endpoint besides CloudFormation's that they may go to.
#[derive(Clone, Debug)]
pub struct ResponseSender<T> {
    pub transport: T,
    /// `AWS_ENDPOINT_URL`, where the deployer set it.
    pub endpoint: Option<String>,
}

impl<T: Transport> ResponseSender<T> {
    /// # Errors
    /// When an answer may not go there.
    pub fn check(&self, to: &ResponseUrl, place: Option<&Place>) -> Result<(), DeliveryError> {
        to.checked(self.endpoint.as_deref(), place)?;
        Ok(())
    }

    /// PUTs the answer until a 2xx or the deadline. Redirects are not followed. `place` is the function's: answers go
    /// to the response bucket of that region.
    ///
    /// # Errors
    /// When it was certainly not delivered.
    pub async fn deliver(
        &self,
        to: &ResponseUrl,
        response: &Response,
        place: Option<&Place>,
        deadline: Instant,
    ) -> Result<u16, DeliveryError> {
        let url = to.checked(self.endpoint.as_deref(), place)?;
        let body = response.body();
        telemetry::responding(response, body.len());
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        let mut last = "no time was left".to_owned();
        while Instant::now() < deadline {
            tries += 1;
            let until = deadline.min(Instant::now() + ONE_TRY);
            match timeout_at(until, self.transport.put(&url, &body)).await {
                Ok(Ok(status @ 200..300)) => {
                    telemetry::responded(status);
                    return Ok(status);
                }
                Ok(Ok(status)) => {
                    if !matches!(status, 408 | 429 | 500..) {
                        return Err(DeliveryError::Refused { status });
                    }
                    last = format!("status {status}");
                }
                Ok(Err(TransportError::Unrequestable)) => return Err(UntrustedUrl("can't be requested").into()),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => "no reply in time".clone_into(&mut last),
            }
            tracing::warn!(tries, last, "answer not delivered yet");
            telemetry::pause(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Err(DeliveryError::OutOfTime { tries, last })
    }
}
