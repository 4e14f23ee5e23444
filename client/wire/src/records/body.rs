//! The decompressed records of one batch, and the way through them.

use std::iter::FusedIterator;

use bytes::Bytes;

use super::{BatchError, BatchHeader, Problem, RecordRef, TimestampType};

/// The least a record takes: its length, attributes, two deltas, two lengths and a count, a byte each.
const MIN_RECORD: usize = 7;

/// The records of one batch, decompressed, with what the header says about all of them.
///
/// Records are parsed as they are asked for. To hand a batch out in parts keep the body and a [`Cursor`]; to come
/// back to one record keep its [`position`](RecordRef::position).
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Bytes,
    pub(super) base_offset: i64,
    pub(super) base_timestamp: i64,
    /// The timestamp of every record, if the broker set it.
    pub(super) append_time: Option<i64>,
    count: i32,
    /// What to add to a position for an error's: the header's length if the body is a slice of the batch.
    start: usize,
}

/// A place between two records of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    position: usize,
    remaining: i32,
}

/// Iterates over the records of a body.
///
/// After an error it ends, and its [`cursor`](Self::cursor) stays before the record that cannot be read.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    body: &'a Body,
    cursor: Cursor,
    failed: bool,
}

/// Whether `len` bytes can hold `count` records.
pub(super) fn check_count(count: i32, len: usize) -> Result<(), Problem> {
    match usize::try_from(count) {
        Ok(records) if records <= len / MIN_RECORD => Ok(()),
        _ => Err(Problem::Count(count)),
    }
}

impl Body {
    pub(super) fn new(header: &BatchHeader, bytes: Bytes, start: usize) -> Self {
        Self {
            bytes,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: (header.timestamp_type == TimestampType::LogAppendTime).then_some(header.max_timestamp),
            count: header.count,
            start,
        }
    }

    /// The bytes that every key, value and header is a slice of; [`Bytes::slice_ref`] makes such a slice an owner.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many records there are.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or_default()
    }

    /// The place before the first record.
    #[must_use]
    pub fn start(&self) -> Cursor {
        Cursor { position: 0, remaining: self.count }
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        self.records_from(self.start())
    }

    /// The records after `cursor`, which is to come from this body.
    #[must_use]
    pub fn records_from(&self, cursor: Cursor) -> Records<'_> {
        Records { body: self, cursor, failed: false }
    }

    /// The record that says of itself to be at `position`.
    ///
    /// # Errors
    /// [`Problem::Record`] if there is none.
    pub fn record_at(&self, position: usize) -> Result<RecordRef<'_>, BatchError> {
        let mut rest = self.bytes.get(position..).unwrap_or_default();
        RecordRef::parse(&mut rest, self, position).map_err(|how| self.error(position, how))
    }

    fn error(&self, position: usize, how: &'static str) -> BatchError {
        BatchError {
            base_offset: self.base_offset,
            position: self.start.saturating_add(position),
            problem: Problem::Record(how),
        }
    }
}

impl Cursor {
    /// Bytes of the body that lie before it.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many records follow.
    #[must_use]
    pub fn remaining(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or_default()
    }
}

impl<'a> Records<'a> {
    /// The place before the record that comes next.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The offset of the next record, which is checked as [`next`](Iterator::next) does, and passed.
    #[inline]
    pub fn next_offset(&mut self) -> Option<Result<i64, BatchError>> {
        self.advance(|record| record.offset)
    }

    #[inline(always)]
    fn advance<T>(&mut self, what: impl FnOnce(RecordRef<'a>) -> T) -> Option<Result<T, BatchError>> {
        if self.cursor.remaining <= 0 || self.failed {
            return None;
        }
        let body = self.body;
        let position = self.cursor.position;
        let mut rest = body.bytes.get(position..).unwrap_or_default();
        let record = RecordRef::parse(&mut rest, body, position).and_then(|record| {
            // Said before the last record is handed out, so that a batch is read to its end or not past the flaw.
            if self.cursor.remaining == 1 && !rest.is_empty() {
                return Err("bytes follow the last record");
            }
            Ok(record)
        });
        match record {
            Ok(record) => {
                self.cursor = Cursor { position: body.bytes.len() - rest.len(), remaining: self.cursor.remaining - 1 };
                Some(Ok(what(record)))
            }
            Err(how) => Some(Err(self.fail(how))),
        }
    }

    #[cold]
    fn fail(&mut self, how: &'static str) -> BatchError {
        self.failed = true;
        self.body.error(self.cursor.position, how)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance(|record| record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // At least one, an error, where records are left.
        let remaining = if self.failed { 0 } else { self.cursor.remaining() };
        (remaining.min(1), Some(remaining))
    }
}

impl FusedIterator for Records<'_> {}
