//! A gate where the calls of one of two handlers wait for their turn.

use super::call::Call;
use super::reply::Failure;
use serde_json::Value;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The gate of one of two handlers: its waiting calls, and a hash of the replies so far.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<oneshot::Sender<()>>,
    heard: u64,
}

impl Gate {
    fn inside<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Adds a call to the queue. The receiver gets its turn from `open`.
    pub fn queue(&self) -> oneshot::Receiver<()> {
        let (turn, waits) = oneshot::channel();
        self.inside(|inside| inside.waiting.push_back(turn));
        waits
    }

    /// Adds a call and its reply to the hash.
    pub fn remember(&self, call: &Call, reply: &Result<Value, Failure>) {
        self.inside(|inside| {
            let mut hasher = DefaultHasher::new();
            (inside.heard, call, reply).hash(&mut hasher);
            inside.heard = hasher.finish();
        });
    }

    /// Lets the call pass that has waited longest.
    pub fn open(&self) {
        self.inside(|inside| inside.waiting.pop_front()).unwrap().send(()).unwrap();
    }

    /// Whether a call is waiting.
    pub fn waits(&self) -> bool {
        self.inside(|inside| {
            // When one of several simultaneous reads fails, the others are dropped.
            inside.waiting.retain(|turn| !turn.is_closed());
            !inside.waiting.is_empty()
        })
    }

    /// A hash of the calls and replies so far.
    pub fn heard(&self) -> u64 {
        self.inside(|inside| inside.heard)
    }
}
