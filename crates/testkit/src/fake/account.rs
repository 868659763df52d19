//! The account: its books, its faults and its delays.

use super::books::Books;
use super::call::Call;
use super::gate::Gate;
use super::reply::{Failure, Reply};
use super::sagemaker;
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

pub const ACCOUNT: &str = "123456789012";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A refusal that no patience mends.
    Refused,
    Denied,
    /// The trust names a principal that IAM has not heard of yet.
    UnknownPrincipal,
    Throttled,
    Conflict,
    /// The request never arrives.
    LostBefore,
    /// The request does its work, the reply is lost.
    LostAfter,
    /// A 500 that did its work.
    ServerErrorAfter,
    /// No reply, ever; the work is done.
    HangAfter,
    /// The process ends before the request is sent.
    KillBefore,
    /// The process ends once the request has done its work.
    KillAfter,
    Panic,
}

#[derive(Clone, Debug)]
pub struct Fault {
    /// The index of the call.
    pub at: usize,
    pub mischief: Mischief,
    /// Every later call of the same action fares the same.
    pub sticky: bool,
}

pub(super) type Meddling = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
pub(super) struct Inner {
    pub(super) books: Books,
    pub(super) past: Vec<(Instant, Books)>,
    /// How far reads lag behind.
    pub(super) lag: Duration,
    /// How long a call takes.
    pub(super) slow: Duration,
    /// How many calls to IAM a second are served, where that is limited; how many of them are left, and since when.
    pub(super) rate: Option<(f64, f64, Instant)>,
    /// Whether calls are permitted as `template.yaml` has it: some only on what is tagged, some only on bounded roles.
    pub(super) restricted: bool,
    pub(super) page: usize,
    pub(super) calls: Vec<String>,
    pub(super) faults: Vec<Fault>,
    pub(super) stuck: BTreeMap<String, Mischief>,
    /// What somebody else does just before the call of that index.
    pub(super) meddling: BTreeMap<usize, Meddling>,
    /// Roles and policies that a call is changing.
    pub(super) writing: BTreeSet<String>,
    /// Calls under way, and the most of them that were.
    pub(super) under_way: (usize, usize),
    /// What CloudFormation knows: physical id to stack, logical id and status.
    pub(super) stacks: BTreeMap<String, (String, String, String)>,
    /// Of every stack.
    pub(super) stack_status: &'static str,
    /// When the resources of stacks came to their status.
    pub(super) held_since: i64,
    /// Their type, where it is another than the usual.
    pub(super) held_type: Option<&'static str>,
    /// How the actions begin that every boundary denies.
    pub(super) beyond_boundary: Vec<&'static str>,
    /// Prefixes of actions that the simulator tells nothing of.
    pub(super) silent_about: Vec<&'static str>,
    /// Actions that the simulator can't judge.
    pub(super) unjudged: Vec<&'static str>,
    /// Whether it answers a result a resource, as it did.
    pub(super) old_simulator: bool,
    /// How many calls more it does not know a role.
    pub(super) simulator_lags: Cell<u32>,
    pub(super) ids: u32,
}

#[derive(Clone)]
pub struct Fake {
    pub(super) state: Arc<Mutex<Inner>>,
    pub(super) killed: Arc<Notify>,
    /// Where each call waits for its turn.
    pub(super) gate: Option<Gate>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub fn new() -> Self {
        let state = Inner { page: 100, stack_status: "DELETE_IN_PROGRESS", ..Inner::default() };
        Self { state: Arc::new(Mutex::new(state)), killed: Arc::new(Notify::new()), gate: None }
    }

    pub fn with(books: Books) -> Self {
        let fake = Self::new();
        fake.state().books = books;
        fake
    }

    /// The same account, as one of several sees it whose calls wait for their turn.
    pub fn behind(&self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Another account with the same books and calls, and no faults.
    pub fn twin(&self) -> Self {
        let twin = Self::new();
        {
            let (from, mut to) = (self.state(), twin.state());
            to.books = from.books.clone();
            to.calls.clone_from(&from.calls);
            to.ids = from.ids;
        }
        twin
    }

    pub(super) fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn books(&self) -> Books {
        self.state().books.clone()
    }

    /// A number that differs where they do.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.state().books.hash(&mut hasher);
        hasher.finish()
    }

    pub fn change(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.state().books);
    }

    pub fn lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    pub fn slow(&self, slow: Duration) {
        self.state().slow = slow;
    }

    pub fn restrict(&self) {
        self.state().restricted = true;
    }

    pub fn page(&self, page: usize) {
        self.state().page = page;
    }

    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Every call of the action is refused.
    pub fn refuse(&self, action: &str) {
        self.break_action(action, Mischief::Refused);
    }

    /// Every call of the action fares so.
    pub fn break_action(&self, action: &str, mischief: Mischief) {
        self.state().stuck.insert(action.to_owned(), mischief);
    }

    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.stuck.clear();
    }

    pub fn meddle(&self, at: usize, how: impl FnOnce(&mut Books) + Send + 'static) {
        self.state().meddling.insert(at, Box::new(how));
    }

    pub fn hold(&self, physical_id: &str, stack: &str, logical: &str) {
        self.hold_as(physical_id, stack, logical, "CREATE_COMPLETE");
    }

    pub fn hold_as(&self, physical_id: &str, stack: &str, logical: &str, status: &str) {
        let held = (stack.to_owned(), logical.to_owned(), status.to_owned());
        self.state().stacks.insert(physical_id.to_owned(), held);
    }

    pub fn beyond_boundary(&self, action: &'static str) {
        self.state().beyond_boundary.push(action);
    }

    pub fn unjudged(&self, action: &'static str) {
        self.state().unjudged.push(action);
    }

    pub fn silent_about(&self, action: &'static str) {
        self.state().silent_about.push(action);
    }

    pub fn simulator_lags(&self, calls: u32) {
        self.state().simulator_lags.set(calls);
    }

    pub fn held_type(&self, resource_type: &'static str) {
        self.state().held_type = Some(resource_type);
    }

    pub fn held_since(&self, at: i64) {
        self.state().held_since = at;
    }

    pub fn stack_status(&self, status: &'static str) {
        self.state().stack_status = status;
    }

    /// The actions called so far.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// What comes of a call; nothing ever, where the fault is that.
    pub(super) async fn ask(&self, call: &Call) -> Result<Value, Failure> {
        let Some(gate) = &self.gate else { return self.serve(call).await };
        // A gate that is gone lets everybody through.
        drop(gate.queue().await);
        let reply = self.serve(call).await;
        gate.remember(call, &reply);
        reply
    }

    pub(super) async fn serve(&self, call: &Call) -> Result<Value, Failure> {
        // No call is answered at once: what has no time left does not begin.
        yield_now().await;
        match self.begin(call) {
            Begun::Answered(answer, under_way) => {
                if !under_way.takes.is_zero() {
                    sleep(under_way.takes).await;
                }
                drop(under_way);
                answer.map_err(Failure::Refused)
            }
            Begun::Failed(failure) => Err(failure),
            Begun::Hangs => pending().await,
            Begun::Panics => panic!("for the test"),
        }
    }

    pub(super) fn begin(&self, call: &Call) -> Begun {
        let mut state = self.state();
        let action = call.action().to_owned();
        let index = state.calls.len();
        state.calls.push(action.clone());
        if let Some(meddle) = state.meddling.remove(&index) {
            meddle(&mut state.books);
        }
        if !matches!(call, Call::SageMaker(_)) && state.is_throttled() {
            return self.mischief(Mischief::Throttled, &mut state, call);
        }
        if let Some(at) = state.faults.iter().position(|fault| fault.at == index) {
            let fault = state.faults.remove(at);
            if fault.sticky {
                state.stuck.insert(action.clone(), fault.mischief);
            } else {
                return self.mischief(fault.mischief, &mut state, call);
            }
        }
        if let Some(mischief) = state.stuck.get(&action).copied() {
            return self.mischief(mischief, &mut state, call);
        }
        let written = call.written();
        if written.as_ref().is_some_and(|entity| state.writing.contains(entity)) {
            let why = "multiple requests to change this object were submitted simultaneously";
            return Begun::Failed(call.refused(409, "ConcurrentModification", why));
        }
        let answer = state.answer(call);
        state.writing.extend(written.clone());
        state.under_way.0 += 1;
        state.under_way.1 = state.under_way.1.max(state.under_way.0);
        Begun::Answered(answer, UnderWay { fake: self.clone(), written, takes: state.slow })
    }
}

pub(super) enum Begun {
    Answered(Reply, UnderWay),
    Failed(Failure),
    Hangs,
    Panics,
}

impl Inner {
    pub(super) fn is_throttled(&mut self) -> bool {
        let Some((per_second, left, since)) = &mut self.rate else { return false };
        *left = per_second.min(*left + *per_second * since.elapsed().as_secs_f64());
        *since = Instant::now();
        let throttled = *left < 1.0;
        *left -= if throttled { 0.0 } else { 1.0 };
        throttled
    }
}

/// A call until it is answered, or nobody waits for it any more.
pub(super) struct UnderWay {
    pub(super) fake: Fake,
    pub(super) written: Option<String>,
    pub(super) takes: Duration,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.fake.state();
        state.under_way.0 -= 1;
        if let Some(entity) = &self.written {
            state.writing.remove(entity);
        }
    }
}

impl Fake {
    pub(super) fn mischief(&self, mischief: Mischief, state: &mut Inner, call: &Call) -> Begun {
        let refused = |status, code, message| Begun::Failed(call.refused(status, code, message));
        match mischief {
            Mischief::Refused => refused(400, "UnmodifiableEntity", "refused for the test"),
            Mischief::Denied => refused(403, "AccessDenied", "not authorized for the test"),
            Mischief::UnknownPrincipal => refused(400, "MalformedPolicyDocument", "Invalid principal in policy: x"),
            Mischief::Throttled => refused(400, "Throttling", "Rate exceeded"),
            Mischief::Conflict => refused(409, "ConcurrentModification", "another write is under way"),
            Mischief::LostBefore => Begun::Failed(Failure::Lost),
            Mischief::LostAfter => {
                drop(state.answer(call));
                Begun::Failed(Failure::Lost)
            }
            Mischief::ServerErrorAfter => {
                drop(state.answer(call));
                refused(500, "ServiceFailure", "something broke")
            }
            Mischief::HangAfter => {
                drop(state.answer(call));
                Begun::Hangs
            }
            Mischief::KillBefore | Mischief::KillAfter => {
                if mischief == Mischief::KillAfter {
                    drop(state.answer(call));
                }
                self.killed.notify_one();
                Begun::Hangs
            }
            Mischief::Panic => Begun::Panics,
        }
    }
}

impl Inner {
    pub(super) fn answer(&mut self, call: &Call) -> Reply {
        match call {
            Call::Iam(params) => self.iam(params),
            Call::CloudFormation(params) => self.cloudformation(params),
            Call::SageMaker(request) => sagemaker::answer(&mut self.books.regions, request, self.page),
        }
    }

    /// What reads see: the books as they stood `lag` ago, which is before the first change since.
    pub(super) fn seen(&self) -> &Books {
        let now = Instant::now();
        let since = self.past.iter().find(|(at, _)| !self.lag.is_zero() && *at + self.lag > now);
        since.map_or(&self.books, |(_, books)| books)
    }

    pub(super) fn remember(&mut self) {
        self.past.push((Instant::now(), self.books.clone()));
    }
}
