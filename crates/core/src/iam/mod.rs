//! Defines the terms of IAM: ARNs, names, policy documents and quotas.

pub mod arn;
pub mod document;
pub mod name;
pub mod quota;
