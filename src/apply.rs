//! Steps to IAM, and the way back when one of them fails.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::ownership::Owner;
use crate::plan::{Entity, Step, after, plan};
use crate::port::{Fault, Iam, Kind, Observed};
use crate::world::{Scope, World};

/// How long a refusal is put down to IAM's lag rather than believed. Its changes mostly show within seconds.
pub const LAG: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Where applying a plan ended before its end.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The world as far as it was changed: steps that IAM took, and those that it may have taken.
    pub reached: World,
    /// What may have been created: the reply was lost.
    pub unsure: BTreeSet<Entity>,
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
    #[error("{call}: no reply before the function's time was up")]
    OutOfTime { call: String },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.step, self.cause)
    }
}

/// Takes steps until the world is as desired. What turns up on the way (our own earlier work, an attachment that
/// somebody made in between) is planned for anew.
///
/// # Errors
/// When a step is refused, or the deadline comes.
pub async fn converge(
    iam: &impl Iam,
    owner: &Owner,
    desired: &World,
    from: World,
    deadline: Instant,
) -> Result<World, Stopped> {
    let mut reached = from;
    let mut unsure = BTreeSet::new();
    let mut troubles: Vec<Trouble> = Vec::new();
    while let Some(step) = plan(desired, &reached).into_iter().next() {
        let outcome = timeout_at(deadline, iam.execute(&step)).await;
        let fault = match outcome {
            Ok(Ok(())) => {
                tracing::info!(step = %step, "done");
                reached = after(reached, &step);
                continue;
            }
            Ok(Err(fault)) if fault.kind == Kind::NotThere && step.removes() => {
                tracing::info!(step = %step, "nothing was there");
                reached = after(reached, &step);
                continue;
            }
            Ok(Err(fault)) => Some(fault),
            Err(_) => None,
        };
        let trouble = Trouble::with(&mut troubles, &step);
        trouble.tries += 1;
        trouble.unsure |= fault.as_ref().is_none_or(|fault| fault.outcome_unknown);
        let may_have_landed = trouble.unsure;
        let stop = |mut reached: World, mut unsure: BTreeSet<Entity>, cause: Cause| {
            if may_have_landed {
                reached = after(reached, &step);
                if step.creates() {
                    unsure.insert(step.entity());
                }
            }
            Stopped { reached, unsure, step: step.clone(), cause }
        };
        let Some(fault) = fault else {
            let call = step.to_string();
            return Err(stop(reached, unsure, Cause::OutOfTime { call }));
        };
        tracing::warn!(step = %step, %fault, tries = trouble.tries, "not done yet");

        if fault.kind == Kind::AlreadyThere && step.creates() {
            let entity = step.entity();
            let Some(seen) = sight(iam, &entity, deadline).await else {
                unsure.insert(entity.clone());
                return Err(stop(reached, unsure, Cause::Hidden(entity)));
            };
            if !owner.owns_entity(&entity, &seen.world) {
                return Err(Stopped { reached, unsure, step, cause: Cause::Foreign(entity) });
            }
            merge(&mut reached, &entity, seen.world);
            continue;
        }
        let patience = match fault.kind {
            Kind::TryAgain => Duration::MAX,
            Kind::NotThere | Kind::Unsettled => LAG,
            Kind::AlreadyThere | Kind::Refused => Duration::ZERO,
        };
        let pause = trouble.pause();
        let now = Instant::now();
        if now.duration_since(trouble.since).saturating_add(pause) > patience || now + pause >= deadline {
            return Err(stop(reached, unsure, Cause::Fault(fault)));
        }
        sleep(pause).await;
        // Somebody may have attached something to what is to go: look again, and plan for it.
        if fault.kind == Kind::Unsettled && matches!(step, Step::DeleteRole { .. } | Step::DeletePolicy { .. }) {
            let entity = step.entity();
            if let Ok(Ok(seen)) = timeout_at(deadline, iam.observe(&scope(&entity))).await
                && owner.owns_entity(&entity, &seen.world)
            {
                merge(&mut reached, &entity, seen.world);
            }
        }
    }
    Ok(reached)
}

/// Puts the world back as it was. What may have been created is looked for first, and goes only if it shows our tags.
///
/// # Errors
/// When the way back fails too; what is left is then the difference between the two worlds.
pub async fn undo(
    iam: &impl Iam,
    owner: &Owner,
    before: &World,
    stopped: Stopped,
    deadline: Instant,
) -> Result<(), Stopped> {
    let mut reached = stopped.reached;
    for entity in &stopped.unsure {
        match sight(iam, entity, deadline).await {
            Some(seen) if owner.owns_entity(entity, &seen.world) => merge(&mut reached, entity, seen.world),
            Some(_) => forget(&mut reached, entity),
            None => {
                tracing::warn!(%entity, "not to be seen, taken for not created");
                forget(&mut reached, entity);
            }
        }
    }
    converge(iam, owner, before, reached, deadline).await.map(drop)
}

/// Looks until the entity is visible, or for as long as IAM may lag.
pub async fn sight(iam: &impl Iam, entity: &Entity, deadline: Instant) -> Option<Observed> {
    let until = deadline.min(Instant::now() + LAG);
    let mut pause = FIRST_PAUSE;
    loop {
        if let Ok(Ok(seen)) = timeout_at(until, iam.observe(&scope(entity))).await
            && seen.world != World::default()
        {
            return Some(seen);
        }
        if Instant::now() + pause >= until {
            return None;
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Looks, and asks again while the fault may pass.
///
/// # Errors
/// The last fault, when it does not pass in time.
pub async fn observe(iam: &impl Iam, scope: &Scope, deadline: Instant) -> Result<Observed, Cause> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let fault = match timeout_at(deadline, iam.observe(scope)).await {
            Ok(Ok(observed)) => return Ok(observed),
            Ok(Err(fault)) => fault,
            Err(_) => return Err(Cause::OutOfTime { call: "look at the account".to_owned() }),
        };
        let patience = if fault.kind == Kind::TryAgain { Duration::MAX } else { LAG };
        let hopeless = fault.kind == Kind::Refused || started.elapsed().saturating_add(pause) > patience;
        if hopeless || Instant::now() + pause >= deadline {
            return Err(fault.into());
        }
        tracing::warn!(%fault, "looking again");
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// A step that has failed and is tried again.
struct Trouble {
    step: Step,
    since: Instant,
    tries: u32,
    unsure: bool,
}

impl Trouble {
    fn with<'a>(troubles: &'a mut Vec<Self>, step: &Step) -> &'a mut Self {
        let at = troubles.iter().position(|trouble| trouble.step == *step).unwrap_or_else(|| {
            troubles.push(Self { step: step.clone(), since: Instant::now(), tries: 0, unsure: false });
            troubles.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or pushed just above")]
        &mut troubles[at]
    }

    fn pause(&self) -> Duration {
        LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(self.tries.saturating_sub(1).min(8)))
    }
}

fn scope(entity: &Entity) -> Scope {
    match entity {
        Entity::Role(name) => Scope::role(name),
        Entity::Policy(arn) => Scope::policy(arn),
    }
}

fn forget(world: &mut World, entity: &Entity) {
    match entity {
        Entity::Role(name) => drop(world.roles.remove(name)),
        Entity::Policy(arn) => drop(world.policies.remove(arn)),
    }
}

fn merge(world: &mut World, entity: &Entity, seen: World) {
    forget(world, entity);
    world.roles.extend(seen.roles);
    world.policies.extend(seen.policies);
}
