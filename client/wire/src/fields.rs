//! How each type of field is laid out.
//!
//! A length or a count is a number of fixed size in old versions, a varint of one more in flexible ones. Null is -1,
//! or 0 as a varint.

use bytes::Bytes;

use crate::{Code, Decode, DecodeError, Encode, EncodeError, Reader, Str, Uuid, Version, Writer};

/// Record batches as they go out: written one slice after another, never joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks(pub Vec<Bytes>);

impl Chunks {
    /// How many bytes there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Self {
        Self(vec![bytes])
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Encode for $number {
            fn encode(&self, out: &mut Writer, _: Version) -> Result<(), EncodeError> {
                out.put(&self.to_be_bytes());
                Ok(())
            }
        }

        impl Decode for $number {
            const MIN_SIZE: usize = size_of::<Self>();

            fn decode(from: &mut Reader, _: Version) -> Result<Self, DecodeError> {
                from.array().map(Self::from_be_bytes)
            }
        }
    )*};
}

numbers! { i8 i16 u16 i32 u32 i64 f64 }

impl Encode for bool {
    fn encode(&self, out: &mut Writer, _: Version) -> Result<(), EncodeError> {
        out.put(&[u8::from(*self)]);
        Ok(())
    }
}

impl Decode for bool {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        from.i8().map(|byte| byte != 0)
    }
}

impl Encode for Code {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.to_wire().encode(out, version)
    }
}

impl Decode for Code {
    const MIN_SIZE: usize = 2;

    fn decode(from: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        from.i16().map(Self::from_wire)
    }
}

impl Encode for Uuid {
    fn encode(&self, out: &mut Writer, _: Version) -> Result<(), EncodeError> {
        out.put(&self.0);
        Ok(())
    }
}

impl Decode for Uuid {
    const MIN_SIZE: usize = 16;

    fn decode(from: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        from.array().map(Self)
    }
}

impl Encode for Str {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        put_string(out, Some(self), version)
    }
}

impl Encode for Option<Str> {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        put_string(out, self.as_deref(), version)
    }
}

impl Decode for Str {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Option::decode(from, version)?.ok_or(DecodeError::UnexpectedNull)
    }
}

impl Decode for Option<Str> {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let length = if version.flexible { compact_length(from)? } else { plain_length(from.i16()?.into())? };
        length.map(|length| Str::from_utf8(from.bytes(length)?)).transpose()
    }
}

impl Encode for Bytes {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        put_length(out, Some(self.len()), version)?;
        out.put_shared(self);
        Ok(())
    }
}

impl Encode for Option<Bytes> {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Some(bytes) => bytes.encode(out, version),
            None => put_length(out, None, version),
        }
    }
}

impl Decode for Bytes {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Option::decode(from, version)?.ok_or(DecodeError::UnexpectedNull)
    }
}

impl Decode for Option<Bytes> {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        length(from, version)?.map(|length| from.bytes(length)).transpose()
    }
}

impl Encode for Chunks {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        put_length(out, Some(self.len()), version)?;
        for chunk in &self.0 {
            out.put_shared(chunk);
        }
        Ok(())
    }
}

impl Encode for Option<Chunks> {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Some(chunks) => chunks.encode(out, version),
            None => put_length(out, None, version),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        put_length(out, Some(self.len()), version)?;
        self.iter().try_for_each(|element| element.encode(out, version))
    }
}

impl<T: Encode> Encode for Option<Vec<T>> {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Some(elements) => elements.encode(out, version),
            None => put_length(out, None, version),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Option::decode(from, version)?.ok_or(DecodeError::UnexpectedNull)
    }
}

impl<T: Decode> Decode for Option<Vec<T>> {
    const MIN_SIZE: usize = 1;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let Some(count) = length(from, version)? else { return Ok(None) };
        let left = from.remaining();
        if count > left / T::MIN_SIZE {
            return Err(DecodeError::InvalidCount { count: count as i64, left });
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::decode(from, version)?);
        }
        Ok(Some(elements))
    }
}

/// What four bytes with a sign can say.
const MAX_LENGTH: usize = i32::MAX as usize;

/// Writes a string of at most 32767 bytes, whatever the version: as much as the old layout can say.
pub(crate) fn put_string(out: &mut Writer, text: Option<&str>, version: Version) -> Result<(), EncodeError> {
    let text = text.map(str::as_bytes);
    let length = match text.map(<[u8]>::len) {
        Some(length) => i16::try_from(length).map_err(|_| EncodeError::TooLong { length, limit: i16::MAX as usize })?,
        None => -1,
    };
    if version.flexible {
        out.put_unsigned_varint((i32::from(length) + 1) as u32);
    } else {
        out.put(&length.to_be_bytes());
    }
    out.put(text.unwrap_or_default());
    Ok(())
}

/// Writes the length of bytes or the count of an array, or null.
fn put_length(out: &mut Writer, length: Option<usize>, version: Version) -> Result<(), EncodeError> {
    let length = match length {
        Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLong { length, limit: MAX_LENGTH })?,
        None => -1,
    };
    if version.flexible {
        out.put_unsigned_varint((length as u32).wrapping_add(1));
    } else {
        out.put(&length.to_be_bytes());
    }
    Ok(())
}

/// Reads the length of bytes or the count of an array, or null.
fn length(from: &mut Reader, version: Version) -> Result<Option<usize>, DecodeError> {
    if version.flexible { compact_length(from) } else { plain_length(from.i32()?) }
}

fn compact_length(from: &mut Reader) -> Result<Option<usize>, DecodeError> {
    Ok(from.unsigned_varint()?.checked_sub(1).map(|length| length as usize))
}

fn plain_length(length: i32) -> Result<Option<usize>, DecodeError> {
    match length {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| DecodeError::InvalidLength(length.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Version = Version { number: 0, flexible: false };
    const FLEXIBLE: Version = Version { number: 1, flexible: true };

    fn written(value: &impl Encode, version: Version) -> Bytes {
        let mut out = Writer::new();
        value.encode(&mut out, version).unwrap();
        out.into_bytes()
    }

    fn read<T: Decode>(bytes: &'static [u8], version: Version) -> Result<T, DecodeError> {
        T::decode(&mut Reader::new(Bytes::from_static(bytes)), version)
    }

    #[test]
    fn lengths_are_fixed_in_old_versions_and_compact_in_flexible_ones() {
        assert_eq!(written(&Str::from("tea"), PLAIN), &b"\0\x03tea"[..]);
        assert_eq!(written(&Str::from("tea"), FLEXIBLE), &b"\x04tea"[..]);
        assert_eq!(written(&Bytes::from_static(b"tea"), PLAIN), &b"\0\0\0\x03tea"[..]);
        assert_eq!(written(&Bytes::from_static(b"tea"), FLEXIBLE), &b"\x04tea"[..]);
        assert_eq!(written(&vec![true, false], PLAIN), &b"\0\0\0\x02\x01\0"[..]);
        assert_eq!(written(&vec![true, false], FLEXIBLE), &b"\x03\x01\0"[..]);
    }

    #[test]
    fn null_and_empty_differ() {
        assert_eq!(written(&None::<Str>, PLAIN), &b"\xff\xff"[..]);
        assert_eq!(written(&None::<Bytes>, PLAIN), &b"\xff\xff\xff\xff"[..]);
        assert_eq!(written(&None::<Vec<i8>>, FLEXIBLE), &b"\0"[..]);
        assert_eq!(written(&Some(Chunks::default()), FLEXIBLE), &b"\x01"[..]);
        assert_eq!(written(&None::<Chunks>, FLEXIBLE), &b"\0"[..]);
        assert_eq!(read::<Option<Str>>(b"\xff\xff", PLAIN), Ok(None));
        assert_eq!(read::<Option<Str>>(b"\0\0", PLAIN), Ok(Some(Str::default())));
        assert_eq!(read::<Option<Vec<i8>>>(b"\x01", FLEXIBLE), Ok(Some(Vec::new())));
        assert_eq!(read::<Vec<i8>>(b"\0", FLEXIBLE), Err(DecodeError::UnexpectedNull));
        assert_eq!(read::<Bytes>(b"\xff\xff\xff\xff", PLAIN), Err(DecodeError::UnexpectedNull));
    }

    #[test]
    fn a_count_is_checked_against_the_bytes_that_are_there() {
        let count = |count, left| Err(DecodeError::InvalidCount { count, left });
        assert_eq!(read::<Vec<i64>>(b"\x7f\xff\xff\xff12345678", PLAIN), count(i32::MAX.into(), 8));
        assert_eq!(read::<Vec<i64>>(b"\xff\xff\xff\xff\x0f12345678", FLEXIBLE), count(u32::MAX as i64 - 1, 8));
        assert_eq!(read::<Vec<i64>>(b"\0\0\0\x0212345678", PLAIN), count(2, 8));
        assert_eq!(read::<Vec<i64>>(b"\0\0\0\x0112345678", PLAIN).unwrap().len(), 1);
        assert_eq!(read::<Vec<i8>>(b"\xff\xff\xff\xfe", PLAIN), Err(DecodeError::InvalidLength(-2)));
        assert_eq!(read::<Str>(b"\x80\0", PLAIN), Err(DecodeError::InvalidLength(-32768)));
        assert_eq!(read::<Bytes>(b"\x05tea", FLEXIBLE), Err(DecodeError::Truncated { needed: 4, left: 3 }));
    }

    #[test]
    fn a_string_has_at_most_32767_bytes_in_every_version() {
        for version in [PLAIN, FLEXIBLE] {
            let longest = Str::from("x".repeat(32_767));
            let bytes = written(&longest, version);
            assert_eq!(Str::decode(&mut Reader::new(bytes), version), Ok(longest));
            let error = Str::from("x".repeat(32_768)).encode(&mut Writer::new(), version);
            assert_eq!(error, Err(EncodeError::TooLong { length: 32_768, limit: 32_767 }));
        }
    }

    #[test]
    fn strings_must_be_utf8() {
        assert_eq!(read::<Str>(b"\x03\xc3\x28", FLEXIBLE), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        assert_eq!(read::<Vec<bool>>(b"\0\0\0\x03\0\x01\xff", PLAIN), Ok(vec![false, true, true]));
    }
}
