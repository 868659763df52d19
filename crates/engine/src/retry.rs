//! Asking AWS again: while a fault may pass, and while IAM's changes may still have to spread.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Iam};
use crate::telemetry;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Entity, State};

/// How long a refusal is put down to IAM's lag rather than believed. Its changes mostly show within seconds.
pub const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(30);
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Looks until the entity is visible, or for as long as IAM may lag.
pub async fn wait_until_visible(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observation> {
    let query = query_of(entity);
    let visible = |observed: &Observation| observed.state != State::default();
    poll_until(iam, &query, visible, deadline).await.filter(visible)
}

/// Looks until it shows what is waited for, or for as long as IAM may lag; then what it showed last.
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
            // Time without a view does not count as time in which it did not show.
            Ok(Err(error)) if error.kind == FaultKind::Transient => {
                until = deadline.min(Instant::now() + PROPAGATION_TIMEOUT)
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

/// Asks, and asks again while the fault may pass.
///
/// # Errors
/// The last fault, when it does not pass in time.
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
        tracing::warn!(%error, "asking again");
        telemetry::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

pub fn query_of(entity: &Entity) -> Query {
    match entity {
        Entity::Role(name) => Query::for_roles([name.clone()]),
        Entity::Policy(arn) => Query::for_policy(arn),
    }
}
