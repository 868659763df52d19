//! Why a step or a read failed, the state that an unfinished plan leaves behind, and what a failed event has touched.

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
    pub failures: Vec<StepFailure>,
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
pub struct StepFailure {
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

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Question {
    /// The roles and policies of a query.
    #[error("the roles and policies")]
    RolesAndPolicies,
    /// The resource in its stack.
    #[error("the resource in its stack")]
    ResourceInStack,
    /// The status of the stack.
    #[error("the status of the stack")]
    StackStatus,
    /// Whether the stack is updating the resource.
    #[error("whether the stack is updating the resource")]
    IsUpdating,
    /// Who uses the policy with this ARN.
    #[error("who uses policy `{0}`")]
    UsersOfPolicy(String),
}

/// A question to the account that has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not read {question}: {cause}")]
pub struct Unread {
    /// What could not be read.
    pub question: Question,
    /// Why it could not be read.
    pub cause: Cause,
}

impl Unread {
    /// Returns a function that tells the cause of an unanswered question.
    pub fn because(question: Question) -> impl FnOnce(Cause) -> Self {
        |cause| Self { question, cause }
    }
}

/// What a failed event has touched. Its text is the end of the reason.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Touched {
    /// Nothing: the event failed before the first write.
    #[error("nothing was changed")]
    Nothing,
    /// Nothing: the deletion failed before the first write.
    #[error("nothing was deleted")]
    NothingDeleted,
    /// No role. A portfolio of SageMaker may be disabled.
    #[error("no role was changed")]
    NoRole,
    /// What it touched is as it was before the event.
    #[error("rolled back")]
    RolledBack,
    /// What another delivery of the event has made stays.
    #[error("another delivery of this event succeeded, so nothing was rolled back")]
    LeftToOtherDelivery,
    /// What the resource has is gone, because the stack deletes the resource.
    #[error("the stack deletes the resource, so its roles and policies were deleted or released")]
    Deleted,
    /// What the rollback could not undo is left.
    #[error("{}", IncompleteRollback(.0))]
    Partly(Vec<StepFailure>),
}

/// Displays the steps of a rollback that were not applied, as the end of a reason.
///
/// `still in place` lists the entities that could not be deleted, and `not restored` the other steps, each with its
/// cause. Either part is absent when it is empty.
#[derive(Clone, Copy, Debug)]
pub struct IncompleteRollback<'a>(pub &'a [StepFailure]);

impl fmt::Display for IncompleteRollback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut in_place, mut not_restored) = (Vec::new(), Vec::new());
        for StepFailure { step, cause } in self.0 {
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

/// Joins the texts of a list by a separator: `one; two`.
pub fn joined<T: fmt::Display>(all: &[T], separator: &str) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}
