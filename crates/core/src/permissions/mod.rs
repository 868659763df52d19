//! Derives what the role of a state machine needs from the state machine's definition.

pub mod asl;
pub mod data_keys;
pub mod derive;
mod distributed_map;
pub mod documents;
pub mod features;
pub mod integration;
pub mod simulation;
pub mod state_error;
mod storable;
