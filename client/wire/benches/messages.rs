//! Requests into frames and frames into responses, beside the crate kafka-protocol doing the same.

use std::hint::black_box;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::messages::{self as theirs, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use ottla_wire::{Chunks, FrameReader, Uuid, decode_response, encode_request};

const PARTITIONS: i32 = 6;
/// What each partition sends: a batch of the default size.
const BATCH: usize = 131_072;

/// A Produce request of six batches of 128 KiB: the requests a second.
fn produce(c: &mut Criterion) {
    let (header, body) = (Bytes::from(vec![1; 61]), Bytes::from(vec![2; BATCH]));
    let mut group = c.benchmark_group("produce");
    group.bench_function("ottla", |b| {
        b.iter(|| {
            let partition =
                |index| PartitionProduceData { index, records: Some(Chunks(vec![header.clone(), body.clone()])) };
            let topic = TopicProduceData {
                topic_id: Uuid([1; 16]),
                partition_data: (0..PARTITIONS).map(partition).collect(),
                ..Default::default()
            };
            let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() };
            black_box(encode_request(&request, 13, 1, Some("bench")).expect("the request is sound"))
        });
    });
    let joined = Bytes::from([header.as_ref(), body.as_ref()].concat());
    group.bench_function("kafka-protocol", |b| {
        b.iter(|| {
            let partition = |index| {
                theirs::produce_request::PartitionProduceData::default()
                    .with_index(index)
                    .with_records(Some(joined.clone()))
            };
            let topic = theirs::produce_request::TopicProduceData::default()
                .with_topic_id(uuid::Uuid::from_u128(1))
                .with_partition_data((0..PARTITIONS).map(partition).collect());
            let request = theirs::ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
            let mut out = BytesMut::with_capacity(PARTITIONS as usize * (BATCH + 200));
            request.encode(&mut out, 13).expect("the request is sound");
            black_box(out)
        });
    });
    group.finish();
}

/// A Fetch response of six partitions with 128 KiB each, from the bytes of the socket on: the responses a second.
fn fetch(c: &mut Criterion) {
    let partition = |index| {
        theirs::fetch_response::PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(1_000)
            .with_records(Some(Bytes::from(vec![3; BATCH])))
    };
    let topic = theirs::fetch_response::FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_u128(1))
        .with_partitions((0..PARTITIONS).map(partition).collect());
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 0, 0, 1, 0]);
    theirs::FetchResponse::default().with_responses(vec![topic]).encode(&mut frame, 17).expect("the response is sound");
    responses::<FetchRequest, theirs::FetchResponse>(c, "fetch", &frame.freeze(), 17);
}

/// A Metadata response of 100 topics with 10 partitions each: the partitions a second.
fn metadata(c: &mut Criterion) {
    let partition = |index| {
        theirs::metadata_response::MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(vec![1.into(), 2.into(), 3.into()])
            .with_isr_nodes(vec![1.into(), 2.into(), 3.into()])
    };
    let topic = |number| {
        theirs::metadata_response::MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(format!("topic-{number:03}")))))
            .with_topic_id(uuid::Uuid::from_u128(number))
            .with_partitions((0..10).map(partition).collect())
    };
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 0, 0, 1, 0]);
    theirs::MetadataResponse::default()
        .with_topics((1..=100).map(topic).collect())
        .encode(&mut frame, 12)
        .expect("the response is sound");
    responses::<MetadataRequest, theirs::MetadataResponse>(c, "metadata", &frame.freeze(), 12);
}

fn responses<R: ottla_wire::Request, Theirs: Decodable>(c: &mut Criterion, name: &str, frame: &Bytes, version: i16) {
    let mut group = c.benchmark_group(name);
    if name == "metadata" {
        group.throughput(Throughput::Elements(1_000));
    }
    group.bench_function("ottla", |b| {
        b.iter(|| black_box(decode_response::<R>(frame.clone(), version).expect("the response is sound")));
    });
    group.bench_function("kafka-protocol", |b| {
        b.iter(|| black_box(Theirs::decode(&mut frame.slice(5..), version).expect("the response is sound")));
    });
    group.finish();
}

/// Frames of 786 KiB out of reads of 64 KiB: the bytes a second, the copy from the socket included.
fn frames(c: &mut Criterion) {
    let size = PARTITIONS as usize * BATCH;
    let mut bytes = (size as i32).to_be_bytes().to_vec();
    bytes.resize(size + 4, 7);
    let mut group = c.benchmark_group("frames");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("ottla", |b| {
        let mut reader = FrameReader::new(100 << 20);
        b.iter(|| {
            for read in bytes.chunks(64 * 1024) {
                reader.space().extend_from_slice(read);
            }
            black_box(reader.next_frame().expect("it is a frame").expect("it is whole"))
        });
    });
    group.finish();
}

criterion_group!(benches, produce, fetch, metadata, frames);
criterion_main!(benches);
