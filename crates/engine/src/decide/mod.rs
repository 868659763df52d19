//! Decides which steps an event needs and whether they are allowed.
//!
//! It only reads: the function continues from the decision, the command line stops there.

pub mod decision;
mod deletion;
mod observe;
mod provision;
pub mod refusal;
mod service_catalog;
pub mod service_catalog_report;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::Context;
use crate::port::Aws;
use decision::{Action, Change, Decision, Deletion, Provision};
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::State;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::query::Query;
use refusal::Refusal;

pub use observe::observe;
pub use service_catalog::provisions;

/// Observes the account, checks all preconditions and makes the plan.
///
/// # Errors
/// When the account can't be observed or a precondition is not met. The refusal names everything that prevents the plan.
/// Nothing is written.
pub async fn decide<A: Aws>(cx: &Context<'_, A>, change: Change<'_>) -> Result<Decision, Refusal> {
    match change {
        Change::Provision { spec, old } => {
            let prior = prior(cx.read, cx.resource_type, spec, old)?;
            Ok(Action::provision(provision::decide(cx, spec.clone(), prior).await?).into())
        }
        Change::Delete { physical_id, properties } => {
            Ok(Action::Delete(deletion::decide(cx, physical_id, properties).await?).into())
        }
        Change::ServiceCatalog { operation, properties, signed_at } => {
            service_catalog::decide(cx, operation, properties, signed_at).await
        }
    }
}

/// Makes the plan without an account, as if the account had what the earlier properties asked for and nothing else.
///
/// `unknown` are ARNs of policies that the earlier properties may have led to, and that the plan leaves out. The
/// properties may have errors, which the caller has found. Foreign service-catalog roles are not known, so none is
/// deleted and none kept.
///
/// # Errors
/// When the names of the resource rule out the change.
pub fn foresee(
    context: ReadContext<'_>,
    resource_type: &str,
    change: Change<'_>,
    unknown: &[String],
) -> Result<Decision, Refusal> {
    let owner = context.owner;
    let holding = |managed: &State, unknown: &[String]| {
        owner.desired(&without(managed, unknown), &State::default(), &State::default())
    };
    match change {
        Change::Provision { spec, old } => {
            let prior = prior(context, resource_type, spec, old)?;
            let observed = Observation { state: holding(&prior.managed, unknown), ..Observation::default() };
            Ok(Action::provision(Provision::from_observed(owner, spec.clone(), prior, (Query::default(), observed))?)
                .into())
        }
        Change::Delete { physical_id, properties } => {
            let prior = PriorState::from_delete(resource_type, physical_id, None, properties, context)?;
            let before = holding(&prior.managed, &prior.alternate_arns);
            Ok(Action::Delete(Deletion::from_observed(owner, &prior, before)?).into())
        }
        Change::ServiceCatalog { operation, properties, .. } => {
            if !provisions(operation, properties, context) {
                return Ok(Action::Nothing.into());
            }
            let spec = service_catalog::parse_any(properties, context).spec(&BTreeSet::new(), context);
            foresee(context, resource_type, Change::Provision { spec: &spec, old: None }, unknown)
        }
    }
}

/// Returns the prior state of a Create or an Update.
fn prior(
    context: ReadContext<'_>,
    resource_type: &str,
    spec: &ResourceSpec,
    old: Option<(&str, &Value)>,
) -> Result<PriorState, Refusal> {
    let Some((physical_id, properties)) = old else { return Ok(PriorState::default()) };
    Ok(PriorState::from_update(resource_type, spec, physical_id, properties, context)?)
}

/// Returns the state without the attached policies of the list, except those in the state itself.
fn without(state: &State, arns: &[String]) -> State {
    let State { mut roles, policies } = state.clone();
    for role in roles.values_mut() {
        role.attached.retain(|arn| policies.contains_key(arn) || !arns.contains(arn));
    }
    State { roles, policies }
}
