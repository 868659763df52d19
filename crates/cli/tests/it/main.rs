//! Tests the command line as a process.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod bounds;
mod config;
mod definitions;
mod docs;
mod markdown;
mod plan;
mod policy;
mod process;
mod program;
mod show;
