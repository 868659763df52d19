//! Tests the function: the AWS SDKs, the wire, the process and the log.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod alike;
mod calls;
mod campaign;
mod counting;
mod delivery;
mod describe;
mod dns_cache;
mod log;
mod objects;
mod simulation;
mod wire;
mod wire_faults;
