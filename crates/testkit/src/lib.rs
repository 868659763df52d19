//! What the tests of all crates share: an account in memory, a stage that sends events to a handler, and the claims that
//! the fuzzers check.
//!
//! The account can be used in two ways: through the engine's ports, or over the wire by the real clients.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    missing_debug_implementations,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

pub mod account;
pub mod cases;
pub mod claims;
pub mod fixtures;
pub mod mailbox;
pub mod role_sets;
pub mod service_catalog;
pub mod signed;
pub mod snapshot;
pub mod stage;

use std::path::{Path, PathBuf};

/// The root folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The path of a file or folder of the data that tests share, below `tests/data`.
pub fn data(name: &str) -> PathBuf {
    repository().join("tests/data").join(name)
}
