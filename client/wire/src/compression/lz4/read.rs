//! Frames of every kind: linked blocks, all sizes, all checksums, one frame after another, skippable ones between.

use lz4_flex::block::{DecompressError, decompress_into_with_dict};
use twox_hash::XxHash32;

use super::super::decompressor::Failure;
use super::{MAGIC, STORED};

/// Frames whose content is for others.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// How far back a linked block may reach.
const WINDOW: usize = 64 * 1024;

/// The most that a compressed byte decompresses to.
const MAX_RATIO: usize = 255;

pub(in super::super) fn read(body: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let mut input = Input { body, rest: body };
    while !input.rest.is_empty() {
        match input.u32()? {
            MAGIC => frame(&mut input, out, limit)?,
            magic if SKIPPABLE.contains(&magic) => {
                let len = input.u32()?;
                input.take(len as usize)?;
            }
            _ => return Err(input.malformed("no frame starts here")),
        }
    }
    Ok(())
}

/// Reads a frame from behind its magic.
fn frame(input: &mut Input<'_>, out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let descriptor = Descriptor::read(input)?;
    let start = out.len();
    loop {
        let length = input.u32()?;
        if length == 0 {
            break;
        }
        let bytes = input.take((length & !STORED) as usize)?;
        if bytes.len() > descriptor.max_block {
            return Err(input.malformed("a block is larger than its frame allows"));
        }
        if descriptor.block_checksums && input.u32()? != XxHash32::oneshot(0, bytes) {
            return Err(input.malformed("a block's checksum is wrong"));
        }
        let room = descriptor.max_block.min(limit - out.len());
        if length & STORED == 0 {
            let history = if descriptor.linked { start.max(out.len().saturating_sub(WINDOW)) } else { out.len() };
            decompress(bytes, history, room, out).map_err(|error| match error {
                DecompressError::OutputTooSmall { .. } if room < descriptor.max_block => Failure::TooLarge,
                error => input.malformed(error.to_string()),
            })?;
        } else if bytes.len() <= room {
            out.extend_from_slice(bytes);
        } else {
            return Err(Failure::TooLarge);
        }
    }
    let content = &out[start..];
    if descriptor.content_size.is_some_and(|size| size != content.len() as u64) {
        return Err(input.malformed("the content has another size than its frame states"));
    }
    if descriptor.content_checksum && input.u32()? != XxHash32::oneshot(0, content) {
        return Err(input.malformed("the content's checksum is wrong"));
    }
    Ok(())
}

/// Appends a block of at most `room` bytes, whose copies may reach back to `history` in `out`.
fn decompress(block: &[u8], history: usize, room: usize, out: &mut Vec<u8>) -> Result<(), DecompressError> {
    let start = out.len();
    out.resize(start + room.min(block.len().saturating_mul(MAX_RATIO)), 0);
    let (before, free) = out.split_at_mut(start);
    let done = decompress_into_with_dict(block, free, &before[history..]);
    out.truncate(start + *done.as_ref().unwrap_or(&0));
    done.map(drop)
}

/// What stands in a frame's header.
struct Descriptor {
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    content_size: Option<u64>,
    max_block: usize,
}

impl Descriptor {
    fn read(input: &mut Input<'_>) -> Result<Self, Failure> {
        let start = input.rest;
        let [flags, sizes] = input.array()?;
        if flags >> 6 != 1 || flags & 0b10 != 0 || sizes & 0x8f != 0 {
            return Err(input.malformed("the frame has an unknown version"));
        }
        if flags & 1 != 0 {
            return Err(input.malformed("the frame needs a dictionary"));
        }
        let content_size = if flags >> 3 & 1 == 1 { Some(u64::from_le_bytes(input.array()?)) } else { None };
        let read = &start[..start.len() - input.rest.len()];
        let [checksum] = input.array()?;
        if checksum != (XxHash32::oneshot(0, read) >> 8) as u8 {
            return Err(input.malformed("the frame header's checksum is wrong"));
        }
        // 64 KiB, 256 KiB, 1 MiB or 4 MiB.
        let exponent @ 4..=7 = sizes >> 4 else {
            return Err(input.malformed("the frame has an unknown block size"));
        };
        Ok(Self {
            linked: flags >> 5 & 1 == 0,
            block_checksums: flags >> 4 & 1 == 1,
            content_checksum: flags >> 2 & 1 == 1,
            content_size,
            max_block: 1 << (2 * exponent + 8),
        })
    }
}

/// What is left of the compressed body.
struct Input<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Failure> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.malformed("it ends early"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.malformed("it ends early"))?;
        self.rest = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32, Failure> {
        self.array().map(u32::from_le_bytes)
    }

    fn malformed(&self, how: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
        Failure::at(self.body.len() - self.rest.len(), how)
    }
}
