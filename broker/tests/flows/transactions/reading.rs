//! Fetch and ListOffsets for readers of committed records.

use std::time::Duration;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, FetchRequest, ListOffsetsRequest};
use tokio::time::Instant;

use super::super::client::broker;
use super::*;

fn fetch(offset: i64, isolation_level: i8, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_max_wait_ms(max_wait_ms)
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic])
}

async fn read(client: &mut Client, offset: i64, isolation_level: i8) -> PartitionData {
    client.call(12, fetch(offset, isolation_level, 0)).await.responses.remove(0).partitions.remove(0)
}

/// Whose transactions the reader is to skip, and from where on.
fn aborted(data: &PartitionData) -> Option<Vec<(i64, i64)>> {
    let told = data.aborted_transactions.as_ref()?;
    Some(told.iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset)).collect())
}

/// The offsets of the batches, as their headers say.
fn offsets(data: &PartitionData) -> Vec<i64> {
    let (mut rest, mut offsets) = (&data.records.as_ref().unwrap()[..], Vec::new());
    while let Some((head, _)) = rest.split_first_chunk::<12>() {
        offsets.push(i64::from_be_bytes(head[..8].try_into().unwrap()));
        rest = &rest[12 + usize::try_from(i32::from_be_bytes(head[8..].try_into().unwrap())).unwrap()..];
    }
    offsets
}

#[tokio::test]
async fn what_is_undecided_is_held_back_from_readers_of_committed_records() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "plain").await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    client.write(0, "later").await;

    let all = read(&mut client, 0, 0).await;
    assert_eq!((all.high_watermark, all.last_stable_offset), (3, 1));
    assert_eq!((offsets(&all), aborted(&all)), (vec![0, 1, 2], None), "such readers are told of no aborts");
    let stable = read(&mut client, 0, 1).await;
    assert_eq!((offsets(&stable), aborted(&stable)), (vec![0], Some(vec![])));
    let beyond = read(&mut client, 2, 1).await;
    assert_eq!((beyond.error_code, offsets(&beyond)), (0, vec![]), "not out of range");

    producer.commit().await;
    let stable = read(&mut client, 0, 1).await;
    assert_eq!((offsets(&stable), stable.last_stable_offset), (vec![0, 1, 2, 3], 4));
}

#[tokio::test]
async fn aborted_transactions_are_told_in_the_order_of_their_markers() {
    let broker = broker().await;
    let mut first = Producer::of(&broker, "first", Protocol::V2).await;
    let mut second = Producer::of(&broker, "second", Protocol::V2).await;
    let mut third = Producer::of(&broker, "third", Protocol::V2).await;
    let ids = (first.id, second.id, third.id);
    first.write(0, "0").await;
    second.write(0, "1").await;
    third.write(0, "2").await;
    second.abort().await;
    third.commit().await;
    first.abort().await;
    let all = read(&mut first.client, 0, 1).await;
    assert_eq!(aborted(&all), Some(vec![(ids.1, 1), (ids.0, 0)]));
    let after_the_records = read(&mut first.client, 4, 1).await;
    assert_eq!(aborted(&after_the_records), Some(vec![(ids.0, 0)]), "its marker is still to be read");
    assert_eq!(broker.log("orders", 0).committed_values(), ["2"]);
}

#[tokio::test]
async fn a_reader_that_gets_nothing_is_told_of_no_aborts() {
    let broker = broker().await;
    let mut aborts = Producer::of(&broker, "aborts", Protocol::V2).await;
    let mut open = Producer::of(&broker, "open", Protocol::V2).await;
    aborts.write(0, "0").await;
    open.write(0, "1").await;
    aborts.abort().await;
    let data = read(&mut open.client, 1, 1).await;
    assert_eq!((offsets(&data), aborted(&data)), (vec![], Some(vec![])), "its marker is beyond");
    assert_eq!(aborted(&read(&mut open.client, 0, 1).await), Some(vec![(aborts.id, 0)]));
}

#[tokio::test]
async fn a_reader_is_told_only_of_what_it_gets() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "plain").await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    producer.abort().await;
    let mut small = fetch(0, 1, 0);
    small.topics[0].partitions[0].partition_max_bytes = 1;
    let data = client.call(12, small).await.responses.remove(0).partitions.remove(0);
    assert_eq!((offsets(&data), aborted(&data)), (vec![0], Some(vec![])));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_for_the_marker() {
    for is_commit in [true, false] {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
        producer.write(0, "tea").await;
        let mut reader = Client::of(&broker);
        reader.send(12, fetch(0, 1, 30_000)).await;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(2)).await;
        producer.write(0, "milk").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        producer.end(is_commit).await;
        let (_, mut response) = reader.receive::<FetchRequest>(12).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(4), "not woken by the record that came before");
        assert_eq!(offsets(&response.responses.remove(0).partitions.remove(0)), [0, 1, 2]);
    }
}

async fn list(client: &mut Client, isolation_level: i8, timestamp: i64) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_isolation_level(isolation_level).with_topics(vec![topic]);
    client.call(7, request).await.topics[0].partitions[0].offset
}

#[tokio::test]
async fn offsets_are_listed_up_to_where_the_reader_sees() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.write(0, "plain").await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    let [latest, earliest, newest] = [-1, -2, -3];
    assert_eq!([list(&mut client, 0, latest).await, list(&mut client, 1, latest).await], [2, 1]);
    assert_eq!(list(&mut client, 1, earliest).await, 0);
    assert_eq!(list(&mut client, 1, 1_000).await, 0);
    assert_eq!(list(&mut client, 1, newest).await, 0, "the first of equals");
    broker.delete_records("orders", 0, 1).unwrap();
    assert_eq!([list(&mut client, 0, 1_000).await, list(&mut client, 1, 1_000).await], [1, -1]);
    producer.commit().await;
    assert_eq!([list(&mut client, 1, latest).await, list(&mut client, 1, 1_000).await], [3, 1]);
}

#[tokio::test]
async fn deleted_records_no_longer_hold_readers_back() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    producer.client.write(0, "plain").await;
    let partition = DeleteRecordsPartition::default().with_offset(1);
    let topic = DeleteRecordsTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    producer.client.call(2, DeleteRecordsRequest::default().with_topics(vec![topic])).await;
    let data = read(&mut producer.client, 1, 1).await;
    assert_eq!((data.last_stable_offset, offsets(&data)), (1, vec![]), "the transaction is open all the same");
    producer.abort().await;
    let data = read(&mut producer.client, 1, 1).await;
    assert_eq!((data.last_stable_offset, offsets(&data)), (3, vec![1, 2]));
    assert_eq!(aborted(&data), Some(vec![(producer.id, 0)]));
}

#[tokio::test]
async fn a_marker_that_was_cut_off_leaves_its_transaction_open() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    producer.abort().await;
    broker.truncate("orders", 0, 1).unwrap();
    let log = broker.log("orders", 0);
    assert_eq!((log.last_stable_offset(), log.end_offset(), log.markers().len()), (0, 1, 0));
}
