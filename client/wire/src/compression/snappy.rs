//! Snappy, in the framing of the Java library snappy-java ("xerial") or bare.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version: 4 | oldest reader: 4 | (block length: 4 | block)*     big-endian
//! ```
//!
//! Such a block, and a bare body, is Snappy's own format: the decompressed length, then literals and copies. Written
//! is always the framing, in blocks of 32 KiB; read is either, since librdkafka and others write bare bodies.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::decompressor::Failure;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// The decompressed size of a block that is written.
const BLOCK: usize = 32 * 1024;

/// The most that a byte decompresses to: a copy of 64 bytes takes three.
const MAX_RATIO: usize = 22;

pub(super) struct Writer {
    encoder: Encoder,
    block: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { encoder: Encoder::new(), block: vec![0; max_compress_len(BLOCK)] }
    }

    pub(super) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(&HEADER);
        for block in body.chunks(BLOCK) {
            let len = self.encoder.compress(block, &mut self.block).map_err(|error| error.to_string())?;
            out.extend_from_slice(&(len as u32).to_be_bytes());
            out.extend_from_slice(&self.block[..len]);
        }
        Ok(())
    }
}

pub(super) fn read(body: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    if !body.starts_with(&MAGIC) {
        return block(body, 0, out, limit);
    }
    let mut rest = body;
    while !rest.is_empty() {
        let position = body.len() - rest.len();
        let cut = || Failure::at(position, "it ends early");
        // Streams may follow one another, each with its own header.
        if rest.starts_with(&MAGIC) {
            rest = rest.get(HEADER.len()..).ok_or_else(cut)?;
            continue;
        }
        let (len, after) = rest.split_first_chunk().ok_or_else(cut)?;
        let (compressed, after) = after.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(cut)?;
        block(compressed, position + 4, out, limit)?;
        rest = after;
    }
    Ok(())
}

/// Appends one block, which starts at `position` of the body.
fn block(bytes: &[u8], position: usize, out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let malformed = |error: snap::Error| Failure::at(position, error.to_string());
    let len = decompress_len(bytes).map_err(malformed)?;
    let start = out.len();
    if len > limit - start {
        return Err(Failure::TooLarge);
    }
    if len > bytes.len().saturating_mul(MAX_RATIO) {
        return Err(Failure::at(position, "it states a length that its bytes cannot hold"));
    }
    out.resize(start + len, 0);
    Decoder::new().decompress(bytes, &mut out[start..]).map_err(malformed)?;
    Ok(())
}
