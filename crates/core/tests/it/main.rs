//! Tests of plans, of schedules, and of what state machines need.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod apis;
mod arns;
mod beginnings;
mod declared;
mod guardrails;
mod integrations;
mod law;
mod locations;
mod machines;
mod manifests;
mod merging;
mod peers;
mod schedule;
mod states;
mod storable;
