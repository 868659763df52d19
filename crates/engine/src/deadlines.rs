//! Divides the time of an event between the work, the rollback and the response.

use std::time::Duration;

use tokio::time::Instant;

/// The deadlines of the parts of an event.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// When the work must have ended: reads, the plan and its steps.
    pub work: Instant,
    /// When a rollback must have ended.
    pub rollback: Instant,
    /// When work and rollback are aborted, should they hang past their deadlines.
    pub watchdog: Instant,
    /// When the response must have been delivered.
    pub response: Instant,
}

impl Deadlines {
    /// Divides the remaining time. The rollback gets one minute, but at most a quarter of the time. The response gets
    /// 20 seconds, but at most a fifth.
    pub fn from_remaining(remaining: Duration) -> Self {
        let end = Instant::now() + remaining;
        let response = Duration::from_secs(20).min(remaining / 5);
        let rollback = Duration::from_mins(1).min(remaining / 4);
        Self {
            work: end - response - rollback,
            rollback: end - response,
            watchdog: end - response * 3 / 4,
            response: end - response / 10,
        }
    }

    /// The deadlines of work that only reads: all parts end at the same time.
    pub fn all_at(end: Instant) -> Self {
        Self { work: end, rollback: end, watchdog: end, response: end }
    }
}
