//! The operations that CloudFormation asks for.

mod delete;
pub mod outcome;
mod provision;
mod rollback;
mod service_catalog;
