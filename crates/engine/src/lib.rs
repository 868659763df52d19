//! Turns a CloudFormation event into changes of an AWS account and a response, over narrow ports to AWS.
//!
//! The layers, from the bottom up; a layer uses only the layers above it in this list:
//!
//! - [`telemetry`], [`deadlines`], [`port`]: what every other layer uses
//! - [`failure`]: why a step or a read failed
//! - [`retry`]: repeated calls to AWS
//! - [`context`]: what all parts of the work use
//! - [`execution`], [`apply`], [`rollback`]: how a plan is applied to IAM and rolled back
//! - [`staleness`], [`preconditions`], [`lookup`], [`definition`], [`usage`], [`verify`]: checks against the account
//! - [`decide`]: from the observed and the desired state to a plan
//! - [`deliver`]: how the response reaches CloudFormation
//! - [`transaction`]: a change that is completed or rolled back
//! - [`operation`]: Create and Update, Delete, and the flow of the service-catalog type
//! - [`handler`]: the flow of an event

#![warn(missing_docs)]

pub mod apply;
pub mod context;
pub mod deadlines;
pub mod decide;
pub mod definition;
pub mod deliver;
pub mod execution;
pub mod failure;
pub mod handler;
pub mod lookup;
pub mod operation;
pub mod port;
pub mod preconditions;
pub mod retry;
pub mod rollback;
pub mod staleness;
pub mod telemetry;
pub mod transaction;
pub mod usage;
pub mod verify;
