//! One record of a body, as slices of it.

use std::iter::FusedIterator;

use super::Body;
use super::varint::{read_i32, read_i64};

/// One record, its bytes borrowed from the batch.
///
/// A null key or value is `None`, an empty one an empty slice.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordRef<'a> {
    /// Where in the body the record starts: see [`Body::record_at`].
    pub position: usize,
    /// The record's offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970, from the clock that the batch's timestamp type names.
    pub timestamp: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: HeaderRefs<'a>,
}

/// Iterates over the headers of a record: key and value, in their order, duplicates included.
///
/// Keys are UTF-8 by custom only. A null value is `None`.
#[derive(Debug, Clone)]
pub struct HeaderRefs<'a> {
    /// Exactly `count` well-formed headers.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> RecordRef<'a> {
    /// Removes the record at the front of `rest`; if it is malformed, says how.
    #[inline(always)]
    pub(super) fn parse(rest: &mut &'a [u8], body: &Body, position: usize) -> Result<Self, &'static str> {
        let length = read_i32(rest).ok_or("its length is cut short")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let (mut record, after) = rest.split_at_checked(length).ok_or("it goes beyond the batch")?;

        let (_attributes, fields) = record.split_first().ok_or("it is empty")?;
        record = fields;
        let timestamp_delta = read_i64(&mut record).ok_or("its timestamp is cut short")?;
        let offset_delta = read_i32(&mut record).ok_or("its offset is cut short")?;
        let key = read_bytes(&mut record).ok_or("its key is cut short")?;
        let value = read_bytes(&mut record).ok_or("its value is cut short")?;
        let headers = HeaderRefs::parse(record)?;

        *rest = after;
        Ok(Self {
            position,
            // Wraps as the Java client's arithmetic does; a broker never sends what would.
            offset: body.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: body.append_time.unwrap_or(body.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
        })
    }
}

impl<'a> HeaderRefs<'a> {
    /// Takes the whole of `bytes`: a count and that many headers.
    #[inline(always)]
    fn parse(mut bytes: &'a [u8]) -> Result<Self, &'static str> {
        let count = read_i32(&mut bytes).ok_or("its header count is cut short")?;
        let count = usize::try_from(count).map_err(|_| "its header count is negative")?;
        let headers = Self { bytes, count };
        for _ in 0..count {
            split_header(&mut bytes).ok_or("a header is malformed")?;
        }
        if !bytes.is_empty() {
            return Err("bytes follow its headers");
        }
        Ok(headers)
    }
}

impl<'a> Iterator for HeaderRefs<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        split_header(&mut self.bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for HeaderRefs<'_> {}

impl FusedIterator for HeaderRefs<'_> {}

fn split_header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    // A null key is none.
    let key = read_bytes(bytes)??;
    Some((key, read_bytes(bytes)?))
}

/// Removes a length and that many bytes; a negative length is null. `None` if they are cut short.
#[inline]
fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(read_i32(bytes)?) else {
        return Some(None);
    };
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(field))
}
