//! The marker that ends a transaction in a partition: the one record of a control batch.

use bytes::{Buf, Bytes};

use super::batch::Header;
use super::record;

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// Where a transaction ended, in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marker {
    /// The producer whose transaction ended.
    pub producer_id: i64,
    /// The epoch under which it was ended: the producer's own, or the next one (KIP-890, and after a timeout).
    pub producer_epoch: i16,
    /// True if the transaction was committed, false if it was aborted.
    pub is_commit: bool,
    /// The epoch of the transaction's coordinator.
    pub coordinator_epoch: i32,
}

impl Marker {
    /// The marker that a control batch holds; `None` if it holds another kind of control record, or is damaged.
    pub(crate) fn read(header: &Header, body: &Bytes) -> Option<Self> {
        if !header.is_control() {
            return None;
        }
        let record = record::decode(header, body).next()?;
        let (mut key, mut value) = (record.key?, record.value?);
        let (_version, kind) = (key.try_get_i16().ok()?, key.try_get_i16().ok()?);
        let _version = value.try_get_i16().ok()?;
        let is_commit = match kind {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        Some(Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            is_commit,
            coordinator_epoch: value.try_get_i32().ok()?,
        })
    }

    /// The record's key: version and kind.
    pub(super) fn key(self) -> [u8; 4] {
        let [high, low] = if self.is_commit { COMMIT } else { ABORT }.to_be_bytes();
        [0, 0, high, low]
    }

    /// The record's value: version and coordinator epoch.
    pub(super) fn value(self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::batch;
    use super::super::encode;
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        for is_commit in [true, false] {
            let marker = Marker { producer_id: 7, producer_epoch: 3, is_commit, coordinator_epoch: 9 };
            let made = encode::marker(marker, 1_000);
            assert!(made.header.is_transactional() && made.header.is_control());
            assert_eq!((made.header.base_sequence, made.header.count), (-1, 1));
            assert_eq!(Marker::read(&made.header, &made.body), Some(marker));
        }
    }

    #[test]
    fn data_is_no_marker() {
        let data = batch(1);
        assert_eq!(Marker::read(&data.header, &data.body), None);
    }

    #[test]
    fn a_damaged_marker_is_none() {
        let marker = Marker { producer_id: 7, producer_epoch: 3, is_commit: true, coordinator_epoch: 9 };
        let made = encode::marker(marker, 1_000);
        for end in 0..made.body.len() {
            assert_eq!(Marker::read(&made.header, &made.body.slice(..end)), None, "cut at {end}");
        }
    }
}
