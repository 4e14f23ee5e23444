//! What can go wrong with a codec.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use super::Compression;

/// A compressed body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecompressError {
    /// The bytes are not what the codec writes.
    Malformed {
        /// The codec.
        codec: Compression,
        /// The position in the compressed bytes of the part that is wrong: a frame, a block, a member.
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
                write!(f, "malformed {} at compressed byte {position}: {how}", codec.name())
            }
            Self::TooLarge { limit } => write!(f, "the body decompresses to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for DecompressError {}

/// A body that the codec's library refuses to compress. None is known; the records can be sent uncompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressError {
    /// The codec.
    pub codec: Compression,
    /// What the library says.
    pub how: String,
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot compress a batch: {}", self.codec.name(), self.how)
    }
}

impl std::error::Error for CompressError {}

/// A compression level that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelError {
    /// Kafka has the level, but this build of the crate does not.
    Feature {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
        /// The cargo feature that adds it.
        feature: &'static str,
        /// The levels of this build.
        built: RangeInclusive<i32>,
    },
    /// The codec has no levels.
    None {
        /// The codec.
        codec: Compression,
    },
    /// Kafka has no such level.
    Range {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
        /// The levels that there are.
        levels: RangeInclusive<i32>,
    },
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature { codec, level, feature, built } => {
                let (name, start, end) = (codec.name(), built.start(), built.end());
                write!(f, "{name} level {level} needs the cargo feature `{feature}`; without it there is ")?;
                if start == end { write!(f, "{start} only") } else { write!(f, "{start} to {end}") }
            }
            Self::None { codec } => write!(f, "{} has no levels", codec.name()),
            Self::Range { codec, level, levels } => {
                write!(f, "{} has no level {level}: {} to {}", codec.name(), levels.start(), levels.end())?;
                match codec.default_level() {
                    Some(default) if !levels.contains(&default) => write!(f, ", or {default} for its default"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for LevelError {}
