//! Why a step or a read failed, and the state that an unfinished plan leaves behind.

use std::collections::BTreeSet;
use std::fmt;

use crate::port::AwsError;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::{Entity, State};

/// A plan that could not be finished: the state it reached, and why it stopped.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The state after the steps that IAM applied and those that it may have applied.
    pub reached: State,
    /// The entities that may have been created: the outcome of their creation is unknown.
    pub outcome_unknown: BTreeSet<Entity>,
    /// The failures, at least one. Steps are tried side by side, so several can fail in one round.
    pub failures: Vec<Failure>,
}

impl Stopped {
    /// Returns the entities that already existed with this resource's tags. Returns `None` where a step failed for any
    /// other reason.
    pub fn found(&self) -> Option<State> {
        let mut found = State::default();
        for failure in &self.failures {
            let Cause::Found(observed) = &failure.cause else { return None };
            found.merge(observed.clone());
        }
        Some(found)
    }
}

/// A step that was not applied, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {step}: {cause}")]
pub struct Failure {
    /// The step that was not applied.
    pub step: Step,
    /// Why it was not applied.
    pub cause: Cause,
}

/// Why a step or a read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// AWS refused the call or did not answer it.
    #[error("{0}")]
    Aws(#[from] AwsError),
    /// Somebody else created the entity between the observation and the step.
    #[error("{0} was made by somebody else in the meantime; it was not touched")]
    Foreign(Entity),
    /// IAM reports that the entity exists, but a read does not find it.
    #[error("{0} exists according to IAM, but is not to be seen: it may be at another path, choose another name")]
    Hidden(Entity),
    /// The entity exists with this resource's tags: an earlier or concurrent delivery of the event created it. The plan
    /// was made without the entity. Holds the observed state of the entity.
    #[error("it was there already and ours, though it did not show at first")]
    Found(State),
    /// The deadline passed before the call was made or before its reply came.
    #[error("no reply before the time was up")]
    OutOfTime,
    /// The owner tags stay: another step of the rollback failed on the same entity, and its tags are how it is found
    /// again.
    #[error("they stay, so that what is left is found again")]
    Kept,
}

/// Displays failures as one sentence, separated by semicolons.
#[derive(Clone, Copy, Debug)]
pub struct Failures<'a>(pub &'a [Failure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, failure)| {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")
        })
    }
}
