//! The ports of the engine, by the AWS SDKs.

pub mod cloudformation;
mod error;
pub mod iam;
pub mod sagemaker;
