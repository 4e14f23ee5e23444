//! Batches as a broker would send them, for the tests of this folder.

use bytes::Bytes;
use ottla_wire::records::{Batch, BatchHeader, BodyCrc, BodyEncoder, batches};

/// Key, value, headers.
pub(crate) type TestRecord<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a [u8], Option<&'a [u8]>)]);

/// One batch's bytes, its header changed by `change` before its checksum is computed.
pub(crate) fn bytes_with(base_offset: i64, records: &[TestRecord<'_>], change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut encoder = BodyEncoder::new(1_000);
    let mut body = Vec::new();
    for (key, value, headers) in records {
        encoder.push(&mut body, 1_000, *key, *value, headers.iter().copied()).unwrap();
    }
    let mut header = BatchHeader { base_offset, ..encoder.header() };
    change(&mut header);
    [&header.encode(&BodyCrc::of(&body)), body.as_slice()].concat().into()
}

/// One batch's bytes: values from `base_offset` on.
pub(crate) fn bytes(base_offset: i64, values: &[&[u8]]) -> Bytes {
    let records: Vec<TestRecord<'_>> = values.iter().map(|value| (None, Some(*value), &[][..])).collect();
    bytes_with(base_offset, &records, |_| {})
}

/// Values of one transaction of a producer, from `base_offset` on.
pub(crate) fn of_transaction(producer_id: i64, base_offset: i64, count: usize) -> Bytes {
    let records: Vec<TestRecord<'_>> = vec![(None, Some(b"x"), &[]); count];
    bytes_with(base_offset, &records, |header| {
        (header.transactional, header.producer_id, header.producer_epoch) = (true, producer_id, 0);
    })
}

/// A producer's ABORT marker.
pub(crate) fn abort(producer_id: i64, offset: i64) -> Bytes {
    marker(producer_id, offset, 0)
}

/// A producer's COMMIT marker.
pub(crate) fn commit(producer_id: i64, offset: i64) -> Bytes {
    marker(producer_id, offset, 1)
}

fn marker(producer_id: i64, offset: i64, control_type: u8) -> Bytes {
    let key = [0, 0, 0, control_type];
    bytes_with(offset, &[(Some(&key), Some(&[0; 6]), &[])], |header| {
        (header.control, header.transactional) = (true, true);
        (header.producer_id, header.producer_epoch) = (producer_id, 0);
    })
}

/// A batch of values.
pub(crate) fn batch(base_offset: i64, values: &[&[u8]]) -> Batch {
    parse(bytes(base_offset, values))
}

/// A batch of records.
pub(crate) fn batch_of(base_offset: i64, records: &[TestRecord<'_>]) -> Batch {
    parse(bytes_with(base_offset, records, |_| {}))
}

/// The first batch of some bytes.
pub(crate) fn parse(bytes: Bytes) -> Batch {
    batches(bytes).next().unwrap().unwrap()
}
