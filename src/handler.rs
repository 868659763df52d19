//! The whole flow of an event: read, look, judge, plan, apply, undo, answer.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{Answer, LONGEST, Post, Status, Undelivered};
use crate::apply::{Cause, Stopped, converge, observe, sight, undo};
use crate::arn::{Arn, Place};
use crate::event::{Kind, Request, object};
use crate::fence::{Fence, Misconfigured};
use crate::ownership::{Owner, Standing};
use crate::plan::{Entity, Step, plan};
use crate::port::{Iam, Observed, Stacks};
use crate::resource::{self, Setting, Wanted};
use crate::world::{Name, Scope, World};

/// As long as a `RoleId` gets, for measuring the answer before there is one. IAM's own are 21 characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
const LONGEST_ROLE_ID: usize = 128;

/// Serves one event at a time; keeps nothing between them.
pub struct Handler<I, S> {
    pub iam: I,
    pub stacks: S,
    pub fence: Result<Fence, Misconfigured>,
    pub post: Post,
}

/// What Lambda says of an invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub function_arn: String,
    /// Until Lambda ends the function.
    pub remaining: Duration,
}

/// The time that each part of the work may take up.
#[derive(Clone, Copy, Debug)]
struct Deadlines {
    work: Instant,
    undo: Instant,
    /// For whatever hangs although it must not.
    watchdog: Instant,
    answer: Instant,
}

impl Deadlines {
    /// Undo keeps up to a minute and the answer up to 20 seconds; of a short time each keeps its share.
    fn of(remaining: Duration) -> Self {
        let end = Instant::now() + remaining;
        let answer = Duration::from_secs(20).min(remaining / 5);
        let undo = Duration::from_secs(60).min(remaining / 4);
        Self {
            work: end - answer - undo,
            undo: end - answer,
            watchdog: end - answer * 3 / 4,
            answer: end - answer / 10,
        }
    }
}

/// What the answer says when all went well.
struct Done {
    physical_id: String,
    data: BTreeMap<String, String>,
}

/// What it says otherwise.
struct Failed {
    physical_id: String,
    reason: String,
}

impl<I: Iam, S: Stacks> Handler<I, S> {
    /// Answers the event, whatever it is and whatever happens.
    ///
    /// # Errors
    /// When CloudFormation has certainly not been told, so that Lambda runs the event again.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        let deadlines = Deadlines::of(invocation.remaining);
        let request = match Request::read(payload) {
            Ok(request) => request,
            Err(broken) => {
                tracing::error!(why = broken.why, "not a custom resource request");
                let Some(address) = broken.address else { return Err(Undelivered::Nobody { why: broken.why }) };
                let answer = Answer::failed(&address, &address.physical_id, broken.why);
                return self.post.deliver(&address.response_url, &answer, deadlines.answer).await.map(drop);
            }
        };
        let address = &request.address;
        let event = request.kind.name();
        tracing::info!(event, resource_type = request.resource_type, stack = address.stack_id, id = address.logical_id);

        // Boxed: the futures of the SDK's calls are large, and this one holds them all.
        let work = AssertUnwindSafe(Box::pin(self.work(&request, invocation, deadlines))).catch_unwind();
        let outcome = match timeout_at(deadlines.watchdog, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(failed(
                address,
                format!("the function panicked, which is a mistake of its own: {}", message(&*panic)),
            )),
            Err(_) => {
                Err(failed(address, "the function ran out of time; the next delivery goes on from there".to_owned()))
            }
        };
        let answer = match outcome {
            Ok(done) => Answer::success(address, &done.physical_id, done.data),
            Err(failed) => Answer::failed(address, &failed.physical_id, failed.reason),
        };
        tracing::info!(event, status = ?answer.status, reason = answer.reason, physical_id = answer.physical_resource_id);
        self.post.deliver(&address.response_url, &answer, deadlines.answer).await.map(drop)
    }

    async fn work(&self, request: &Request, invocation: &Invocation, deadlines: Deadlines) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        let place = Place::of_arn(&invocation.function_arn)
            .ok_or_else(|| fail(format!("the function's ARN `{}` can't be read", invocation.function_arn)))?;
        let here = Arn::parse(&request.address.stack_id).is_some_and(|arn| arn.service == "cloudformation")
            && Place::of_arn(&request.address.stack_id).as_ref() == Some(&place);
        let deleting = matches!(request.kind, Kind::Delete { .. });
        if !here {
            // Nothing was made for such a stack, so there is nothing to delete either.
            return if deleting { Ok(nothing(request)) } else { Err(fail(elsewhere(request, &place))) };
        }
        let fence = self.fence.as_ref().map_err(|error| fail(error.to_string()))?;
        let owner = request.owner();
        let setting = Setting { place: &place, fence, owner: &owner, existing: None };
        match &request.kind {
            Kind::Create => self.provision(request, setting, None, deadlines).await,
            Kind::Update { physical_id, old_properties } => {
                let former = Former { physical_id, properties: old_properties };
                self.provision(request, setting, Some(former), deadlines).await
            }
            Kind::Delete { physical_id } => self.remove(request, setting, physical_id, deadlines).await,
        }
    }

    /// Create and Update: what the properties ask for comes into being, or everything is as it was.
    async fn provision(
        &self,
        request: &Request,
        setting: Setting<'_>,
        former: Option<Former<'_>>,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        if let Some(why) = resource::unavailable(&request.resource_type, setting.fence) {
            return Err(fail(why));
        }
        let properties = object(&request.properties).map_err(fail)?;
        let (wanted, mistakes) = resource::read(&request.resource_type, properties, setting)
            .ok_or_else(|| fail(format!("`{}` is no resource type of this function", request.resource_type)))?;
        // A Create that fails has the id that it would have had: the Delete that follows goes by tags in any case.
        let physical_id =
            former.as_ref().map_or_else(|| wanted.role.to_string(), |former| former.physical_id.to_owned());
        let fail = |reason: String| Failed { physical_id: physical_id.clone(), reason };
        if !mistakes.0.is_empty() {
            return Err(fail(mistakes.to_string()));
        }
        measure(request, &wanted).map_err(fail)?;

        let change = Change::of(&request.resource_type, &wanted, former, setting).map_err(fail)?;
        let mut scope = Scope::default();
        scope.add(&wanted.world);
        scope.add(&change.leaving);
        let observed = self.look(&scope, deadlines.work).await.map_err(fail)?;
        self.judge(&wanted, &observed.world, setting, deadlines.work).await.map_err(fail)?;

        let before = observed.world;
        let desired = setting.owner.desired(&wanted.world, &change.leaving, &before);
        let going = change.replaced.policies.keys().chain(gone(&desired, &before));
        self.refuse_if_used(going, &before, &change.replaced, deadlines.work).await.map_err(fail)?;
        let steps = plan(&desired, &before);
        show(&steps, &before, setting.owner);

        let settle = steps.iter().any(|step| matches!(step, Step::CreateRole { .. }));
        let role_id = match observed.role_ids.get(&wanted.role) {
            Some(id) if !settle => Ok(id.clone()),
            _ => Err(()),
        };
        let reached = converge(&self.iam, setting.owner, &desired, before.clone(), deadlines.work).await;
        let stopped = match (reached, role_id) {
            (Ok(_), Ok(role_id)) => return Ok(wanted.done(role_id)),
            (Ok(reached), Err(())) => {
                if settle {
                    sleep(wanted.settle.min(deadlines.work.saturating_duration_since(Instant::now()))).await;
                }
                let entity = Entity::Role(wanted.role.clone());
                let seen = sight(&self.iam, &entity, deadlines.work).await;
                match seen.and_then(|seen| seen.role_ids.get(&wanted.role).cloned()) {
                    Some(role_id) => return Ok(wanted.done(role_id)),
                    None => Stopped::unseen(reached, entity),
                }
            }
            (Err(stopped), _) => stopped,
        };
        let what = stopped.to_string();
        tracing::error!(what, "undoing");
        Err(fail(match undo(&self.iam, setting.owner, &before, stopped, deadlines.undo).await {
            Ok(()) => format!("{what}; everything is as it was before"),
            Err(stuck) => {
                let left: Vec<String> = plan(&before, &stuck.reached).iter().map(Step::to_string).collect();
                format!("{what}; then the way back failed too: {stuck}; still to do: {}", left.join(", "))
            }
        }))
    }

    /// Delete: goes by tags, only forward, and takes properties of any shape.
    async fn remove(
        &self,
        request: &Request,
        setting: Setting<'_>,
        physical_id: &str,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        let empty = Map::new();
        let properties = request.properties.as_object().unwrap_or(&empty);
        let Some((by_name, _)) = resource::read(&request.resource_type, properties, setting) else {
            return Ok(nothing(request));
        };
        let standing = resource::role_of(physical_id);
        let named = Setting { existing: standing.as_ref(), ..setting };
        let by_id =
            resource::read(&request.resource_type, properties, named).map_or_else(|| by_name.clone(), |read| read.0);

        let mut scope = Scope::default();
        scope.add(&by_name.world);
        scope.add(&by_id.world);
        scope.roles.extend(standing.clone());
        let mut before = self.look(&scope, deadlines.work).await.map_err(fail)?.world;
        // The role that the resource stands for is there: a name that today's rules would derive is another's.
        if standing.is_some_and(|name| by_id.role == name && setting.owner.owns_entity(&Entity::Role(name), &before)) {
            before = only(before, &by_id.world);
        }
        let mut old = by_name.world;
        old.roles.extend(by_id.world.roles);
        old.policies.extend(by_id.world.policies);

        let desired = setting.owner.desired(&World::default(), &old, &before);
        self.refuse_if_used(gone(&desired, &before), &before, &World::default(), deadlines.work).await.map_err(fail)?;
        show(&plan(&desired, &before), &before, setting.owner);
        match converge(&self.iam, setting.owner, &desired, before, deadlines.work).await {
            Ok(_) => Ok(nothing(request)),
            Err(stopped) => {
                let left: Vec<String> = plan(&desired, &stopped.reached).iter().map(Step::to_string).collect();
                Err(fail(format!("{stopped}; deleting again goes on from here; still to do: {}", left.join(", "))))
            }
        }
    }

    async fn look(&self, scope: &Scope, deadline: Instant) -> Result<Observed, String> {
        let observed = observe(&self.iam, scope, deadline).await;
        observed.map_err(|cause| format!("could not look at the account: {cause}; nothing was changed"))
    }

    /// Whether everything that is to be written to may be. Says all that stands against it.
    async fn judge(
        &self,
        wanted: &Wanted,
        seen: &World,
        setting: Setting<'_>,
        deadline: Instant,
    ) -> Result<(), String> {
        let mut objections = Vec::new();
        for (name, want) in &wanted.world.roles {
            let Some((found, have)) = seen.roles.get_key_value(name) else { continue };
            if let Some(objection) =
                self.stranger(wanted, &Entity::Role(name.clone()), &have.tags, setting, deadline).await
            {
                objections.push(objection);
            } else if have.path != want.path {
                objections.push(format!(
                    "role `{name}` is at path `{}` and a path can't change: give `RoleName` a new value too",
                    have.path
                ));
            } else if found.as_str() != name.as_str() {
                objections.push(format!(
                    "role `{found}` is there already and IAM does not tell case apart: choose another `RoleName`"
                ));
            } else if let Some(boundary) = have.boundary.as_ref().filter(|arn| !setting.fence.admits_boundary(arn))
                && !matches!(setting.owner.standing(&have.tags), Standing::Made)
            {
                objections.push(format!(
                    "role `{name}` has the permissions boundary `{boundary}`, which is not the deployer's: it can't be adopted"
                ));
            }
        }
        for arn in wanted.world.policies.keys() {
            let Some(have) = seen.policies.get(arn) else { continue };
            let entity = Entity::Policy(arn.clone());
            objections.extend(self.stranger(wanted, &entity, &have.tags, setting, deadline).await);
        }
        if objections.is_empty() { Ok(()) } else { Err(format!("{}; nothing was changed", objections.join("; "))) }
    }

    /// Why the entity can't be written to: it is not ours and may not become so.
    async fn stranger(
        &self,
        wanted: &Wanted,
        entity: &Entity,
        tags: &crate::world::Tags,
        setting: Setting<'_>,
        deadline: Instant,
    ) -> Option<String> {
        let allowed = if setting.fence.allow_adoption { "" } else { " (once the deployer has set `AllowAdoption`)" };
        let (from_stack, id) = match (setting.owner.standing(tags), entity) {
            (Standing::Made | Standing::Adopted { .. }, _) => return None,
            (Standing::Others(other), _) if wanted.adopt_from.as_ref() == Some(&other.stack_id) => (Some(other), ""),
            (Standing::Others(other), _) => {
                return Some(format!(
                    "{entity} belongs to {other}: choose another name, or take it over by `AdoptFrom: {}` once that \
                     resource is gone{allowed}",
                    other.stack_id
                ));
            }
            (Standing::Nobodys, _) if !wanted.adopt_existing => {
                return Some(format!(
                    "{entity} exists and is not ours: choose another name, delete it, or take it over by \
                     `AdoptExisting: true`{allowed}"
                ));
            }
            (Standing::Nobodys, Entity::Role(name)) => (None, name.as_str()),
            (Standing::Nobodys, Entity::Policy(arn)) => (None, arn.as_str()),
        };
        let holder = async {
            match from_stack {
                Some(other) => Ok(self.stacks.holds(&other).await?.then_some(other)),
                None => self.stacks.holder(id).await,
            }
        };
        match timeout_at(deadline, holder).await {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(holder))) if holder == *setting.owner => None,
            Ok(Ok(Some(holder))) => Some(format!("{entity} still belongs to {holder}: it can't be adopted")),
            Ok(Err(fault)) => Some(format!("{entity} can't be adopted before its stack is known: {fault}")),
            Err(_) => Some(format!("{entity} can't be adopted: no time was left to ask for its stack")),
        }
    }

    /// Policies that are to go must not be in use by anybody but the roles that they were made for.
    async fn refuse_if_used<'a>(
        &self,
        going: impl Iterator<Item = &'a String>,
        before: &World,
        replaced: &World,
        deadline: Instant,
    ) -> Result<(), String> {
        let ours: Vec<String> =
            before.roles.keys().chain(replaced.roles.keys()).map(|name| format!("role {name}")).collect();
        let mut in_use = Vec::new();
        for arn in going {
            let users = match timeout_at(deadline, self.iam.users_of_policy(arn)).await {
                Ok(users) => users.map_err(|fault| format!("could not ask who uses policy `{arn}`: {fault}"))?,
                Err(_) => return Err(format!("no time was left to ask who uses policy `{arn}`")),
            };
            let others: Vec<String> =
                users.into_iter().filter(|user| !ours.iter().any(|own| own.eq_ignore_ascii_case(user))).collect();
            if !others.is_empty() {
                in_use.push(format!("policy `{arn}` is in use by {}: detach it there first", others.join(", ")));
            }
        }
        if in_use.is_empty() { Ok(()) } else { Err(format!("{}; nothing was removed", in_use.join("; "))) }
    }
}

/// The resource before an Update.
struct Former<'a> {
    physical_id: &'a str,
    properties: &'a Value,
}

/// What an Update leaves behind.
#[derive(Default)]
struct Change {
    /// What the former properties asked for, where the resource stays the same: what is no longer asked for goes.
    leaving: World,
    /// What a replacement leaves for the Delete that CloudFormation sends when the whole update has succeeded.
    replaced: World,
}

impl Change {
    fn of(kind: &str, wanted: &Wanted, former: Option<Former<'_>>, setting: Setting<'_>) -> Result<Self, String> {
        let Some(former) = former else { return Ok(Self::default()) };
        let empty = Map::new();
        let properties = former.properties.as_object().unwrap_or(&empty);
        let existing = resource::role_of(former.physical_id);
        let read =
            |existing| resource::read(kind, properties, Setting { existing, ..setting }).map(|read| read.0.world);
        if existing.as_ref() == Some(&wanted.role) {
            // Names by the former properties, not by the id: that finds what a replacement left that was not undone.
            return Ok(Self { leaving: read(None).unwrap_or_default(), replaced: World::default() });
        }
        let replaced = read(existing.as_ref()).unwrap_or_default();
        let clash = |arn: &&String| replaced.policies.keys().any(|old| policy_name(old) == policy_name(arn));
        if let Some(arn) = wanted.world.policies.keys().find(clash) {
            return Err(format!(
                "this update replaces role `{}` by `{}`, and policy `{arn}` can't serve both: give `PolicyName` a new \
                 value too; nothing was changed",
                former.physical_id, wanted.role
            ));
        }
        Ok(Self { leaving: World::default(), replaced })
    }
}

impl Wanted {
    fn done(self, role_id: String) -> Done {
        let mut data = self.attributes;
        data.insert("RoleId".to_owned(), role_id);
        Done { physical_id: self.role.to_string(), data }
    }
}

fn failed(address: &crate::event::Address, reason: String) -> Failed {
    Failed { physical_id: address.physical_id.clone(), reason }
}

/// Success without anything to show.
fn nothing(request: &Request) -> Done {
    Done { physical_id: request.address.physical_id.clone(), data: BTreeMap::new() }
}

fn elsewhere(request: &Request, place: &Place) -> String {
    format!("stack `{}` is not of {place}, the only place that this function serves", request.address.stack_id)
}

/// Whether the answer will fit, before anything is done that it would have to tell of.
fn measure(request: &Request, wanted: &Wanted) -> Result<(), String> {
    let done = wanted.clone().done("x".repeat(LONGEST_ROLE_ID));
    let size = Answer::success(&request.address, &done.physical_id, done.data).body().len();
    if size <= LONGEST {
        return Ok(());
    }
    Err(format!(
        "the answer would have {size} bytes, CloudFormation takes {LONGEST}: choose shorter names and a shorter `Path`"
    ))
}

fn gone<'a>(desired: &'a World, before: &'a World) -> impl Iterator<Item = &'a String> {
    before.policies.keys().filter(|arn| !desired.policies.contains_key(*arn))
}

fn only(mut world: World, names: &World) -> World {
    world.roles.retain(|name, _| names.roles.contains_key(name));
    world.policies.retain(|arn, _| names.policies.contains_key(arn));
    world
}

fn policy_name(arn: &str) -> Name {
    Name::new(arn.rsplit('/').next().unwrap_or_default())
}

/// The plan goes to the log, and with it what it changes for good: so that it could be put back by hand.
fn show(steps: &[Step], before: &World, owner: &Owner) {
    let plan: Vec<String> = steps.iter().map(Step::to_string).collect();
    tracing::info!(?plan, "planned");
    let touched = |entity: Entity| steps.iter().any(|step| step.entity() == entity);
    for (name, role) in &before.roles {
        if touched(Entity::Role(name.clone())) {
            tracing::info!(%name, former = ?role, standing = ?owner.standing(&role.tags), "role before");
        }
    }
    for (arn, policy) in &before.policies {
        if touched(Entity::Policy(arn.clone())) {
            tracing::info!(%arn, former = ?policy, standing = ?owner.standing(&policy.tags), "policy before");
        }
    }
}

impl Stopped {
    /// Everything was done, and still the role does not show.
    fn unseen(reached: World, entity: Entity) -> Self {
        let step = match &entity {
            Entity::Role(role) => Step::DeleteRole { role: role.clone() },
            Entity::Policy(arn) => Step::DeletePolicy { arn: arn.clone() },
        };
        Self { reached, unsure: std::collections::BTreeSet::new(), step, cause: Cause::Hidden(entity) }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
        })
    }
}
