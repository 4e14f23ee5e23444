//! Fetch, ListOffsets and OffsetForLeaderEpoch.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, OffsetForLeaderEpochRequest, ProduceRequest,
};
use kafka_protocol::records::RecordBatchDecoder;
use ottla_broker::Broker;
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Client, batch, broker, produce, record, topic_name};

/// A fetch of `orders` from these offsets of partitions 0, 1, …, which doesn't wait.
fn fetch(offsets: &[i64]) -> FetchRequest {
    let wanted = |(partition, offset): (i32, &i64)| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1)
    };
    let topic = FetchTopic::default()
        .with_topic(topic_name("orders"))
        .with_partitions((0..).zip(offsets).map(wanted).collect());
    FetchRequest::default().with_max_bytes(1 << 20).with_min_bytes(1).with_topics(vec![topic])
}

fn partition(response: &FetchResponse, index: usize) -> &PartitionData {
    &response.responses[0].partitions[index]
}

/// The values in a partition's records, by the other decoder.
fn values(partition: &PartitionData) -> Vec<String> {
    let mut records = partition.records.clone().unwrap();
    let mut values = Vec::new();
    while !records.is_empty() {
        let batch = RecordBatchDecoder::decode(&mut records).unwrap();
        let text = |record: &kafka_protocol::records::Record| {
            String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()
        };
        values.extend(batch.records.iter().map(text));
    }
    values
}

#[tokio::test]
async fn records_come_in_every_version() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "tea").await;
    client.write(0, "milk").await;
    client.write(1, "sugar").await;
    for version in 4..=18 {
        let mut request = fetch(&[0, 0]);
        request.topics[0].topic_id = Uuid::from_u128(broker.topic_id("orders").unwrap());
        if version >= 13 {
            request.topics[0].topic = topic_name("");
        } else {
            request.topics[0].topic_id = Uuid::nil();
        }
        let response = client.call(version, request).await;
        assert_eq!(values(partition(&response, 0)), ["tea", "milk"], "version {version}");
        assert_eq!(values(partition(&response, 1)), ["sugar"], "version {version}");
        assert_eq!(partition(&response, 0).high_watermark, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_for_records() {
    let broker = broker().await;
    let (mut waiting, mut writing) = (Client::of(&broker), Client::of(&broker));
    let start = Instant::now();
    waiting.send(12, fetch(&[0]).with_max_wait_ms(500)).await;
    broker.until_seen(ottla_broker::ApiKey::Fetch, 1).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    writing.write(0, "tea").await;
    let (_, response) = waiting.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(values(partition(&response, 0)), ["tea"]);
    assert_eq!(start.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_no_longer_than_it_says() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "tea").await;
    let start = Instant::now();
    let response = client.call(12, fetch(&[0]).with_max_wait_ms(500).with_min_bytes(10_000)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert_eq!(values(partition(&response, 0)), ["tea"], "it gets what is there");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_holds_up_what_follows_on_its_connection() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let start = Instant::now();
    client.send(12, fetch(&[0]).with_max_wait_ms(500)).await;
    client.send(12, produce("orders", 0, batch(&[record("tea")]))).await;
    let (_, response) = client.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert!(values(partition(&response, 0)).is_empty(), "the record is written only then");
    let (_, response) = client.receive::<ProduceRequest>(12).await.unwrap();
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_learns_of_errors_at_once() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let start = Instant::now();
    client.send(12, fetch(&[0]).with_max_wait_ms(1_000_000)).await;
    broker.until_seen(ottla_broker::ApiKey::Fetch, 1).await;
    broker.delete_topic("orders");
    let (_, response) = client.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(partition(&response, 0).error_code, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn the_first_batch_comes_whole_and_the_rest_as_far_as_there_is_room() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "a first batch").await;
    client.write(0, "a second batch").await;
    client.write(1, "another partition").await;
    let size = broker.log("orders", 0).batches()[0].bytes().len();
    let bytes = |response: &FetchResponse, index| partition(response, index).records.as_ref().unwrap().len();

    let response = client.call(12, fetch(&[0, 0]).with_max_bytes(1)).await;
    assert_eq!((bytes(&response, 0), bytes(&response, 1)), (size, 0));
    let limit = i32::try_from(size).unwrap() + 10;
    let response = client.call(12, fetch(&[0, 0]).with_max_bytes(limit)).await;
    assert_eq!((bytes(&response, 0), bytes(&response, 1)), (size + 10, 0), "the second batch is cut");
}

#[tokio::test]
async fn offsets_out_of_range_are_told_so() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    broker.append("orders", 0, ["sugar"]).unwrap();
    broker.delete_records("orders", 0, 2).unwrap();
    let mut client = Client::of(&broker);
    for (offset, expected) in [(1, 1), (2, 0), (3, 0), (4, 1)] {
        let response = client.call(12, fetch(&[offset])).await;
        assert_eq!(partition(&response, 0).error_code, expected, "offset {offset}");
    }
}

#[tokio::test]
async fn leader_epochs_are_checked() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 1).await;
    broker.move_leader("orders", 0, 1).unwrap();
    let (mut old, mut new) = (Client::of_node(&broker, 0), Client::of_node(&broker, 1));
    let of_epoch = async |client: &mut Client, epoch, version| {
        let mut request = fetch(&[0]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = Uuid::from_u128(broker.topic_id("orders").unwrap());
        }
        let response = client.call(version, request).await;
        (partition(&response, 0).error_code, partition(&response, 0).current_leader.clone())
    };
    let (code, leader) = of_epoch(&mut new, 0, 16).await;
    assert_eq!(code, ResponseError::FencedLeaderEpoch.code());
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (1, 1), "the answer says who leads");
    assert_eq!(of_epoch(&mut new, 0, 12).await.1.leader_id.0, -1, "unless the version is too old");
    assert_eq!(of_epoch(&mut new, 2, 12).await.0, ResponseError::UnknownLeaderEpoch.code());
    assert_eq!(of_epoch(&mut new, 1, 12).await.0, 0);
    assert_eq!(of_epoch(&mut old, 0, 12).await.0, ResponseError::FencedLeaderEpoch.code());
    assert_eq!(of_epoch(&mut old, -1, 10).await.0, ResponseError::NotLeaderOrFollower.code());
    assert_eq!(of_epoch(&mut old, 1, 11).await.0, 0, "since KIP-392 followers are read from");
}

#[tokio::test]
async fn a_client_ahead_of_a_truncated_log_is_told_where_they_part() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    broker.append("orders", 0, ["milk"]).unwrap();
    broker.truncate("orders", 0, 1).unwrap();
    broker.append("orders", 0, ["water"]).unwrap();
    let mut client = Client::of(&broker);
    let mut request = fetch(&[2]);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let response = client.call(12, request).await;
    let diverging = &partition(&response, 0).diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 1));

    let asked = OffsetForLeaderPartition::default().with_partition(0).with_current_leader_epoch(1).with_leader_epoch(0);
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name("orders")).with_partitions(vec![asked]);
    let response = client.call(4, OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
    let answer = &response.topics[0].partitions[0];
    assert_eq!((answer.error_code, answer.leader_epoch, answer.end_offset), (0, 0, 1));
}

async fn list(client: &mut Client, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
    let asked =
        ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![asked]);
    let mut response = client.call(version, ListOffsetsRequest::default().with_topics(vec![topic])).await;
    response.topics.remove(0).partitions.remove(0)
}

#[tokio::test]
async fn offsets_are_found_by_name_and_by_time() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let timed = |timestamp| kafka_protocol::records::Record { timestamp, ..record("timed") };
    client.produce(0, batch(&[timed(100), timed(300), timed(200)])).await;
    client.produce(0, batch(&[timed(250), timed(400)])).await;
    broker.delete_records("orders", 0, 1).unwrap();
    for version in 1..=10 {
        let mut offset = async |timestamp| list(&mut client, version, timestamp).await.offset;
        assert_eq!(offset(-2).await, 1, "the earliest");
        assert_eq!(offset(-1).await, 5, "the latest");
        assert_eq!(offset(50).await, 1, "deleted records aren't found");
        assert_eq!(offset(301).await, 4);
        assert_eq!(offset(401).await, -1, "none is so late");
        if version >= 7 {
            assert_eq!(offset(-3).await, 4, "the record with the greatest timestamp");
        }
    }
    assert_eq!(list(&mut client, 10, 301).await.timestamp, 400);
    assert_eq!(list(&mut client, 10, -1).await.leader_epoch, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_learns_that_the_log_was_cut() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "tea").await;
    let mut waiting = fetch(&[1]).with_max_wait_ms(30_000);
    waiting.topics[0].partitions[0].current_leader_epoch = 0;
    client.send(12, waiting).await;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.truncate("orders", 0, 0).unwrap();
    let (_, response) = client.receive::<FetchRequest>(12).await.unwrap();
    assert_eq!(partition(&response, 0).error_code, ResponseError::FencedLeaderEpoch.code());
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_log_may_have_gaps_and_anything_else_in_it() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea", "milk", "sugar"]).unwrap();
    broker.compact("orders", 0, |record| record.offset == 1).unwrap();
    broker.append_batch_at("orders", 0, 10, batch(&[record("late")])).unwrap();
    assert!(broker.append_batch_at("orders", 0, 10, batch(&[record("too early")])).is_err());
    let mut client = Client::of(&broker);
    let response = client.call(12, fetch(&[2])).await;
    assert_eq!(values(partition(&response, 0)), ["milk", "late"], "the batch of three still ends at offset 2");
    let response = client.call(12, fetch(&[5])).await;
    assert_eq!(values(partition(&response, 0)), ["late"], "an offset in a gap is in range");
    assert_eq!((broker.log("orders", 0).len(), partition(&response, 0).high_watermark), (2, 11));

    let damaged = batch(&[record("lost")]).slice(..40);
    assert_eq!(broker.append_bytes("orders", 0, &damaged, 3).unwrap(), 11);
    let response = client.call(12, fetch(&[11])).await;
    let records = partition(&response, 0).records.clone().unwrap();
    assert_eq!(records[..8], 11i64.to_be_bytes());
    assert_eq!(records[8..], damaged[8..]);
    assert_eq!(broker.append("orders", 0, ["after"]).unwrap(), 14);
}
