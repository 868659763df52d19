//! The Create and Update operations: apply what the properties ask for, or roll back to the state before the event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::apply::apply;
use crate::deadlines::Deadlines;
use crate::decide::{Decision, decide};
use crate::failure::Failures;
use crate::operation::definition_object::Parsed;
use crate::operation::outcome::{Done, Failed, failed, measure, show, tell};
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks};
use crate::preconditions::absent_boundary;
use crate::retry;
use crate::retry::{PROPAGATION_TIMEOUT, poll_until};
use crate::staleness::{
    PAUSE, REPEATS, StackProgress, check_redelivery, is_rolling_back, optional_deadline, stack_progress,
};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use crate::verify::verify;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::propagation::needs_propagation;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::definition_location::{Location, SHA256};
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::resource::spec::{NOT_VERIFIED, ReadContext, ResourceSpec, WARNINGS};
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::ownership::{Ownership, WriteScope};
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Entity, State};

/// The duration from which on a confirmation must have read the account more than once. IAM then did not show at once
/// what was written.
const SLOW_CONFIRMATION: Duration = Duration::from_secs(1);

/// The maximum number of times that the function applies the desired state again. It does so when the state does not
/// show because somebody else changes the same entities at the same time.
const ROUNDS: u32 = 2;

/// The result of a Create or Update that reached the desired state.
#[derive(Debug)]
pub struct Reconciled {
    /// What IAM records of each role, such as its id.
    metadata: BTreeMap<Name, RoleMetadata>,
    /// What the verification of the permissions left open.
    verified: Verified,
}

/// What IAM's policy simulator says of the roles.
#[derive(Debug, Default)]
pub struct Verified {
    /// Actions that the simulator can't judge.
    not_judged: Vec<String>,
    /// Denials that do not fail the event, because the stack is rolling back.
    denied: Vec<String>,
}

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Creates or updates the resource as its properties ask, or rolls back to the state before the event.
    ///
    /// `asked` is true if the staleness check has already asked the stack. `old` has the physical id and the old
    /// properties of an Update; it is `None` for a Create.
    ///
    /// # Errors
    /// Fails when the properties are invalid, a precondition does not hold, or the plan can't be finished. The reason
    /// says whether the change was rolled back.
    pub(crate) async fn provision(
        &self,
        request: &Request,
        asked: bool,
        context: ReadContext<'_>,
        old: Option<(&str, &Value)>,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.target, reason);
        if let Some(why) = resource::unavailable(&request.resource_type, context.guardrails) {
            return Err(fail(why));
        }
        let properties = object(&request.properties).map_err(fail)?;
        let parse = |context| {
            resource::parse(&request.resource_type, properties, context)
                .ok_or_else(|| fail(format!("`{}` is not a resource type of this function", request.resource_type)))
        };
        let (mut spec, mut errors) = parse(context)?;
        let accepted = self.accepted(request, (&spec, None), &errors, context, deadlines.work).await.map_err(fail)?;
        let mut warnings = errors.tighten(&accepted);
        // A failed Create returns the physical id that the resource would have had. The Delete that follows checks the
        // tags in any case.
        let told = Some(spec.physical_id.as_str()).filter(|id| !id.is_empty());
        let physical_id = old.map_or(told, |(id, _)| Some(id)).unwrap_or(&request.target.physical_id).to_owned();
        let fail = |reason: String| Failed { physical_id: physical_id.clone(), reason };
        let found;
        let mut known = context;
        if let Some(source) = spec.source.as_ref().filter(|_| is_open(&spec, &errors)) {
            let itself = [spec.physical_id.as_str(), physical_id.as_str()];
            let finding = self.find_role(request, source, context, &itself, deadlines.work);
            let warning;
            (found, warning) = timed(Phase::Observe, finding).await.map_err(&fail)?;
            warnings.extend(warning);
            tracing::info!(%source, role = found, "execution role found");
            known = ReadContext { found: Some(&found), ..context };
            (spec, errors) = parse(known)?;
            errors.tighten(&accepted);
        }
        if spec.definition.is_some() && is_open(&spec, &errors) {
            let read = Parsed { spec, errors, warnings };
            let read = self.with_definition(request, properties, read, known, deadlines.work).await.map_err(&fail)?;
            Parsed { spec, errors, warnings } = read;
        }
        let absent = absent_boundary(&self.iam, &spec, context, deadlines.work);
        errors.errors.extend(timed(Phase::Observe, absent).await);
        if !errors.errors.is_empty() {
            return Err(fail(errors.to_string()));
        }
        if !warnings.is_empty() {
            tracing::warn!(?warnings, "accepted properties that a new resource may not have");
        }
        for notice in std::mem::take(&mut spec.notices) {
            tracing::warn!(notice, "notice about the resource");
            warnings.push(notice);
        }
        if measure(request, &spec).is_err()
            && let Some(sha256) = spec.attributes.get_mut(SHA256)
        {
            // The response has to fit, and a template can do without this attribute.
            sha256.clear();
        }
        measure(request, &spec).map_err(fail)?;

        let prior = match old {
            None => PriorState::default(),
            Some((id, properties)) => {
                PriorState::from_update(&request.resource_type, &spec, id, properties, context).map_err(fail)?
            }
        };
        let reconciled = self.reconcile(request, asked, (&spec, &prior), context, deadlines).await.map_err(&fail)?;
        warnings.extend(reconciled.verified.denied);
        tell(request, &mut spec, WARNINGS, &warnings);
        if spec.attributes.contains_key(NOT_VERIFIED) {
            tell(request, &mut spec, NOT_VERIFIED, &reconciled.verified.not_judged);
        }
        let no_id =
            "IAM returned no id for a role of this resource; the changes were not rolled back; report it as a bug";
        Done::from_spec(&spec, &reconciled.metadata).ok_or_else(|| fail(no_id.to_owned()))
    }

    /// Returns the errors in `tightened` that this resource may keep: earlier versions of this function accepted those
    /// properties.
    ///
    /// The resource may keep what its old properties had, unless the update replaces it. While the stack rolls back, it
    /// may keep everything, since a stack whose rollback is refused can only be deleted. The event alone proves neither
    /// the update nor the rollback, so the method asks the stack.
    ///
    /// `definition` is the text that was read from Amazon S3. It counts for the old properties only where they name the
    /// same object: what the old properties name is never read.
    ///
    /// # Errors
    /// Fails when the stack can't be asked.
    pub(super) async fn accepted(
        &self,
        request: &Request,
        (spec, definition): (&ResourceSpec, Option<&str>),
        errors: &ValidationErrors,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Vec<String>, String> {
        let Operation::Update { physical_id, old_properties } = &request.operation else { return Ok(Vec::new()) };
        if errors.tightened.is_empty() {
            return Ok(Vec::new());
        }
        let empty = Map::new();
        let old_properties = old_properties.as_object().unwrap_or(&empty);
        let read = |text: Option<&str>| {
            resource::parse_with_definition(&request.resource_type, old_properties, context, text).unwrap_or_default()
        };
        let (old_spec, mut old) = read(None);
        // The object of a location that is not pinned may have had another content.
        let is_same =
            spec.definition.as_ref().is_some_and(Location::is_pinned) && old_spec.definition == spec.definition;
        if definition.is_some() && is_same {
            old = read(definition).1;
        }
        let old = old.tightened;
        let replaces = spec.physical_id != *physical_id;
        for tries in 0..=REPEATS {
            if tries > 0 {
                telemetry::pause(PAUSE).await;
            }
            let told = retry::until(deadline, async || self.stacks.resource(context.owner).await).await;
            let told = told.map_err(|cause| {
                format!("could not read whether the stack is updating the resource: {cause}; nothing was changed")
            })?;
            let Some(told) = told.filter(|told| told.is_updated(&request.resource_type)) else { continue };
            if !replaces && told.physical_id == *physical_id && errors.tightened.iter().all(|one| old.contains(one)) {
                return Ok(old);
            }
            let is_rolling_back = is_rolling_back(&self.stacks, &context.owner.stack_id, deadline).await;
            if is_rolling_back.ok_or("could not read the status of the stack; nothing was changed")? {
                return Ok(errors.tightened.clone());
            }
        }
        Ok(Vec::new())
    }

    /// Observes the account once, and applies the desired state or rolls back to the observed one. `asked` is true if
    /// the staleness check has already asked the stack.
    ///
    /// # Errors
    /// Returns what went wrong, and whether the change was rolled back.
    pub(super) async fn reconcile(
        &self,
        request: &Request,
        asked: bool,
        (spec, prior): (&ResourceSpec, &PriorState),
        context: ReadContext<'_>,
        deadlines: Deadlines,
    ) -> Result<Reconciled, String> {
        let owner = context.owner;
        let decided = decide(&self.iam, &self.stacks, spec, prior, context, deadlines.work);
        let at_first = async {
            // The status of the stack is read before that of the resource. If a rollback begins between the two reads,
            // the last question to the stack notices it.
            let was_rolling_back = match request.operation {
                Operation::Update { .. } => {
                    is_rolling_back(&self.stacks, &owner.stack_id, optional_deadline(deadlines.work)).await
                }
                _ => None,
            };
            check_redelivery(&self.stacks, request, asked, deadlines.work).await.map(|()| was_rolling_back)
        };
        let (was_rolling_back, decided) = timed(Phase::Observe, join(at_first, decided)).await;
        let was_rolling_back = was_rolling_back?;
        let Decision { query, metadata, mut before, mut desired, steps } = decided?;
        show(&steps, &before, owner);
        if steps.is_empty() {
            let verified = self.verify(spec, &desired, was_rolling_back, context, deadlines.work).await;
            let verified = verified.map_err(|why| format!("{why}; nothing was changed"));
            return verified.map(|verified| Reconciled { metadata, verified });
        }
        let write_scope = WriteScope::owned_by(owner);
        let mut from = before.clone();
        // If somebody removed the boundary of a managed role, this event restores it for good: the function may not
        // remove it again. The state to roll back to therefore has the boundary.
        for (name, role) in
            before.roles.iter_mut().filter(|(_, role)| owner.ownership(&role.tags) == Ownership::Managed)
        {
            if !role.boundary.as_ref().is_some_and(|arn| context.guardrails.allows_boundary(arn)) {
                let desired_boundary = desired.roles.get(name).and_then(|role| role.boundary.clone());
                role.boundary = desired_boundary.or_else(|| Some(context.guardrails.boundary.clone()));
            }
        }
        let mut rounds = ROUNDS;
        let (reached, outcome_unknown, what) = loop {
            match timed(Phase::Apply, apply(&self.iam, &write_scope, &desired, from, deadlines.work)).await {
                Ok(mut reached) => {
                    if needs_propagation(&steps, &before, &desired) {
                        let left = deadlines.work.saturating_duration_since(Instant::now() + PROPAGATION_TIMEOUT);
                        timed(Phase::PropagationWait, telemetry::wait(spec.propagation_wait.min(left))).await;
                    }
                    let asked_at = Instant::now();
                    let ask = async || {
                        stack_progress(&self.stacks, request, &spec.physical_id, was_rolling_back, deadlines.work).await
                    };
                    let confirmed = self.confirm(spec, &query, &desired, deadlines.work);
                    let (confirmed, mut progress) = timed(Phase::Confirm, join(confirmed, ask())).await;
                    // If IAM lagged for this read, it also lagged for any concurrent event that deletes the resource or
                    // rolls it back: ask the stack again.
                    if progress == StackProgress::Waiting && asked_at.elapsed() >= SLOW_CONFIRMATION {
                        progress = timed(Phase::Confirm, ask()).await;
                    }
                    let why = match (confirmed, progress) {
                        (_, StackProgress::MovedOn { why, .. }) => why,
                        // Propagation is over by now: whatever does not show, somebody else has changed in the
                        // meantime.
                        (Ok((observed, true)), StackProgress::Waiting) if rounds > 0 => {
                            let foreign_entities = owner.foreign_entities(&spec.state, &observed.state);
                            if foreign_entities.is_empty() {
                                rounds -= 1;
                                from = observed.state;
                                desired = owner.desired(&spec.state, &prior.managed, &from);
                                continue;
                            }
                            // The entities of this resource are gone. Foreign entities have their names, and this event
                            // must not roll those back.
                            for entity in &foreign_entities {
                                reached.remove(entity);
                            }
                            let all = foreign_entities.iter().map(Entity::to_string).collect::<Vec<_>>().join(", ");
                            format!("someone else created {all} at the same time; choose another name")
                        }
                        (Ok((observed, _)), _) => {
                            match self.verify(spec, &desired, was_rolling_back, context, deadlines.work).await {
                                Ok(verified) => return Ok(Reconciled { metadata: observed.metadata, verified }),
                                Err(denied) => denied,
                            }
                        }
                        (Err(hidden), _) => format!(
                            "could not read role `{hidden}` after the changes: IAM does not show it, or the reads \
                             failed; try again"
                        ),
                    };
                    break (reached, BTreeSet::new(), why);
                }
                Err(stopped) => match stopped.found() {
                    // Without IAM's lag, the first observation would have shown this entity. It belongs to the state
                    // before the event, so a rollback must not delete it.
                    Some(observed) => {
                        from = stopped.reached;
                        from.merge(observed.clone());
                        before.merge(observed);
                        desired = owner.desired(&spec.state, &prior.managed, &before);
                    }
                    None => break (stopped.reached, stopped.outcome_unknown, Failures(&stopped.failures).to_string()),
                },
            }
        };
        let mut ours = prior.managed.clone();
        ours.merge(spec.state.clone());
        let reason = self.roll_back_operation(
            request,
            (&spec.physical_id, was_rolling_back),
            &what,
            (&before, &ours),
            (reached, outcome_unknown),
            deadlines.rollback,
        );
        Err(timed(Phase::Rollback, reason).await)
    }

    /// Verifies that the provisioned roles have the permissions that the properties ask to verify. A failed
    /// verification does not stop a stack that is rolling back, since a stack whose rollback fails stays where it is.
    ///
    /// # Errors
    /// Returns what is denied, or why the permissions could not be verified.
    async fn verify(
        &self,
        spec: &ResourceSpec,
        desired: &State,
        was_rolling_back: Option<bool>,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Verified, String> {
        let mut verified = Verified::default();
        for name in spec.state.roles.keys().filter(|_| !spec.checks.is_empty()) {
            let path = desired.roles.get(name).map_or("/", |role| role.path.as_str());
            let arn = context.place.role_arn(path, name.as_str());
            match timed(Phase::Confirm, verify(&self.iam, &arn, &spec.checks, deadline)).await {
                Ok(not_judged) => verified.not_judged.extend(not_judged),
                Err(denied) if was_rolling_back == Some(true) => {
                    tracing::warn!(
                        reason = denied,
                        "verification failed; the operation continues because the stack is rolling back"
                    );
                    verified.denied.push(denied);
                }
                Err(denied) => return Err(denied),
            }
        }
        Ok(verified)
    }

    /// Observes the account until it shows the applied state, or until propagation times out. Returns the last
    /// observation, and whether something still does not show.
    ///
    /// The next event may come within seconds, and it plans from what it observes.
    ///
    /// # Errors
    /// Returns the name of a role that does not show at all.
    async fn confirm<'a>(
        &self,
        spec: &'a ResourceSpec,
        query: &Query,
        desired: &State,
        deadline: Instant,
    ) -> Result<(Observation, bool), &'a Name> {
        let shows = |observed: &Observation| plan(desired, &observed.state).is_empty();
        let mut query = query.clone();
        query.expect_present(desired);
        query.skip_instance_profiles = true;
        let observed = poll_until(&self.iam, &query, shows, deadline).await.unwrap_or_default();
        let mut roles = spec.state.roles.keys();
        if let Some(hidden) = roles.find(|name| !observed.metadata.contains_key(name)) {
            return Err(hidden);
        }
        let late = plan(desired, &observed.state);
        if !late.is_empty() {
            let steps: Vec<String> = late.iter().map(Step::to_string).collect();
            tracing::warn!(?steps, "applied steps are not visible yet");
        }
        Ok((observed, !late.is_empty()))
    }
}

/// Whether nothing is wrong with the properties but a location of the definition that the deployer does not allow. A
/// rollback may keep such a location.
fn is_open(spec: &ResourceSpec, errors: &ValidationErrors) -> bool {
    let refusals = spec.definition.as_ref().map(|location| location.refusals.as_slice()).unwrap_or_default();
    errors.errors.iter().all(|error| refusals.contains(error))
}
