//! Asking AWS again: while a fault may pass, and while IAM's changes may still have to spread.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::failure::Cause;
use crate::port::{Fault, Iam, Kind};
use crate::telemetry;
use mlops_roles_core::state::observation::Observed;
use mlops_roles_core::state::query::Scope;
use mlops_roles_core::state::{Entity, State};

/// How long a refusal is put down to IAM's lag rather than believed. Its changes mostly show within seconds.
pub const LAG: Duration = Duration::from_secs(30);
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Looks until the entity is visible, or for as long as IAM may lag.
pub async fn sight(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observed> {
    let scope = scope(entity);
    let visible = |seen: &Observed| seen.state != State::default();
    look_until(iam, &scope, visible, deadline).await.filter(visible)
}

/// Looks until it shows what is waited for, or for as long as IAM may lag; then what it showed last.
pub async fn look_until(
    iam: &impl Iam,
    scope: &Scope,
    shows: impl Fn(&Observed) -> bool,
    deadline: Instant,
) -> Option<Observed> {
    let mut until = deadline.min(Instant::now() + LAG);
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        match timeout_at(deadline, iam.observe(scope)).await {
            Ok(Ok(seen)) if shows(&seen) => return Some(seen),
            Ok(Ok(seen)) => last = Some(seen),
            // Time without a view does not count as time in which it did not show.
            Ok(Err(fault)) if fault.kind == Kind::TryAgain => until = deadline.min(Instant::now() + LAG),
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
pub async fn patiently<T>(deadline: Instant, ask: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Cause> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let fault = match timeout_at(deadline, ask()).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(fault)) => fault,
            Err(_) => return Err(Cause::OutOfTime),
        };
        let patience = match fault.kind {
            Kind::TryAgain => Duration::MAX,
            Kind::Unsettled => LAG,
            Kind::NotThere | Kind::AlreadyThere | Kind::Refused => Duration::ZERO,
        };
        if started.elapsed().saturating_add(pause) > patience || Instant::now() + pause >= deadline {
            return Err(fault.into());
        }
        tracing::warn!(%fault, "asking again");
        telemetry::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

pub fn scope(entity: &Entity) -> Scope {
    match entity {
        Entity::Role(name) => Scope::of_roles([name.clone()]),
        Entity::Policy(arn) => Scope::policy(arn),
    }
}
