//! The context in which the permissions of a task are derived.

use std::collections::BTreeMap;

use crate::iam::arn::Place;
use crate::permissions::integration::task_resources::TaskResources;

/// What the permissions of a task depend on besides the definition.
#[derive(Clone, Copy, Debug)]
pub struct DeriveContext<'a> {
    /// The partition, region and account of the function, and so of the state machine.
    pub place: &'a Place,
    /// The ARNs of the SageMaker execution roles to pass if the role that a task names is known at run time only.
    pub execution_roles: &'a [String],
    /// `ResourceOverrides`: the ARNs that replace wildcards, by the path of the state.
    pub overrides: &'a BTreeMap<String, Vec<String>>,
    /// `TaskActions`: the actions of APIs that the table of APIs does not have, by the path of the state.
    pub actions: &'a BTreeMap<String, Vec<String>>,
    /// `TaskResources`: what the states use besides what the definition names, by the path of the state.
    pub resources: &'a BTreeMap<String, TaskResources>,
}
