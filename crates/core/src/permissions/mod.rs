//! Derives what the role of a state machine needs from the state machine's definition.

pub mod asl;
pub mod derive;
pub mod integration;
pub mod simulation;
