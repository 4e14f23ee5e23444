//! What holds for every record, and for every bit of a batch.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use ottla_wire::compression::{Compression, Compressor, Decompressor};
use ottla_wire::records::{Batch, BatchError, BatchHeader, BodyCrc, BodyEncoder, Cursor, TimestampType, batches};
use proptest::collection::vec;
use proptest::prelude::*;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

type Header = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Clone, PartialEq)]
struct Record {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    // Lengths around which a varint grows, and any other.
    prop_oneof![vec(any::<u8>(), 0..4), vec(any::<u8>(), 62..67), vec(any::<u8>(), 0..9_000)]
}

fn record() -> impl Strategy<Value = Record> {
    let timestamp = prop_oneof![any::<i64>(), 1_700_000_000_000..1_700_000_000_100i64];
    let headers = vec((vec(any::<u8>(), 0..10), prop::option::of(vec(any::<u8>(), 0..100))), 0..5);
    (timestamp, prop::option::of(payload()), prop::option::of(payload()), headers)
        .prop_map(|(timestamp, key, value, headers)| Record { timestamp, key, value, headers })
}

fn header() -> impl Strategy<Value = BatchHeader> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let producer = (any::<i64>(), any::<i16>(), any::<i32>());
    (any::<i64>(), any::<i32>(), flags, producer).prop_map(
        |(base_offset, partition_leader_epoch, (append, transactional, control, delete_horizon), producer)| {
            BatchHeader {
                base_offset,
                partition_leader_epoch,
                timestamp_type: if append { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
                transactional,
                control,
                delete_horizon,
                producer_id: producer.0,
                producer_epoch: producer.1,
                base_sequence: producer.2,
                ..BatchHeader::default()
            }
        },
    )
}

/// Encodes `records` into a batch whose header is `header` where that says more than the records.
fn encode(header: BatchHeader, codec: Compression, records: &[Record], capacity: usize) -> (BatchHeader, Bytes) {
    let mut encoder = BodyEncoder::new(records[0].timestamp);
    let mut body = Vec::with_capacity(capacity);
    for record in records {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let headers = || record.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        let size = encoder.size_of(record.timestamp, key, value, headers());
        let before = body.len();
        assert_eq!(encoder.push(&mut body, record.timestamp, key, value, headers()), Ok(size));
        assert_eq!(body.len(), before + size);
    }
    let mut compressed = Vec::new();
    Compressor::new(codec, None).unwrap().compress(&body, &mut compressed).unwrap();
    let written = encoder.header();
    let header = BatchHeader {
        compression: codec,
        last_offset_delta: written.last_offset_delta,
        base_timestamp: written.base_timestamp,
        max_timestamp: written.max_timestamp,
        count: written.count,
        ..header
    };
    (header, [&header.encode(&BodyCrc::of(&compressed)), compressed.as_slice()].concat().into())
}

fn read(batch: &Batch) -> Vec<Record> {
    let body = batch.body(&mut Decompressor::new(1 << 24)).unwrap();
    let mut next_offset = batch.base_offset();
    let mut read = Vec::new();
    for record in body.records() {
        let record = record.unwrap();
        assert_eq!(record.offset, next_offset);
        next_offset = next_offset.wrapping_add(1);
        read.push(Record {
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect(),
        });
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(
        records in vec(record(), 1..20), header in header(), codec in prop::sample::select(&CODECS[..]),
        capacity in 0..20_000usize,
    ) {
        let (header, bytes) = encode(header, codec, &records, capacity);
        let mut all = batches(bytes);
        let batch = all.next().unwrap().unwrap();
        prop_assert!(all.next().is_none());
        prop_assert!(batch.check_crc().is_ok());
        prop_assert_eq!(batch.header, header);
        let mut expected = records;
        if header.timestamp_type == TimestampType::LogAppendTime {
            expected.iter_mut().for_each(|record| record.timestamp = header.max_timestamp);
        }
        prop_assert_eq!(read(&batch), expected);
    }

    #[test]
    fn a_batch_handed_out_in_parts_is_whole(records in vec(record(), 1..20), parts in vec(1..4usize, 20)) {
        let (_, bytes) = encode(BatchHeader::default(), Compression::None, &records, 0);
        let batch = batches(bytes).next().unwrap().unwrap();
        let body = batch.body(&mut Decompressor::new(0)).unwrap();
        let mut cursor: Cursor = body.start();
        let mut offsets = Vec::new();
        for part in parts {
            let mut some = body.records_from(cursor);
            offsets.extend(some.by_ref().take(part).map(|record| record.unwrap().offset));
            cursor = some.cursor();
        }
        prop_assert_eq!(cursor.remaining(), 0);
        prop_assert_eq!(offsets, (0..records.len() as i64).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..2_000)) {
        for batch in batches(bytes.clone().into()) {
            let Ok(batch) = batch else { break };
            if let Ok(body) = batch.body(&mut Decompressor::new(1 << 16)) {
                body.records().for_each(drop);
            }
        }
        for codec in CODECS {
            if let Ok(body) = Decompressor::new(1 << 16).decompress(codec, &bytes) {
                prop_assert!(body.len() <= 1 << 16);
            }
        }
    }
}

/// A batch of three records, one with headers, compressed with `codec`.
fn small(codec: Compression) -> Bytes {
    let record = |key: &str, value: &str, headers: &[(&str, &str)]| Record {
        timestamp: 1_700_000_000_000,
        key: Some(key.into()),
        value: Some(value.into()),
        headers: headers.iter().map(|&(key, value)| (key.into(), Some(value.into()))).collect(),
    };
    let records = [record("k", "tea", &[]), record("k", "milk", &[("h", "1"), ("h", "2")]), record("", "", &[])];
    encode(BatchHeader::default(), codec, &records, 0).1
}

#[test]
fn a_batch_cut_anywhere_is_left_out() {
    for codec in CODECS {
        let whole = small(codec);
        for cut in 0..whole.len() {
            let mut all = batches(whole.slice(..cut));
            assert!(all.next().is_none(), "{codec:?} cut at {cut}");
            assert_eq!(all.cut_off(), cut);
        }
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_noticed() {
    for codec in CODECS {
        let whole = small(codec);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let batch = batches(bytes.into()).next();
            match bit / 8 {
                // Base offset and leader epoch: the broker writes them into batches long summed.
                0..8 | 12..16 => {
                    let batch = batch.unwrap().unwrap();
                    assert!(batch.check_crc().is_ok());
                    assert_eq!(read_values(&batch), ["tea", "milk", ""]);
                }
                // Length: too short, or as if more were to come.
                8..12 => assert!(batch.is_none_or(noticed)),
                at => assert!(noticed(batch.unwrap()), "{codec:?}, bit {bit}, byte {at}"),
            }
        }
    }
}

fn noticed(batch: Result<Batch, BatchError>) -> bool {
    batch.map_or(true, |batch| batch.check_crc().is_err())
}

fn read_values(batch: &Batch) -> Vec<String> {
    let body = batch.body(&mut Decompressor::new(1_000)).unwrap();
    body.records().map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn every_flipped_bit_of_a_body_is_survived() {
    for codec in CODECS {
        let whole = small(codec);
        for bit in 61 * 8..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // As a reader does that does not check sums.
            let batch = batches(bytes.into()).next().unwrap().unwrap();
            if let Ok(body) = batch.body(&mut Decompressor::new(1_000)) {
                assert!(body.records().take_while(Result::is_ok).count() <= 3);
                let read: Vec<_> = body.records().map(|record| record.map(|record| record.offset)).collect();
                let mut records = body.records();
                let passed: Vec<_> = std::iter::from_fn(|| records.next_offset()).collect();
                assert_eq!(passed, read, "bit {bit}");
            }
        }
    }
}
