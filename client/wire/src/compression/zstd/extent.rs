//! What a body can decompress to, from the blocks that are there.
//!
//! A frame may state the size of its content, and a decompressor reserves that much; eighteen bytes can state any
//! size. But blocks come behind headers of three bytes and hold at most 128 KiB each, so a walk over the headers bounds
//! what the frames can hold without looking into one.

use super::super::decompressor::Failure;

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// The most that a block decompresses to.
const BLOCK: usize = 128 * 1024;

/// The most bytes that the frames of `body` can hold together; what the frames state where they do.
pub(super) fn of(body: &[u8]) -> Result<usize, Failure> {
    let (mut rest, mut sum) = (body, 0usize);
    while !rest.is_empty() {
        let position = body.len() - rest.len();
        let early = || Failure::at(position, "a frame ends early");
        let magic = take(&mut rest).map(u32::from_le_bytes).ok_or_else(early)?;
        if SKIPPABLE.contains(&magic) {
            let len = take(&mut rest).map(u32::from_le_bytes).ok_or_else(early)?;
            rest = rest.get(len as usize..).ok_or_else(early)?;
            continue;
        }
        if magic != MAGIC {
            return Err(Failure::at(position, "no frame starts here"));
        }
        let (stated, held) = frame(&mut rest).ok_or_else(early)?;
        if stated.is_some_and(|stated| stated > held as u64) {
            return Err(Failure::at(position, "a frame states more than its blocks can hold"));
        }
        sum = sum.saturating_add(stated.map_or(held, |stated| stated as usize));
    }
    Ok(sum)
}

/// Walks over a frame from behind its magic: the size it states, and the most that its blocks hold. `None` if it is
/// cut short.
fn frame(rest: &mut &[u8]) -> Option<(Option<u64>, usize)> {
    let [descriptor] = take(rest)?;
    let single_segment = descriptor >> 5 & 1 == 1;
    if !single_segment {
        let [_window] = take(rest)?;
    }
    let dictionary_id = [0, 1, 2, 4][usize::from(descriptor & 3)];
    *rest = rest.get(dictionary_id..)?;
    let stated = match descriptor >> 6 {
        0 if single_segment => take(rest).map(|[size]| Some(u64::from(size)))?,
        0 => None,
        1 => take(rest).map(|size| Some(u64::from(u16::from_le_bytes(size)) + 256))?,
        2 => take(rest).map(|size| Some(u64::from(u32::from_le_bytes(size))))?,
        _ => take(rest).map(|size| Some(u64::from_le_bytes(size)))?,
    };

    let mut held = 0usize;
    loop {
        let [a, b, c] = take(rest)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let size = (header >> 3) as usize;
        let (len, holds) = match header >> 1 & 3 {
            0 => (size, size),
            // One byte, repeated.
            1 => (1, size.min(BLOCK)),
            // Type 3 does not exist; the decompressor will say so.
            _ => (size, BLOCK),
        };
        held = held.saturating_add(holds);
        *rest = rest.get(len..)?;
        if header & 1 == 1 {
            break;
        }
    }
    let checksum = if descriptor >> 2 & 1 == 1 { 4 } else { 0 };
    *rest = rest.get(checksum..)?;
    Some((stated, held))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
}
