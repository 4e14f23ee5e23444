//! Values read from a frame, each checked against the bytes that are there.

use bytes::Bytes;

use crate::DecodeError;

/// Reads values one after another from shared bytes.
///
/// Every method fails with [`DecodeError::Truncated`] if the bytes end before the value does, and then leaves the
/// position where it was. Numbers are big-endian.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    position: usize,
}

impl Reader {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let left = &self.bytes[self.position..];
        let Some(array) = left.first_chunk::<N>() else {
            return Err(DecodeError::Truncated { needed: N, left: left.len() });
        };
        self.position += N;
        Ok(*array)
    }

    /// The next `length` bytes, shared, not copied.
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let start = self.position;
        self.skip(length)?;
        Ok(self.bytes.slice(start..self.position))
    }

    /// Passes over `length` bytes.
    pub fn skip(&mut self, length: usize) -> Result<(), DecodeError> {
        if length > self.remaining() {
            return Err(DecodeError::Truncated { needed: length, left: self.remaining() });
        }
        self.position += length;
        Ok(())
    }

    /// An 8-bit number.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    /// A 16-bit number.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    /// A 32-bit number.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit number.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A number in as many bytes as it needs, seven bits in each, the lowest first.
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`] if it takes more than 32 bits.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let left = &self.bytes[self.position..];
        let mut value = 0;
        for (i, byte) in left.iter().enumerate().take(5) {
            if i == 4 && *byte > 0x0f {
                return Err(DecodeError::VarintTooLong);
            }
            value |= u32::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.position += i + 1;
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated { needed: left.len() + 1, left: left.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn reads_numbers_big_endian_one_after_another() {
        let mut from = reader(&[0xff, 0, 2, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc]);
        assert_eq!(from.i8(), Ok(-1));
        assert_eq!(from.i16(), Ok(2));
        assert_eq!(from.i32(), Ok(3));
        assert_eq!(from.i64(), Ok(-4));
        assert_eq!((from.position(), from.remaining()), (15, 0));
    }

    #[test]
    fn stays_where_it_was_when_the_bytes_end_too_early() {
        let mut from = reader(&[1, 2, 3]);
        assert_eq!(from.i32(), Err(DecodeError::Truncated { needed: 4, left: 3 }));
        assert_eq!(from.bytes(usize::MAX), Err(DecodeError::Truncated { needed: usize::MAX, left: 3 }));
        assert_eq!(from.i16(), Ok(0x0102));
        assert_eq!(from.i16(), Err(DecodeError::Truncated { needed: 2, left: 1 }));
    }

    #[test]
    fn slices_share_the_frame() {
        let frame = Bytes::from_static(b"abcdef");
        let mut from = Reader::new(frame.clone());
        from.skip(2).unwrap();
        let slice = from.bytes(3).unwrap();
        assert_eq!(slice, "cde");
        assert_eq!(slice.as_ptr(), frame[2..].as_ptr());
    }

    #[test]
    fn reads_varints_of_every_length() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0x01], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xff, 0xff, 0xff, 0x7f], 268_435_455),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], u32::MAX),
        ] {
            let mut from = reader(bytes);
            assert_eq!(from.unsigned_varint(), Ok(value));
            assert_eq!(from.remaining(), 0);
        }
    }

    #[test]
    fn refuses_varints_without_an_end_or_over_32_bits() {
        assert_eq!(reader(&[0xff; 5]).unsigned_varint(), Err(DecodeError::VarintTooLong));
        assert_eq!(reader(&[0x80, 0x80, 0x80, 0x80, 0x10]).unsigned_varint(), Err(DecodeError::VarintTooLong));
        assert_eq!(reader(&[0x80, 0x80]).unsigned_varint(), Err(DecodeError::Truncated { needed: 3, left: 2 }));
        assert_eq!(reader(&[]).unsigned_varint(), Err(DecodeError::Truncated { needed: 1, left: 0 }));
    }
}
