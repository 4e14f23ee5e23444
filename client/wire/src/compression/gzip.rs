//! gzip (RFC 1952) by zlib-rs: one member written, any number read.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::decompressor::Failure;

/// The first two bytes of a member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Matches reach back 2^15 bytes: the most that deflate allows, and its default everywhere.
const WINDOW_BITS: u8 = 15;

/// The least that a full buffer grows by.
const STEP: usize = 16 * 1024;

pub(super) struct Writer(Compress);

impl Writer {
    pub(super) fn new(level: i32) -> Self {
        // -1 is zlib's default, 6.
        let level = u32::try_from(level).map_or(flate2::Compression::default(), flate2::Compression::new);
        Self(Compress::new_gzip(level, WINDOW_BITS))
    }

    pub(super) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.0.reset();
        // Incompressible data grows by five bytes per 16 KiB; header and trailer take 18.
        out.reserve(body.len() + body.len() / 1_024 + 64);
        loop {
            let rest = &body[self.0.total_in() as usize..];
            match self.0.compress_vec(rest, out, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(Status::Ok | Status::BufError) => out.reserve(STEP),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

pub(super) fn read(body: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    // The last four bytes state the (last member's) size. Usual data shrinks to an eighth at best.
    let stated = body.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    out.reserve(stated.min(body.len().saturating_mul(8)).min(limit));

    let mut position = 0;
    loop {
        position += member(&body[position..], position, out, limit)?;
        // What follows and is not another member is padding, as the Java client has it.
        if !body[position..].starts_with(&MAGIC) {
            return Ok(());
        }
    }
}

/// Reads one member, which starts at `position` of the body, and returns its length.
fn member(bytes: &[u8], position: usize, out: &mut Vec<u8>, limit: usize) -> Result<usize, Failure> {
    let mut inflate = Decompress::new_gzip(WINDOW_BITS);
    loop {
        let read = inflate.total_in() as usize;
        let before = out.len();
        let status = inflate
            .decompress_vec(&bytes[read..], out, FlushDecompress::None)
            .map_err(|error| Failure::at(position + read, error.to_string()))?;
        if out.len() > limit {
            return Err(Failure::TooLarge);
        }
        let progress = out.len() - before + (inflate.total_in() as usize - read);
        match status {
            Status::StreamEnd => return Ok(inflate.total_in() as usize),
            _ if out.len() == out.capacity() => {
                // To one byte over the limit at most: one is enough to tell.
                let room = limit.saturating_add(1) - out.len();
                out.reserve_exact(out.len().max(STEP).min(room));
            }
            _ if progress == 0 => return Err(Failure::at(position + read, "it ends early")),
            _ => {}
        }
    }
}
