//! Batches made here: for records that a test writes without a client.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{Batch, Header};

/// An uncompressed batch of records without keys.
pub(crate) fn batch(values: &[Bytes], timestamp: i64) -> Batch {
    let mut body = BytesMut::new();
    let mut record = BytesMut::new();
    for (delta, value) in (0..).zip(values) {
        record.put_u8(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta);
        put_varint(&mut record, -1);
        put_varint(&mut record, length(value.len()));
        record.put_slice(value);
        put_varint(&mut record, 0);
        put_varint(&mut body, length(record.len()));
        body.put_slice(&record);
        record.clear();
    }
    let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let header = Header {
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
    };
    Batch { header: header.sealed(&body), body: body.freeze() }
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
