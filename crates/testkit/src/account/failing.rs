//! The model with what can go wrong on the way to it: faults, throttling, writes at once, and other people's changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::call::Call;
use super::model::Model;
use super::model::books::Books;
use super::reply::{Failure, Reply};

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

impl Mischief {
    /// Everything that can go wrong.
    pub const ALL: [Self; 12] = [
        Self::Refused,
        Self::Denied,
        Self::UnknownPrincipal,
        Self::Throttled,
        Self::Conflict,
        Self::LostBefore,
        Self::LostAfter,
        Self::ServerErrorAfter,
        Self::HangAfter,
        Self::KillBefore,
        Self::KillAfter,
        Self::Panic,
    ];
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

type Meddling = Box<dyn FnOnce(&mut Books) + Send>;

/// A limit on the number of calls.
struct Rate {
    per_second: f64,
    /// How many calls are left.
    left: f64,
    /// When `left` was counted.
    since: Instant,
}

/// How a call ends.
pub enum Outcome {
    /// The model answered. Holds what the call changes until its reply arrives: the role or policy, if any.
    Answered(Reply, Option<String>),
    Failed(Failure),
    /// No reply ever comes.
    Hangs,
    /// The process ends.
    Killed,
    Panics,
}

/// The model behind its faults.
pub struct Failing {
    pub model: Model,
    /// How long a call takes.
    pub slow: Duration,
    /// The actions called so far.
    pub calls: Vec<String>,
    pub faults: Vec<Fault>,
    /// The actions of which every call fails.
    pub stuck: BTreeMap<String, Mischief>,
    /// What somebody else does just before the call with that index.
    pub meddling: BTreeMap<usize, Meddling>,
    rate: Option<Rate>,
    /// The roles and policies that a call is changing.
    writing: BTreeSet<String>,
    /// The number of calls that are not answered yet, and the highest number so far.
    under_way: (usize, usize),
}

impl Failing {
    /// The model without faults.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            slow: Duration::ZERO,
            calls: Vec::new(),
            faults: Vec::new(),
            stuck: BTreeMap::new(),
            meddling: BTreeMap::new(),
            rate: None,
            writing: BTreeSet::new(),
            under_way: (0, 0),
        }
    }

    /// Serves that many calls at once and as many each second, and throttles the others.
    pub fn throttle(&mut self, per_second: f64) {
        self.rate = Some(Rate { per_second, left: per_second, since: Instant::now() });
    }

    /// The highest number of calls that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.under_way.1
    }

    /// Takes a call. An answered call is under way until `end`.
    pub fn take(&mut self, call: &Call) -> Outcome {
        let action = call.action().to_owned();
        let index = self.calls.len();
        self.calls.push(action.clone());
        if let Some(meddle) = self.meddling.remove(&index) {
            meddle(&mut self.model.books);
        }
        if !matches!(call, Call::SageMaker(_) | Call::S3(_)) && self.is_throttled() {
            return self.fail(Mischief::Throttled, call);
        }
        if let Some(at) = self.faults.iter().position(|fault| fault.at == index) {
            let fault = self.faults.remove(at);
            if fault.sticky {
                self.stuck.insert(action.clone(), fault.mischief);
            } else {
                return self.fail(fault.mischief, call);
            }
        }
        if let Some(mischief) = self.stuck.get(&action).copied() {
            return self.fail(mischief, call);
        }
        let written = call.written();
        if written.as_ref().is_some_and(|entity| self.writing.contains(entity)) {
            let why = "multiple requests to change this object were submitted simultaneously";
            return Outcome::Failed(call.refused(409, "ConcurrentModification", why));
        }
        let reply = self.model.answer(call);
        self.writing.extend(written.clone());
        self.under_way.0 += 1;
        self.under_way.1 = self.under_way.1.max(self.under_way.0);
        Outcome::Answered(reply, written)
    }

    /// Ends a call that was answered, and that changes `written`.
    pub fn end(&mut self, written: Option<&String>) {
        self.under_way.0 -= 1;
        if let Some(entity) = written {
            self.writing.remove(entity);
        }
    }

    fn is_throttled(&mut self) -> bool {
        let Some(Rate { per_second, left, since }) = &mut self.rate else { return false };
        *left = per_second.min(*left + *per_second * since.elapsed().as_secs_f64());
        *since = Instant::now();
        let throttled = *left < 1.0;
        *left -= if throttled { 0.0 } else { 1.0 };
        throttled
    }

    fn fail(&mut self, mischief: Mischief, call: &Call) -> Outcome {
        let applied = match mischief {
            Mischief::LostAfter | Mischief::ServerErrorAfter | Mischief::HangAfter | Mischief::KillAfter => true,
            Mischief::Refused
            | Mischief::Denied
            | Mischief::UnknownPrincipal
            | Mischief::Throttled
            | Mischief::Conflict
            | Mischief::LostBefore
            | Mischief::KillBefore
            | Mischief::Panic => false,
        };
        if applied {
            drop(self.model.answer(call));
        }
        let refused = |status, code, message| Outcome::Failed(call.refused(status, code, message));
        match mischief {
            Mischief::Refused => refused(400, "UnmodifiableEntity", "refused for the test"),
            Mischief::Denied => refused(403, "AccessDenied", "not authorized for the test"),
            Mischief::UnknownPrincipal => refused(400, "MalformedPolicyDocument", "Invalid principal in policy: x"),
            Mischief::Throttled => refused(400, "Throttling", "Rate exceeded"),
            Mischief::Conflict => refused(409, "ConcurrentModification", "another write is under way"),
            Mischief::LostBefore | Mischief::LostAfter => Outcome::Failed(Failure::Lost),
            Mischief::ServerErrorAfter => refused(500, "ServiceFailure", "something broke"),
            Mischief::HangAfter => Outcome::Hangs,
            Mischief::KillBefore | Mischief::KillAfter => Outcome::Killed,
            Mischief::Panic => Outcome::Panics,
        }
    }
}
