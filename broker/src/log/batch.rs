//! The 61-byte header of a record batch (magic 2): parse, check, write.
//!
//! A batch is stored as the producer sent it. Only its header is written anew, where the leader has a say: the base
//! offset, the leader epoch and, with `LogAppendTime`, the timestamp.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 61;

/// Bytes of the header's head, which its length field doesn't count: base offset and the length itself.
const BEFORE_LENGTH: usize = 12;

/// Where the part begins that the CRC covers: at the attributes.
const CRC_FROM: usize = 21;

/// The bits of the attributes that number the codec.
pub(crate) const CODEC: i16 = 0x07;

const LOG_APPEND_TIME: i16 = 0x08;
pub(crate) const TRANSACTIONAL: i16 = 0x10;
pub(crate) const CONTROL: i16 = 0x20;

/// Fields of a batch's header, in wire order; magic is 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    pub(crate) length: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`, of which at least [`HEADER_BYTES`] are there.
    fn read(mut bytes: &[u8]) -> (Self, i8) {
        let base_offset = bytes.get_i64();
        let length = bytes.get_i32();
        let leader_epoch = bytes.get_i32();
        let magic = bytes.get_i8();
        let header = Self {
            base_offset,
            length,
            leader_epoch,
            crc: bytes.get_u32(),
            attributes: bytes.get_i16(),
            last_offset_delta: bytes.get_i32(),
            base_timestamp: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            producer_id: bytes.get_i64(),
            producer_epoch: bytes.get_i16(),
            base_sequence: bytes.get_i32(),
            count: bytes.get_i32(),
        };
        (header, magic)
    }

    /// The 61 bytes of this header.
    pub(crate) fn write(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES);
        bytes.put_i64(self.base_offset);
        bytes.put_i32(self.length);
        bytes.put_i32(self.leader_epoch);
        bytes.put_i8(2);
        bytes.put_u32(self.crc);
        bytes.put_i16(self.attributes);
        bytes.put_i32(self.last_offset_delta);
        bytes.put_i64(self.base_timestamp);
        bytes.put_i64(self.max_timestamp);
        bytes.put_i64(self.producer_id);
        bytes.put_i16(self.producer_epoch);
        bytes.put_i32(self.base_sequence);
        bytes.put_i32(self.count);
        bytes.freeze()
    }

    /// The offset of the last record the batch had when it was written.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The sequence number of the batch's last record; numbers wrap from `i32::MAX` to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// True if a producer id is set: the batch is idempotent.
    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// True if the broker's time at append counts, not the records' own.
    pub(crate) fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// True if the batch belongs to a transaction.
    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// True if the batch holds no data but a marker: where a transaction ended.
    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The codec's number, 0 to 7.
    pub(crate) fn codec(&self) -> i16 {
        self.attributes & CODEC
    }

    /// Stamps the batch with the broker's time.
    pub(crate) fn set_log_append_time(&mut self, now_ms: i64, body: &[u8]) {
        self.attributes |= LOG_APPEND_TIME;
        self.max_timestamp = now_ms;
        *self = self.clone().sealed(body);
    }

    /// This header with the length and the CRC that belong to its other fields and `body`.
    pub(crate) fn sealed(mut self, body: &[u8]) -> Self {
        self.length = i32::try_from(HEADER_BYTES - BEFORE_LENGTH + body.len()).unwrap_or(i32::MAX);
        self.crc = crc32c::crc32c_append(crc32c::crc32c(&self.write()[CRC_FROM..]), body);
        self
    }
}

/// `sequence` moved on by `delta` records, wrapping from `i32::MAX` to 0.
pub(crate) fn sequence_after(sequence: i32, delta: i32) -> i32 {
    let wrapped = (i64::from(sequence) + i64::from(delta)) % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).unwrap_or(0)
}

/// Why a batch isn't taken: the error code a producer is told, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ResponseError,
    pub(crate) message: String,
    /// The records that are to blame, where it is known (KIP-467).
    pub(crate) records: Vec<BadRecord>,
    /// Where the log starts that refused it; -1 if it didn't come so far.
    pub(crate) start_offset: i64,
}

/// A record for which its batch isn't taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRecord {
    /// Its place in the batch, from 0.
    pub(crate) index: i32,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ResponseError, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), records: Vec::new(), start_offset: -1 }
    }

    /// Refused because a test wants it so. Code 0 says that all is well, though nothing was done.
    pub(crate) fn injected(code: i16) -> Self {
        Self::new(ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(0)), "")
    }
}

/// One batch as a producer sent it.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) header: Header,
    /// The records, perhaps compressed: what follows the header.
    pub(crate) body: Bytes,
}

impl Batch {
    /// Takes the one batch of a partition's `records` field, checking what a broker checks before it appends.
    ///
    /// The CRC-32C is computed only if `check_crc`.
    ///
    /// # Errors
    /// `INVALID_RECORD` if there is not exactly one batch of magic 2 or its fields contradict each other,
    /// `CORRUPT_MESSAGE` if it is cut short or its CRC differs.
    pub(crate) fn produced(records: Option<Bytes>, check_crc: bool) -> Result<Self, Refused> {
        let invalid = |message: &str| Err(Refused::new(ResponseError::InvalidRecord, message));
        let Some(records) = records.filter(|records| !records.is_empty()) else {
            return invalid("A Produce request must hold one record batch for each partition");
        };
        let length = records.get(8..BEFORE_LENGTH).map_or(-1, |mut bytes| bytes.get_i32());
        let size = usize::try_from(length).map_or(0, |length| length + BEFORE_LENGTH);
        if size < HEADER_BYTES || size > records.len() {
            let message = format!("A batch of {length} bytes stands in {} bytes", records.len());
            return Err(Refused::new(ResponseError::CorruptMessage, message));
        }
        if size < records.len() {
            return invalid("A Produce request must hold exactly one record batch for each partition");
        }
        let (header, magic) = Header::read(&records);
        if magic != 2 {
            return invalid("Only record batches of magic 2 are taken");
        }
        if check_crc && crc32c::crc32c(&records[CRC_FROM..]) != header.crc {
            return Err(Refused::new(ResponseError::CorruptMessage, "The batch's CRC-32C differs"));
        }
        if header.base_offset != 0 {
            return invalid("The base offset of a produced batch must be 0");
        }
        if header.count <= 0 || header.last_offset_delta != header.count - 1 {
            return invalid("The last offset delta and the number of records of the batch contradict each other");
        }
        if header.is_control() {
            return invalid("A client may not write control batches");
        }
        if header.has_producer() && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return invalid("A batch with a producer id must have an epoch and a sequence number");
        }
        Ok(Self { header, body: records.slice(HEADER_BYTES..) })
    }

    /// Takes a batch that a test wants in the log, sound or not: only its length, its magic and the sign of its last
    /// offset delta must be right.
    pub(crate) fn raw(bytes: &Bytes) -> Option<Self> {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let (header, magic) = Header::read(bytes);
        let is_whole = usize::try_from(header.length) == Ok(bytes.len() - BEFORE_LENGTH);
        (magic == 2 && is_whole && header.last_offset_delta >= 0)
            .then(|| Self { header, body: bytes.slice(HEADER_BYTES..) })
    }

    /// A batch without records that spans so many offsets: stands for bytes that aren't understood.
    pub(crate) fn spanning(offsets: i32) -> Self {
        let header = Header {
            base_offset: 0,
            length: 0,
            leader_epoch: -1,
            crc: 0,
            attributes: 0,
            last_offset_delta: offsets - 1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: 0,
        };
        Self { header, body: Bytes::new() }
    }

    /// Bytes of the whole batch.
    pub(crate) fn size(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A batch of `count` records with empty bodies, as a producer sends it.
    pub(crate) fn batch(count: i32) -> Batch {
        producer_batch(count, -1, -1, -1)
    }

    /// The same of an idempotent producer.
    pub(crate) fn producer_batch(count: i32, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Batch {
        let mut body = BytesMut::new();
        for delta in 0..count {
            let delta = u8::try_from(delta * 2).unwrap();
            // Length 6 (zigzag 12), attributes, timestamp delta, offset delta, null key, null value, no headers.
            body.put_slice(&[12, 0, 0, delta, 1, 1, 0]);
        }
        let header = Header {
            base_offset: 0,
            length: 0,
            leader_epoch: -1,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: 1_000,
            max_timestamp: 1_000,
            producer_id,
            producer_epoch,
            base_sequence,
            count,
        };
        Batch { header: header.sealed(&body), body: body.freeze() }
    }

    /// The same within a transaction.
    pub(crate) fn transactional_batch(count: i32, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Batch {
        let Batch { mut header, body } = producer_batch(count, producer_id, producer_epoch, base_sequence);
        header.attributes |= TRANSACTIONAL;
        Batch { header: header.sealed(&body), body }
    }

    fn bytes(batch: &Batch) -> Bytes {
        [&batch.header.write()[..], &batch.body[..]].concat().into()
    }

    fn code(records: Bytes) -> ResponseError {
        Batch::produced(Some(records), true).unwrap_err().code
    }

    #[test]
    fn a_sound_batch_is_taken_as_it_is() {
        let sent = batch(3);
        let taken = Batch::produced(Some(bytes(&sent)), true).unwrap();
        assert_eq!(taken.header, sent.header);
        assert_eq!(taken.body, sent.body);
    }

    #[test]
    fn one_flipped_bit_is_corrupt() {
        let mut records = bytes(&batch(3)).to_vec();
        *records.last_mut().unwrap() ^= 1;
        assert_eq!(code(records.into()), ResponseError::CorruptMessage);
    }

    #[test]
    fn a_batch_cut_short_is_corrupt_at_every_length() {
        let records = bytes(&batch(1));
        for end in 1..records.len() {
            assert_eq!(code(records.slice(..end)), ResponseError::CorruptMessage, "cut at {end}");
        }
    }

    #[test]
    fn two_batches_in_one_partition_are_invalid() {
        let one = bytes(&batch(1));
        assert_eq!(code([&one[..], &one[..]].concat().into()), ResponseError::InvalidRecord);
    }

    #[test]
    fn no_batch_is_invalid() {
        assert_eq!(Batch::produced(None, true).unwrap_err().code, ResponseError::InvalidRecord);
        assert_eq!(code(Bytes::new()), ResponseError::InvalidRecord);
    }

    #[test]
    fn a_count_that_contradicts_the_offsets_is_invalid() {
        let mut batch = batch(3);
        batch.header.count = 2;
        assert_eq!(Batch::produced(Some(bytes(&batch)), false).unwrap_err().code, ResponseError::InvalidRecord);
    }

    #[test]
    fn log_append_time_leaves_a_sound_crc() {
        let mut batch = batch(2);
        let body = batch.body.clone();
        batch.header.set_log_append_time(77, &body);
        let again = Batch::produced(Some(bytes(&batch)), true).unwrap();
        assert!(again.header.is_log_append_time());
        assert_eq!(again.header.max_timestamp, 77);
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 4), 2);
        assert_eq!(sequence_after(5, 0), 5);
    }
}
