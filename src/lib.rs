//! IAM roles for SageMaker and Step Functions pipelines, as a CloudFormation custom resource.
//!
//! The flow of an event is [`handler`]; it reads top to bottom:
//!
//! - [`event`]: the envelope, so that there is somebody to answer
//! - [`resource`]: properties to what should be there, with [`properties`], [`fence`], [`policy`] and [`arn`]; pure
//! - [`catalog`]: the role sets, as data
//! - [`asl`], [`integration`], [`derive`]: from a state machine to what its role may do; pure
//! - [`timely`]: whether CloudFormation is still at it, where that is in doubt
//! - [`former`]: what there was before, told by the id and the old properties; pure
//! - [`ownership`]: whose a role or policy is, and what therefore becomes of it; pure
//! - [`discovery`]: the execution role that something runs with, where the properties say so
//! - [`judge`]: whether that may be done
//! - [`plan`]: from the [`world`] as it is to the world as it should be, in steps; pure
//! - [`round`]: which of them go side by side; pure
//! - [`decide`]: all of this together, from a look at the account
//! - [`apply`]: the steps to IAM, and the way back
//! - [`verify`]: whether the role may do what it was made for
//! - [`usage`]: what says that the service-catalog roles are in use, for the type that takes them down
//! - [`answer`]: to CloudFormation, whatever happened
//! - [`summary`]: what all of it took, for the log and the metrics
//!
//! [`port`] is the narrow way to AWS. Only [`iam`], [`cloudformation`], [`sagemaker`] and `main.rs` name an SDK;
//! [`answer`] shares its HTTP client.

pub mod answer;
pub mod apply;
pub mod arn;
pub mod asl;
pub mod boundary;
pub mod catalog;
#[cfg(feature = "aws")]
pub mod cloudformation;
pub mod decide;
pub mod derive;
pub mod discovery;
pub mod event;
pub mod fence;
pub mod former;
pub mod handler;
#[cfg(feature = "aws")]
pub mod hosts;
#[cfg(feature = "aws")]
pub mod http;
#[cfg(feature = "aws")]
pub mod iam;
pub mod integration;
pub mod judge;
pub mod log;
pub mod ownership;
pub mod plan;
pub mod policy;
pub mod port;
pub mod propagation;
pub mod properties;
pub mod resource;
pub mod round;
#[cfg(feature = "aws")]
pub mod sagemaker;
pub mod summary;
pub mod timely;
pub mod usage;
pub mod verify;
pub mod world;
