//! Batches that the Java client wrote.

use std::fs;

use bytes::Bytes;
use ottla_wire::compression::{Compression, Compressor, Decompressor};
use ottla_wire::records::{
    Batch, BatchHeader, BodyCrc, BodyEncoder, ControlType, EndTransactionMarker, Problem, batches,
};

use crate::description::Description;
use crate::{files, folder};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Shapes whose offsets are not one after another, so that no producer can write them.
const COMPACTED: [&str; 3] = ["compacted", "compacted_away", "delete_horizon"];

fn shapes() -> Vec<String> {
    let of_text = |(name, _): (String, _)| name.strip_suffix(".txt").map(str::to_owned);
    let shapes: Vec<String> = files("batches").into_iter().filter_map(of_text).collect();
    assert_eq!(shapes.len(), 10);
    shapes
}

fn description(shape: &str) -> Description {
    let text = fs::read_to_string(folder().join(format!("batches/{shape}.txt"))).unwrap();
    let [description] = <[_; 1]>::try_from(Description::parse(&text)).unwrap();
    description
}

fn golden(shape: &str, codec: &str) -> Option<Bytes> {
    fs::read(folder().join(format!("batches/{shape}.{codec}.bin"))).ok().map(Bytes::from)
}

fn only(bytes: Bytes) -> Batch {
    let mut all = batches(bytes);
    let batch = all.next().unwrap().unwrap();
    assert!(all.next().is_none());
    assert_eq!(all.cut_off(), 0);
    batch
}

#[test]
fn every_shape_with_every_codec_reads_as_the_java_client_reads_it() {
    let mut read = 0;
    for shape in shapes() {
        let expected = description(&shape);
        for codec in CODECS {
            let Some(bytes) = golden(&shape, codec) else { continue };
            let mut actual = Description::of(&only(bytes));
            assert_eq!(actual.header.compression.name(), codec);
            actual.header.compression = Compression::None;
            assert_eq!(actual, expected, "{shape}.{codec}");
            read += 1;
        }
    }
    assert_eq!(read, 7 * 5 + 3);
}

/// Encodes what a description says, with `codec`.
fn encode(shape: &str, codec: Compression) -> Vec<u8> {
    let Description { header, records } = description(shape);
    let mut encoder = BodyEncoder::new(records[0].timestamp);
    // With the broker's clock the records' own timestamps cannot be read any more, but are there.
    let base_timestamp = only(golden(shape, "none").unwrap()).header.base_timestamp;
    if shape == "append_time" {
        encoder = BodyEncoder::new(base_timestamp);
    }
    let mut body = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let timestamp = if shape == "append_time" { base_timestamp + index as i64 } else { record.timestamp };
        let headers = record.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        encoder.push(&mut body, timestamp, record.key.as_deref(), record.value.as_deref(), headers).unwrap();
    }
    let mut compressed = Vec::new();
    Compressor::new(codec, None).unwrap().compress(&body, &mut compressed).unwrap();
    let written = encoder.header();
    assert_eq!((written.count, written.last_offset_delta), (header.count, header.last_offset_delta));
    let header = BatchHeader { compression: codec, base_timestamp: written.base_timestamp, ..header };
    [&header.encode(&BodyCrc::of(&compressed)), compressed.as_slice()].concat()
}

#[test]
fn uncompressed_batches_are_written_as_the_java_client_writes_them() {
    let mut written = 0;
    for shape in shapes().iter().filter(|shape| !COMPACTED.contains(&shape.as_str())) {
        let expected = golden(shape, "none").unwrap();
        let actual = encode(shape, Compression::None);
        assert!(actual == expected, "{shape}:\n{actual:02x?}\n{expected:02x?}");
        written += 1;
    }
    assert_eq!(written, 7);
}

#[test]
fn compressed_batches_are_about_as_small_as_the_java_clients() {
    for codec in CODECS {
        let ours = encode("many", Compression::from_name(codec).unwrap()).len();
        let theirs = golden("many", codec).unwrap().len();
        assert!(ours <= theirs + theirs / 10, "{codec}: {ours} bytes, and {theirs} of the Java client");
    }
}

#[test]
fn a_transactions_end_is_told_from_its_marker() {
    for (shape, expected) in [("marker_abort", ControlType::Abort), ("marker_commit", ControlType::Commit)] {
        let batch = only(golden(shape, "none").unwrap());
        assert!(batch.header.control && batch.header.transactional);
        let body = batch.body(&mut Decompressor::new(0)).unwrap();
        let marker = body.records().next().unwrap().unwrap();
        assert_eq!(ControlType::of(&marker), Some(expected));
        assert_eq!(EndTransactionMarker::of(&marker).unwrap().coordinator_epoch, 11);
    }
}

#[test]
fn a_compacted_batch_keeps_its_first_and_last_offset() {
    for codec in CODECS {
        let batch = only(golden("compacted", codec).unwrap());
        let offsets: Vec<i64> = Description::of(&batch).records.iter().map(|record| record.offset).collect();
        assert_eq!((batch.base_offset(), offsets, batch.last_offset()), (50, vec![51, 52, 54], 59), "edge 32");
    }
    let batch = only(golden("compacted_away", "none").unwrap());
    assert_eq!((batch.header.count, batch.last_offset()), (0, 209), "edge 32");
}

#[test]
fn the_delete_horizon_stands_in_for_the_base_timestamp() {
    let batch = only(golden("delete_horizon", "lz4").unwrap());
    assert!(batch.header.delete_horizon);
    assert_eq!(batch.header.base_timestamp, 1_700_000_000_000 + 86_400_000);
    assert_eq!(Description::of(&batch).records[0].timestamp, 1_700_000_000_001);
}

#[test]
fn batches_one_after_another_are_told_apart() {
    let all: Vec<_> = files("batches").into_iter().filter(|(name, _)| name.matches('.').count() == 2).collect();
    let joined: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes).copied().collect();
    let split: Vec<Batch> = batches(joined.into()).map(Result::unwrap).collect();
    assert_eq!(split.len(), all.len());
    assert!(split.iter().zip(&all).all(|(batch, (_, bytes))| batch.bytes() == bytes));
}

#[test]
fn message_sets_from_before_kafka_0_11_are_named() {
    for magic in [0, 1] {
        let bytes = fs::read(folder().join(format!("batches/magic_{magic}.bin"))).unwrap();
        let error = batches(bytes.into()).next().unwrap().unwrap_err();
        assert_eq!(error.problem, Problem::Magic(magic), "edge 41");
        assert!(error.to_string().contains(&format!("format {magic}")), "{error}");
    }
}
