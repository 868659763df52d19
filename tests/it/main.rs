//! One test binary: the program against an IAM in memory, the wire, and its own laws.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a test that meets what it did not expect should fail on the spot"
)]
#![cfg_attr(
    feature = "aws",
    expect(clippy::disallowed_methods, reason = "a test that meets what it did not expect should fail on the spot")
)]

#[cfg(feature = "aws")]
mod alike;
#[cfg(feature = "aws")]
mod calls;
#[cfg(feature = "aws")]
mod campaign;
mod corpus;
mod definitions;
#[cfg(feature = "aws")]
mod delivery;
mod derivation;
mod discovery;
mod documents;
mod events;
mod execution_role;
mod fake;
mod faults;
mod function_role;
#[cfg(feature = "aws")]
mod hosts;
mod in_use;
mod input;
mod interleavings;
mod late;
mod law;
mod lifecycle;
mod machines;
mod moved_on;
mod ownership;
#[cfg(feature = "preview")]
mod preview;
mod protocol;
mod provision;
mod races;
mod role_set_faults;
mod role_sets;
mod rounds;
mod schemas;
mod service_catalog;
mod stage;
mod summary;
mod tightened;
#[cfg(feature = "aws")]
mod wire;
#[cfg(feature = "aws")]
mod wire_faults;
