//! Why a step or a question failed, and where applying a plan ended.

use std::collections::BTreeSet;
use std::fmt;

use crate::port::AwsError;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::{Entity, State};

/// Where applying a plan ended before its end.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The world as far as it was changed: steps that IAM took, and those that it may have taken.
    pub reached: State,
    /// What may have been created: the reply was lost.
    pub outcome_unknown: BTreeSet<Entity>,
    /// One or more, of steps that were tried side by side.
    pub failures: Vec<Failure>,
}

impl Stopped {
    /// What turned out to be there already and ours, where nothing worse than that happened.
    pub fn found(&self) -> Option<State> {
        let mut found = State::default();
        for failure in &self.failures {
            let Cause::Found(observed) = &failure.cause else { return None };
            found.merge(observed.clone());
        }
        Some(found)
    }
}

/// A step that was not taken, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {step}: {cause}")]
pub struct Failure {
    pub step: Step,
    pub cause: Cause,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Aws(#[from] AwsError),
    /// Somebody made it between our look and our step.
    #[error("{0} was made by somebody else in the meantime; it was not touched")]
    Foreign(Entity),
    #[error("{0} exists according to IAM, but is not to be seen: it may be at another path, choose another name")]
    Hidden(Entity),
    /// Ours by its tags, from a delivery before or beside this one: the plan was made without it. Holds what was seen.
    #[error("it was there already and ours, though it did not show at first")]
    Found(State),
    #[error("no reply before the time was up")]
    OutOfTime,
    #[error("they stay, so that what is left is found again")]
    Kept,
}

/// Failures as one sentence.
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
