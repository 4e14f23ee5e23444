//! The tagged fields at the end of a structure, in flexible versions: what is not known is passed over.

use crate::{DecodeError, Encode, EncodeError, Reader, Version, Writer};

/// The tagged fields at the end of a structure: each has a number and a size, so that a reader can skip it.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    count: u32,
    fields: Writer,
}

impl Tags {
    /// Adds a field. Tags must rise.
    pub(crate) fn add(&mut self, tag: u32, value: &impl Encode, version: Version) -> Result<(), EncodeError> {
        let mut field = Writer::new();
        value.encode(&mut field, version)?;
        self.count += 1;
        self.fields.put_unsigned_varint(tag);
        let size = u32::try_from(field.len())
            .map_err(|_| EncodeError::TooLong { length: field.len(), limit: u32::MAX as usize })?;
        self.fields.put_unsigned_varint(size);
        self.fields.append(field);
        Ok(())
    }

    /// Writes them all, and first how many there are.
    pub(crate) fn write(self, out: &mut Writer) {
        out.put_unsigned_varint(self.count);
        out.append(self.fields);
    }
}

/// Writes that a structure has no tagged field, if the version has any at all.
pub(crate) fn no_tags(out: &mut Writer, version: Version) {
    if version.flexible {
        out.put_unsigned_varint(0);
    }
}

/// Reads the tagged fields at the end of a structure, if the version has any; `field` gets the number of each and its
/// bytes, and passes over what it does not know.
pub(crate) fn tags(
    from: &mut Reader,
    version: Version,
    mut field: impl FnMut(u32, &mut Reader) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if !version.flexible {
        return Ok(());
    }
    for _ in 0..from.unsigned_varint()? {
        let tag = from.unsigned_varint()?;
        let size = from.unsigned_varint()? as usize;
        field(tag, &mut Reader::new(from.bytes(size)?))?;
    }
    Ok(())
}

/// Passes over the tagged fields of a structure that knows none, if the version has any.
pub(crate) fn skip_tags(from: &mut Reader, version: Version) -> Result<(), DecodeError> {
    if !version.flexible {
        return Ok(());
    }
    for _ in 0..from.unsigned_varint()? {
        from.unsigned_varint()?;
        let size = from.unsigned_varint()? as usize;
        from.skip(size)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Decode, Str};

    const PLAIN: Version = Version { number: 0, flexible: false };
    const FLEXIBLE: Version = Version { number: 1, flexible: true };

    #[test]
    fn tagged_fields_are_written_with_number_and_size_and_found_by_number() {
        let mut fields = Tags::default();
        fields.add(3, &7i16, FLEXIBLE).unwrap();
        fields.add(300, &Str::from("tea"), FLEXIBLE).unwrap();
        let mut out = Writer::new();
        fields.write(&mut out);
        let bytes = out.into_bytes();
        assert_eq!(bytes, &b"\x02\x03\x02\0\x07\xac\x02\x04\x04tea"[..]);

        let mut found = None;
        let mut from = Reader::new(bytes.clone());
        tags(&mut from, FLEXIBLE, |tag, from| {
            if tag == 300 {
                found = Some(Str::decode(from, FLEXIBLE)?);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!((found, from.remaining()), (Some(Str::from("tea")), 0));

        let mut from = Reader::new(bytes);
        skip_tags(&mut from, FLEXIBLE).unwrap();
        assert_eq!(from.remaining(), 0);
    }

    #[test]
    fn a_tagged_field_cannot_reach_beyond_its_size() {
        let mut from = Reader::new(Bytes::from_static(b"\x01\0\x01\0\0\0\x09"));
        let read = tags(&mut from, FLEXIBLE, |_, from| i32::decode(from, FLEXIBLE).map(|_| ()));
        assert_eq!(read, Err(DecodeError::Truncated { needed: 4, left: 1 }));
    }

    #[test]
    fn versions_that_are_not_flexible_have_no_tagged_fields() {
        let mut from = Reader::new(Bytes::from_static(b"\x01"));
        tags(&mut from, PLAIN, |_, _| unreachable!("there are none")).unwrap();
        skip_tags(&mut from, PLAIN).unwrap();
        assert_eq!(from.remaining(), 1);
        let mut out = Writer::new();
        no_tags(&mut out, PLAIN);
        assert!(out.is_empty());
    }
}
