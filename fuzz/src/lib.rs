//! What the fuzz targets share. Their claims are the test kit's: the project's tests run the kept corpus through them.

pub mod mutate;
