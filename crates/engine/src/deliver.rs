//! Delivers the response to CloudFormation: repeats the PUT until it arrives or time runs out.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::port::{Transport, TransportError};
use crate::retry::Backoff;
use crate::telemetry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::response_url::{ResponseUrl, UntrustedUrl};

/// How long one PUT may take before it counts as failed.
const ONE_TRY: Duration = Duration::from_secs(10);
/// The shortest pause before the second try.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
/// The pause up to which the pauses double, without its random part.
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// Why the response was not delivered. The invocation fails, so that Lambda runs the event again; the next run finds
/// the work done.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The response URL is not one that a response may be sent to; nothing was sent.
    #[error("the response was not sent: {0}")]
    Untrusted(#[from] UntrustedUrl),
    /// The endpoint refused the response with a status that is not worth another try.
    #[error("the response was refused with HTTP status {status}")]
    Refused {
        /// The HTTP status of the reply: `403`.
        status: u16,
    },
    /// No try succeeded before the deadline.
    #[error("the response could not be delivered in {tries} attempts: {last}")]
    OutOfTime {
        /// How often the response was sent; 0 where no time was left.
        tries: u32,
        /// Why the last try failed.
        last: String,
    },
    /// The payload is not a valid event and has no response URL, so there is nowhere to send a response.
    #[error("{why}; without a response URL, no response can be sent")]
    Nobody {
        /// Why the payload is not a valid event.
        why: String,
    },
}

/// Sends responses, to CloudFormation's response bucket or to the one other endpoint that the deployer allows.
#[derive(Clone, Debug)]
pub struct ResponseSender<T> {
    /// The HTTP client.
    pub transport: T,
    /// The value of `AWS_ENDPOINT_URL`. `None` where the deployer did not set it.
    pub endpoint: Option<String>,
}

impl<T: Transport> ResponseSender<T> {
    /// Checks that a response may be sent to the URL. `place` is the place of the function.
    ///
    /// # Errors
    /// `DeliveryError::Untrusted`, when the URL is neither at the response bucket of that region nor at the endpoint.
    pub fn check(&self, to: &ResponseUrl, place: Option<&Place>) -> Result<(), DeliveryError> {
        to.checked(self.endpoint.as_deref(), place)?;
        Ok(())
    }

    /// Sends the response by PUT until a 2xx status arrives or the deadline passes, and returns that status.
    ///
    /// A status of 408, 429 or 5xx, a failed connection and a missing reply are tried again. Redirects are not
    /// followed. `place` is the place of the function: responses go to the response bucket of that region.
    ///
    /// # Errors
    /// When the URL may not be used, the endpoint refuses the response, or no try succeeds before the deadline.
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
        let mut backoff = Backoff::between(FIRST_PAUSE, LAST_PAUSE);
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
                    last = format!("HTTP status {status}");
                }
                Ok(Err(TransportError::Unrequestable)) => {
                    return Err(UntrustedUrl("can't be used in an HTTP request").into());
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => "no reply arrived in time".clone_into(&mut last),
            }
            tracing::warn!(tries, error = last, "attempt to deliver the response failed");
            let pause = backoff.next_pause();
            telemetry::pause(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
        Err(DeliveryError::OutOfTime { tries, last })
    }
}
