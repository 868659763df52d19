//! The handle of the account: sets it up, looks into it, and sends it calls.

use std::future::pending;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::call::Call;
use super::failing::{Failing, Fault, Mischief, Outcome};
use super::gate::Gate;
use super::model::Model;
use super::model::books::Books;
use super::model::stacks::Held;
use super::reply::Failure;

/// The account in memory; a clone is the same account.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<Failing>>,
    killed: Arc<Notify>,
    /// Where each call waits for its turn.
    gate: Option<Gate>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

/// What the account holds.
impl Fake {
    /// An empty account.
    pub fn new() -> Self {
        Self::with(Books::default())
    }

    /// An account with these contents.
    pub fn with(books: Books) -> Self {
        let state = Failing::new(Model::new(books));
        Self { state: Arc::new(Mutex::new(state)), killed: Arc::new(Notify::new()), gate: None }
    }

    /// The same account as one of several handlers sees it. The handler's calls wait for their turn at the gate.
    pub fn behind(&self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Another account with the same books and calls, but without faults.
    pub fn twin(&self) -> Self {
        let twin = Self::with(self.books());
        {
            let (from, mut to) = (self.state(), twin.state());
            to.calls.clone_from(&from.calls);
            to.model.ids = from.model.ids;
        }
        twin
    }

    fn state(&self) -> MutexGuard<'_, Failing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the account's contents.
    pub fn books(&self) -> Books {
        self.state().model.books.clone()
    }

    /// A hash of the account's contents.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.state().model.books.hash(&mut hasher);
        hasher.finish()
    }

    /// Changes the account's contents, as somebody else would.
    pub fn change(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.state().model.books);
    }
}

/// How the account answers.
impl Fake {
    /// Sets how far reads lag behind writes.
    pub fn lag(&self, lag: Duration) {
        self.state().model.lag = lag;
    }

    /// Permits calls only as `template.yaml` permits them.
    pub fn restrict(&self) {
        self.state().model.restricted = true;
    }

    /// Sets the number of items on a page of a list.
    pub fn page(&self, page: usize) {
        self.state().model.page = page;
    }

    /// Assumes what the contents don't tell, so that few inputs of the fuzzers fail. Every principal exists, and
    /// everything in SageMaker runs with `PASSABLE`. Each object has its key as text, and the simulator allows every
    /// action. Reads can't lag, which makes writes faster.
    pub fn lenient(&self) {
        let mut state = self.state();
        (state.model.lenient, state.model.forgets) = (true, true);
    }

    /// Adds a resource with status `CREATE_COMPLETE` to a stack.
    pub fn hold(&self, physical_id: &str, stack: &str, logical: &str) {
        self.hold_as(physical_id, stack, logical, "CREATE_COMPLETE");
    }

    /// Adds a resource to a stack.
    pub fn hold_as(&self, physical_id: &str, stack: &str, logical: &str, status: &str) {
        let held = Held { stack: stack.to_owned(), logical: logical.to_owned(), status: status.to_owned() };
        self.state().model.stacks.held.insert(physical_id.to_owned(), held);
    }

    /// Sets the type of the resources of stacks.
    pub fn held_type(&self, resource_type: impl Into<String>) {
        self.state().model.stacks.of_type = Some(resource_type.into());
    }

    /// Sets when the resources of stacks reached their status, in seconds since the epoch.
    pub fn held_since(&self, at: i64) {
        self.state().model.stacks.since = Some(at);
    }

    /// Makes CloudFormation not say when the resources of stacks reached their status.
    pub fn held_undated(&self) {
        self.state().model.stacks.since = None;
    }

    /// Sets the status of every stack.
    pub fn stack_status(&self, status: &str) {
        status.clone_into(&mut self.state().model.stacks.status);
    }

    /// Makes every boundary deny the actions with this prefix.
    pub fn beyond_boundary(&self, action: &'static str) {
        self.state().model.simulator.beyond_boundary.push(action);
    }

    /// Makes the simulator refuse to judge the action.
    pub fn unjudged(&self, action: &'static str) {
        self.state().model.simulator.unjudged.push(action);
    }

    /// Makes the simulator return no result for actions with this prefix.
    pub fn silent_about(&self, action: &'static str) {
        self.state().model.simulator.silent_about.push(action);
    }

    /// Makes the simulator know no role for that many calls.
    pub fn simulator_lags(&self, calls: u32) {
        self.state().model.simulator.lags = calls;
    }

    /// Makes the simulator return one result for each resource, as it once did. Only the real clients read that form.
    pub fn old_simulator(&self) {
        self.state().model.simulator.old_form = true;
    }
}

/// What goes wrong.
impl Fake {
    /// Sets how long a call takes.
    pub fn slow(&self, slow: Duration) {
        self.state().slow = slow;
    }

    /// Serves that many calls to IAM at once and as many each second, and throttles the others.
    pub fn throttle(&self, per_second: u32) {
        self.state().throttle(per_second.into());
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
}

/// The calls.
impl Fake {
    /// The actions called so far.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// The highest number of calls that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once()
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

    async fn serve(&self, call: &Call) -> Result<Value, Failure> {
        // No call is answered at once, so work with no time left does not begin.
        yield_now().await;
        let (outcome, takes) = {
            let mut state = self.state();
            (state.take(call), state.slow)
        };
        match outcome {
            Outcome::Answered(reply, written) => {
                let under_way = UnderWay { fake: self, written };
                if !takes.is_zero() {
                    sleep(takes).await;
                }
                drop(under_way);
                reply.map_err(Failure::Refused)
            }
            Outcome::Failed(failure) => Err(failure),
            Outcome::Hangs => pending().await,
            Outcome::Killed => {
                self.killed.notify_one();
                pending().await
            }
            Outcome::Panics => panic!("for the test"),
        }
    }
}

/// A call until it is answered, or until nobody waits for it any more.
struct UnderWay<'a> {
    fake: &'a Fake,
    written: Option<String>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.fake.state().end(self.written.as_ref());
    }
}
