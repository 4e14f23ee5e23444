//! Batches made here: records that a test writes without a client, and the markers that end transactions.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{Batch, CONTROL, Header, TRANSACTIONAL};
use super::marker::Marker;

/// An uncompressed batch of records without keys.
pub(crate) fn batch(values: &[Bytes], timestamp: i64) -> Batch {
    let mut body = BytesMut::new();
    for (delta, value) in (0..).zip(values) {
        put_record(&mut body, delta, None, value);
    }
    let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let header = header(count, timestamp);
    Batch { header: header.sealed(&body), body: body.freeze() }
}

/// The control batch of one record that ends a producer's transaction in a partition.
pub(crate) fn marker(marker: Marker, timestamp: i64) -> Batch {
    let mut body = BytesMut::new();
    put_record(&mut body, 0, Some(&marker.key()), &marker.value());
    let header = Header {
        attributes: TRANSACTIONAL | CONTROL,
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        ..header(1, timestamp)
    };
    Batch { header: header.sealed(&body), body: body.freeze() }
}

fn header(count: i32, timestamp: i64) -> Header {
    Header {
        base_offset: 0,
        length: 0,
        leader_epoch: -1,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        count,
    }
}

fn put_record(body: &mut BytesMut, offset_delta: i64, key: Option<&[u8]>, value: &[u8]) {
    let mut record = BytesMut::new();
    record.put_u8(0);
    put_varint(&mut record, 0);
    put_varint(&mut record, offset_delta);
    put_varint(&mut record, key.map_or(-1, |key| length(key.len())));
    record.put_slice(key.unwrap_or_default());
    put_varint(&mut record, length(value.len()));
    record.put_slice(value);
    put_varint(&mut record, 0);
    put_varint(body, length(record.len()));
    body.put_slice(&record);
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn put_varint(buffer: &mut BytesMut, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        buffer.put_u8((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    buffer.put_u8(zigzag as u8);
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::*;

    #[test]
    fn what_is_made_here_passes_the_checks_of_what_clients_send() {
        let values = [Bytes::from_static(b"tea"), Bytes::new(), vec![7; 300].into()];
        let made = batch(&values, 5);
        let bytes = [&made.header.write()[..], &made.body].concat();
        let taken = Batch::produced(Some(bytes.into()), true).unwrap();
        record::check(&taken).unwrap();
        assert_eq!(taken.header, made.header);
    }
}
