//! The application that deploys the function.

/// The text of `template.yaml`, which defines the deployer's parameters and their defaults.
pub const TEMPLATE: &str = include_str!("../../../../template.yaml");
