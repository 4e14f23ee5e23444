//! Fetched bytes into batches, and a batch into its body.

use std::iter::FusedIterator;

use bytes::Bytes;

use super::header::{ATTRIBUTES_AT, COUNT_AT, CRC_AT, MAGIC_AT, OVERHEAD, array};
use super::{BatchError, BatchHeader, Body, HEADER_LEN, Problem, body, crc};
use crate::compression::{Compression, Decompressor};

/// Splits the records of one partition in a Fetch response into batches, without copying.
///
/// The broker may cut the last batch short; the iterator then ends before it, and [`Batches::cut_off`] tells. After
/// an error the iterator ends: what follows cannot be told apart from payload.
///
/// No CRC is checked and nothing decompressed: see [`Batch::check_crc`] and [`Batch::body`].
///
/// # Errors
/// Each item may be a [`BatchError`]: an unsupported format (magic 0 or 1), a length below a header's, a count that
/// the bytes cannot hold, an unknown compression code.
#[must_use]
pub fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes }
}

/// Iterates over the batches of one partition: see [`batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

/// One batch as it was fetched: a parsed header, and the bytes.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The header's fields.
    pub header: BatchHeader,
    /// The whole batch, its header included.
    bytes: Bytes,
    stated_crc: u32,
}

impl Batches {
    /// How many bytes have not been returned as a batch.
    ///
    /// Once the iterator has ended without an error this is the length of the batch that was cut short. A broker
    /// sends a first batch whole whatever the limits (KIP-74), so that one is never cut off.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        self.rest.len()
    }

    fn split(&mut self) -> Result<Option<Batch>, BatchError> {
        let Some(start) = self.rest.first_chunk::<{ MAGIC_AT + 1 }>() else {
            return Ok(None);
        };
        let (overhead, _) = start.split_at(OVERHEAD);
        let mut base_offset = [0; 8];
        base_offset.copy_from_slice(&overhead[..8]);
        let base_offset = i64::from_be_bytes(base_offset);
        let fail = |position, problem| Err(BatchError { base_offset, position, problem });

        // All formats have length and magic at the same place, so an old one can be named.
        let magic = start[MAGIC_AT] as i8;
        if magic != 2 {
            return fail(MAGIC_AT, Problem::Magic(magic));
        }
        let length = i32::from_be_bytes([overhead[8], overhead[9], overhead[10], overhead[11]]);
        let Some(size) = usize::try_from(length).ok().map(|length| length.saturating_add(OVERHEAD)) else {
            return fail(8, Problem::Length(length));
        };
        if size < HEADER_LEN {
            return fail(8, Problem::Length(length));
        }
        if size > self.rest.len() {
            return Ok(None);
        }
        let Some(head) = self.rest.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let header = match BatchHeader::parse(head) {
            Ok(header) => header,
            Err(problem) => return fail(ATTRIBUTES_AT, problem),
        };
        let stated_crc = u32::from_be_bytes(array(head, CRC_AT));
        let batch = Batch { header, bytes: self.rest.split_to(size), stated_crc };
        // What is compressed can only be counted once it is decompressed.
        let room = match header.compression {
            Compression::None => batch.bytes.len() - HEADER_LEN,
            _ => usize::MAX,
        };
        body::check_count(header.count, room).map_err(|problem| batch.error(COUNT_AT, problem))?;
        Ok(Some(batch))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.split();
        if item.is_err() {
            self.rest = Bytes::new();
        }
        item.transpose()
    }
}

impl FusedIterator for Batches {}

impl Batch {
    /// The whole batch as it came, its header included.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The offset that the header states for the first record; compaction may have removed that record.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    /// The last offset that the batch stands for; compaction may have removed its record. The position after the
    /// batch is one more.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.header.base_offset.wrapping_add(i64::from(self.header.last_offset_delta))
    }

    /// Compares the CRC-32C that the header states with that of the bytes.
    ///
    /// # Errors
    /// [`Problem::Crc`] if they differ.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let actual = crc::crc32c(&self.bytes[ATTRIBUTES_AT..]);
        if actual == self.stated_crc {
            return Ok(());
        }
        Err(self.error(CRC_AT, Problem::Crc { stated: self.stated_crc, actual }))
    }

    /// The records' bytes: a slice of the batch, or, if that is compressed, one new buffer.
    ///
    /// # Errors
    /// [`Problem::Decompress`] if the body cannot be decompressed within the decompressor's limit,
    /// [`Problem::Count`] if it cannot hold the stated number of records.
    pub fn body(&self, decompressor: &mut Decompressor) -> Result<Body, BatchError> {
        let body = self.bytes.slice(HEADER_LEN..);
        // Compaction leaves headers without records; no codec has anything to say about those.
        if self.header.count == 0 || self.header.compression == Compression::None {
            return Ok(Body::new(&self.header, body, HEADER_LEN));
        }
        let body = decompressor
            .decompress(self.header.compression, &body)
            .map_err(|error| self.error(HEADER_LEN, Problem::Decompress(error)))?;
        body::check_count(self.header.count, body.len()).map_err(|problem| self.error(COUNT_AT, problem))?;
        Ok(Body::new(&self.header, body, 0))
    }

    fn error(&self, position: usize, problem: Problem) -> BatchError {
        BatchError { base_offset: self.header.base_offset, position, problem }
    }
}
