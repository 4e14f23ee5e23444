//! Zstandard (RFC 8878), by zrip: Rust without `unsafe`. With the cargo feature `zstd-c`, by the C library.

mod extent;

#[cfg(feature = "zstd-c")]
mod c;
#[cfg(not(feature = "zstd-c"))]
mod rust;

#[cfg(feature = "zstd-c")]
pub(super) use c::{Reader, Writer};
#[cfg(not(feature = "zstd-c"))]
pub(super) use rust::{Reader, Writer};
