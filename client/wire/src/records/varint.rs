//! Zig-zag variable-length integers, as records use them.
//!
//! Seven bits a byte, the lowest first; a set top bit says that another byte follows. An `i32` takes one to five
//! bytes, an `i64` one to ten. Bits beyond the type's width in the last byte are dropped, as the Java client does.
//!
//! Source: <https://kafka.apache.org/protocol#protocol_types> (`VARINT`, `VARLONG`)

/// The bytes that `value` takes.
#[inline]
pub(super) const fn len_i32(value: i32) -> usize {
    len_u64(zigzag_i32(value) as u64)
}

/// The bytes that `value` takes.
#[inline]
pub(super) const fn len_i64(value: i64) -> usize {
    len_u64(zigzag_i64(value))
}

/// Removes a value from the front of `bytes`; `None` if it is cut short or too long.
#[inline]
pub(super) fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    let raw = match read_short(bytes) {
        Some(raw) => raw,
        None => read_raw::<5>(bytes)? as u32,
    };
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Removes a value from the front of `bytes`; `None` if it is cut short or too long.
#[inline]
pub(super) fn read_i64(bytes: &mut &[u8]) -> Option<i64> {
    let raw = match read_short(bytes) {
        Some(raw) => raw.into(),
        None => read_raw::<10>(bytes)?,
    };
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Removes what takes one byte or two, as nearly all of them do: lengths below 8 KiB, deltas of a batch.
#[inline]
fn read_short(bytes: &mut &[u8]) -> Option<u32> {
    let (raw, rest) = match **bytes {
        [first, ref rest @ ..] if first < 0x80 => (first.into(), rest),
        [first, second, ref rest @ ..] if second < 0x80 => (u32::from(first & 0x7f) | u32::from(second) << 7, rest),
        _ => return None,
    };
    *bytes = rest;
    Some(raw)
}

fn read_raw<const MAX: usize>(bytes: &mut &[u8]) -> Option<u64> {
    let mut raw = 0u64;
    for (index, &byte) in bytes.iter().take(MAX).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(raw);
        }
    }
    None
}

#[inline]
const fn len_u64(raw: u64) -> usize {
    // Bits in use (at least one), in groups of seven, rounded up: (bits + 6) / 7 without a division.
    let bits = 64 - (raw | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

#[inline]
const fn zigzag_i32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
const fn zigzag_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A few small integers, eight bytes in all, put together in a register.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    bytes: u64,
    bits: u32,
}

impl Word {
    /// What [`append`](Self::append) writes, of which the end is to be overwritten.
    pub(super) const ROOM: usize = 8;

    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.bits / 8) as usize
    }

    /// Adds a byte of zero.
    #[inline]
    pub(super) fn zero(&mut self) {
        self.bits += 8;
    }

    /// Adds an integer. What takes more than three bytes, or does not fit, makes it [overflow](Self::is_over).
    #[inline]
    pub(super) fn i64(&mut self, value: i64) {
        let raw = zigzag_i64(value);
        // The integers of one record after another take as many bytes as those of the one before: well foretold.
        let (bytes, bits) = if raw < 1 << 7 {
            (raw, 8)
        } else if raw < 1 << 14 {
            (raw & 0x7f | 0x80 | raw >> 7 << 8, 16)
        } else if raw < 1 << 21 {
            (raw & 0x7f | 0x80 | (raw >> 7 & 0x7f | 0x80) << 8 | raw >> 14 << 16, 24)
        } else {
            (0, Self::OVER)
        };
        self.bytes |= bytes.wrapping_shl(self.bits);
        self.bits += bits;
    }

    const OVER: u32 = 1 << 16;

    /// Whether it holds more than it has room for, and so nothing of use.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.bits > u64::BITS
    }

    /// Appends it to a buffer that has [`ROOM`](Self::ROOM).
    #[inline]
    pub(super) fn append(self, out: &mut Vec<u8>) {
        let end = out.len() + self.len();
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.truncate(end);
    }

    /// Appends it, and what follows it.
    #[inline]
    pub(super) fn append_with(self, next: Self, out: &mut Vec<u8>) {
        if self.bits + next.bits <= u64::BITS {
            let bytes = self.bytes | next.bytes << self.bits;
            Self { bytes, bits: self.bits + next.bits }.append(out);
        } else {
            self.append(out);
            next.append(out);
        }
    }
}

/// The room for a few integers: a power of two, over what precedes a record's key (5 + 1 + 10 + 5 + 5 bytes).
const ROOM: usize = 32;

/// A few integers being written to the end of a buffer: see [`append`].
pub(super) struct Integers<'a> {
    room: &'a mut [u8; ROOM],
    len: usize,
}

/// Appends the integers that `write` puts, at most [`ROOM`] bytes.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Integers<'_>)) {
    // Written in place: room is made (two stores), filled, and what is left of it given back. Gathering the bytes
    // elsewhere costs more than twice as much, as the copy has to wait for the single bytes just stored.
    let start = out.len();
    if out.capacity() - start >= ROOM {
        out.extend_from_slice(&[0; ROOM]);
        if let Some(room) = out[start..].first_chunk_mut() {
            let mut integers = Integers { room, len: 0 };
            write(&mut integers);
            let end = start + integers.len;
            out.truncate(end);
        }
    } else {
        append_at_end(out, write);
    }
}

/// Near the end of the buffer, which is not to grow for room that is given back.
#[cold]
#[inline(never)]
fn append_at_end(out: &mut Vec<u8>, write: impl FnOnce(&mut Integers<'_>)) {
    let mut integers = Integers { room: &mut [0; ROOM], len: 0 };
    write(&mut integers);
    out.extend_from_slice(&integers.room[..integers.len.min(ROOM)]);
}

impl Integers<'_> {
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        // The mask never cuts anything off; it tells the compiler that the index is in bounds.
        self.room[self.len & (ROOM - 1)] = byte;
        self.len += 1;
    }

    #[inline]
    pub(super) fn i32(&mut self, value: i32) {
        self.raw(u64::from(zigzag_i32(value)));
    }

    #[inline]
    pub(super) fn i64(&mut self, value: i64) {
        self.raw(zigzag_i64(value));
    }

    #[inline]
    fn raw(&mut self, mut raw: u64) {
        while raw >= 0x80 {
            self.byte(raw as u8 | 0x80);
            raw >>= 7;
        }
        self.byte(raw as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_i32(value: i32) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, |integers| integers.i32(value));
        out
    }

    fn written_i64(value: i64) -> Vec<u8> {
        let mut out = Vec::with_capacity(100);
        append(&mut out, |integers| integers.i64(value));
        out
    }

    #[test]
    fn a_word_holds_what_integers_take_one_by_one() {
        let values = [0, -1, 1, 63, -64, 64, 100, 8_191, 8_192, -8_192, 1_048_575, -1_048_576];
        for a in values {
            for b in values {
                for c in values {
                    let (mut word, mut next) = (Word::default(), Word::default());
                    word.i64(a);
                    next.zero();
                    next.i64(b);
                    next.i64(c);
                    assert!(!word.is_over() && !next.is_over());
                    let mut out = Vec::with_capacity(64);
                    out.push(9);
                    word.append_with(next, &mut out);
                    let expected = [vec![9], written_i64(a), vec![0], written_i64(b), written_i64(c)].concat();
                    assert_eq!(out, expected, "{a} {b} {c}");
                }
            }
        }
    }

    #[test]
    fn a_word_that_is_too_small_says_so() {
        for value in [1_048_576, -1_048_577, i64::MIN, i64::MAX] {
            let mut word = Word::default();
            word.i64(value);
            assert!(word.is_over(), "{value}");
        }
        let mut word = Word::default();
        for _ in 0..3 {
            word.i64(1_048_575);
        }
        assert!(word.is_over(), "three times three bytes");
    }

    #[test]
    fn small_numbers_of_either_sign_take_one_byte() {
        assert_eq!(written_i32(0), [0]);
        assert_eq!(written_i32(-1), [1]);
        assert_eq!(written_i32(63), [126]);
        assert_eq!(written_i32(-64), [127]);
        assert_eq!(written_i32(64), [128, 1]);
        assert_eq!(written_i32(i32::MIN), [255, 255, 255, 255, 15]);
    }

    #[test]
    fn every_width_is_read_back_and_measured() {
        for bits in 0..64 {
            for value in [(1i64 << bits).wrapping_sub(1), 1 << bits, (1i64 << bits).wrapping_neg()] {
                let long = written_i64(value);
                assert_eq!((read_i64(&mut long.as_slice()), long.len()), (Some(value), len_i64(value)));

                let value = value as i32;
                let short = written_i32(value);
                assert_eq!((read_i32(&mut short.as_slice()), short.len()), (Some(value), len_i32(value)));
            }
        }
    }

    #[test]
    fn a_cut_or_endless_number_is_refused() {
        assert_eq!(read_i32(&mut [].as_slice()), None);
        assert_eq!(read_i32(&mut [0x80; 4].as_slice()), None);
        assert_eq!(read_i32(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0].as_slice()), None);
        assert_eq!(read_i64(&mut [0x80; 11].as_slice()), None);
        assert_eq!(read_i64(&mut [0x80; 9].as_slice()), None);
    }
}
