//! Steps to IAM, and the way back when one of them fails.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::ownership::Claim;
use crate::plan::{Entity, Step, after, plan};
use crate::port::{Fault, Iam, Kind, Observed};
use crate::round::round;
use crate::summary;
use crate::world::{Scope, World};

/// How long a refusal is put down to IAM's lag rather than believed. Its changes mostly show within seconds.
pub const LAG: Duration = Duration::from_secs(30);
/// The same on the way back, where time is short and a step that is refused is passed over.
const LAG_OF_UNDO: Duration = Duration::from_secs(8);
/// How long one step of the way back is tried at the most.
const LONGEST_OF_UNDO: Duration = Duration::from_secs(20);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Where applying a plan ended before its end.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The world as far as it was changed: steps that IAM took, and those that it may have taken.
    pub reached: World,
    /// What may have been created: the reply was lost.
    pub unsure: BTreeSet<Entity>,
    /// One or more, of steps that were tried side by side.
    pub failures: Vec<Failure>,
}

impl Stopped {
    /// What turned out to be there already and ours, where nothing worse than that happened.
    pub fn found(&self) -> Option<World> {
        let mut found = World::default();
        for failure in &self.failures {
            let Cause::Found(seen) = &failure.cause else { return None };
            found.absorb(seen.clone());
        }
        Some(found)
    }
}

/// A step that was not taken, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {step}: {cause}")]
pub struct Failure {
    pub step: Step,
    pub cause: Cause,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Fault(#[from] Fault),
    /// Somebody made it between our look and our step.
    #[error("{0} was made by somebody else in the meantime; it was not touched")]
    Foreign(Entity),
    #[error("{0} exists according to IAM, but is not to be seen: it may be at another path, choose another name")]
    Hidden(Entity),
    /// Ours by its tags, from a delivery before or beside this one: the plan was made without it. Holds what was seen.
    #[error("it was there already and ours, though it did not show at first")]
    Found(World),
    #[error("no reply before the time was up")]
    OutOfTime,
    #[error("they stay, so that what is left is found again")]
    Kept,
}

/// Takes steps until the world is as desired. What turns up on the way (a creation of our own whose reply was lost, an
/// attachment that somebody made in between) is planned for anew.
///
/// # Errors
/// When a step is refused, what is to be made turns out to be there, or the deadline comes.
pub async fn converge(
    iam: &impl Iam,
    claim: &Claim<'_>,
    desired: &World,
    from: World,
    deadline: Instant,
) -> Result<World, Stopped> {
    let mut pass = Pass { iam, claim, deadline, undoing: false, reached: from, troubles: Vec::new() };
    loop {
        let steps = plan(desired, &pass.reached);
        if steps.is_empty() {
            return Ok(pass.reached);
        }
        let refused = pass.take(round(&steps)).await;
        if refused.is_empty() {
            continue;
        }
        // What was to be tried again beside what is refused may have landed too.
        let open = plan(desired, &pass.reached);
        let unsure = pass.troubles.iter().filter(|(step, trouble)| trouble.unsure && open.contains(step));
        let mut landed: Vec<Step> = unsure.map(|(step, _)| step.clone()).collect();
        let only_found = refused.iter().all(|(_, refusal)| matches!(refusal.cause, Cause::Found(_)));
        if only_found && !landed.is_empty() {
            // The plan is made anew from what is known for sure: first that has to be.
            continue;
        }
        let mut failures = Vec::new();
        for (step, refusal) in refused {
            landed.extend(refusal.may_have_landed.then(|| step.clone()));
            failures.push(Failure { step, cause: refusal.cause });
        }
        let unsure = landed.iter().filter(|step| step.creates()).map(Step::entity).collect();
        let reached = landed.iter().fold(pass.reached, after);
        return Err(Stopped { reached, unsure, failures });
    }
}

/// Puts the world back as it was. What may have been created is looked for first, and goes only if it shows our tags.
/// A step that is refused is passed over, so that the others are still taken.
///
/// # Errors
/// The steps of the way back that were not taken.
pub async fn undo(
    iam: &impl Iam,
    claim: &Claim<'_>,
    before: &World,
    mut reached: World,
    unsure: &BTreeSet<Entity>,
    deadline: Instant,
) -> Result<(), Vec<Failure>> {
    let mut stuck: Vec<Failure> = Vec::new();
    let sights = join_all(unsure.iter().map(|entity| sight(iam, entity, deadline))).await;
    for (entity, seen) in unsure.iter().zip(sights) {
        match seen {
            Some(seen) if claim.covers(entity, &seen.world) => merge(&mut reached, entity, seen.world),
            seen => {
                // Not to have seen it for lack of time is no proof that it is not there.
                if seen.is_none() && Instant::now() + LONGEST_PAUSE >= deadline {
                    stuck.push(Failure { step: deletion(entity), cause: Cause::OutOfTime });
                }
                tracing::warn!(%entity, foreign = seen.is_some(), "taken for not created by us");
                forget(&mut reached, entity);
            }
        }
    }
    let mut pass = Pass { iam, claim, deadline, undoing: true, reached, troubles: Vec::new() };
    loop {
        // A look in between may show again what a step that is stuck was to take away.
        let is_stuck = |step: &Step| stuck.iter().any(|failure| failure.step == *step);
        let steps: Vec<Step> = plan(before, &pass.reached).into_iter().filter(|step| !is_stuck(step)).collect();
        if steps.is_empty() {
            break;
        }
        // Our tags are the handle of whatever is left: they stay on while anything else does.
        let is_kept = |step: &Step| {
            let untags = matches!(step, Step::UntagRole { .. } | Step::UntagPolicy { .. });
            untags && stuck.iter().any(|failure| failure.step.entity() == step.entity())
        };
        let (kept, taken): (Vec<Step>, Vec<Step>) = round(&steps).into_iter().partition(is_kept);
        let refused = pass.take(taken).await.into_iter().map(|(step, refusal)| (step, refusal.cause));
        for (step, cause) in kept.into_iter().map(|step| (step, Cause::Kept)).chain(refused) {
            pass.reached = after(pass.reached, &step);
            stuck.push(Failure { step, cause });
        }
    }
    if stuck.is_empty() { Ok(()) } else { Err(stuck) }
}

/// One way through a plan.
struct Pass<'a, I> {
    iam: &'a I,
    claim: &'a Claim<'a>,
    deadline: Instant,
    /// On the way back, where there is less time and one step must not use it all up.
    undoing: bool,
    reached: World,
    /// Of steps that have failed and are tried again.
    troubles: Vec<(Step, Trouble)>,
}

struct Refusal {
    cause: Cause,
    may_have_landed: bool,
}

/// What became of trying a step once.
struct Tried {
    /// Whether it is done; else it is worth planning and trying again.
    outcome: Result<bool, Refusal>,
    /// What a look at its entity showed in between.
    seen: Option<World>,
}

impl<I: Iam> Pass<'_, I> {
    /// Tries the steps side by side, each once, and waits for all of them. Gives those that are not worth another try.
    async fn take(&mut self, steps: Vec<Step>) -> Vec<(Step, Refusal)> {
        let trouble = |step: &Step| {
            let at = self.troubles.iter().position(|(troubled, _)| troubled == step);
            at.map_or_else(Trouble::default, |at| self.troubles.swap_remove(at).1)
        };
        let mut troubles: Vec<Trouble> = steps.iter().map(trouble).collect();
        let attempts = steps.iter().zip(&mut troubles).map(|(step, trouble)| self.attempt(step, trouble));
        let tried = join_all(attempts).await;
        let mut refused = Vec::new();
        for ((step, trouble), Tried { outcome, seen }) in steps.into_iter().zip(troubles).zip(tried) {
            if let Some(seen) = seen {
                merge(&mut self.reached, &step.entity(), seen);
            }
            match outcome {
                Ok(true) => self.reached = after(std::mem::take(&mut self.reached), &step),
                Ok(false) => self.troubles.push((step, trouble)),
                Err(refusal) => refused.push((step, refusal)),
            }
        }
        refused
    }

    async fn attempt(&self, step: &Step, trouble: &mut Trouble) -> Tried {
        let mut seen = None;
        Tried { outcome: self.attempt_seeing(step, trouble, &mut seen).await, seen }
    }

    async fn attempt_seeing(
        &self,
        step: &Step,
        trouble: &mut Trouble,
        seen: &mut Option<World>,
    ) -> Result<bool, Refusal> {
        let (iam, claim, deadline) = (self.iam, self.claim, self.deadline);
        let (lag, longest) = if self.undoing { (LAG_OF_UNDO, LONGEST_OF_UNDO) } else { (LAG, Duration::MAX) };
        let entity = step.entity();
        if Instant::now() >= deadline {
            return Err(Refusal { cause: Cause::OutOfTime, may_have_landed: trouble.unsure });
        }
        let outcome = timeout_at(deadline, iam.execute(step)).await;
        if let Ok(Ok(())) = outcome {
            tracing::info!(%step, "done");
            return Ok(true);
        }
        let since = *trouble.since.get_or_insert_with(Instant::now);
        trouble.tries += 1;
        let Ok(Err(fault)) = outcome else {
            return Err(Refusal { cause: Cause::OutOfTime, may_have_landed: true });
        };
        trouble.unsure |= fault.outcome_unknown;
        let may_have_landed = trouble.unsure;
        let waited = since.elapsed();
        tracing::warn!(%step, %fault, tries = trouble.tries, "not done yet");

        if fault.kind == Kind::AlreadyThere && step.creates() {
            let Some(there) = sight(iam, &entity, deadline).await else {
                return Err(Refusal { cause: Cause::Hidden(entity), may_have_landed: true });
            };
            if !claim.covers(&entity, &there.world) {
                return Err(Refusal { cause: Cause::Foreign(entity), may_have_landed: false });
            }
            if !may_have_landed && !self.undoing {
                return Err(Refusal { cause: Cause::Found(there.world), may_have_landed });
            }
            *seen = Some(there.world);
            return Ok(false);
        }
        let mut patience = match fault.kind {
            Kind::TryAgain => longest,
            Kind::NotThere | Kind::Unsettled => lag,
            Kind::AlreadyThere | Kind::Refused => Duration::ZERO,
        };
        let pause = trouble.pause();
        if step.removes() && self.is_gone(&entity, &fault, seen).await {
            // It was there when we looked, or we made it: unless our own try may have taken it away, IAM may only lag.
            let detail = fault.kind == Kind::NotThere && !step.deletes();
            if detail || may_have_landed || waited >= lag {
                tracing::info!(%step, "nothing was there");
                return Ok(true);
            }
            patience = Duration::MAX;
        }
        if waited.saturating_add(pause) > patience || Instant::now() + pause >= deadline {
            return Err(Refusal { cause: fault.into(), may_have_landed });
        }
        summary::pause(pause).await;
        Ok(false)
    }

    /// Whether what the step takes away has gone by now. IAM says so itself, or denies the call, since it no longer
    /// knows the tags that the permission hangs on; or somebody attached something that has to go first.
    async fn is_gone(&self, entity: &Entity, fault: &Fault, seen: &mut Option<World>) -> bool {
        if fault.kind != Kind::Unsettled {
            return fault.kind == Kind::NotThere;
        }
        let Ok(Ok(there)) = timeout_at(self.deadline, self.iam.observe(&scope(entity))).await else { return false };
        if self.claim.covers(entity, &there.world) {
            *seen = Some(there.world);
            return false;
        }
        there.world == World::default()
    }
}

/// Looks until the entity is visible, or for as long as IAM may lag.
pub async fn sight(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observed> {
    let scope = scope(entity);
    let visible = |seen: &Observed| seen.world != World::default();
    look_until(iam, &scope, visible, deadline).await.filter(visible)
}

/// Looks until it shows what is waited for, or for as long as IAM may lag; then what it showed last.
pub async fn look_until(
    iam: &impl Iam,
    scope: &Scope,
    shows: impl Fn(&Observed) -> bool,
    deadline: Instant,
) -> Option<Observed> {
    let mut until = deadline.min(Instant::now() + LAG);
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        match timeout_at(deadline, iam.observe(scope)).await {
            Ok(Ok(seen)) if shows(&seen) => return Some(seen),
            Ok(Ok(seen)) => last = Some(seen),
            // Time without a view does not count as time in which it did not show.
            Ok(Err(fault)) if fault.kind == Kind::TryAgain => until = deadline.min(Instant::now() + LAG),
            Ok(Err(_)) | Err(_) => {}
        }
        if Instant::now() + pause >= until {
            return last;
        }
        summary::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Asks, and asks again while the fault may pass.
///
/// # Errors
/// The last fault, when it does not pass in time.
pub async fn patiently<T>(deadline: Instant, ask: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Cause> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let fault = match timeout_at(deadline, ask()).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(fault)) => fault,
            Err(_) => return Err(Cause::OutOfTime),
        };
        let patience = match fault.kind {
            Kind::TryAgain => Duration::MAX,
            Kind::Unsettled => LAG,
            Kind::NotThere | Kind::AlreadyThere | Kind::Refused => Duration::ZERO,
        };
        if started.elapsed().saturating_add(pause) > patience || Instant::now() + pause >= deadline {
            return Err(fault.into());
        }
        tracing::warn!(%fault, "asking again");
        summary::pause(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// How often a step has failed that is tried again.
#[derive(Default)]
struct Trouble {
    since: Option<Instant>,
    tries: u32,
    unsure: bool,
}

impl Trouble {
    fn pause(&self) -> Duration {
        LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(self.tries.saturating_sub(1).min(8)))
    }
}

fn deletion(entity: &Entity) -> Step {
    match entity {
        Entity::Role(role) => Step::DeleteRole { role: role.clone() },
        Entity::Policy(arn) => Step::DeletePolicy { arn: arn.clone() },
    }
}

fn scope(entity: &Entity) -> Scope {
    match entity {
        Entity::Role(name) => Scope::of_roles([name.clone()]),
        Entity::Policy(arn) => Scope::policy(arn),
    }
}

pub fn forget(world: &mut World, entity: &Entity) {
    match entity {
        Entity::Role(name) => drop(world.roles.remove(name)),
        Entity::Policy(arn) => drop(world.policies.remove(arn)),
    }
}

fn merge(world: &mut World, entity: &Entity, seen: World) {
    forget(world, entity);
    world.absorb(seen);
}

/// Failures as one sentence.
#[derive(Clone, Copy, Debug)]
pub struct Failures<'a>(pub &'a [Failure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, failure)| {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")
        })
    }
}
