//! The operations of `Custom::SageMakerServiceCatalogRoles`: report, provision or delete the service-catalog roles.
//!
//! The type deletes roles that others created, so it looks for use first. A deletion is never rolled back: a new role
//! can't have the unique id of the old one, which trust policies in other accounts refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;
use tokio::time::Instant;

use crate::apply::apply;
use crate::deadlines::Deadlines;
use crate::decide::observe;
use crate::operation::outcome::{Done, Failed, failed, show, unfinished};
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks};
use crate::preconditions::other_users;
use crate::retry;
use crate::staleness::{check_redelivery, current_physical_id};
use crate::telemetry::{Phase, timed};
use crate::usage::{NAMED, Usage, summed_up};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::protocol::response::{MAX_RESPONSE_BYTES, Response};
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::properties::Reader;
use mlops_roles_core::resource::service_catalog::{IfInUse, OnCreate, ServiceCatalogRoles, TYPE};
use mlops_roles_core::resource::service_catalog_role::{
    PATH, ROLES, ServiceCatalogRole, is_console_policy, launch_role, use_role,
};
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::resource::unavailable;
use mlops_roles_core::state::ownership::{Owner, WriteScope, released_tags};
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Policy, State};

/// What happened to the roles, for the attributes of the response.
#[derive(Debug, Default)]
struct Report {
    deleted: BTreeSet<Name>,
    /// Foreign and unowned roles that still exist.
    kept: BTreeSet<Name>,
    /// Roles of this resource that exist.
    provisioned: BTreeSet<Name>,
    missing: BTreeSet<Name>,
    usage: Usage,
    /// What remains to be done before anybody can create a project. Empty unless `OnCreate` is `Provision`.
    remaining: String,
}

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Handles a Create, Update or Delete of the service-catalog type. `asked_stack` is true if the staleness check has
    /// already asked the stack.
    ///
    /// # Errors
    /// Fails when the event is a redelivery, the properties are invalid, roles are in use and `IfInUse` is `Fail`, or
    /// AWS can't be asked or refuses a step.
    pub(crate) async fn service_catalog(
        &self,
        request: &Request,
        asked_stack: bool,
        context: ReadContext<'_>,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let target = &request.target;
        let fail = |reason: String| failed(target, reason);
        let given_out = format!("SageMakerServiceCatalogRoles/{}", target.logical_id);
        let again = check_redelivery(&self.stacks, request, asked_stack, deadlines.work);
        timed(Phase::Observe, again).await.map_err(fail)?;
        let report = match &request.operation {
            Operation::Create => {
                let asked = parse(request, context).map_err(fail)?;
                match asked.on_create {
                    OnCreate::Keep => self.report(&asked, context, deadlines.work).await,
                    OnCreate::Delete => {
                        let sent = target.response_url.signed_at();
                        self.delete_roles(&asked, asked.names(), sent, context, deadlines.work).await
                    }
                    OnCreate::Provision => self.provision_roles(request, &asked, context, deadlines).await,
                }
            }
            Operation::Update { old_properties, .. } => {
                let asked = parse(request, context).map_err(fail)?;
                // Every other property only says what a later Delete does, so its change touches no role.
                let changed = |name| request.properties.get(name) != old_properties.get(name);
                if asked.on_create == OnCreate::Provision && ["OnCreate", "Roles", "Revision"].into_iter().any(changed)
                {
                    self.provision_roles(request, &asked, context, deadlines).await
                } else {
                    self.report(&asked, context, deadlines.work).await.and_then(|report| {
                        // The Delete of these roles will have to know in which regions to look for use.
                        let blind = asked.regions.is_empty() && !report.provisioned.is_empty();
                        if blind {
                            let why = "`Regions`: missing, expected the regions where projects may use the roles that \
                                       this resource created; nothing was changed";
                            Err(why.to_owned())
                        } else {
                            Ok(report)
                        }
                    })
                }
            }
            Operation::Delete { physical_id } => {
                self.delete_service_catalog(request, *physical_id == given_out, context, deadlines.work).await
            }
        };
        let report = report.map_err(fail)?;
        tracing::info!(?report, "report of the service-catalog roles");
        let physical_id = match request.operation {
            Operation::Create => given_out,
            _ => target.physical_id.clone(),
        };
        Ok(report.done(target, physical_id))
    }

    /// Deletes the roles that the properties name, and those that this resource created.
    ///
    /// `was_created` says whether the physical id is one that this function returned. Under any other id the Create has
    /// failed, and only what that Create may have left is deleted.
    async fn delete_service_catalog(
        &self,
        request: &Request,
        was_created: bool,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Report, String> {
        let off = unavailable(TYPE, context.guardrails);
        if !was_created && (off.is_some() || current_physical_id(&self.stacks, request, deadline).await?.is_some()) {
            return Ok(Report::default());
        }
        let empty = Map::new();
        let reader = Reader::new(request.properties.as_object().unwrap_or(&empty));
        let mut asked = ServiceCatalogRoles::parse(&reader, context);
        if !was_created {
            // Roles that the failed Create made a moment ago are not in use yet, so no use is looked for.
            (asked.regions, asked.in_use_within) = (BTreeSet::new(), 0);
        } else if asked.regions.is_empty() {
            asked.regions.insert(context.place.region.clone());
        }
        let mut named = if was_created && asked.deletes { asked.names() } else { BTreeSet::new() };
        if let Some(why) = off {
            let others = observe(&self.iam, &Query::for_roles(named), context, deadline).await;
            let others =
                others.map(|observed| observed.state.roles.values().any(|role| !context.owner.owns(&role.tags)));
            if others.unwrap_or(true) {
                return Err(why);
            }
            named = BTreeSet::new();
        }
        if !named.is_empty() && asked.on_create != OnCreate::Delete {
            // If the creation of the stack failed, or a change of it did, the Delete only deletes roles that this
            // resource created.
            let stack_id = &context.owner.stack_id;
            let status = retry::until(deadline, async || self.stacks.status(stack_id).await).await;
            let status = status
                .map_err(|cause| format!("could not read the status of the stack: {cause}; nothing was changed"))?;
            if status.is_some_and(|status| status.contains("ROLLBACK")) {
                named.clear();
            }
        }
        self.delete_roles(&asked, named, request.target.response_url.signed_at(), context, deadline).await
    }

    /// Reports which roles exist and who uses them. Changes nothing.
    async fn report(
        &self,
        asked: &ServiceCatalogRoles,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Report, String> {
        let observed = timed(Phase::Observe, observe(&self.iam, &every_role(), context, deadline)).await?;
        let usage = Usage::in_regions(&self.sagemaker, &asked.regions, false, deadline);
        let mut usage = timed(Phase::Observe, usage).await;
        usage.add_roles(&observed, context.owner, asked.in_use_within);
        let provisions = asked.on_create == OnCreate::Provision;
        let remaining = if provisions { remaining_steps(&asked.regions, &usage) } else { String::new() };
        Ok(Report { usage, remaining, ..Report::from_observed(asked, &observed.state, context.owner) })
    }

    /// Creates the roles that are missing, and repairs drift of those that this resource created before. Roles of
    /// others stay as they are.
    async fn provision_roles(
        &self,
        request: &Request,
        asked: &ServiceCatalogRoles,
        context: ReadContext<'_>,
        deadlines: Deadlines,
    ) -> Result<Report, String> {
        let mut report = self.report(asked, context, deadlines.work).await?;
        let spec = asked.spec(&report.kept, context);
        report.provisioned.extend(spec.state.roles.keys().cloned());
        report.missing.clear();
        self.reconcile(request, true, (&spec, &PriorState::default()), context, deadlines).await?;
        Ok(report)
    }

    /// Deletes the named roles, whoever created them, and all roles of this resource, unless they are in use.
    ///
    /// `sent` is when the event was signed, in seconds since the Unix epoch. A named role or a policy that was created
    /// later stays: the event comes late, and what it asked for has been done.
    async fn delete_roles(
        &self,
        asked: &ServiceCatalogRoles,
        mut named: BTreeSet<Name>,
        sent: Option<i64>,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Report, String> {
        let owner = context.owner;
        let mut observed = timed(Phase::Observe, observe(&self.iam, &every_role(), context, deadline)).await?;
        let mut report = Report::from_observed(asked, &observed.state, owner);
        let is_late = |made_at: i64| sent.is_some_and(|sent| made_at > sent);
        named.retain(|name| !observed.metadata.get(name).is_some_and(|known| is_late(known.made_at)));
        // From here on, the observed state only holds what should be deleted.
        observed.state.roles.retain(|name, role| named.contains(name) || owner.owns(&role.tags));
        if named.contains(&use_role()) {
            observed.state.policies = self.console_policies(is_late, context, deadline).await?;
        }
        let mut ends_portfolios = asked.disable_portfolio && !named.is_empty();
        if !observed.state.roles.is_empty() || ends_portfolios {
            let regions = &asked.regions;
            let usage = Usage::in_regions(&self.sagemaker, regions, ends_portfolios, deadline);
            report.usage = timed(Phase::Observe, usage).await;
            report.usage.add_roles(&observed, owner, asked.in_use_within);
        }

        let mut going = observed.state.clone();
        if asked.if_in_use != IfInUse::Delete {
            going.roles.retain(|name, _| !report.usage.keeps(name));
            let in_use =
                going.roles.len() < observed.state.roles.len() || (ends_portfolios && report.usage.keeps_all());
            if in_use && asked.if_in_use == IfInUse::Fail {
                let uses = summed_up(&report.usage.texts(), NAMED);
                return Err(format!(
                    "the roles are in use, or may be in use; nothing was changed; end the use, make sure that every \
                     region can be read, and try again, or set `IfInUse`; found: {uses}"
                ));
            }
            if in_use {
                // LaunchRole is the role that ends whatever stays, so it stays too. The policies of UseRole stay with
                // that role, and the portfolios stay with any role.
                going.roles.remove(&launch_role());
                going.policies.retain(|_, _| going.roles.contains_key(&use_role()));
                ends_portfolios = false;
            }
        }
        self.leave_policies_of_others(&mut going, deadline).await?;
        let stages = stages(&observed.state, &going, owner);
        show(&plan(&stages[1], &observed.state), &observed.state, owner);
        if ends_portfolios {
            self.disable_portfolios(&mut report.usage, deadline).await?;
        }
        let mut also_deletable = Query::default();
        also_deletable.add(&going);
        let write_scope = WriteScope { owner, also_deletable };
        let mut from = observed.state;
        for desired in &stages {
            let reached = timed(Phase::Apply, apply(&self.iam, &write_scope, desired, from, deadline)).await;
            from = reached.map_err(|stopped| unfinished(&stopped, &stages[1]))?;
        }
        report.deleted = going.roles.into_keys().collect();
        report.kept.append(&mut report.provisioned);
        report.kept.retain(|name| !report.deleted.contains(name));
        Ok(report)
    }

    /// Returns the policies that the console created for `UseRole`, by ARN. They are found by name and path, since a
    /// policy that was already detached is no longer attached to any role.
    async fn console_policies(
        &self,
        is_late: impl Fn(i64) -> bool,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<BTreeMap<String, Policy>, String> {
        let listed = retry::until(deadline, async || self.iam.policies_below(PATH).await).await;
        let listed = listed.map_err(|cause| format!("could not list the policies: {cause}; nothing was changed"))?;
        let console = listed.into_iter().filter(|(arn, at)| is_console_policy(arn, context.place) && !is_late(*at));
        let query = Query::for_policies(console.map(|(arn, _)| arn));
        Ok(observe(&self.iam, &query, context, deadline).await?.state.policies)
    }

    /// Removes from `going` each policy that anything but the deleted roles uses, whoever created the policy.
    async fn leave_policies_of_others(&self, going: &mut State, deadline: Instant) -> Result<(), String> {
        let roles: Vec<&Name> = going.roles.keys().collect();
        let mut shared = BTreeSet::new();
        for arn in going.policies.keys() {
            let others = other_users(&self.iam, arn, &roles, deadline).await;
            let others = others.map_err(|why| format!("{why}; nothing was changed"))?;
            if !others.is_empty() {
                tracing::warn!(arn, users = ?others, "policy kept because others use it");
                shared.insert(arn.clone());
            }
        }
        going.policies.retain(|arn, _| !shared.contains(arn));
        Ok(())
    }

    async fn disable_portfolios(&self, usage: &mut Usage, deadline: Instant) -> Result<(), String> {
        for region in usage.idle_portfolios() {
            let disabled = retry::until(deadline, async || self.sagemaker.disable_portfolio(&region).await).await;
            disabled.map_err(|cause| {
                format!("could not disable the portfolio in {region}: {cause}; no role was changed")
            })?;
            tracing::info!(region, "portfolio disabled");
            usage.portfolio_disabled(&region);
        }
        Ok(())
    }
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

/// Describes what AWS asks for besides the roles: the portfolio has to be enabled in each region, and the role of each
/// user has to have access to it. The function does neither. A region that could not be read counts as disabled.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-studio-updates.html>
fn remaining_steps(regions: &BTreeSet<String>, usage: &Usage) -> String {
    let enabled = usage.enabled_portfolios();
    let disabled: Vec<&str> = regions.iter().map(String::as_str).filter(|region| !enabled.contains(region)).collect();
    let access = "associate the role of each user with SageMaker's portfolio, in each region \
                  (`AssociatePrincipalWithPortfolio`)";
    if disabled.is_empty() {
        return access.to_owned();
    }
    let disabled = disabled.join(", ");
    format!("enable SageMaker's portfolio in {disabled} (`EnableSagemakerServicecatalogPortfolio`); {access}")
}

fn parse(request: &Request, context: ReadContext<'_>) -> Result<ServiceCatalogRoles, String> {
    if let Some(why) = unavailable(TYPE, context.guardrails) {
        return Err(why);
    }
    let reader = Reader::new(object(&request.properties)?);
    let asked = ServiceCatalogRoles::parse(&reader, context);
    let errors = reader.finish();
    if errors.is_empty() { Ok(asked) } else { Err(errors.to_string()) }
}

fn every_role() -> Query {
    Query::for_roles(ROLES.iter().map(ServiceCatalogRole::name))
}

impl Report {
    fn from_observed(asked: &ServiceCatalogRoles, observed: &State, owner: &Owner) -> Self {
        let ours = owner.roles_of(observed).map(|(name, _)| name.clone());
        let mut report = Self { provisioned: ours.collect(), ..Self::default() };
        for name in asked.names().difference(&report.provisioned.clone()).cloned() {
            let which = if observed.roles.contains_key(&name) { &mut report.kept } else { &mut report.missing };
            which.insert(name);
        }
        report
    }

    /// Builds the attributes of the response. `InUseBy` names as many uses as fit into it.
    fn done(&self, target: &ResponseTarget, physical_id: String) -> Done {
        let names = |names: &BTreeSet<Name>| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let mut data = BTreeMap::from([
            ("DeletedRoles".to_owned(), names(&self.deleted)),
            ("KeptRoles".to_owned(), names(&self.kept)),
            ("MissingRoles".to_owned(), names(&self.missing)),
            ("ProvisionedRoles".to_owned(), names(&self.provisioned)),
            // The next two are for roles in the same template: CloudFormation refuses literal names of roles that exist
            // before this resource has deleted them.
            ("LaunchRoleName".to_owned(), launch_role().to_string()),
            ("UseRoleName".to_owned(), use_role().to_string()),
            ("EnabledPortfolios".to_owned(), self.usage.enabled_portfolios().join(", ")),
            ("RemainingSteps".to_owned(), self.remaining.clone()),
        ]);
        let texts = self.usage.texts();
        for most in (0..=texts.len().min(NAMED)).rev() {
            data.insert("InUseBy".to_owned(), summed_up(&texts, most));
            if Response::success(target, &physical_id, data.clone()).body().len() <= MAX_RESPONSE_BYTES {
                break;
            }
        }
        Done { physical_id, data }
    }
}
