//! What the fuzz targets share. The project's tests run the kept corpus through the same claims.

pub mod account;
pub mod claims;
pub mod mutate;
