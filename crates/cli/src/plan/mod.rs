//! `mlops-roles plan`: what the function would do for each resource of a file.

#[cfg_attr(not(feature = "account"), path = "no_account.rs")]
pub(crate) mod account;
mod course;
pub mod deployed;
mod explain;
mod guardrails;
pub(crate) mod report;
mod resource;
pub(crate) mod scene;
mod stack;
mod subject;
