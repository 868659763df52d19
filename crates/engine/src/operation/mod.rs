//! The operations that CloudFormation asks for: Create, Update and Delete.

mod definition_object;
mod delete;
pub mod outcome;
mod provision;
mod rollback;
mod service_catalog;
