//! Records into the body of a batch.

use std::fmt;

use super::BatchHeader;
use super::varint::{self, Word};

/// A body never grows beyond this: compressed or not, a batch's length then fits its field.
const MAX_BODY: usize = 1 << 30;

/// Encodes records into the body of one batch, straight into the caller's buffer.
///
/// ```
/// use ottla_wire::records::{BodyCrc, BodyEncoder};
///
/// let mut encoder = BodyEncoder::new(1_700_000_000_000);
/// let mut body = Vec::new();
/// encoder.push(&mut body, 1_700_000_000_000, Some(b"user-7"), Some(b"tea"), [].into_iter())?;
/// let batch = [&encoder.header().encode(&BodyCrc::of(&body)), body.as_slice()].concat();
/// assert_eq!(batch.len(), 61 + 16);
/// # Ok::<(), ottla_wire::records::RecordTooLarge>(())
/// ```
#[derive(Debug, Clone)]
pub struct BodyEncoder {
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    size: usize,
}

/// A record for which the batch, or any batch, has no room: its body would be over 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordTooLarge;

impl BodyEncoder {
    /// Starts a body whose timestamps are relative to `base_timestamp`: by custom its first record's.
    #[must_use]
    pub fn new(base_timestamp: i64) -> Self {
        Self { base_timestamp, max_timestamp: -1, count: 0, size: 0 }
    }

    /// How many records were pushed.
    #[must_use]
    pub fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes were appended.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// What the timestamps are relative to.
    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// The largest timestamp pushed, or -1.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The header for what was pushed; compression, producer and flags are the caller's to set.
    #[must_use]
    pub fn header(&self) -> BatchHeader {
        BatchHeader {
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            count: self.count,
            ..BatchHeader::default()
        }
    }

    /// The bytes that [`push`](Self::push) would append for this record: exact, its length prefix included.
    #[must_use]
    pub fn size_of<'h>(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) -> usize {
        let (length, _) = self.measure(timestamp, key, value, headers);
        // Beyond an i32 the record is refused anyway; its prefix counts as the longest.
        length.saturating_add(varint::len_i32(i32::try_from(length).unwrap_or(i32::MAX)))
    }

    /// Appends a record to `out`, and returns how many bytes that were.
    ///
    /// The payload is copied once. `out` grows at most once, and only if its spare capacity is less than
    /// [`size_of`](Self::size_of). Headers are `(key, value)` in the order they shall have; a `None` value is null.
    ///
    /// # Errors
    /// [`RecordTooLarge`] if the body would be over 1 GiB; `out` and the encoder are then as before.
    #[inline]
    pub fn push<'h>(
        &mut self,
        out: &mut Vec<u8>,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)> + Clone,
    ) -> Result<usize, RecordTooLarge> {
        if headers.clone().next().is_none()
            && let Some(size) = self.push_small(out, timestamp, key, value)
        {
            return Ok(size);
        }
        self.push_any(out, timestamp, key, value, headers)
    }

    /// A record without headers, of less than a megabyte, into a buffer that has more room than it takes: nearly all of
    /// them. The integers are put together in a register and stored at once, with what follows them overwritten.
    #[inline]
    fn push_small(
        &mut self,
        out: &mut Vec<u8>,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<usize> {
        let key_length = key.map_or(-1, |key| key.len() as i64);
        let value_length = value.map_or(-1, |value| value.len() as i64);
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        let mut fields = Word::default();
        fields.zero(); // attributes: none are defined
        fields.i64(timestamp.wrapping_sub(self.base_timestamp));
        fields.i64(i64::from(self.count));
        fields.i64(key_length);
        let mut between = Word::default();
        between.i64(value_length);
        if fields.is_over() || between.is_over() {
            return None;
        }
        let length = fields.len() + key.len() + between.len() + value.len() + 1;
        let mut start = Word::default();
        start.i64(length as i64);
        let size = start.len() + length;
        // The words overwrite what comes behind them, so the buffer must have a little more room than the record takes.
        if start.is_over()
            || out.capacity() - out.len() < size + Word::ROOM
            || size > MAX_BODY.saturating_sub(self.size)
        {
            return None;
        }
        start.append_with(fields, out);
        out.extend_from_slice(key);
        between.append(out);
        out.extend_from_slice(value);
        out.push(0); // no headers

        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        self.size += size;
        Some(size)
    }

    #[inline(never)]
    fn push_any<'h>(
        &mut self,
        out: &mut Vec<u8>,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)> + Clone,
    ) -> Result<usize, RecordTooLarge> {
        let (length, header_count) = self.measure(timestamp, key, value, headers.clone());
        if length > MAX_BODY.saturating_sub(self.size) {
            return Err(RecordTooLarge);
        }
        let size = varint::len_i32(length as i32) + length;
        out.reserve(size);

        let key_length = field_length(key);
        varint::append(out, |integers| {
            integers.i32(length as i32);
            integers.byte(0); // attributes: none are defined
            integers.i64(timestamp.wrapping_sub(self.base_timestamp));
            integers.i32(self.count);
            integers.i32(key_length);
        });
        out.extend_from_slice(key.unwrap_or_default());
        append_field(out, value);
        varint::append(out, |integers| integers.i32(header_count));
        for (key, value) in headers {
            append_field(out, Some(key));
            append_field(out, value);
        }

        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        self.size += size;
        Ok(size)
    }

    /// The bytes after the length prefix, and the number of headers.
    #[inline]
    fn measure<'h>(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) -> (usize, i32) {
        let (mut sum, mut count) = (0usize, 0i32);
        for (key, value) in headers {
            // The same slice may stand in many headers, so that even a sum of lengths can overflow.
            sum = sum.saturating_add(field_size(Some(key))).saturating_add(field_size(value));
            count = count.saturating_add(1);
        }
        let length = 1
            + varint::len_i64(timestamp.wrapping_sub(self.base_timestamp))
            + varint::len_i32(self.count)
            + varint::len_i32(count);
        (length.saturating_add(field_size(key)).saturating_add(field_size(value)).saturating_add(sum), count)
    }
}

impl fmt::Display for RecordTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the batch would be over 1 GiB")
    }
}

impl std::error::Error for RecordTooLarge {}

/// Null is a length of -1, and no bytes.
#[inline]
fn field_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX)).saturating_add(bytes.len()))
}

/// What stands before a field's bytes, which are under [`MAX_BODY`].
#[inline]
fn field_length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| bytes.len() as i32)
}

#[inline]
fn append_field(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::append(out, |integers| integers.i32(field_length(bytes)));
    out.extend_from_slice(bytes.unwrap_or_default());
}
