//! The shell of the Lambda function: the AWS services behind the engine's ports, HTTP, and the log.
//!
//! Only this crate calls AWS through the SDKs.

pub mod aws;
pub mod http;
pub mod log;
