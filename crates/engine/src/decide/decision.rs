//! A change that CloudFormation asks for, and what the function does about it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::service_catalog_report::Report;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::Operation;
use mlops_roles_core::resource::prior::{PriorState, PriorStateError};
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::State;
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;

/// What CloudFormation asks for.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Create the resource, or update it in place or by a replacement.
    Provision {
        /// What the properties ask for.
        spec: &'a ResourceSpec,
        /// The physical id and the properties before an Update. `None` for a Create.
        old: Option<(&'a str, &'a Value)>,
    },
    /// Delete the resource.
    Delete {
        /// The physical id.
        physical_id: &'a str,
        /// The properties, of any shape.
        properties: &'a Map<String, Value>,
    },
    /// Any operation of `Custom::SageMakerServiceCatalogRoles`.
    ServiceCatalog {
        /// The operation.
        operation: &'a Operation,
        /// The properties; those of a Delete may have any shape.
        properties: &'a Value,
        /// When the event was signed, in seconds since the Unix epoch. `None` where that is unknown.
        signed_at: Option<i64>,
    },
}

/// What the function does about a change.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What it does to the account.
    pub action: Action,
    /// What it found out about the service-catalog roles; `None` for other resource types.
    pub report: Option<Report>,
}

/// What a decision does to the account.
#[derive(Clone, Debug)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Applies a plan, or rolls it back.
    Provision(Box<Provision>),
    /// Deletes, and never rolls back.
    Delete(Deletion),
}

/// A plan that is applied or rolled back.
#[derive(Clone, Debug, Default)]
pub struct Provision {
    /// What the properties ask for.
    pub spec: ResourceSpec,
    /// What the resource had before.
    pub prior: PriorState,
    /// The query that was observed.
    pub query: Query,
    /// IAM's metadata of the observed roles, by role name.
    pub metadata: BTreeMap<Name, RoleMetadata>,
    /// The observed state before any step.
    pub before: State,
    /// The desired state.
    pub desired: State,
    /// The first plan, from `before` to `desired`. Empty where nothing has to change.
    pub steps: Vec<Step>,
}

/// A deletion. If it can't be finished, the next attempt continues from what it reached.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    /// The observed state before any step.
    pub before: State,
    /// The states to reach, one after the other.
    pub stages: Vec<State>,
    /// The plan from `before` to the last stage.
    pub steps: Vec<Step>,
    /// The entities that may be deleted whoever created them.
    pub also_deletable: Query,
    /// The regions whose portfolio is disabled before any role is deleted.
    pub portfolios: Vec<String>,
}

impl Provision {
    /// Plans from the observed state to what the spec asks for.
    ///
    /// # Errors
    /// When a policy of the resource is out of the function's reach.
    pub(super) fn from_observed(
        owner: &Owner,
        spec: ResourceSpec,
        prior: PriorState,
        (query, observed): (Query, Observation),
    ) -> Result<Self, PriorStateError> {
        let Observation { state: before, metadata } = observed;
        prior.check_within_guardrails(&before, owner)?;
        let desired = owner.desired(&spec.state, &prior.managed, &before);
        let steps = plan(&desired, &before);
        Ok(Self { spec, prior, query, metadata, before, desired, steps })
    }
}

impl Deletion {
    /// Plans to delete what the resource manages in the observed state, and to release what it adopted.
    ///
    /// # Errors
    /// When a policy of the resource is out of the function's reach.
    pub(super) fn from_observed(owner: &Owner, prior: &PriorState, before: State) -> Result<Self, PriorStateError> {
        prior.check_within_guardrails(&before, owner)?;
        let desired = owner.desired(&State::default(), &prior.managed, &before);
        Ok(Self { steps: plan(&desired, &before), before, stages: vec![desired], ..Self::default() })
    }

    /// Returns the state to reach at the end.
    pub fn desired(&self) -> &State {
        self.stages.last().unwrap_or(&self.before)
    }
}

impl Action {
    /// Returns the action that applies a plan.
    pub fn provision(provision: Provision) -> Self {
        Self::Provision(Box::new(provision))
    }
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        Self { action, report: None }
    }
}

/// Returns the ARNs of the policies that existed before and are not part of the desired state.
pub(super) fn gone<'a>(desired: &'a State, before: &'a State) -> impl Iterator<Item = &'a String> {
    before.policies.keys().filter(|arn| !desired.policies.contains_key(*arn))
}
