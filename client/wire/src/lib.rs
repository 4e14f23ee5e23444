//! Under construction.

pub mod compression;
pub mod records;
