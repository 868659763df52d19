//! Implements the ports of the engine: with the AWS SDKs, and with a request of its own to Amazon S3.

pub mod cloudformation;
mod describe;
mod error;
pub mod iam;
pub mod s3;
pub mod sagemaker;
