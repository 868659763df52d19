//! From a state machine to what its role may do.

pub mod asl;
pub mod derive;
pub mod integration;
pub mod simulation;
