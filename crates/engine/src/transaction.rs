//! One change to an account that is either completed or rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join;
use tokio::time::Instant;

use crate::apply::apply;
use crate::context::Context;
use crate::decide::decision::Provision;
use crate::failure::{StepFailure, Touched, joined};
use crate::port::Aws;
use crate::retry::{PROPAGATION_TIMEOUT, poll_until};
use crate::rollback::{Reached, roll_back};
use crate::staleness::progress::{StackProgress, Superseded, stack_progress};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use crate::verify::{NotVerified, verify};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::propagation::needs_propagation;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::ownership::{Ownership, WriteScope};
use mlops_roles_core::state::{Entity, State};

/// The duration from which on a confirmation must have read the account more than once. IAM then did not show at once
/// what was written.
const SLOW_CONFIRMATION: Duration = Duration::from_secs(1);

/// The maximum number of times that the function applies the desired state again. It does so when the state does not
/// show because somebody else changes the same entities at the same time.
const REPEATS: u32 = 2;

/// The time of the work that the confirmation leaves to a repetition: 10 seconds, but at most a third of what is left.
const TIME_AFTER_CONFIRMATION: Duration = Duration::from_secs(10);
/// The shortest time in which a repetition may succeed.
const TIME_TO_REPEAT: Duration = Duration::from_secs(2);

/// What keeps a transaction from its end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Interruption {
    /// IAM refused steps, or time ran out.
    #[error("{}", joined(.0, "; "))]
    Refused(Vec<StepFailure>),
    /// IAM does not show a role that was created or changed.
    #[error("could not read role `{0}` after the changes: IAM does not show it, or the reads failed; try again")]
    NotVisible(Name),
    /// The entities of the resource are gone, and others have their names.
    #[error("someone else created {} at the same time; choose another name", joined(.0, ", "))]
    TakenOver(Vec<Entity>),
    /// CloudFormation no longer processes the operation.
    #[error(transparent)]
    Superseded(#[from] Superseded),
    /// The role lacks permissions that were to be verified.
    #[error(transparent)]
    Denied(#[from] NotVerified),
}

/// A transaction that did not reach its end.
#[derive(Debug, thiserror::Error)]
#[error("{interruption}; {touched}")]
pub struct Interrupted {
    /// What interrupted it.
    pub interruption: Interruption,
    /// What it leaves.
    pub touched: Touched,
}

/// A resource that is as its properties ask.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// What IAM records of each role, such as its id.
    pub metadata: BTreeMap<Name, RoleMetadata>,
    /// What the verification of the permissions left open.
    pub verified: Verified,
}

/// What IAM's policy simulator says of the roles.
#[derive(Debug, Default)]
pub struct Verified {
    /// Actions that the simulator can't judge.
    pub not_judged: Vec<String>,
    /// Denials that do not fail the event, because the stack is rolling back.
    pub denied: Vec<NotVerified>,
}

/// One change to an account that is either completed or rolled back.
#[derive(Debug)]
pub struct Transaction<'a, A> {
    cx: Context<'a, A>,
    request: &'a Request,
    /// The decision. Its `before` is the state that a rollback leads to. `before` and `desired` change where the account
    /// turns out to have more, and `steps` stays the first plan.
    provision: Provision,
    /// Whether the stack was rolling back at the first observation. `None` when it did not tell.
    was_rolling_back: Option<bool>,
    /// The state after the steps that were applied.
    reached: State,
    /// The entities that this event may have created and that no read has shown.
    outcome_unknown: BTreeSet<Entity>,
    /// The states that the event had reached when it started over, without the entities that did not show.
    written: Vec<State>,
}

impl<'a, A: Aws> Transaction<'a, A> {
    /// Begins a transaction. Nothing is written yet.
    pub fn new(
        cx: Context<'a, A>,
        request: &'a Request,
        mut provision: Provision,
        was_rolling_back: Option<bool>,
    ) -> Self {
        let reached = provision.before.clone();
        let (owner, guardrails) = (cx.read.owner, cx.read.guardrails);
        // If somebody removed the boundary of a managed role, this event restores it for good: the function may not
        // remove it again. The state to roll back to therefore has the boundary.
        let managed = provision.before.roles.iter_mut();
        for (name, role) in managed.filter(|(_, role)| owner.ownership(&role.tags) == Ownership::Managed) {
            if !role.boundary.as_ref().is_some_and(|arn| guardrails.allows_boundary(arn)) {
                let desired_boundary = provision.desired.roles.get(name).and_then(|role| role.boundary.clone());
                role.boundary = desired_boundary.or_else(|| Some(guardrails.boundary.clone()));
            }
        }
        let (outcome_unknown, written) = (BTreeSet::new(), Vec::new());
        Self { cx, request, provision, was_rolling_back, reached, outcome_unknown, written }
    }

    /// Applies the plan, or rolls back to the state before it.
    ///
    /// # Errors
    /// What interrupted the transaction, and what it leaves.
    pub async fn run(mut self) -> Result<Reconciled, Interrupted> {
        match self.forward().await {
            Ok(reconciled) => Ok(reconciled),
            Err(interruption) => {
                tracing::error!(reason = %interruption, "rolling back");
                let touched = timed(Phase::Rollback, self.roll_back()).await;
                Err(Interrupted { interruption, touched })
            }
        }
    }

    async fn forward(&mut self) -> Result<Reconciled, Interruption> {
        let mut repeats = REPEATS;
        loop {
            timed(Phase::Apply, self.apply()).await?;
            self.wait_for_propagation().await;
            let (confirmed, progress) = self.confirm_and_ask_stack().await;
            if let StackProgress::MovedOn { instead, .. } = progress {
                return Err(instead.into());
            }
            let Confirmed { observed, is_complete } = confirmed.map_err(Interruption::NotVisible)?;
            if !is_complete && progress == StackProgress::Waiting {
                // Propagation is over by now: whatever does not show, somebody else has changed in the meantime.
                self.check_not_taken_over(&observed.state)?;
                if repeats > 0 && Instant::now() + TIME_TO_REPEAT < self.cx.deadlines.work {
                    repeats -= 1;
                    self.start_over(observed.state);
                    continue;
                }
            }
            let Provision { spec, desired, .. } = &self.provision;
            let verified = verify_roles(&self.cx, spec, desired, self.was_rolling_back).await?;
            return Ok(Reconciled { metadata: observed.metadata, verified });
        }
    }

    /// Applies steps until the account matches the desired state.
    async fn apply(&mut self) -> Result<(), Interruption> {
        let write_scope = WriteScope::owned_by(self.cx.read.owner);
        loop {
            let from = std::mem::take(&mut self.reached);
            let desired = &self.provision.desired;
            match apply(self.cx.aws.iam(), &write_scope, desired, from, self.cx.deadlines.work).await {
                Ok(reached) => {
                    self.reached = reached;
                    return Ok(());
                }
                Err(stopped) => {
                    let found = stopped.found();
                    self.reached = stopped.reached;
                    let Some(observed) = found else {
                        self.outcome_unknown.extend(stopped.outcome_unknown);
                        return Err(Interruption::Refused(stopped.failures));
                    };
                    // Without IAM's lag, the first observation would have shown this entity. It belongs to the state
                    // before the event, so a rollback must not delete it, unless this event has created it.
                    self.reached.merge(observed.clone());
                    let mut before = observed;
                    for entity in &self.outcome_unknown {
                        before.remove(entity);
                    }
                    self.provision.before.merge(before);
                    self.provision.desired = self.desired_from(&self.provision.before);
                }
            }
        }
    }

    fn desired_from(&self, observed: &State) -> State {
        self.cx.read.owner.desired(&self.provision.spec.state, &self.provision.prior.managed, observed)
    }

    /// Waits until a new role can be used, where the plan has such a step.
    async fn wait_for_propagation(&self) {
        let Provision { spec, before, desired, steps, .. } = &self.provision;
        if needs_propagation(steps, before, desired) {
            let left = self.cx.deadlines.work.saturating_duration_since(Instant::now() + PROPAGATION_TIMEOUT);
            timed(Phase::PropagationWait, telemetry::wait(spec.propagation_wait.min(left))).await;
        }
    }

    /// Confirms the changes, and asks the stack whether it still waits for them.
    async fn confirm_and_ask_stack(&self) -> (Result<Confirmed, Name>, StackProgress) {
        let (asked_at, work) = (Instant::now(), self.cx.deadlines.work);
        let confirmed = self.confirm(work - TIME_AFTER_CONFIRMATION.min(work.saturating_duration_since(asked_at) / 3));
        let (confirmed, mut progress) = timed(Phase::Confirm, join(confirmed, self.ask_stack(work))).await;
        // If IAM lagged for this read, it also lagged for any concurrent event that deletes the resource or rolls it
        // back: ask the stack again.
        if confirmed.is_ok() && progress == StackProgress::Waiting && asked_at.elapsed() >= SLOW_CONFIRMATION {
            // The reads may have taken all time of the work.
            progress = timed(Phase::Confirm, self.ask_stack(work.max(self.third_of_rollback()))).await;
        }
        (confirmed, progress)
    }

    /// Returns until when to ask the stack, where a rollback may have to follow.
    fn third_of_rollback(&self) -> Instant {
        let now = Instant::now();
        now + self.cx.deadlines.rollback.saturating_duration_since(now) / 3
    }

    async fn ask_stack(&self, deadline: Instant) -> StackProgress {
        let physical_id = &self.provision.spec.physical_id;
        stack_progress(self.cx.aws.stacks(), self.request, physical_id, self.was_rolling_back, deadline).await
    }

    /// Observes the account until it shows the applied state, or until propagation times out.
    ///
    /// The next event may come within seconds, and it plans from what it observes.
    ///
    /// # Errors
    /// Returns the name of a role that does not show at all.
    async fn confirm(&self, deadline: Instant) -> Result<Confirmed, Name> {
        let Provision { spec, query, desired, .. } = &self.provision;
        let shows = |observed: &Observation| plan(desired, &observed.state).is_empty();
        let mut query = query.clone();
        query.expect_present(desired);
        query.skip_instance_profiles = true;
        let observed = poll_until(self.cx.aws.iam(), &query, shows, deadline).await.unwrap_or_default();
        let mut roles = spec.state.roles.keys();
        if let Some(hidden) = roles.find(|name| !observed.metadata.contains_key(name)) {
            return Err(hidden.clone());
        }
        let late = plan(desired, &observed.state);
        if !late.is_empty() {
            let steps: Vec<String> = late.iter().map(Step::to_string).collect();
            tracing::warn!(?steps, "applied steps are not visible yet");
        }
        Ok(Confirmed { observed, is_complete: late.is_empty() })
    }

    /// Checks that nobody has taken the names of this resource.
    ///
    /// # Errors
    /// The entities of this resource are gone, and foreign entities have their names.
    fn check_not_taken_over(&mut self, observed: &State) -> Result<(), Interruption> {
        let foreign_entities = self.cx.read.owner.foreign_entities(&self.provision.spec.state, observed);
        if foreign_entities.is_empty() {
            return Ok(());
        }
        // This event must not roll back what is not its own.
        for entity in &foreign_entities {
            self.reached.remove(entity);
            self.written.iter_mut().for_each(|written| written.remove(entity));
        }
        Err(Interruption::TakenOver(foreign_entities))
    }

    /// Makes a new desired state from the observed one.
    ///
    /// The observed state may also be an old one, so a rollback still has to undo what was written.
    fn start_over(&mut self, observed: State) {
        let mut written = std::mem::take(&mut self.reached);
        let before = &self.provision.before;
        let roles = written.roles.keys().filter(|name| !observed.roles.contains_key(*name));
        let policies = written.policies.keys().filter(|arn| !observed.policies.contains_key(*arn));
        let hidden = roles.cloned().map(Entity::Role).chain(policies.cloned().map(Entity::Policy));
        for entity in hidden.collect::<Vec<_>>() {
            written.remove(&entity);
            let was_there = match &entity {
                Entity::Role(name) => before.roles.contains_key(name),
                Entity::Policy(arn) => before.policies.contains_key(arn),
            };
            if !was_there {
                self.outcome_unknown.insert(entity);
            }
        }
        self.written.push(written);
        self.provision.desired = self.desired_from(&observed);
        self.reached = observed;
    }

    /// Rolls back to the state before the event.
    ///
    /// If CloudFormation deletes the resource meanwhile, the method instead deletes what the resource manages and
    /// releases what it adopted, since the Delete event may have come and gone. It asks the stack once more after the
    /// last write. If another delivery of the event has succeeded, what that delivery made stays.
    async fn roll_back(mut self) -> Touched {
        let deletes = |progress: &StackProgress| matches!(progress, StackProgress::MovedOn { deletes: true, .. });
        let first = self.ask_stack(self.third_of_rollback()).await;
        if first == StackProgress::Succeeded {
            return Touched::LeftToOtherDelivery;
        }
        let (reached, unknown) = (std::mem::take(&mut self.reached), std::mem::take(&mut self.outcome_unknown));
        let mut is_deleted = deletes(&first);
        let target = if is_deleted { self.nothing_of_ours(&reached) } else { self.provision.before.clone() };
        let mut done = self.roll_back_to(&target, reached, &unknown).await;
        for written in std::mem::take(&mut self.written) {
            let mut target = if is_deleted { self.nothing_of_ours(&written) } else { self.provision.before.clone() };
            target.roles.retain(|name, _| written.roles.contains_key(name));
            target.policies.retain(|arn, _| written.policies.contains_key(arn));
            done = done.and(self.roll_back_to(&target, written, &BTreeSet::new()).await);
        }
        if !is_deleted && deletes(&self.ask_stack(self.cx.deadlines.rollback).await) {
            is_deleted = true;
            let nothing = self.nothing_of_ours(&target);
            // The reason must still report the steps of the first rollback that failed.
            done = done.and(self.roll_back_to(&nothing, target, &BTreeSet::new()).await);
        }
        match done {
            Ok(()) if is_deleted => Touched::Deleted,
            Ok(()) => Touched::RolledBack,
            Err(stuck) => {
                telemetry::left_behind(stuck.len());
                Touched::Partly(stuck)
            }
        }
    }

    /// Returns the state without what this resource has and had.
    fn nothing_of_ours(&self, observed: &State) -> State {
        let mut ours = self.provision.prior.managed.clone();
        ours.merge(self.provision.spec.state.clone());
        self.cx.read.owner.desired(&State::default(), &ours, observed)
    }

    async fn roll_back_to(
        &self,
        state: &State,
        reached: State,
        outcome_unknown: &BTreeSet<Entity>,
    ) -> Result<(), Vec<StepFailure>> {
        let write_scope = WriteScope::owned_by(self.cx.read.owner);
        let from = Reached { state: reached, outcome_unknown };
        roll_back(self.cx.aws.iam(), &write_scope, state, from, self.cx.deadlines.rollback).await
    }
}

/// An account that shows all roles of the resource.
struct Confirmed {
    observed: Observation,
    /// Whether it shows all that was applied.
    is_complete: bool,
}

/// Verifies that the provisioned roles have the permissions that the properties ask to verify. A failed verification
/// does not stop a stack that is rolling back, since a stack whose rollback fails stays where it is.
///
/// # Errors
/// Returns what is denied, or why the permissions could not be verified.
pub async fn verify_roles<A: Aws>(
    cx: &Context<'_, A>,
    spec: &ResourceSpec,
    desired: &State,
    was_rolling_back: Option<bool>,
) -> Result<Verified, NotVerified> {
    let mut verified = Verified::default();
    for name in spec.state.roles.keys().filter(|_| !spec.checks.is_empty()) {
        let path = desired.roles.get(name).map_or("/", |role| role.path.as_str());
        let arn = cx.read.place.role_arn(path, name.as_str());
        match timed(Phase::Confirm, verify(cx.aws.iam(), &arn, &spec.checks, cx.deadlines.work)).await {
            Ok(not_judged) => verified.not_judged.extend(not_judged),
            Err(denied) if was_rolling_back == Some(true) => {
                tracing::warn!(
                    reason = %denied,
                    "verification failed; the operation continues because the stack is rolling back"
                );
                verified.denied.push(denied);
            }
            Err(denied) => return Err(denied),
        }
    }
    Ok(verified)
}
