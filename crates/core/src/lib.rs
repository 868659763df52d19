//! Decides how to manage IAM roles for SageMaker and Step Functions pipelines, as pure functions.
//!
//! The list shows the layers from the bottom up: a layer uses only the layers above it in this list.
//!
//! - [`text`]: how messages show values
//! - [`table`]: the error that a table of this project is broken
//! - [`iam`]: ARNs, names, policy documents and quotas
//! - [`state`]: the roles and policies of an account, their ownership and the queries that read them
//! - [`guardrails`]: the limits that the deployer of the function sets
//! - [`plan`]: the steps from an observed to a desired state
//! - [`protocol`]: the requests and responses of CloudFormation
//! - [`permissions`]: the permissions that the role of a state machine needs, derived from its definition
//! - [`catalog`]: the role sets, as data
//! - [`resource`]: the resource types, from their properties to a desired state

#![warn(missing_docs)]

pub mod catalog;
pub mod guardrails;
pub mod iam;
pub mod permissions;
pub mod plan;
pub mod protocol;
pub mod resource;
pub mod state;
pub mod table;
pub mod text;
