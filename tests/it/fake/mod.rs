//! An account in memory. It refuses what AWS refuses, lags and fails on demand, and has two faces: the program's own port to
//! AWS (`port.rs`), and the wire, behind the real clients (`wire.rs`).

mod books;
mod face;
mod iam;
mod port;
pub mod sagemaker;
pub mod simulator;
mod stacks;
#[cfg(feature = "aws")]
mod wire;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::interleavings::Gate;

pub use books::{Books, Policy, Role};
pub use face::Face;

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

type Meddling = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
struct State {
    books: Books,
    past: Vec<(Instant, Books)>,
    /// How far reads lag behind.
    lag: Duration,
    /// How long a call takes.
    slow: Duration,
    /// How many calls to IAM a second are served, where that is limited; how many of them are left, and since when.
    rate: Option<(f64, f64, Instant)>,
    /// Whether calls are permitted as `template.yaml` has it: some only on what is tagged, some only on bounded roles.
    fenced: bool,
    page: usize,
    calls: Vec<String>,
    faults: Vec<Fault>,
    stuck: BTreeMap<String, Mischief>,
    /// What somebody else does just before the call of that index.
    meddling: BTreeMap<usize, Meddling>,
    /// Roles and policies that a call is changing.
    writing: BTreeSet<String>,
    /// Calls under way, and the most of them that were.
    under_way: (usize, usize),
    /// What CloudFormation knows: physical id to stack, logical id and status.
    stacks: BTreeMap<String, (String, String, String)>,
    /// Of every stack.
    stack_status: &'static str,
    /// When the resources of stacks came to their status.
    held_since: i64,
    /// Their type, where it is another than the usual.
    held_type: Option<&'static str>,
    /// How the actions begin that every boundary denies.
    beyond_boundary: Vec<&'static str>,
    /// Prefixes of actions that the simulator tells nothing of.
    silent_about: Vec<&'static str>,
    /// Actions that the simulator can't judge.
    unjudged: Vec<&'static str>,
    /// Whether it answers a result a resource, as it did.
    old_simulator: bool,
    /// How many calls more it does not know a role.
    simulator_lags: Cell<u32>,
    ids: u32,
}

#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
    /// Where each call waits for its turn.
    gate: Option<Gate>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub fn new() -> Self {
        let state = State { page: 100, stack_status: "DELETE_IN_PROGRESS", ..State::default() };
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

    fn state(&self) -> MutexGuard<'_, State> {
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

    pub fn fence(&self) {
        self.state().fenced = true;
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
    async fn ask(&self, call: &Call) -> Result<Value, Failure> {
        let Some(gate) = &self.gate else { return self.serve(call).await };
        // A gate that is gone lets everybody through.
        drop(gate.queue().await);
        let reply = self.serve(call).await;
        gate.remember(call, &reply);
        reply
    }

    async fn serve(&self, call: &Call) -> Result<Value, Failure> {
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

    fn begin(&self, call: &Call) -> Begun {
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

enum Begun {
    Answered(Reply, UnderWay),
    Failed(Failure),
    Hangs,
    Panics,
}

impl State {
    fn is_throttled(&mut self) -> bool {
        let Some((per_second, left, since)) = &mut self.rate else { return false };
        *left = per_second.min(*left + *per_second * since.elapsed().as_secs_f64());
        *since = Instant::now();
        let throttled = *left < 1.0;
        *left -= if throttled { 0.0 } else { 1.0 };
        throttled
    }
}

/// A call until it is answered, or nobody waits for it any more.
struct UnderWay {
    fake: Fake,
    written: Option<String>,
    takes: Duration,
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
    fn mischief(&self, mischief: Mischief, state: &mut State, call: &Call) -> Begun {
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

/// A request.
#[derive(Clone, Debug, Hash)]
pub enum Call {
    Iam(Params),
    CloudFormation(Params),
    SageMaker(sagemaker::Request),
}

impl Call {
    fn action(&self) -> &str {
        match self {
            Self::Iam(params) | Self::CloudFormation(params) => &params.action,
            Self::SageMaker(request) => &request.action,
        }
    }

    /// What it changes of IAM.
    fn written(&self) -> Option<String> {
        let Self::Iam(params) = self else { return None };
        let entity =
            ["RoleName", "PolicyArn"].into_iter().map(|name| params.get(name)).find(|name| !name.is_empty())?;
        (!params.reads()).then(|| entity.to_ascii_lowercase())
    }

    /// In the words of the service, `code` being IAM's. SageMaker has none for two writes at once.
    fn refused(&self, status: u16, code: &str, message: &str) -> Failure {
        let code = match self {
            Self::SageMaker(_) if code == "ConcurrentModification" => "ThrottlingException".to_owned(),
            Self::SageMaker(_) => format!("{code}Exception"),
            _ => code.to_owned(),
        };
        Failure::Refused(Refusal { status, code, message: message.to_owned() })
    }
}

/// A request of the query protocol: `RoleName`, `Tags.member.1.Key`.
#[derive(Clone, Debug, Default, Hash)]
pub struct Params {
    action: String,
    values: BTreeMap<String, String>,
}

impl Params {
    fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    fn reads(&self) -> bool {
        ["Get", "List", "Describe", "Simulate"].iter().any(|verb| self.action.starts_with(verb))
    }

    fn members(&self, name: &str) -> Vec<String> {
        (1..).map_while(|i| self.values.get(&format!("{name}.member.{i}")).cloned()).collect()
    }

    fn tags(&self) -> Vec<(String, String)> {
        (1..)
            .map_while(|i| {
                let key = self.values.get(&format!("Tags.member.{i}.Key"))?;
                Some((key.clone(), self.get(&format!("Tags.member.{i}.Value")).to_owned()))
            })
            .collect()
    }
}

/// The result in AWS's own shape. Dates are seconds since the epoch, documents their text.
pub type Reply = Result<Value, Refusal>;

#[derive(Clone, Debug, Hash)]
pub struct Refusal {
    status: u16,
    code: String,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }
}

/// Why a call had no result.
#[derive(Clone, Debug, Hash)]
pub enum Failure {
    Refused(Refusal),
    /// No reply came.
    Lost,
}

fn missing(what: &str, name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", &format!("{what} {name} cannot be found."))
}

impl State {
    fn answer(&mut self, call: &Call) -> Reply {
        match call {
            Call::Iam(params) => self.iam(params),
            Call::CloudFormation(params) => self.cloudformation(params),
            Call::SageMaker(request) => sagemaker::answer(&mut self.books.regions, request, self.page),
        }
    }

    /// What reads see: the books as they stood `lag` ago, which is before the first change since.
    fn seen(&self) -> &Books {
        let now = Instant::now();
        let since = self.past.iter().find(|(at, _)| !self.lag.is_zero() && *at + self.lag > now);
        since.map_or(&self.books, |(_, books)| books)
    }

    fn remember(&mut self) {
        self.past.push((Instant::now(), self.books.clone()));
    }
}
