//! The fixed header of a batch.

use super::{BodyCrc, Problem};
use crate::compression::Compression;

/// The length in bytes of a batch's header.
pub const HEADER_LEN: usize = 61;

/// What precedes the part that a batch's length counts: base offset and the length itself.
pub(super) const OVERHEAD: usize = 12;

pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
/// From here on the CRC covers everything.
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const COUNT_AT: usize = 57;

const CODEC_BITS: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// The header of a batch, without what follows from its body: length and CRC.
///
/// The default has no records, no producer id (-1), no sequence and no leader epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record, also when compaction removed that record. Producers send 0.
    pub base_offset: i64,
    /// The leader epoch in which the batch was appended; the broker's to fill in, -1 from a producer.
    pub partition_leader_epoch: i32,
    /// How the body is compressed.
    pub compression: Compression,
    /// Whose clock the timestamps are from.
    pub timestamp_type: TimestampType,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether the batch holds markers for clients instead of users' records.
    pub control: bool,
    /// Whether `base_timestamp` is the time after which tombstones may be removed; the records' own timestamps are
    /// still relative to it (KIP-534).
    pub delete_horizon: bool,
    /// The last record's offset less `base_offset`, also when compaction removed that record.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to: milliseconds since 1970, the first record's.
    pub base_timestamp: i64,
    /// The largest timestamp of a record or, with [`TimestampType::LogAppendTime`], the timestamp of each.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or -1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records the body holds.
    pub count: i32,
}

/// Whose clock gave a record its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's, or what the user set.
    CreateTime,
    /// The broker's, as the batch was appended.
    LogAppendTime,
}

impl Default for BatchHeader {
    fn default() -> Self {
        Self {
            base_offset: 0,
            partition_leader_epoch: -1,
            compression: Compression::None,
            timestamp_type: TimestampType::CreateTime,
            transactional: false,
            control: false,
            delete_horizon: false,
            last_offset_delta: 0,
            base_timestamp: 0,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: 0,
        }
    }
}

impl BatchHeader {
    /// Writes the header that goes before the body that `body` sums up.
    ///
    /// May be called again with other fields: the body's bytes are not needed.
    #[must_use]
    pub fn encode(&self, body: &BodyCrc) -> [u8; HEADER_LEN] {
        // An encoder's bodies are under 1 GiB, and no codec doubles what it is given.
        let length = i32::try_from(body.len() + HEADER_LEN - OVERHEAD).unwrap_or(i32::MAX);
        let mut out = [0; HEADER_LEN];
        out[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&length.to_be_bytes());
        out[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[MAGIC_AT] = 2;
        out[21..23].copy_from_slice(&self.attributes().to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.count.to_be_bytes());
        let crc = body.after(&out[ATTRIBUTES_AT..]);
        out[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads the fields; length, magic and CRC are the caller's to check.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, Problem> {
        let attributes = i16::from_be_bytes(array(bytes, ATTRIBUTES_AT));
        let codec = (attributes & CODEC_BITS) as u8;
        let timestamp_type = match attributes & LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        };
        Ok(Self {
            base_offset: i64::from_be_bytes(array(bytes, 0)),
            partition_leader_epoch: i32::from_be_bytes(array(bytes, 12)),
            compression: Compression::from_code(codec).ok_or(Problem::Codec(codec))?,
            timestamp_type,
            transactional: attributes & TRANSACTIONAL != 0,
            control: attributes & CONTROL != 0,
            delete_horizon: attributes & DELETE_HORIZON != 0,
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: i64::from_be_bytes(array(bytes, 27)),
            max_timestamp: i64::from_be_bytes(array(bytes, 35)),
            producer_id: i64::from_be_bytes(array(bytes, 43)),
            producer_epoch: i16::from_be_bytes(array(bytes, 51)),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            count: i32::from_be_bytes(array(bytes, COUNT_AT)),
        })
    }

    fn attributes(&self) -> i16 {
        let flag = |set: bool, bit: i16| if set { bit } else { 0 };
        i16::from(self.compression.code())
            | flag(self.timestamp_type == TimestampType::LogAppendTime, LOG_APPEND_TIME)
            | flag(self.transactional, TRANSACTIONAL)
            | flag(self.control, CONTROL)
            | flag(self.delete_horizon, DELETE_HORIZON)
    }
}

/// The `N` bytes at `position` of a header, which lies in it by the layout above.
pub(super) fn array<const N: usize>(bytes: &[u8; HEADER_LEN], position: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[position..position + N]);
    array
}
