//! Repeats calls to AWS while an error may pass, and while changes may still propagate in IAM.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, timeout_at};

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::telemetry;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Entity, State};

/// The propagation timeout, 30 seconds: how long a refusal that propagation could explain is not believed. Most changes
/// in IAM show within seconds.
pub const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The shortest pause before the first repetition of a call: 200 milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The pause up to which the pauses double, without its random part: 3 seconds.
const LAST_PAUSE: Duration = Duration::from_secs(3);
/// The longest pause between two tries, with its random part: 6 seconds.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(6);

/// The pauses between the tries of a call. They double, and to each a random part of at most the same length is added.
///
/// A stack with twenty resources starts twenty functions at once, and their repetitions must not arrive at once too.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// The pauses from `first` up to `last`, both without the random part.
    pub fn between(first: Duration, last: Duration) -> Self {
        let pauses = ExponentialBuilder::new().with_min_delay(first).with_max_delay(last);
        Self(pauses.without_max_times().with_jitter().build())
    }

    /// Returns the length of the next pause.
    pub fn next_pause(&mut self) -> Duration {
        // The pauses never end, because their number is not limited.
        self.0.next().unwrap_or(LONGEST_PAUSE)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between(FIRST_PAUSE, LAST_PAUSE)
    }
}

/// Observes the entity until it is visible, at most until the propagation timeout or the deadline. Returns `None` where
/// it stays invisible.
pub async fn wait_until_visible(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observation> {
    let query = query_of(entity);
    let visible = |observed: &Observation| observed.state != State::default();
    poll_until(iam, &query, visible, deadline).await.filter(visible)
}

/// Observes the query until the observation satisfies `shows`, at most until the propagation timeout or the deadline.
/// The last read falls on the end of the timeout.
///
/// Returns the observation that satisfied `shows`, or else the last one. Returns `None` where no read succeeded. A read
/// that fails is repeated.
pub async fn poll_until(
    iam: &impl Iam,
    query: &Query,
    shows: impl Fn(&Observation) -> bool,
    deadline: Instant,
) -> Option<Observation> {
    let mut until = Instant::now() + PROPAGATION_TIMEOUT;
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        match timeout_at(deadline, iam.observe(query)).await {
            Ok(Ok(observed)) if shows(&observed) => return Some(observed),
            Ok(Ok(observed)) => last = Some(observed),
            // While reads fail, nobody can tell whether the change shows: the timeout starts anew.
            Ok(Err(error)) if error.kind == FaultKind::Transient => {
                until = Instant::now() + PROPAGATION_TIMEOUT;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        let left = until.saturating_duration_since(Instant::now());
        let pause = backoff.next_pause().min(left);
        // A read at the deadline would get no reply.
        if left.is_zero() || Instant::now() + pause >= deadline {
            return last;
        }
        telemetry::pause(pause).await;
    }
}

/// Makes a call and repeats it while the error may pass.
///
/// A transient error is repeated until the deadline. A refusal that propagation could explain is repeated until the
/// propagation timeout, counted from the first try. Any other error is returned at once.
///
/// # Errors
/// The last AWS error, when it does not pass in time; `Cause::OutOfTime` when a call is still unanswered at the
/// deadline.
pub async fn until<T>(deadline: Instant, ask: impl AsyncFn() -> Result<T, AwsError>) -> Result<T, Cause> {
    let started = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let error = match timeout_at(deadline, ask()).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => return Err(Cause::OutOfTime),
        };
        let left = patience(error.kind, PROPAGATION_TIMEOUT, Duration::MAX).saturating_sub(started.elapsed());
        let pause = backoff.next_pause().min(left);
        if left.is_zero() || Instant::now() + pause >= deadline {
            return Err(error.into());
        }
        tracing::warn!(%error, "call failed, trying again");
        telemetry::pause(pause).await;
    }
}

/// Returns how long to repeat a call that fails in this way: up to `transient` or `propagation`, or not at all.
pub fn patience(kind: FaultKind, propagation: Duration, transient: Duration) -> Duration {
    match kind {
        FaultKind::Transient => transient,
        FaultKind::MaybePropagating => propagation,
        FaultKind::NotFound | FaultKind::AlreadyExists | FaultKind::Refused => Duration::ZERO,
    }
}

/// Returns the query that reads this one entity, which may be absent.
pub fn query_of(entity: &Entity) -> Query {
    match entity {
        Entity::Role(name) => Query::for_roles([name.clone()]),
        Entity::Policy(arn) => Query::for_policy(arn),
    }
}
