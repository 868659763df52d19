//! The schemas against what the function takes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod schemas;
