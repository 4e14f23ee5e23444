//! Record batches: what a record and a byte cost, each way.
//!
//! Nothing is allocated inside the measured part that a client would not allocate there.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ottla_wire::compression::{Compression, Compressor, Decompressor};
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

/// A body of 128 KiB of records of about `size` bytes that look like JSON: ids that do not repeat, words that do.
fn json(size: usize) -> Vec<u8> {
    let words = ["order", "tea", "milk", "castle", "trial", "letter", "clerk", "insect", "paid", "sent"];
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut body = Vec::new();
    let mut encoder = BodyEncoder::new(1_700_000_000_000);
    while body.len() < BATCH {
        let mut value = format!(
            "{{\"id\":\"{:08x}{:08x}\",\"user\":{},\"text\":\"",
            random(1 << 31),
            random(1 << 31),
            random(100_000)
        );
        while value.len() < size - 2 {
            let most = random(words.len() as u64) + 1;
            value += words[random(most) as usize];
            value.push(' ');
        }
        value += "\"}";
        let timestamp = encoder.base_timestamp() + i64::from(encoder.count() / 10);
        let pushed = encoder.push(&mut body, timestamp, Some(b"user-7"), Some(value.as_bytes()), [].into_iter());
        pushed.expect("a batch of 128 KiB has room");
    }
    body
}

/// Each codec at its default level, by uncompressed byte, with the context kept: a body of 128 KiB.
fn codecs(c: &mut Criterion) {
    for size in [100, 1_024] {
        let body = json(size);
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let mut group = c.benchmark_group(format!("{} {size}B", codec.name()));
            group.throughput(Throughput::Bytes(body.len() as u64));
            let mut compressor = Compressor::new(codec, None).expect("every codec has a default level");
            let mut out = Vec::new();
            group.bench_function("compress", |b| {
                b.iter(|| {
                    out.clear();
                    compressor.compress(black_box(&body), &mut out).expect("records can be compressed");
                });
            });
            let mut decompressor = Decompressor::new(1 << 20);
            group.bench_function("decompress", |b| {
                b.iter(|| decompressor.decompress(codec, black_box(&out)).expect("what was compressed").len());
            });
            println!("{}: {} bytes of {}", codec.name(), out.len(), body.len());
            group.finish();
        }
    }
}

criterion_group!(benches, encode, decode, crc, codecs);
criterion_main!(benches);
