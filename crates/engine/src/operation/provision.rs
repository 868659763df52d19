//! Create and Update: what the properties ask for comes into being, or everything is as it was.

use crate::apply::apply;
use crate::deadlines::Deadlines;
use crate::decide::{Decision, decide};
use crate::failure::{Cause, Failures};
use crate::lookup::find;
use crate::operation::outcome::{Done, Failed, failed, measure, show, tell};
use crate::port::{Iam, Ports, SageMaker, Stacks};
use crate::preconditions::absent_boundary;
use crate::retry;
use crate::retry::{PROPAGATION_TIMEOUT, poll_until};
use crate::staleness::{
    PAUSE, REPEATS, StackProgress, check_redelivery, is_rolling_back, optional_deadline, stack_progress,
};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use crate::verify::verify;
use futures_util::future::join;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::propagation::needs_propagation;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::resource::spec::{NOT_VERIFIED, ReadContext, ResourceSpec, WARNINGS};
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::ownership::{Ownership, WriteScope};
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Entity, State};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// A look that takes so long was repeated: IAM did not show at once what was written.
const SLOW_CONFIRMATION: Duration = Duration::from_secs(1);

/// How often what was done is put right when it does not show, because somebody else acts at the same time.
const ROUNDS: u32 = 2;

/// What came of a Create or Update.
#[derive(Debug)]
pub struct Reconciled {
    /// What IAM knows of the roles.
    metadata: BTreeMap<Name, RoleMetadata>,
    verified: Verified,
}

/// What IAM's simulator says of the roles.
#[derive(Debug, Default)]
pub struct Verified {
    /// Actions that it can't judge.
    not_judged: Vec<String>,
    /// What it denies, where a rollback goes on all the same.
    denied: Vec<String>,
}

impl<I: Iam, S: Stacks, M: SageMaker> Ports<I, S, M> {
    /// Create and Update: what the properties ask for comes into being, or everything is as it was.
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
                .ok_or_else(|| fail(format!("`{}` is no resource type of this function", request.resource_type)))
        };
        let (mut spec, mut errors) = parse(context)?;
        let accepted = self.accepted(request, &spec, &errors, context, deadlines.work).await.map_err(fail)?;
        let mut warnings = errors.tighten(&accepted);
        // A Create that fails has the id that it would have had: the Delete that follows goes by tags in any case.
        let told = Some(spec.physical_id.as_str()).filter(|id| !id.is_empty());
        let physical_id = old.map_or(told, |(id, _)| Some(id)).unwrap_or(&request.target.physical_id).to_owned();
        let fail = |reason: String| Failed { physical_id: physical_id.clone(), reason };
        if let Some(source) = spec.source.as_ref().filter(|_| errors.errors.is_empty()) {
            let itself = [spec.physical_id.as_str(), physical_id.as_str()];
            let found = find(&self.iam, &self.sagemaker, source, context.place, &itself, deadlines.work);
            let found = timed(Phase::Observe, found).await.map_err(&fail)?;
            tracing::info!(%source, found, "execution role");
            (spec, errors) = parse(ReadContext { found: Some(&found), ..context })?;
            errors.tighten(&accepted);
        }
        let absent = absent_boundary(&self.iam, &spec, context, deadlines.work);
        errors.errors.extend(timed(Phase::Observe, absent).await);
        if !errors.errors.is_empty() {
            return Err(fail(errors.to_string()));
        }
        if !warnings.is_empty() {
            tracing::warn!(?warnings, "accepted, since the resource had it before");
        }
        for remark in std::mem::take(&mut spec.remarks) {
            tracing::warn!(remark, "left out");
            warnings.push(remark);
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
        Done::from_spec(&spec, &reconciled.metadata).ok_or_else(|| fail("the role has no id".to_owned()))
    }

    /// What this version refuses and this resource may keep while its stack updates it: what it had before, unless the update
    /// replaces it, and all where the stack rolls back, for a rollback that is refused leaves the stack where nothing but a
    /// deletion goes on. The stack is asked, since the event alone proves neither.
    async fn accepted(
        &self,
        request: &Request,
        spec: &ResourceSpec,
        errors: &ValidationErrors,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Vec<String>, String> {
        let Operation::Update { physical_id, old_properties } = &request.operation else { return Ok(Vec::new()) };
        if errors.tightened.is_empty() {
            return Ok(Vec::new());
        }
        let empty = Map::new();
        let old = resource::parse(&request.resource_type, old_properties.as_object().unwrap_or(&empty), context);
        let old = old.map(|(_, errors)| errors.tightened).unwrap_or_default();
        let replaces = spec.physical_id != *physical_id;
        for tries in 0..=REPEATS {
            if tries > 0 {
                telemetry::pause(PAUSE).await;
            }
            let told = retry::until(deadline, async || self.stacks.resource(context.owner).await).await;
            let told = told.map_err(|cause| {
                format!("could not ask whether the stack updates the resource: {cause}; nothing was changed")
            })?;
            let Some(told) = told.filter(|told| told.is_updated(&request.resource_type)) else { continue };
            if !replaces && told.physical_id == *physical_id && errors.tightened.iter().all(|one| old.contains(one)) {
                return Ok(old);
            }
            let is_rolling_back = is_rolling_back(&self.stacks, &context.owner.stack_id, deadline).await;
            if is_rolling_back.ok_or("could not ask for the state of the stack; nothing was changed")? {
                return Ok(errors.tightened.clone());
            }
        }
        Ok(Vec::new())
    }

    /// From one look at the account to what is wanted, or back to what the look showed. `asked` tells whether the stack was,
    /// whether the event still counts.
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
            // Before the resource: a rollback that begins in between is seen at the end.
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
        // A boundary that somebody took off a role of ours is back for good: the function may not take one off again.
        for (name, role) in
            before.roles.iter_mut().filter(|(_, role)| owner.ownership(&role.tags) == Ownership::Managed)
        {
            if !role.boundary.as_ref().is_some_and(|arn| context.guardrails.allows_boundary(arn)) {
                let spec = desired.roles.get(name).and_then(|role| role.boundary.clone());
                role.boundary = spec.or_else(|| Some(context.guardrails.boundary.clone()));
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
                    let (confirmed, mut stack_progress) = timed(Phase::Confirm, join(confirmed, ask())).await;
                    // What lagged for us did so for whoever came to delete it or to bring back what was before.
                    if stack_progress == StackProgress::Waiting && asked_at.elapsed() >= SLOW_CONFIRMATION {
                        stack_progress = timed(Phase::Confirm, ask()).await;
                    }
                    let why = match (confirmed, stack_progress) {
                        (_, StackProgress::MovedOn { why, .. }) => why,
                        // Whatever lags is there by now: what does not show, somebody has changed in the meantime.
                        (Ok((observed, true)), StackProgress::Waiting) if rounds > 0 => {
                            let foreign_entities = owner.foreign_entities(&spec.state, &observed.state);
                            if foreign_entities.is_empty() {
                                rounds -= 1;
                                from = observed.state;
                                desired = owner.desired(&spec.state, &prior.managed, &from);
                                continue;
                            }
                            // Ours are gone, and what has their names is nobody's to undo.
                            for entity in &foreign_entities {
                                reached.remove(entity);
                            }
                            let all = foreign_entities.iter().map(Entity::to_string).collect::<Vec<_>>().join(", ");
                            format!("{all} was made by somebody else in the meantime")
                        }
                        (Ok((observed, _)), _) => {
                            match self.verify(spec, &desired, was_rolling_back, context, deadlines.work).await {
                                Ok(verified) => return Ok(Reconciled { metadata: observed.metadata, verified }),
                                Err(denied) => denied,
                            }
                        }
                        (Err(hidden), _) => {
                            let cause = Cause::Hidden(Entity::Role(hidden.clone()));
                            format!("could not make role `{hidden}`: {cause}")
                        }
                    };
                    break (reached, BTreeSet::new(), why);
                }
                Err(stopped) => match stopped.found() {
                    // It belongs to what was before, had the look not lagged: undo must not take it away.
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

    /// Whether the roles that stand are allowed what was asked to be verified. A rollback goes on all the same: a stack whose
    /// rollback fails stays where it is.
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
                    tracing::warn!(denied, "the stack rolls back, so this stops nothing");
                    verified.denied.push(denied);
                }
                Err(denied) => return Err(denied),
            }
        }
        Ok(verified)
    }

    /// Looks until what was done shows, and tells what is seen and whether something does not show even so: the next event
    /// may come within seconds, and plans by what it sees. A role that does not show at all is the error.
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
            tracing::warn!(late = ?late.iter().map(Step::to_string).collect::<Vec<_>>(), "done, but does not show yet");
        }
        Ok((observed, !late.is_empty()))
    }
}
