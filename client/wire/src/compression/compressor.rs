//! Bodies compressed with one codec.

use std::fmt;

use super::{CompressError, Compression, LevelError, gzip, lz4, snappy, zstd};

/// Compresses bodies with one codec at one level, and keeps its working memory between them.
///
/// ```
/// use ottla_wire::compression::{Compression, Compressor, Decompressor};
///
/// let body = b"tea, milk, tea, milk, tea, milk, tea, milk".as_slice();
/// let mut compressor = Compressor::new(Compression::Zstd, Some(1))?;
/// let mut compressed = Vec::new();
/// compressor.compress(body, &mut compressed)?;
/// assert_eq!(Decompressor::new(100).decompress(Compression::Zstd, &compressed)?, body);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compressor {
    codec: Compression,
    state: State,
}

enum State {
    None,
    Gzip(gzip::Writer),
    Snappy(Box<snappy::Writer>),
    Lz4(lz4::Writer),
    Zstd(zstd::Writer),
}

impl Compressor {
    /// Compresses with `codec`, at one of Kafka's levels or, if that is `None`, at the codec's default.
    ///
    /// # Errors
    /// [`LevelError`] if there is no such level; never for `None`.
    pub fn new(codec: Compression, level: Option<i32>) -> Result<Self, LevelError> {
        if let Some(level) = level {
            codec.check_level(level)?;
        }
        let level = level.or(codec.default_level()).unwrap_or_default();
        let state = match codec {
            Compression::None => State::None,
            Compression::Gzip => State::Gzip(gzip::Writer::new(level)),
            Compression::Snappy => State::Snappy(Box::new(snappy::Writer::new())),
            Compression::Lz4 => State::Lz4(lz4::Writer::new(level)),
            Compression::Zstd => State::Zstd(zstd::Writer::new(level)),
        };
        Ok(Self { codec, state })
    }

    /// The codec.
    #[must_use]
    pub fn codec(&self) -> Compression {
        self.codec
    }

    /// Appends `body`, compressed, to `out`.
    ///
    /// # Errors
    /// [`CompressError`] if the codec's library fails; what `out` held before is untouched.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        let start = out.len();
        let done = match &mut self.state {
            State::None => {
                out.extend_from_slice(body);
                Ok(())
            }
            State::Gzip(writer) => writer.write(body, out),
            State::Snappy(writer) => writer.write(body, out),
            State::Lz4(writer) => writer.write(body, out),
            State::Zstd(writer) => writer.write(body, out),
        };
        done.map_err(|how| {
            out.truncate(start);
            CompressError { codec: self.codec, how }
        })
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("codec", &self.codec).finish_non_exhaustive()
    }
}
