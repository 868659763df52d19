//! Implements the ports of the engine with the AWS SDKs.

pub mod cloudformation;
mod error;
pub mod iam;
pub mod sagemaker;
