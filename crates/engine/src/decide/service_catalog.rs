//! The decisions of `Custom::SageMakerServiceCatalogRoles`: report, provision or delete the service-catalog roles.
//!
//! The type deletes roles that others created, so it looks for use first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::decision::{Action, Decision, Deletion};
use super::observe::observe;
use super::provision;
use super::refusal::Refusal;
use super::service_catalog_report::{Report, remaining_steps};
use crate::context::Context;
use crate::failure::{Question, Unread};
use crate::port::{Aws, Iam as _, Stacks as _};
use crate::preconditions::other_users;
use crate::retry;
use crate::staleness::current_physical_id;
use crate::usage::Usage;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::protocol::request::{Operation, object};
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::properties::Reader;
use mlops_roles_core::resource::service_catalog::{IfInUse, OnCreate, ServiceCatalogRoles, TYPE, physical_id};
use mlops_roles_core::resource::service_catalog_role::{
    PATH, ROLES, ServiceCatalogRole, is_console_policy, launch_role, use_role,
};
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::resource::unavailable;
use mlops_roles_core::state::ownership::{Owner, released_tags};
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Policy, State};

/// Decides what happens to the roles. `signed_at` is when the event was signed, in seconds since the Unix epoch.
pub async fn decide<A: Aws>(
    cx: &Context<'_, A>,
    operation: &Operation,
    properties: &Value,
    signed_at: Option<i64>,
) -> Result<Decision, Refusal> {
    if let Operation::Delete { physical_id: id } = operation {
        let was_created = *id == physical_id(&cx.read.owner.logical_id);
        return delete(cx, (id, was_created), properties, signed_at).await;
    }
    let asked = parse(properties, cx.read)?;
    if provisions(operation, properties, cx.read) {
        return provision_roles(cx, &asked).await;
    }
    if matches!(operation, Operation::Create) && asked.on_create == OnCreate::Delete {
        return delete_roles(cx, &asked, asked.names(), signed_at).await;
    }
    let report = report(cx, &asked).await?;
    // The Delete of these roles will have to know in which regions to look for use.
    let is_update = matches!(operation, Operation::Update { .. });
    if is_update && asked.regions.is_empty() && !report.provisioned.is_empty() {
        return Err(Refusal::NoRegions);
    }
    Ok(unchanged(report))
}

/// Parses the properties of a Create or an Update.
fn parse(properties: &Value, context: ReadContext<'_>) -> Result<ServiceCatalogRoles, Refusal> {
    if let Some(why) = unavailable(TYPE, context.guardrails) {
        return Err(why.into());
    }
    let reader = Reader::new(object(properties)?);
    let asked = ServiceCatalogRoles::parse(&reader, context);
    let errors = reader.finish();
    if errors.is_empty() { Ok(asked) } else { Err(errors.into()) }
}

/// Parses properties of any shape.
pub fn parse_any(properties: &Value, context: ReadContext<'_>) -> ServiceCatalogRoles {
    let empty = Map::new();
    ServiceCatalogRoles::parse(&Reader::new(properties.as_object().unwrap_or(&empty)), context)
}

/// Whether the event provisions the roles. An Update does so only when it asks for other roles, or asks again by
/// `Revision`. Every other property only says what a later Delete does, so its change touches no role.
pub fn provisions(operation: &Operation, properties: &Value, context: ReadContext<'_>) -> bool {
    let is_asked = match operation {
        Operation::Create => true,
        Operation::Update { old_properties, .. } => {
            ["OnCreate", "Roles", "Revision"].iter().any(|name| properties.get(name) != old_properties.get(name))
        }
        Operation::Delete { .. } => false,
    };
    is_asked && parse_any(properties, context).on_create == OnCreate::Provision
}

fn unchanged(report: Report) -> Decision {
    Decision { action: Action::Nothing, report: Some(report) }
}

/// Finds out which roles exist and who uses them.
async fn report<A: Aws>(cx: &Context<'_, A>, asked: &ServiceCatalogRoles) -> Result<Report, Refusal> {
    let observed = observe(cx, &every_role()).await?;
    let mut usage = Usage::in_regions(cx.aws.sagemaker(), &asked.regions, false, cx.deadlines.work).await;
    usage.add_roles(&observed, cx.read.owner, asked.in_use_within);
    let provisions = asked.on_create == OnCreate::Provision;
    let remaining = if provisions { remaining_steps(&asked.regions, &usage) } else { String::new() };
    Ok(Report { usage, remaining, ..Report::from_observed(asked, &observed.state, cx.read.owner) })
}

/// Plans to create the roles that are missing, and to repair drift of those that this resource created before. Roles of
/// others stay as they are.
async fn provision_roles<A: Aws>(cx: &Context<'_, A>, asked: &ServiceCatalogRoles) -> Result<Decision, Refusal> {
    let mut report = report(cx, asked).await?;
    let spec = asked.spec(&report.kept, cx.read);
    report.provisioned.extend(spec.state.roles.keys().cloned());
    report.missing.clear();
    let action = Action::provision(provision::decide(cx, spec, PriorState::default()).await?);
    Ok(Decision { action, report: Some(report) })
}

/// Plans to delete the roles that the properties name, and those that this resource created.
///
/// `was_created` says whether the physical id is one that this function returned. Under any other id the Create has
/// failed, and only what that Create may have left is deleted.
async fn delete<A: Aws>(
    cx: &Context<'_, A>,
    (physical_id, was_created): (&str, bool),
    properties: &Value,
    signed_at: Option<i64>,
) -> Result<Decision, Refusal> {
    let (stacks, owner, deadline) = (cx.aws.stacks(), cx.read.owner, cx.deadlines.work);
    let off = unavailable(TYPE, cx.read.guardrails);
    if !was_created && (off.is_some() || current_physical_id(stacks, owner, physical_id, deadline).await?.is_some()) {
        return Ok(unchanged(Report::default()));
    }
    let mut asked = parse_any(properties, cx.read);
    if !was_created {
        // Roles that the failed Create made a moment ago are not in use yet, so no use is looked for.
        (asked.regions, asked.in_use_within) = (BTreeSet::new(), 0);
    } else if asked.regions.is_empty() {
        asked.regions.insert(cx.read.place.region.clone());
    }
    let mut named = if was_created && asked.deletes { asked.names() } else { BTreeSet::new() };
    if let Some(why) = off {
        let others = observe(cx, &Query::for_roles(named)).await;
        let others = others.map(|observed| observed.state.roles.values().any(|role| !owner.owns(&role.tags)));
        if others.unwrap_or(true) {
            return Err(why.into());
        }
        named = BTreeSet::new();
    }
    if !named.is_empty() && asked.on_create != OnCreate::Delete {
        // If the creation of the stack failed, or a change of it did, the Delete only deletes roles that this resource
        // created.
        let status = retry::until(deadline, async || stacks.status(&owner.stack_id).await).await;
        let status = status.map_err(Unread::because(Question::StackStatus))?;
        if status.is_some_and(|status| status.rolls_back()) {
            named.clear();
        }
    }
    delete_roles(cx, &asked, named, signed_at).await
}

/// Plans to delete the named roles, whoever created them, and all roles of this resource, unless they are in use.
///
/// A named role or a policy that was created after the event was signed stays: the event comes late, and what it asked
/// for has been done.
async fn delete_roles<A: Aws>(
    cx: &Context<'_, A>,
    asked: &ServiceCatalogRoles,
    mut named: BTreeSet<Name>,
    signed_at: Option<i64>,
) -> Result<Decision, Refusal> {
    let (owner, deadline) = (cx.read.owner, cx.deadlines.work);
    let mut observed = observe(cx, &every_role()).await?;
    let mut report = Report::from_observed(asked, &observed.state, owner);
    let is_late = |made_at: i64| signed_at.is_some_and(|sent| made_at > sent);
    named.retain(|name| !observed.metadata.get(name).is_some_and(|known| is_late(known.made_at)));
    // From here on, the observed state only holds what should be deleted.
    observed.state.roles.retain(|name, role| named.contains(name) || owner.owns(&role.tags));
    if named.contains(&use_role()) {
        observed.state.policies = console_policies(cx, is_late).await?;
    }
    let ends_portfolios = asked.disable_portfolio && !named.is_empty();
    if !observed.state.roles.is_empty() || ends_portfolios {
        report.usage = Usage::in_regions(cx.aws.sagemaker(), &asked.regions, ends_portfolios, deadline).await;
        report.usage.add_roles(&observed, owner, asked.in_use_within);
    }
    let (mut going, ends_portfolios) = unused(asked, &report.usage, &observed.state, ends_portfolios)?;
    leave_policies_of_others(cx, &mut going).await?;
    let stages = stages(&observed.state, &going, owner);
    let mut also_deletable = Query::default();
    also_deletable.add(&going);
    let portfolios = if ends_portfolios { report.usage.idle_portfolios() } else { Vec::new() };
    report.deleted = going.roles.into_keys().collect();
    report.kept.append(&mut report.provisioned);
    report.kept.retain(|name| !report.deleted.contains(name));
    let [_, end] = &stages;
    let steps = plan(end, &observed.state);
    let deletion = Deletion { before: observed.state, stages: stages.into(), steps, also_deletable, portfolios };
    Ok(Decision { action: Action::Delete(deletion), report: Some(report) })
}

/// Returns what is deleted of the observed state, and whether the portfolios are disabled, given the use of the roles.
///
/// # Errors
/// When roles are in use and `IfInUse` is `Fail`.
fn unused(
    asked: &ServiceCatalogRoles,
    usage: &Usage,
    observed: &State,
    ends_portfolios: bool,
) -> Result<(State, bool), Refusal> {
    let mut going = observed.clone();
    if asked.if_in_use == IfInUse::Delete {
        return Ok((going, ends_portfolios));
    }
    going.roles.retain(|name, _| !usage.keeps(name));
    let in_use = going.roles.len() < observed.roles.len() || (ends_portfolios && usage.keeps_all());
    if in_use && asked.if_in_use == IfInUse::Fail {
        return Err(Refusal::RolesInUse(usage.uses()));
    }
    if in_use {
        // LaunchRole is the role that ends whatever stays, so it stays too. The policies of UseRole stay with that role,
        // and the portfolios stay with any role.
        going.roles.remove(&launch_role());
        going.policies.retain(|_, _| going.roles.contains_key(&use_role()));
    }
    Ok((going, ends_portfolios && !in_use))
}

/// Returns the policies that the console created for `UseRole`, by ARN. They are found by name and path, since a policy
/// that was already detached is no longer attached to any role.
async fn console_policies<A: Aws>(
    cx: &Context<'_, A>,
    is_late: impl Fn(i64) -> bool,
) -> Result<BTreeMap<String, Policy>, Refusal> {
    let listed = retry::until(cx.deadlines.work, async || cx.aws.iam().policies_below(PATH).await).await;
    let listed = listed.map_err(Refusal::PoliciesUnlisted)?;
    let console = listed.into_iter().filter(|(arn, at)| is_console_policy(arn, cx.read.place) && !is_late(*at));
    let query = Query::for_policies(console.map(|(arn, _)| arn));
    Ok(observe(cx, &query).await?.state.policies)
}

/// Removes from `going` each policy that anything but the deleted roles uses, whoever created the policy.
async fn leave_policies_of_others<A: Aws>(cx: &Context<'_, A>, going: &mut State) -> Result<(), Unread> {
    let roles: Vec<&Name> = going.roles.keys().collect();
    let mut shared = BTreeSet::new();
    for arn in going.policies.keys() {
        let others = other_users(cx.aws.iam(), arn, &roles, cx.deadlines.work).await?;
        if !others.is_empty() {
            tracing::warn!(arn, users = ?others, "policy kept because others use it");
            shared.insert(arn.clone());
        }
    }
    going.policies.retain(|arn, _| !shared.contains(arn));
    Ok(())
}

/// Returns the desired states of the two stages of a deletion. `LaunchRole` and the policies are only deleted in the
/// second one: while `LaunchRole` exists, projects can still be ended. Roles of this resource that stay are released,
/// since their tags would name an owner that no longer exists.
fn stages(observed: &State, going: &State, owner: &Owner) -> [State; 2] {
    let mut end = observed.clone();
    end.roles.retain(|name, _| !going.roles.contains_key(name));
    end.policies.retain(|arn, _| !going.policies.contains_key(arn));
    for role in end.roles.values_mut().filter(|role| owner.owns(&role.tags)) {
        role.tags = released_tags(&role.tags, None);
    }
    let mut but_launch = end.clone();
    but_launch.policies.extend(going.policies.clone());
    but_launch.roles.extend(going.roles.get(&launch_role()).map(|role| (launch_role(), role.clone())));
    [but_launch, end]
}

fn every_role() -> Query {
    Query::for_roles(ROLES.iter().map(ServiceCatalogRole::name))
}
