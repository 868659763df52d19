//! The Lambda function's shell: AWS behind the engine's ports, HTTP, and the log. Only this crate names an AWS SDK.

pub mod aws;
pub mod http;
pub mod log;
