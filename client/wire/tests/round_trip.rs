//! What the encoder writes, the decoder reads back.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use ottla_wire::compression::{Compression, Decompressor};
use ottla_wire::records::{BatchHeader, Body, BodyCrc, BodyEncoder, Problem, RecordTooLarge, TimestampType, batches};

type Header<'a> = (&'a [u8], Option<&'a [u8]>);
type Record<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header<'a>]);

const RECORDS: &[Record<'static>] = &[
    (1_000, Some(b"k"), Some(b"v"), &[]),
    (900, None, Some(b""), &[(b"a", Some(b"1")), (b"a", None), (b"", Some(b""))]),
    (i64::MAX, Some(b""), None, &[(b"\xff\xfe", Some(b"not UTF-8"))]),
    (0, None, None, &[]),
];

fn encode(records: &[Record<'_>]) -> (BodyEncoder, Vec<u8>) {
    let mut encoder = BodyEncoder::new(records[0].0);
    let mut body = Vec::new();
    for &(timestamp, key, value, headers) in records {
        let expected = encoder.size_of(timestamp, key, value, headers.iter().copied());
        let before = body.len();
        let size = encoder.push(&mut body, timestamp, key, value, headers.iter().copied()).unwrap();
        assert_eq!((size, body.len() - before), (expected, expected));
    }
    assert_eq!((encoder.size(), encoder.count()), (body.len(), records.len() as i32));
    (encoder, body)
}

fn batch(header: BatchHeader, body: &[u8]) -> Bytes {
    [&header.encode(&BodyCrc::of(body)), body].concat().into()
}

fn read(bytes: Bytes) -> Body {
    let mut all = batches(bytes);
    let batch = all.next().unwrap().unwrap();
    assert!(all.next().is_none());
    assert_eq!(all.cut_off(), 0);
    batch.check_crc().unwrap();
    batch.body(&mut Decompressor::new(0)).unwrap()
}

#[test]
fn every_shape_of_record_comes_back() {
    let (encoder, body) = encode(RECORDS);
    let body = read(batch(BatchHeader { base_offset: 70, ..encoder.header() }, &body));
    let mut read = body.records();
    for (index, &(timestamp, key, value, headers)) in RECORDS.iter().enumerate() {
        let record = read.next().unwrap().unwrap();
        assert_eq!(
            (record.offset, record.timestamp, record.key, record.value),
            (70 + index as i64, timestamp, key, value)
        );
        assert_eq!(record.headers.len(), headers.len());
        assert_eq!(record.headers.collect::<Vec<_>>(), headers);
    }
    assert!(read.next().is_none());
}

#[test]
fn every_field_of_a_header_comes_back() {
    let header = BatchHeader {
        base_offset: 1 << 40,
        partition_leader_epoch: 7,
        timestamp_type: TimestampType::LogAppendTime,
        transactional: true,
        control: true,
        delete_horizon: true,
        last_offset_delta: 99,
        base_timestamp: -5,
        max_timestamp: 1 << 50,
        producer_id: 1 << 33,
        producer_epoch: i16::MAX,
        base_sequence: i32::MAX,
        count: 0,
        ..BatchHeader::default()
    };
    let batch = batches(batch(header, &[])).next().unwrap().unwrap();
    assert_eq!(batch.header, header);
    assert_eq!(batch.last_offset(), (1 << 40) + 99);
}

#[test]
fn a_header_that_compaction_left_alone_has_no_records_whatever_its_codec() {
    for code in 0..=4 {
        let compression = Compression::from_code(code).unwrap();
        let header = BatchHeader { compression, last_offset_delta: 9, ..BatchHeader::default() };
        assert_eq!(read(batch(header, &[])).records().count(), 0, "{compression:?}");
    }
}

#[test]
fn the_brokers_clock_overrides_every_timestamp() {
    let (encoder, body) = encode(RECORDS);
    let header = BatchHeader { timestamp_type: TimestampType::LogAppendTime, max_timestamp: 5_555, ..encoder.header() };
    let body = read(batch(header, &body));
    assert!(body.records().all(|record| record.unwrap().timestamp == 5_555), "edge 36");
}

#[test]
fn a_batch_is_read_on_from_where_it_was_left() {
    let (encoder, body) = encode(RECORDS);
    let body = read(batch(encoder.header(), &body));
    let mut first = body.records();
    let second = first.by_ref().nth(1).unwrap().unwrap();
    let cursor = first.cursor();
    assert_eq!(cursor.remaining(), 2);
    let rest: Vec<i64> = body.records_from(cursor).map(|record| record.unwrap().offset).collect();
    assert_eq!(rest, [2, 3]);
    assert_eq!(body.record_at(second.position).unwrap().offset, 1);
    assert!(body.record_at(body.bytes().len()).is_err());
}

#[test]
fn a_last_batch_cut_short_is_left_out() {
    let (encoder, body) = encode(RECORDS);
    let whole = batch(encoder.header(), &body);
    for cut in 0..whole.len() {
        let two = [&whole, &whole[..cut]].concat();
        let mut read = batches(two.into());
        assert_eq!(read.next().unwrap().unwrap().bytes(), &whole);
        assert!(read.next().is_none(), "edge 34, cut at {cut}");
        assert_eq!(read.cut_off(), cut);
    }
}

#[test]
fn old_formats_are_named() {
    let (encoder, body) = encode(RECORDS);
    for magic in [0, 1, 3, -1] {
        let mut bytes = batch(encoder.header(), &body).to_vec();
        bytes[16] = magic as u8;
        let mut read = batches(bytes.into());
        assert_eq!(read.next().unwrap().unwrap_err().problem, Problem::Magic(magic), "edge 41");
        assert!(read.next().is_none());
    }
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused() {
    let (encoder, body) = encode(RECORDS);
    for count in [-1, i32::MIN, i32::MAX, 9 + body.len() as i32 / 7] {
        let header = BatchHeader { count, ..encoder.header() };
        let error = batches(batch(header, &body)).next().unwrap().unwrap_err();
        assert_eq!(error.problem, Problem::Count(count));
    }
}

#[test]
fn a_wrong_count_is_noticed_at_the_last_record() {
    let (encoder, body) = encode(RECORDS);
    for (count, readable) in [(3, 2), (5, 4)] {
        let header = BatchHeader { count, ..encoder.header() };
        let body = read(batch(header, &body));
        let mut records = body.records();
        assert_eq!(records.by_ref().take_while(Result::is_ok).count(), readable, "of {count} stated");
        assert!(records.next().is_none());
    }
}

#[test]
fn a_record_that_no_batch_has_room_for_is_refused_and_leaves_no_trace() {
    let (mut encoder, mut body) = encode(RECORDS);
    let before = body.clone();
    let large = vec![0; 64 << 20];
    // The same slice sixteen times is a GiB, and nothing of it is copied.
    let headers = std::iter::repeat_n((b"h".as_slice(), Some(large.as_slice())), 16);
    assert!(encoder.size_of(0, None, None, headers.clone()) > 1 << 30);
    assert_eq!(encoder.push(&mut body, 0, None, None, headers), Err(RecordTooLarge));
    assert_eq!((body, encoder.count()), (before, RECORDS.len() as i32));
}
