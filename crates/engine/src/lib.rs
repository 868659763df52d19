//! From an event to changes of an account and an answer, over narrow ports to AWS.
//!
//! From the bottom up; each layer uses those above it in this list:
//!
//! - [`telemetry`], [`deadlines`], [`port`]: what all of it uses
//! - [`failure`]: why a step or a question failed
//! - [`retry`]: asking again
//! - [`execution`], [`apply`], [`rollback`]: steps to IAM, and back
//! - [`staleness`], [`preconditions`], [`lookup`], [`usage`], [`verify`]: questions to the account
//! - [`decide`]: from the account and the desired state to a plan
//! - [`deliver`]: the answer to CloudFormation
//! - [`operation`]: Create and Update, Delete, and the flow of the service-catalog type
//! - [`handler`]: the flow of an event

pub mod apply;
pub mod deadlines;
pub mod decide;
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
pub mod usage;
pub mod verify;
