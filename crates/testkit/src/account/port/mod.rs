//! The account behind the engine's ports: does without clients what `src/aws/` does for the real account. The test
//! `alike.rs` checks that both give the same results.

mod iam;
mod objects;
mod observe;
mod request;
mod sagemaker;
mod simulate;
mod stacks;
mod step;
