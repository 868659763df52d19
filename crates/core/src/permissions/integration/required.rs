//! What the states of a machine need: grants, and roles to pass.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::permissions::asl::Task;
use crate::permissions::integration::arn_template;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::resource_pattern::ResourcePattern;

/// What a state may do. Where no state machine is, a property stands for one.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub state: String,
    pub actions: BTreeSet<String>,
    pub resources: BTreeSet<String>,
    pub condition: Option<Value>,
    /// Why there is a wildcard in a resource, by resource.
    pub wildcards: BTreeMap<String, String>,
}

impl Grant {
    pub fn new(
        state: &str,
        actions: BTreeSet<String>,
        resources: Vec<ResourcePattern>,
        condition: Option<Value>,
    ) -> Self {
        let wildcards =
            resources.iter().filter_map(|one| Some((one.arn.clone(), one.wildcard.as_ref()?.why().to_owned())));
        let wildcards = wildcards.collect();
        let resources = resources.into_iter().map(|one| one.arn).collect();
        Self { state: state.to_owned(), actions, resources, condition, wildcards }
    }
}

/// A role that a state hands to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRoleGrant {
    pub state: String,
    pub role: String,
    /// `sagemaker.amazonaws.com`.
    pub service: String,
}

/// What is needed, and what stands against it.
#[derive(Clone, Debug, Default)]
pub struct RequiredPermissions {
    pub grants: Vec<Grant>,
    pub pass_role_grants: Vec<PassRoleGrant>,
    /// Members of calls that take the place of what their owners chose, as the boundary may deny: state, action, member.
    pub overrides: Vec<(String, String, &'static str)>,
    pub errors: Vec<String>,
}

impl RequiredPermissions {
    pub(super) fn grant(
        &mut self,
        state: &str,
        actions: BTreeSet<String>,
        resources: Vec<ResourcePattern>,
        condition: Option<Value>,
    ) {
        self.grants.push(Grant::new(state, actions, resources, condition));
    }

    /// The roles at a member, where there are any, to be handed to the service.
    pub(super) fn pass(&mut self, task: &Task, member: &str, service: &str, context: DeriveContext<'_>) {
        for found in task.arguments.at(member) {
            match arn_template::role(&found, member, &task.path, context) {
                Ok(roles) => self.pass_role_grants.extend(roles.into_iter().map(|role| PassRoleGrant {
                    state: task.path.clone(),
                    role,
                    service: service.to_owned(),
                })),
                Err(why) => self.invalid(&task.path, &why),
            }
        }
    }

    pub(super) fn invalid(&mut self, state: &str, what: &str) {
        self.errors.push(format!("state `{state}`: {what}"));
    }
}
