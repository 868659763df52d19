//! Reads what a user gives: a template, an event or a state machine definition, with the files and values beside it.

pub mod definition;
pub mod document;
pub mod place;
pub mod repository;
pub mod shape;
pub mod symbol;
pub mod template;
