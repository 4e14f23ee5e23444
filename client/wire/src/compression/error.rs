//! What can go wrong with a codec.

use std::borrow::Cow;
use std::fmt;

use super::Compression;

/// A compressed body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecompressError {
    /// The bytes are not what the codec writes.
    Malformed {
        /// The codec.
        codec: Compression,
        /// About where in the compressed bytes.
        position: usize,
        /// What is wrong there.
        how: Cow<'static, str>,
    },
    /// The decompressed body is larger than allowed.
    TooLarge {
        /// What is allowed, in bytes.
        limit: usize,
    },
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { codec, position, how } => {
                write!(f, "malformed {} data at byte {position}: {how}", codec.name())
            }
            Self::TooLarge { limit } => write!(f, "the body decompresses to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for DecompressError {}

/// A compression level that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressError {
    /// Kafka's setting has no such level.
    Level {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
    },
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level { codec, level } => write!(f, "{} has no level {level}", codec.name()),
        }
    }
}

impl std::error::Error for CompressError {}
