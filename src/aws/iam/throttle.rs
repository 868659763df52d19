//! Paces the calls to IAM, and repeats reads that IAM throttles.

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::yield_now;

use crate::aws::error::is_throttled;
use mlops_roles_engine::retry::Backoff;
use mlops_roles_engine::telemetry;

/// The maximum number of reads side by side. The observation of one role and its policy takes seven.
const AT_ONCE: usize = 16;

/// The number of further tries.
const FURTHER_TRIES: usize = 5;

/// Lets calls run side by side, but begin one after the other.
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
    /// Waits until the previous call is on its way. Building a call takes milliseconds with the share of a CPU that
    /// Lambda gives the function.
    pub async fn turn(&self) {
        let _turn = self.turn.lock().await;
        yield_now().await;
    }

    /// Reads, and repeats the read while IAM throttles the account, up to five times.
    ///
    /// No other call begins meanwhile. If all calls of a large observation continued, it would never succeed, since
    /// each refusal makes the whole observation fail.
    ///
    /// # Errors
    /// Returns the error of the last try.
    pub async fn read<T, E, F>(&self, ask: impl Fn() -> F) -> Result<T, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        // The semaphore is never closed, so this can't fail.
        let _place = self.places.acquire().await.ok();
        self.turn().await;
        let mut reply = ask().await;
        if !is_throttled(&reply) {
            return reply;
        }
        let _turn = self.turn.lock().await;
        let mut backoff = Backoff::default();
        for _ in 0..FURTHER_TRIES {
            let pause = backoff.next_pause();
            tracing::warn!(?pause, "IAM throttled the call, trying again");
            telemetry::pause(pause).await;
            reply = ask().await;
            if !is_throttled(&reply) {
                break;
            }
        }
        reply
    }
}
