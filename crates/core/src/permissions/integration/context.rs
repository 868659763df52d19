//! What a task is read against.

use std::collections::BTreeMap;

use crate::iam::arn::Place;

/// What a task is read against.
#[derive(Clone, Copy, Debug)]
pub struct DeriveContext<'a> {
    pub place: &'a Place,
    /// Roles to pass to SageMaker where only run time knows the role.
    pub execution_roles: &'a [String],
    /// ARNs that a state may touch, by its path.
    pub overrides: &'a BTreeMap<String, Vec<String>>,
}
