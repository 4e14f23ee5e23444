//! Bodies of any codec decompressed.

use std::borrow::Cow;
use std::{fmt, mem};

use bytes::Bytes;

use super::{Compression, DecompressError, gzip, lz4, snappy, zstd};

/// The most memory that is kept between bodies, in bytes.
const KEPT: usize = 1 << 20;

/// Decompresses bodies of any codec, and keeps working memory between them: up to 1 MiB, and a zstd context.
///
/// Whatever a body claims of its size, no more memory is taken than its blocks can fill, and no more than `limit` and
/// one block (of at most 128 KiB).
pub struct Decompressor {
    limit: usize,
    buffer: Vec<u8>,
    zstd: zstd::Reader,
}

/// Why a codec's reader gave up.
pub(super) enum Failure {
    /// At a position in the compressed bytes, and how.
    Malformed(usize, Cow<'static, str>),
    TooLarge,
}

impl Decompressor {
    /// Gives up on a body once it exceeds `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), zstd: zstd::Reader::default() }
    }

    /// The decompressed bytes, in a buffer of their own.
    ///
    /// # Errors
    /// [`DecompressError`] if `body` is not what the codec writes, or larger than the limit once decompressed.
    pub fn decompress(&mut self, codec: Compression, body: &[u8]) -> Result<Bytes, DecompressError> {
        let (out, limit) = (&mut self.buffer, self.limit);
        out.clear();
        let done = match codec {
            Compression::None if body.len() > limit => Err(Failure::TooLarge),
            Compression::None => {
                out.extend_from_slice(body);
                Ok(())
            }
            Compression::Gzip => gzip::read(body, out, limit),
            Compression::Snappy => snappy::read(body, out, limit),
            Compression::Lz4 => lz4::read(body, out, limit),
            Compression::Zstd => self.zstd.read(body, out, limit),
        };
        match done {
            Ok(()) => Ok(self.take()),
            Err(Failure::TooLarge) => Err(DecompressError::TooLarge { limit }),
            Err(Failure::Malformed(position, how)) => Err(DecompressError::Malformed { codec, position, how }),
        }
    }

    /// What the buffer holds: the buffer itself if it is about full, else a copy, and the buffer stays.
    fn take(&mut self) -> Bytes {
        let (len, capacity) = (self.buffer.len(), self.buffer.capacity());
        if capacity - len <= len / 8 {
            return mem::take(&mut self.buffer).into();
        }
        let bytes = Bytes::copy_from_slice(&self.buffer);
        if capacity > KEPT {
            self.buffer = Vec::new();
        }
        bytes
    }
}

impl Failure {
    pub(super) fn at(position: usize, how: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(position, how.into())
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("limit", &self.limit).finish_non_exhaustive()
    }
}
