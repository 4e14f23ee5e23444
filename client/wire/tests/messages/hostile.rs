//! Bytes that a peer could send to do harm.

use allocation_counter::measure;
use bytes::Bytes;
use ottla_wire::DecodeError;

use crate::pair::Random;

/// How many bytes may be allocated for each byte that came in. The largest need is honest: an array of empty strings has
/// one byte for each on the wire, and 32 in memory.
const MEMORY_PER_BYTE: usize = 64;
/// What may be allocated whatever came in.
const MEMORY: usize = 1024;
/// How many ways of spoiling a message are tried.
const SPOILED: usize = 40;
/// Of a long message so many ends are tried.
const ENDS: usize = 200;

/// Cuts a message short and spoils it: `decode` must fail on every prefix, and must never panic or allocate much.
pub(crate) fn bytes(random: &mut Random, message: &Bytes, decode: impl Fn(Bytes) -> Result<(), DecodeError>) {
    let step = message.len() / ENDS + 1;
    for end in (0..message.len()).step_by(step) {
        let decoded = frugal(message.slice(..end), &decode);
        assert!(decoded.is_err(), "{end} of {} bytes are enough", message.len());
    }
    for _ in 0..SPOILED {
        let mut spoiled = message.to_vec();
        for _ in 0..=random.below(3) {
            spoil(random, &mut spoiled);
        }
        let _ = frugal(spoiled.into(), &decode);
    }
    let length = random.below(100);
    let _ = frugal(random.bytes(length).into(), &decode);
}

/// Overwrites some bytes with what makes a large or a negative number, a null, a count that could just be true, or
/// nothing sensible at all.
fn spoil(random: &mut Random, bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let end = bytes.len().min(at + 1 + random.below(8));
    let count = (bytes.len() - at) / (1 + random.below(40));
    match random.below(7) {
        5 if end - at >= 4 => bytes[at..at + 4].copy_from_slice(&(count as i32).to_be_bytes()),
        6 if count < 0x80 => bytes[at] = count as u8,
        6 if end - at >= 2 => bytes[at..at + 2].copy_from_slice(&[count as u8 | 0x80, (count >> 7) as u8 & 0x7f]),
        0 => bytes[at..end].fill(0xff),
        1 => bytes[at..end].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..end - at]),
        2 => bytes[at..end].fill(0),
        3 => bytes[at] ^= 1 << random.below(8),
        _ => bytes[at] = random.bits() as u8,
    }
}

/// Decodes, and checks how much memory that takes.
fn frugal(bytes: Bytes, decode: impl Fn(Bytes) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
    let length = bytes.len();
    let mut decoded = Ok(());
    let allocated = measure(|| decoded = decode(bytes)).bytes_max as usize;
    assert!(allocated <= MEMORY + MEMORY_PER_BYTE * length, "{allocated} bytes of memory for {length} bytes");
    decoded
}
