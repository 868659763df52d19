//! The fake account: its books, its faults and its delays.

use super::books::Books;
use super::call::Call;
use super::gate::Gate;
use super::reply::{Failure, Refusal, Reply};
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

/// The id of the account.
pub const ACCOUNT: &str = "123456789012";

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A refusal that no retry changes.
    Refused,
    /// A refusal for lack of permission.
    Denied,
    /// The trust policy names a principal that IAM does not know yet.
    UnknownPrincipal,
    /// A refusal because there were too many calls.
    Throttled,
    /// A refusal because another write changes the same thing.
    Conflict,
    /// The request never arrives.
    LostBefore,
    /// The request is applied, but the reply is lost.
    LostAfter,
    /// The request is applied, but the reply is a 500.
    ServerErrorAfter,
    /// The request is applied, but no reply ever comes.
    HangAfter,
    /// The process ends before it sends the request.
    KillBefore,
    /// The process ends once the request is applied.
    KillAfter,
    /// The call panics.
    Panic,
}

/// A fault to inject.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The index of the call.
    pub at: usize,
    pub mischief: Mischief,
    /// Whether every later call of the same action fails in the same way.
    pub sticky: bool,
}

pub(super) type Meddling = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
pub(super) struct Inner {
    pub(super) books: Books,
    pub(super) past: Vec<(Instant, Books)>,
    /// How far reads lag behind writes.
    pub(super) lag: Duration,
    /// How long a call takes.
    pub(super) slow: Duration,
    /// The limit on calls to IAM, if any: how many a second, how many of them are left, and since when.
    pub(super) rate: Option<(f64, f64, Instant)>,
    /// Whether calls are permitted as `template.yaml` permits them: some only on tagged entities, some only on roles
    /// with a permissions boundary.
    pub(super) restricted: bool,
    pub(super) page: usize,
    pub(super) calls: Vec<String>,
    pub(super) faults: Vec<Fault>,
    pub(super) stuck: BTreeMap<String, Mischief>,
    /// What somebody else does just before the call with that index.
    pub(super) meddling: BTreeMap<usize, Meddling>,
    /// The roles and policies that a call is changing.
    pub(super) writing: BTreeSet<String>,
    /// The number of calls that are not answered yet, and the highest number so far.
    pub(super) under_way: (usize, usize),
    /// What CloudFormation knows: physical id to stack, logical id and status.
    pub(super) stacks: BTreeMap<String, (String, String, String)>,
    /// The status of every stack.
    pub(super) stack_status: &'static str,
    /// When the resources of stacks reached their status, in seconds since the epoch.
    pub(super) held_since: i64,
    /// The type of the resources of stacks, if it is not the usual one.
    pub(super) held_type: Option<&'static str>,
    /// The prefixes of the actions that every boundary denies.
    pub(super) beyond_boundary: Vec<&'static str>,
    /// The prefixes of the actions for which the simulator returns no result.
    pub(super) silent_about: Vec<&'static str>,
    /// The actions that the simulator refuses to judge.
    pub(super) unjudged: Vec<&'static str>,
    /// Whether the simulator returns one result for each resource, as it once did.
    pub(super) old_simulator: bool,
    /// For how many more calls the simulator knows no role.
    pub(super) simulator_lags: Cell<u32>,
    pub(super) ids: u32,
}

/// The fake account; a clone is the same account.
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
    /// An empty account.
    pub fn new() -> Self {
        let state = Inner { page: 100, stack_status: "DELETE_IN_PROGRESS", ..Inner::default() };
        Self { state: Arc::new(Mutex::new(state)), killed: Arc::new(Notify::new()), gate: None }
    }

    /// An account with these contents.
    pub fn with(books: Books) -> Self {
        let fake = Self::new();
        fake.state().books = books;
        fake
    }

    /// The same account as one of several handlers sees it. The handler's calls wait for their turn at the gate.
    pub fn behind(&self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Another account with the same books and calls, but without faults.
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

    /// A copy of the account's contents.
    pub fn books(&self) -> Books {
        self.state().books.clone()
    }

    /// A hash of the account's contents.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.state().books.hash(&mut hasher);
        hasher.finish()
    }

    /// Changes the account's contents, as somebody else would.
    pub fn change(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.state().books);
    }

    /// Sets how far reads lag behind writes.
    pub fn lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    /// Sets how long a call takes.
    pub fn slow(&self, slow: Duration) {
        self.state().slow = slow;
    }

    /// Permits calls only as `template.yaml` permits them.
    pub fn restrict(&self) {
        self.state().restricted = true;
    }

    /// Sets the number of items on a page of a list.
    pub fn page(&self, page: usize) {
        self.state().page = page;
    }

    /// Injects a fault.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Refuses every call of the action.
    pub fn refuse(&self, action: &str) {
        self.break_action(action, Mischief::Refused);
    }

    /// Makes every call of the action fail in this way.
    pub fn break_action(&self, action: &str, mischief: Mischief) {
        self.state().stuck.insert(action.to_owned(), mischief);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.stuck.clear();
    }

    /// Changes the account's contents just before the call with that index, as somebody else would.
    pub fn meddle(&self, at: usize, how: impl FnOnce(&mut Books) + Send + 'static) {
        self.state().meddling.insert(at, Box::new(how));
    }

    /// Adds a resource with status `CREATE_COMPLETE` to a stack.
    pub fn hold(&self, physical_id: &str, stack: &str, logical: &str) {
        self.hold_as(physical_id, stack, logical, "CREATE_COMPLETE");
    }

    /// Adds a resource to a stack.
    pub fn hold_as(&self, physical_id: &str, stack: &str, logical: &str, status: &str) {
        let held = (stack.to_owned(), logical.to_owned(), status.to_owned());
        self.state().stacks.insert(physical_id.to_owned(), held);
    }

    /// Makes every boundary deny the actions with this prefix.
    pub fn beyond_boundary(&self, action: &'static str) {
        self.state().beyond_boundary.push(action);
    }

    /// Makes the simulator refuse to judge the action.
    pub fn unjudged(&self, action: &'static str) {
        self.state().unjudged.push(action);
    }

    /// Makes the simulator return no result for actions with this prefix.
    pub fn silent_about(&self, action: &'static str) {
        self.state().silent_about.push(action);
    }

    /// Makes the simulator know no role for that many calls.
    pub fn simulator_lags(&self, calls: u32) {
        self.state().simulator_lags.set(calls);
    }

    /// Sets the type of the resources of stacks.
    pub fn held_type(&self, resource_type: &'static str) {
        self.state().held_type = Some(resource_type);
    }

    /// Sets when the resources of stacks reached their status, in seconds since the epoch.
    pub fn held_since(&self, at: i64) {
        self.state().held_since = at;
    }

    /// Sets the status of every stack.
    pub fn stack_status(&self, status: &'static str) {
        self.state().stack_status = status;
    }

    /// The actions called so far.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// Waits until a fault ends the process.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// The reply to a call, once it is the call's turn. Never returns when the fault is that no reply comes.
    pub(super) async fn ask(&self, call: &Call) -> Result<Value, Failure> {
        let Some(gate) = &self.gate else { return self.serve(call).await };
        // A gate that was dropped lets every call through.
        drop(gate.queue().await);
        let reply = self.serve(call).await;
        gate.remember(call, &reply);
        reply
    }

    pub(super) async fn serve(&self, call: &Call) -> Result<Value, Failure> {
        // No call is answered at once, so work with no time left does not begin.
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
        if !matches!(call, Call::SageMaker(_) | Call::S3(_)) && state.is_throttled() {
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

/// A call until it is answered, or until nobody waits for it any more.
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
            Call::S3(object) => {
                let content = self.books.objects.get(object).map(|content| Value::String(content.clone()));
                content.ok_or_else(|| Refusal::new(404, "NoSuchKey", "HTTP status 404"))
            }
        }
    }

    /// What reads see: the books as they were `lag` ago, which is before the first change since then.
    pub(super) fn seen(&self) -> &Books {
        let now = Instant::now();
        let since = self.past.iter().find(|(at, _)| !self.lag.is_zero() && *at + self.lag > now);
        since.map_or(&self.books, |(_, books)| books)
    }

    pub(super) fn remember(&mut self) {
        self.past.push((Instant::now(), self.books.clone()));
    }
}
