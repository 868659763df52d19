//! What IAM answers and refuses.

mod check;
mod list;
pub mod permission;
mod policy;
pub mod read;
mod role;
pub mod simulation;
pub mod write;
