//! Reads what a user gives: a template, an event or a state machine definition, with the files and values beside it.

pub(crate) mod definition;
pub mod document;
pub(crate) mod place;
pub(crate) mod read;
pub(crate) mod repository;
pub(crate) mod shape;
pub(crate) mod symbol;
pub(crate) mod template;
pub(crate) mod yaml;
