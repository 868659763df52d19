//! What is generated, against what the function takes and what the pages have.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

mod command_line;
mod copy;
mod pages;
mod schemas;
mod template;
