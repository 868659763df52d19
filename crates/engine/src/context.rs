//! What all parts of an event's work use.

use crate::deadlines::Deadlines;
use mlops_roles_core::resource::spec::ReadContext;

/// The ports to AWS, and what is fixed for one event: its place, guardrails, owner, resource type and deadlines.
#[derive(Debug)]
pub struct Context<'a, A> {
    /// The ports to AWS.
    pub aws: &'a A,
    /// The place, the guardrails and the owner, which the properties are parsed with too.
    pub read: ReadContext<'a>,
    /// The resource type: `Custom::StepFunctionsWorkflowRole`.
    pub resource_type: &'a str,
    /// How the time of the event is divided.
    pub deadlines: Deadlines,
}

impl<A> Clone for Context<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Context<'_, A> {}

impl<'a, A> Context<'a, A> {
    /// Returns the same context, in which the look-up of the execution role has found the role with this ARN.
    #[must_use]
    pub fn with_found(self, found: &'a str) -> Self {
        Self { read: ReadContext { found: Some(found), ..self.read }, ..self }
    }
}
