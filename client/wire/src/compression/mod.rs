//! The codecs of batches: what `compression.type` and its levels mean, and bytes both ways.
//!
//! Everything is Rust unless a cargo feature says otherwise. `lz4-c` and `zstd-c` add the C libraries for levels that
//! the Rust crates lack; `zstd-c` also lets C do all of zstd, which is faster.
//!
//! Decompression trusts no claim of a size: memory is taken for what the bytes at hand can hold, up to the caller's
//! limit.

mod codec;
mod compressor;
mod decompressor;
mod error;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

pub use codec::Compression;
pub use compressor::Compressor;
pub use decompressor::Decompressor;
pub use error::{CompressError, DecompressError, LevelError};
