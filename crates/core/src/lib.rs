//! The decisions about IAM roles for SageMaker and Step Functions pipelines, as pure functions.
//!
//! From the bottom up, each layer uses those above it in this list:
//!
//! - [`text`]: how messages show values
//! - [`iam`]: ARNs, names, policy documents, quotas
//! - [`state`]: the roles and policies of an account, whose they are, and how they are asked for
//! - [`guardrails`]: what the deployer of the function allows
//! - [`plan`]: the steps from an observed state to a desired one
//! - [`protocol`]: CloudFormation's requests and responses
//! - [`permissions`]: from a state machine to the permissions of its role
//! - [`catalog`]: the role sets, as data
//! - [`resource`]: the resource types, from properties to a desired state

pub mod catalog;
pub mod guardrails;
pub mod iam;
pub mod permissions;
pub mod plan;
pub mod protocol;
pub mod resource;
pub mod state;
pub mod text;
