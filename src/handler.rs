//! The whole flow of an event: read, look, judge, plan, apply, undo, answer.

mod deadlines;
mod service_catalog;
mod way_back;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join3};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use deadlines::Deadlines;

use crate::answer::{Answer, LONGEST, Post, Undelivered};
use crate::apply::{Cause, Failures, LAG, Stopped, converge, forget, look_until, patiently};
use crate::arn::{Arn, Place};
use crate::decide::{Decision, decide, gone, look};
use crate::discovery::find;
use crate::event::{Address, Kind, Request, object};
use crate::fence::{Fence, Misconfigured};
use crate::former::Former;
use crate::judge::{absent_boundary, unused, users};
use crate::ownership::{Claim, Owner, Standing};
use crate::plan::{Entity, Step, plan};
use crate::port::{Iam, Known, Observed, SageMaker, Stacks};
use crate::propagation::is_waited_for;
use crate::properties::Mistakes;
use crate::resource::{self, NOT_VERIFIED, Setting, WARNINGS, Wanted};
use crate::summary::{self, Phase, timed};
use crate::timely::{ASKED_AGAIN, Age, Course, PAUSE, comes_again, course, lives_as, rolls_back, soon, timely};
use crate::verify::verify;
use crate::world::{Name, Scope, World};

/// As long as a `RoleId` gets, for measuring the answer before there is one. IAM's own are 21 characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
const LONGEST_ROLE_ID: usize = 128;
/// A look that takes so long was repeated: IAM did not show at once what was written.
const LAGS: Duration = Duration::from_secs(1);
/// How often what was done is put right when it does not show, because somebody else acts at the same time.
const ROUNDS: u32 = 2;

/// Serves one event at a time; keeps nothing between them.
#[derive(Clone, Debug)]
pub struct Handler<I, S, M> {
    pub iam: I,
    pub stacks: S,
    pub sagemaker: M,
    pub fence: Result<Fence, Misconfigured>,
    pub post: Post,
}

/// What Lambda says of an invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub function_arn: String,
    /// Until Lambda ends the function.
    pub remaining: Duration,
    /// The time of day, in seconds since the epoch.
    pub now: i64,
}

/// What the answer says when all went well.
struct Done {
    physical_id: String,
    data: BTreeMap<String, String>,
}

/// What came of a Create or Update.
struct Brought {
    /// What IAM knows of the roles.
    known: BTreeMap<Name, Known>,
    verified: Verified,
}

/// What IAM's simulator says of the roles.
#[derive(Default)]
struct Verified {
    /// Actions that it can't judge.
    not_judged: Vec<String>,
    /// What it denies, where a rollback goes on all the same.
    denied: Vec<String>,
}

/// What it says otherwise.
struct Failed {
    physical_id: String,
    reason: String,
}

impl<I: Iam, S: Stacks, M: SageMaker> Handler<I, S, M> {
    /// Answers the event, whatever it is and whatever happens.
    ///
    /// # Errors
    /// When CloudFormation has certainly not been told, so that Lambda runs the event again.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        let place = Place::of_arn(&invocation.function_arn);
        let read = Request::read(payload);
        let allowed = read.as_ref().ok().and_then(|request| request.service_timeout);
        let deadlines = Deadlines::of(allowed.map_or(invocation.remaining, |most| most.min(invocation.remaining)));
        let address = read.as_ref().map_or_else(|broken| broken.address.as_ref(), |request| Some(&request.address));
        if let Some(address) = address {
            summary::addressed(address);
            // Before any work: what nobody will hear of is not begun.
            self.post.check(&address.response_url, place.as_ref())?;
        }
        let (address, outcome) = match read {
            Ok(request) => {
                let age = Age { signed_at: request.address.response_url.signed_at(), now: invocation.now };
                let outcome = self.guarded(&request, place.as_ref(), age, deadlines).await;
                (request.address, outcome)
            }
            Err(broken) => {
                tracing::error!(why = broken.why, "not a custom resource request");
                let Some(address) = broken.address else { return Err(Undelivered::Nobody { why: broken.why }) };
                let failed = failed(&address, broken.why);
                (address, Err(failed))
            }
        };
        let answer = match outcome {
            Ok(done) => Answer::success(&address, &done.physical_id, done.data),
            Err(failed) => Answer::failed(&address, &failed.physical_id, failed.reason),
        };
        tracing::info!(status = ?answer.status, reason = answer.reason, id = answer.physical_resource_id, "answering");
        let delivery = self.post.deliver(&address.response_url, &answer, place.as_ref(), deadlines.answer);
        timed(Phase::Answer, delivery).await.map(drop)
    }

    /// The work, with an outcome even when it panics or hangs.
    async fn guarded(
        &self,
        request: &Request,
        place: Option<&Place>,
        age: Age,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        summary::received(request);
        let Address { stack_id, logical_id, .. } = &request.address;
        tracing::info!(event = request.kind.name(), kind = request.resource_type, stack_id, logical_id, "received");
        // Boxed: the futures of the SDK's calls are large, and this one holds them all.
        let work = AssertUnwindSafe(Box::pin(self.work(request, place, age, deadlines))).catch_unwind();
        match timeout_at(deadlines.watchdog, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => {
                let reason = format!("the function panicked, which is a mistake of its own: {}", message(&*panic));
                Err(failed(&request.address, reason))
            }
            Err(_) => Err(failed(&request.address, "the function ran out of time".to_owned())),
        }
    }

    async fn work(
        &self,
        request: &Request,
        place: Option<&Place>,
        age: Age,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        let place = place.ok_or_else(|| fail("the function's own ARN can't be read".to_owned()))?;
        let stack_id = &request.address.stack_id;
        let is_stack = Arn::parse(stack_id).is_some_and(|arn| arn.service == "cloudformation");
        if !is_stack || Place::of_arn(stack_id).as_ref() != Some(place) {
            // Nothing was made for such a stack, so there is nothing to delete either.
            return match request.kind {
                Kind::Delete { .. } => Ok(nothing(request)),
                _ => {
                    Err(fail(format!("stack `{stack_id}` is not of {place}, the only place that this function serves")))
                }
            };
        }
        let fence = self.fence.as_ref().map_err(|error| fail(error.to_string()))?;
        let timely = timely(&self.stacks, request, age, fence.verifies_events, deadlines.work);
        let asked = timed(Phase::Look, timely).await.map_err(fail)?;
        let owner = request.owner();
        let setting = Setting { place, fence, owner: &owner, existing: None, found: None };
        if request.resource_type == resource::service_catalog::TYPE {
            return self.service_catalog(request, asked, setting, deadlines).await;
        }
        match &request.kind {
            Kind::Create => self.provision(request, asked, setting, None, deadlines).await,
            Kind::Update { physical_id, old_properties } => {
                self.provision(request, asked, setting, Some((physical_id, old_properties)), deadlines).await
            }
            Kind::Delete { physical_id } => self.remove(request, asked, setting, physical_id, deadlines).await,
        }
    }

    /// Create and Update: what the properties ask for comes into being, or everything is as it was.
    async fn provision(
        &self,
        request: &Request,
        asked: bool,
        setting: Setting<'_>,
        old: Option<(&str, &Value)>,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        if let Some(why) = resource::unavailable(&request.resource_type, setting.fence) {
            return Err(fail(why));
        }
        let properties = object(&request.properties).map_err(fail)?;
        let read = |setting| {
            resource::read(&request.resource_type, properties, setting)
                .ok_or_else(|| fail(format!("`{}` is no resource type of this function", request.resource_type)))
        };
        let (mut wanted, mut mistakes) = read(setting)?;
        let accepted = self.accepted(request, &wanted, &mistakes, setting, deadlines.work).await.map_err(fail)?;
        let mut warnings = mistakes.tighten(&accepted);
        // A Create that fails has the id that it would have had: the Delete that follows goes by tags in any case.
        let told = Some(wanted.physical_id.as_str()).filter(|id| !id.is_empty());
        let physical_id = old.map_or(told, |(id, _)| Some(id)).unwrap_or(&request.address.physical_id).to_owned();
        let fail = |reason: String| Failed { physical_id: physical_id.clone(), reason };
        if let Some(source) = wanted.source.as_ref().filter(|_| mistakes.wrong.is_empty()) {
            let itself = [wanted.physical_id.as_str(), physical_id.as_str()];
            let found = find(&self.iam, &self.sagemaker, source, setting.place, &itself, deadlines.work);
            let found = timed(Phase::Look, found).await.map_err(&fail)?;
            tracing::info!(%source, found, "execution role");
            (wanted, mistakes) = read(Setting { found: Some(&found), ..setting })?;
            mistakes.tighten(&accepted);
        }
        let absent = absent_boundary(&self.iam, &wanted, setting, deadlines.work);
        mistakes.wrong.extend(timed(Phase::Look, absent).await);
        if !mistakes.wrong.is_empty() {
            return Err(fail(mistakes.to_string()));
        }
        if !warnings.is_empty() {
            tracing::warn!(?warnings, "accepted, since the resource had it before");
        }
        for remark in std::mem::take(&mut wanted.remarks) {
            tracing::warn!(remark, "left out");
            warnings.push(remark);
        }
        measure(request, &wanted).map_err(fail)?;

        let former = match old {
            None => Former::default(),
            Some((id, properties)) => {
                Former::of_update(&request.resource_type, &wanted, id, properties, setting).map_err(fail)?
            }
        };
        let brought = self.bring_about(request, asked, (&wanted, &former), setting, deadlines).await.map_err(&fail)?;
        warnings.extend(brought.verified.denied);
        tell(request, &mut wanted, WARNINGS, &warnings);
        if wanted.attributes.contains_key(NOT_VERIFIED) {
            tell(request, &mut wanted, NOT_VERIFIED, &brought.verified.not_judged);
        }
        wanted.done(&brought.known).ok_or_else(|| fail("the role has no id".to_owned()))
    }

    /// What this version refuses and this resource may keep while its stack updates it: what it had before, unless the update
    /// replaces it, and all where the stack rolls back, for a rollback that is refused leaves the stack where nothing but a
    /// deletion goes on. The stack is asked, since the event alone proves neither.
    async fn accepted(
        &self,
        request: &Request,
        wanted: &Wanted,
        mistakes: &Mistakes,
        setting: Setting<'_>,
        deadline: Instant,
    ) -> Result<Vec<String>, String> {
        let Kind::Update { physical_id, old_properties } = &request.kind else { return Ok(Vec::new()) };
        if mistakes.tightened.is_empty() {
            return Ok(Vec::new());
        }
        let empty = Map::new();
        let old = resource::read(&request.resource_type, old_properties.as_object().unwrap_or(&empty), setting);
        let old = old.map(|(_, mistakes)| mistakes.tightened).unwrap_or_default();
        let replaces = wanted.physical_id != *physical_id;
        for tries in 0..=ASKED_AGAIN {
            if tries > 0 {
                summary::pause(PAUSE).await;
            }
            let told = patiently(deadline, async || self.stacks.resource(setting.owner).await).await;
            let told = told.map_err(|cause| {
                format!("could not ask whether the stack updates the resource: {cause}; nothing was changed")
            })?;
            let Some(told) = told.filter(|told| told.is_updated(&request.resource_type)) else { continue };
            if !replaces && told.physical_id == *physical_id && mistakes.tightened.iter().all(|one| old.contains(one)) {
                return Ok(old);
            }
            let rolls_back = rolls_back(&self.stacks, &setting.owner.stack_id, deadline).await;
            if rolls_back.ok_or("could not ask for the state of the stack; nothing was changed")? {
                return Ok(mistakes.tightened.clone());
            }
        }
        Ok(Vec::new())
    }

    /// From one look at the account to what is wanted, or back to what the look showed. `asked` tells whether the stack was,
    /// whether the event still counts.
    async fn bring_about(
        &self,
        request: &Request,
        asked: bool,
        (wanted, former): (&Wanted, &Former),
        setting: Setting<'_>,
        deadlines: Deadlines,
    ) -> Result<Brought, String> {
        let owner = setting.owner;
        let decided = decide(&self.iam, &self.stacks, wanted, former, setting, deadlines.work);
        let at_first = async {
            // Before the resource: a rollback that begins in between is seen at the end.
            let rolled_back = match request.kind {
                Kind::Update { .. } => rolls_back(&self.stacks, &owner.stack_id, soon(deadlines.work)).await,
                _ => None,
            };
            comes_again(&self.stacks, request, asked, deadlines.work).await.map(|()| rolled_back)
        };
        let (rolled_back, decided) = timed(Phase::Look, join(at_first, decided)).await;
        let rolled_back = rolled_back?;
        let Decision { scope, observed, mut before, mut desired, steps } = decided?;
        show(&steps, &before, owner);
        if steps.is_empty() {
            let verified = self.verify(wanted, &desired, rolled_back, setting, deadlines.work).await;
            let verified = verified.map_err(|why| format!("{why}; nothing was changed"));
            return verified.map(|verified| Brought { known: observed, verified });
        }
        let claim = Claim::of(owner);
        let mut from = before.clone();
        // A boundary that somebody took off a role of ours is back for good: the function may not take one off again.
        for (name, role) in before.roles.iter_mut().filter(|(_, role)| owner.standing(&role.tags) == Standing::Made) {
            if !role.boundary.as_ref().is_some_and(|arn| setting.fence.admits_boundary(arn)) {
                let wanted = desired.roles.get(name).and_then(|role| role.boundary.clone());
                role.boundary = wanted.or_else(|| Some(setting.fence.boundary.clone()));
            }
        }
        let mut rounds = ROUNDS;
        let (reached, unsure, what) = loop {
            match timed(Phase::Apply, converge(&self.iam, &claim, &desired, from, deadlines.work)).await {
                Ok(mut reached) => {
                    if is_waited_for(&steps, &before, &desired) {
                        let left = deadlines.work.saturating_duration_since(Instant::now() + LAG);
                        timed(Phase::Settle, summary::wait(wanted.settle.min(left))).await;
                    }
                    let asked_at = Instant::now();
                    let ask =
                        async || course(&self.stacks, request, &wanted.physical_id, rolled_back, deadlines.work).await;
                    let confirmed = self.confirm(wanted, &scope, &desired, deadlines.work);
                    let (confirmed, mut course) = timed(Phase::Confirm, join(confirmed, ask())).await;
                    // What lagged for us did so for whoever came to delete it or to bring back what was before.
                    if course == Course::Waits && asked_at.elapsed() >= LAGS {
                        course = timed(Phase::Confirm, ask()).await;
                    }
                    let why = match (confirmed, course) {
                        (_, Course::MovedOn { why, .. }) => why,
                        // Whatever lags is there by now: what does not show, somebody has changed in the meantime.
                        (Ok((seen, true)), Course::Waits) if rounds > 0 => {
                            let strangers = owner.strangers(&wanted.world, &seen.world);
                            if strangers.is_empty() {
                                rounds -= 1;
                                from = seen.world;
                                desired = owner.desired(&wanted.world, &former.leaving, &from);
                                continue;
                            }
                            // Ours are gone, and what has their names is nobody's to undo.
                            for entity in &strangers {
                                forget(&mut reached, entity);
                            }
                            let all = strangers.iter().map(Entity::to_string).collect::<Vec<_>>().join(", ");
                            format!("{all} was made by somebody else in the meantime")
                        }
                        (Ok((seen, _)), _) => {
                            match self.verify(wanted, &desired, rolled_back, setting, deadlines.work).await {
                                Ok(verified) => return Ok(Brought { known: seen.known, verified }),
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
                    Some(seen) => {
                        from = stopped.reached;
                        from.absorb(seen.clone());
                        before.absorb(seen);
                        desired = owner.desired(&wanted.world, &former.leaving, &before);
                    }
                    None => break (stopped.reached, stopped.unsure, Failures(&stopped.failures).to_string()),
                },
            }
        };
        let mut ours = former.leaving.clone();
        ours.absorb(wanted.world.clone());
        let given_up = self.give_up(
            request,
            (&wanted.physical_id, rolled_back),
            &what,
            (&before, &ours),
            (reached, unsure),
            deadlines.undo,
        );
        Err(timed(Phase::Undo, given_up).await)
    }

    /// Delete: goes by tags, only forward, and takes properties of any shape. `asked` tells whether the stack was, whether the
    /// event still counts.
    async fn remove(
        &self,
        request: &Request,
        asked: bool,
        setting: Setting<'_>,
        physical_id: &str,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.address, reason);
        let empty = Map::new();
        let properties = request.properties.as_object().unwrap_or(&empty);
        let kind = &request.resource_type;
        let lives = if Former::goes_by_properties(kind, physical_id, properties, setting) {
            lives_as(&self.stacks, request, deadlines.work).await.map_err(fail)?
        } else {
            None
        };
        let former = Former::of_delete(kind, physical_id, lives.as_deref(), properties, setting).map_err(fail)?;
        let mut scope = Scope::default();
        scope.policies.extend(former.elsewhere.iter().map(|arn| (arn.clone(), false)));
        scope.expect(&former.leaving);
        let looked = look(&self.iam, &scope, setting, deadlines.work);
        let users = users(&self.iam, former.leaving.policies.keys(), deadlines.work);
        let again = comes_again(&self.stacks, request, asked, deadlines.work);
        let (looked, users, again) = timed(Phase::Look, join3(looked, users, again)).await;
        again.map_err(fail)?;
        let before = looked.map_err(fail)?.world;
        former.in_reach(&before, setting.owner).map_err(fail)?;
        let desired = setting.owner.desired(&World::default(), &former.leaving, &before);
        let ours: Vec<&Name> = setting.owner.roles_of(&before).map(|(name, _)| name).collect();
        let unused = unused(&self.iam, gone(&desired, &before), &ours, &users, deadlines.work);
        timed(Phase::Look, unused).await.map_err(fail)?;
        show(&plan(&desired, &before), &before, setting.owner);
        let claim = Claim::of(setting.owner);
        match timed(Phase::Apply, converge(&self.iam, &claim, &desired, before, deadlines.work)).await {
            Ok(_) => Ok(nothing(request)),
            Err(stopped) => Err(fail(unfinished(&stopped, &desired))),
        }
    }

    /// Whether the roles that stand are allowed what was asked to be verified. A rollback goes on all the same: a stack whose
    /// rollback fails stays where it is.
    async fn verify(
        &self,
        wanted: &Wanted,
        desired: &World,
        rolled_back: Option<bool>,
        setting: Setting<'_>,
        deadline: Instant,
    ) -> Result<Verified, String> {
        let mut verified = Verified::default();
        for name in wanted.world.roles.keys().filter(|_| !wanted.checks.is_empty()) {
            let path = desired.roles.get(name).map_or("/", |role| role.path.as_str());
            let arn = setting.place.role_arn(path, name.as_str());
            match timed(Phase::Confirm, verify(&self.iam, &arn, &wanted.checks, deadline)).await {
                Ok(not_judged) => verified.not_judged.extend(not_judged),
                Err(denied) if rolled_back == Some(true) => {
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
        wanted: &'a Wanted,
        scope: &Scope,
        desired: &World,
        deadline: Instant,
    ) -> Result<(Observed, bool), &'a Name> {
        let shows = |seen: &Observed| plan(desired, &seen.world).is_empty();
        let mut scope = scope.clone();
        scope.expect(desired);
        scope.staying = true;
        let seen = look_until(&self.iam, &scope, shows, deadline).await.unwrap_or_default();
        let mut roles = wanted.world.roles.keys();
        if let Some(hidden) = roles.find(|name| !seen.known.contains_key(name)) {
            return Err(hidden);
        }
        let late = plan(desired, &seen.world);
        if !late.is_empty() {
            tracing::warn!(late = ?late.iter().map(Step::to_string).collect::<Vec<_>>(), "done, but does not show yet");
        }
        Ok((seen, !late.is_empty()))
    }
}

impl Wanted {
    /// `None` where the id of a role is not known.
    fn done(&self, known: &BTreeMap<Name, Known>) -> Option<Done> {
        let mut data = self.attributes.clone();
        for (attribute, name) in &self.role_ids {
            data.insert((*attribute).to_owned(), known.get(name)?.id.clone());
        }
        Some(Done { physical_id: self.physical_id.clone(), data })
    }
}

fn failed(address: &Address, reason: String) -> Failed {
    Failed { physical_id: address.physical_id.clone(), reason }
}

/// Success without anything to show.
fn nothing(request: &Request) -> Done {
    Done { physical_id: request.address.physical_id.clone(), data: BTreeMap::new() }
}

/// What the function noticed, as an attribute, as far as it fits the answer: in full, only counted, or in the log alone.
/// Empty text where there is nothing.
fn tell(request: &Request, wanted: &mut Wanted, attribute: &str, texts: &[String]) {
    let counted = format!("{}: the function's log lists them", texts.len());
    for text in [texts.join("; "), counted, String::new()] {
        wanted.attributes.insert(attribute.to_owned(), text);
        if texts.is_empty() || measure(request, wanted).is_ok() {
            return;
        }
    }
}

/// Whether the answer will fit, before anything is done that it would have to tell of.
fn measure(request: &Request, wanted: &Wanted) -> Result<(), String> {
    let mut data = wanted.attributes.clone();
    data.extend(wanted.role_ids.keys().map(|attribute| ((*attribute).to_owned(), "x".repeat(LONGEST_ROLE_ID))));
    let size = Answer::success(&request.address, &wanted.physical_id, data).body().len();
    if size <= LONGEST {
        return Ok(());
    }
    Err(format!("the answer would have {size} bytes, CloudFormation takes {LONGEST}: choose shorter names and paths"))
}

/// The plan goes to the log, and with it what it changes for good: so that it could be put back by hand.
fn show(steps: &[Step], before: &World, owner: &Owner) {
    let plan: Vec<String> = steps.iter().map(Step::to_string).collect();
    summary::planned(steps);
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

/// What stopped a deletion, and what it leaves to do.
fn unfinished(stopped: &Stopped, desired: &World) -> String {
    let left: Vec<String> = plan(desired, &stopped.reached).iter().map(Step::to_string).collect();
    let failures = Failures(&stopped.failures);
    format!("{failures}; the next try goes on from here; still to do: {}", left.join(", "))
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
