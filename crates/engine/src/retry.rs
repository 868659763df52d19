//! Repeats calls to AWS while an error may pass, and while changes may still propagate in IAM.

use std::time::Duration;

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
/// The pause before the first repetition: 250 milliseconds. Each further pause doubles.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries: 4 seconds.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Observes the entity until it is visible, at most until the propagation timeout or the deadline. Returns `None` where
/// it stays invisible.
pub async fn wait_until_visible(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observation> {
    let query = query_of(entity);
    let visible = |observed: &Observation| observed.state != State::default();
    poll_until(iam, &query, visible, deadline).await.filter(visible)
}

/// Observes the query until the observation satisfies `shows`, at most until the propagation timeout or the deadline.
///
/// Returns the observation that satisfied `shows`, or else the last one. Returns `None` where no read succeeded. A read
/// that fails is repeated.
pub async fn poll_until(
    iam: &impl Iam,
    query: &Query,
    shows: impl Fn(&Observation) -> bool,
    deadline: Instant,
) -> Option<Observation> {
    let mut until = deadline.min(Instant::now() + PROPAGATION_TIMEOUT);
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        match timeout_at(deadline, iam.observe(query)).await {
            Ok(Ok(observed)) if shows(&observed) => return Some(observed),
            Ok(Ok(observed)) => last = Some(observed),
            // While reads fail, nobody can tell whether the change shows: the timeout starts anew.
            Ok(Err(error)) if error.kind == FaultKind::Transient => {
                until = deadline.min(Instant::now() + PROPAGATION_TIMEOUT);
            }
            Ok(Err(_)) | Err(_) => {}
        }
        if Instant::now() + pause >= until {
            return last;
        }
        telemetry::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
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
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match timeout_at(deadline, ask()).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => return Err(Cause::OutOfTime),
        };
        let patience = match error.kind {
            FaultKind::Transient => Duration::MAX,
            FaultKind::MaybePropagating => PROPAGATION_TIMEOUT,
            FaultKind::NotFound | FaultKind::AlreadyExists | FaultKind::Refused => Duration::ZERO,
        };
        if started.elapsed().saturating_add(pause) > patience || Instant::now() + pause >= deadline {
            return Err(error.into());
        }
        tracing::warn!(%error, "call failed, trying again");
        telemetry::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Returns the query that reads this one entity, which may be absent.
pub fn query_of(entity: &Entity) -> Query {
    match entity {
        Entity::Role(name) => Query::for_roles([name.clone()]),
        Entity::Policy(arn) => Query::for_policy(arn),
    }
}
