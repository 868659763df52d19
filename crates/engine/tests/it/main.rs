//! Tests the handler with events against an account in memory.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod corpus;
mod definitions;
mod derivation;
mod discovery;
mod documents;
mod events;
mod every_api;
mod execution_role;
mod execution_role_calls;
mod faults;
mod function_role;
mod in_use;
mod input;
mod interleavings;
mod late;
mod lifecycle;
mod located;
mod moved_on;
mod ownership;
mod projects;
mod protocol;
mod provision;
mod races;
mod response_url;
mod retry;
mod role_set_faults;
mod role_sets;
mod service_calls;
mod service_catalog;
mod solution_calls;
mod telemetry;
mod tightened;
mod undeclared;
