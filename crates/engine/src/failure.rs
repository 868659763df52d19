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
    #[error("{0} was created by someone else at the same time and was not changed; choose another name")]
    Foreign(Entity),
    /// IAM reports that the entity exists, but a read does not find it.
    #[error("IAM reports that {0} exists, but it can't be read; it may be at another path; choose another name")]
    Hidden(Entity),
    /// The entity exists with this resource's tags: an earlier or concurrent delivery of the event created it. The plan
    /// was made without the entity. Holds the observed state of the entity.
    #[error("already exists with this resource's tags (IAM read was stale)")]
    Found(State),
    /// The deadline passed before the call was made or before its reply came.
    #[error("the deadline passed before AWS replied")]
    OutOfTime,
    /// The owner tags stay: another step of the rollback failed on the same entity, and its tags are how it is found
    /// again.
    #[error("the tags stay because they identify what is left")]
    Kept,
}

/// Displays the steps of a rollback that were not applied, as the end of a reason.
///
/// `still in place` lists the entities that could not be deleted, and `not restored` the other steps, each with its
/// cause. Either part is absent when it is empty.
#[derive(Clone, Copy, Debug)]
pub struct IncompleteRollback<'a>(pub &'a [Failure]);

impl fmt::Display for IncompleteRollback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut in_place, mut not_restored) = (Vec::new(), Vec::new());
        for Failure { step, cause } in self.0 {
            if step.deletes() {
                in_place.push(format!("{} ({cause})", step.entity()));
            } else {
                not_restored.push(format!("{step} ({cause})"));
            }
        }
        f.write_str("rollback failed")?;
        if !in_place.is_empty() {
            write!(f, "; still in place: {}", in_place.join(", "))?;
        }
        if !not_restored.is_empty() {
            write!(f, "; not restored: {}", not_restored.join(", "))?;
        }
        Ok(())
    }
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
