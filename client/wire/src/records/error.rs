//! What can be wrong with a batch.

use std::fmt;

use crate::compression::DecompressError;

/// A batch that cannot be read: which, where in it, and why.
///
/// The partition's other batches, and other partitions, are unaffected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchError {
    /// The base offset that the batch's header states.
    pub base_offset: i64,
    /// The position of the first byte that is wrong, counted from the batch's first byte, or, if the batch is
    /// compressed and the problem is in a record, from the first byte of the decompressed body.
    pub position: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The compression code is none that Kafka has defined.
    Codec(u8),
    /// The header states more records than there are bytes for, or fewer than zero.
    Count(i32),
    /// The CRC-32C over the batch is another than its header states: the bytes changed on their way or on a disk.
    Crc {
        /// What the header states.
        stated: u32,
        /// What the bytes have.
        actual: u32,
    },
    /// The body cannot be decompressed.
    Decompress(DecompressError),
    /// The stated length is less than a header's.
    Length(i32),
    /// The batch has an old (0, 1) or unknown format; brokers before Kafka 4.0 may keep old ones.
    Magic(i8),
    /// A record contradicts itself; the text says how.
    Record(&'static str),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch at offset {}, byte {}: {}", self.base_offset, self.position, self.problem)
    }
}

impl std::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Decompress(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(code) => write!(f, "unknown compression code {code}"),
            Self::Count(count) => write!(f, "{count} records are stated, but the bytes cannot hold them"),
            Self::Crc { stated, actual } => write!(f, "CRC-32C is {actual:08x}, but {stated:08x} is stated"),
            Self::Decompress(error) => error.fmt(f),
            Self::Length(length) => write!(f, "a length of {length} is less than a batch's header"),
            Self::Magic(magic @ 0..=1) => {
                write!(f, "message format {magic} is from before Kafka 0.11 and not supported")
            }
            Self::Magic(magic) => write!(f, "unknown message format {magic}"),
            Self::Record(how) => write!(f, "a record is malformed: {how}"),
        }
    }
}
