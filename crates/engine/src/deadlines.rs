//! How the time that an event has is shared out.

use std::time::Duration;

use tokio::time::Instant;

/// The time that each part of the work may take up.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub work: Instant,
    pub rollback: Instant,
    /// For whatever hangs although it must not.
    pub watchdog: Instant,
    pub response: Instant,
}

impl Deadlines {
    /// Undo keeps up to a minute and the answer up to 20 seconds; of a short time each keeps its share.
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
}
