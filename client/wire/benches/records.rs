//! Record batches: what a record and a byte cost, each way.
//!
//! Nothing is allocated inside the measured part that a client would not allocate there.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ottla_wire::compression::Decompressor;
use ottla_wire::records::{BatchHeader, BodyCrc, BodyEncoder, batches};

/// What a batch holds before it is closed: the default `batch.size`.
const BATCH: usize = 131_072;

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A batch filled with records of `size` bytes and keys of 12.
fn fill(out: &mut Vec<u8>, value: &[u8], headers: &[Header<'_>]) -> BodyEncoder {
    let mut encoder = BodyEncoder::new(1_700_000_000_000);
    let mut timestamp = encoder.base_timestamp();
    while out.len() + value.len() + 40 < BATCH {
        timestamp += 1 & encoder.count() as i64;
        let pushed =
            encoder.push(out, black_box(timestamp), Some(b"key-00000042"), Some(value), headers.iter().copied());
        pushed.expect("a batch of 128 KiB has room");
    }
    encoder
}

/// Encoding into a warm buffer of 128 KiB, by record.
fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let mut out = Vec::with_capacity(BATCH);
    for size in [10, 100, 1_024] {
        let value = vec![b'x'; size];
        out.clear();
        let count = fill(&mut out, &value, &[]).count();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{size}B")), |b| {
            b.iter(|| {
                out.clear();
                fill(&mut out, black_box(&value), &[]).count()
            });
        });
    }
    let headers: &[Header<'_>] = &[(b"trace", Some(b"0123456789abcdef")), (b"origin", Some(b"orders"))];
    let value = [b'x'; 100];
    out.clear();
    let count = fill(&mut out, &value, headers).count();
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("100B, two headers", |b| {
        b.iter(|| {
            out.clear();
            fill(&mut out, black_box(&value), black_box(headers)).count()
        });
    });
    group.finish();
}

fn batch(size: usize) -> (Bytes, u64) {
    let mut body = Vec::new();
    let encoder = fill(&mut body, &vec![b'x'; size], &[]);
    let head = encoder.header().encode(&BodyCrc::of(&body));
    ([&head, body.as_slice()].concat().into(), encoder.count() as u64)
}

/// Decoding a batch of 128 KiB, by record: split off, parsed, every value's length looked at. No CRC.
fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let mut decompressor = Decompressor::new(0);
    for size in [10, 100, 1_024] {
        let (bytes, count) = batch(size);
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(format!("{size}B")), |b| {
            b.iter(|| {
                let mut sum = 0;
                for batch in batches(bytes.clone()) {
                    let body = batch.and_then(|batch| batch.body(&mut decompressor)).expect("a good batch");
                    for record in body.records() {
                        let record = record.expect("a good record");
                        sum += record.value.map_or(0, <[u8]>::len) as i64 + record.offset;
                    }
                }
                sum
            });
        });
    }
    group.finish();
}

/// The checksum of a body, and putting a header before a body already summed.
fn crc(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc");
    for size in [150, 16_384, BATCH] {
        let body = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(|| BodyCrc::of(black_box(&body))));
    }
    group.finish();
    let sum = BodyCrc::of(&[b'x'; 100_003]);
    c.bench_function("header", |b| b.iter(|| black_box(BatchHeader::default()).encode(black_box(&sum))));
}

criterion_group!(benches, encode, decode, crc);
criterion_main!(benches);
