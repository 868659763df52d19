//! The line in which calls to IAM wait.

use std::time::Duration;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::yield_now;

use crate::aws::error::is_throttled;
use mlops_roles_engine::telemetry;

/// Reads side by side at the most. The look at one role and its policy takes seven.
const AT_ONCE: usize = 16;

/// Before each further try.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Calls go side by side, but begin one after the other.
#[derive(Debug)]
pub struct Throttle {
    places: Semaphore,
    turn: Mutex<()>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE), turn: Mutex::default() }
    }
}

impl Throttle {
    /// Waits until the call before is on its way: to make one takes milliseconds with the share of a CPU that Lambda gives.
    pub async fn turn(&self) {
        let _turn = self.turn.lock().await;
        yield_now().await;
    }

    /// Asks, and asks again where IAM throttles the account. The line stands still meanwhile: a look of many calls would never
    /// get through if they all went on, and each refusal failed it as a whole.
    pub async fn read<T, E, F>(&self, ask: impl Fn() -> F) -> Result<T, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        // Nobody closes it.
        let _place = self.places.acquire().await.ok();
        self.turn().await;
        let mut reply = ask().await;
        if !is_throttled(&reply) {
            return reply;
        }
        let _turn = self.turn.lock().await;
        for pause in PAUSES {
            tracing::warn!(?pause, "Throttling by IAM: asking again");
            telemetry::pause(pause).await;
            reply = ask().await;
            if !is_throttled(&reply) {
                break;
            }
        }
        reply
    }
}
