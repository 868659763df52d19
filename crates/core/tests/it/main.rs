//! Tests of plans, of schedules, and of what state machines need.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod law;
mod machines;
mod schedule;
