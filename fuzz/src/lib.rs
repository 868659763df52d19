//! What the fuzz targets share. The claims that they check are in the test kit, so the project's tests can run the kept
//! corpus through the same claims.

pub mod mutate;
