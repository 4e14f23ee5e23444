//! Reading from followers (KIP-392).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use super::client::{Client, text, topic_name};

const VERSION: i16 = 12;

/// Three nodes in racks `a`, `b` and `c`; node 0 leads, and three records are in three batches.
async fn broker() -> Broker {
    let builder = Broker::builder().in_memory_only().nodes(3).racks(["a", "b", "c"]).rack_aware_reads(true);
    let broker = builder.topic("orders", 1).await;
    for value in ["tea", "milk", "sugar"] {
        broker.append("orders", 0, [value]).unwrap();
    }
    broker
}

/// A fetch of partition 0 by a client in `rack`, which doesn't wait.
fn fetch(rack: &str, offset: i64) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![wanted]);
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_min_bytes(1).with_topics(vec![topic]);
    request.with_rack_id(text(rack))
}

async fn read(client: &mut Client, rack: &str, offset: i64) -> PartitionData {
    client.call(VERSION, fetch(rack, offset)).await.responses.remove(0).partitions.remove(0)
}

fn bytes(answer: &PartitionData) -> usize {
    answer.records.as_ref().map_or(0, bytes::Bytes::len)
}

#[tokio::test]
async fn racks_are_told() {
    let broker = broker().await;
    let metadata = Client::of(&broker).metadata("orders").await;
    let racks: Vec<_> = metadata.brokers.iter().map(|broker| broker.rack.clone()).collect();
    assert_eq!(racks, ["a", "b", "c"].map(|rack| Some(text(rack))));
}

#[tokio::test(start_paused = true)]
async fn the_leader_sends_a_client_to_the_replica_in_its_rack() {
    let broker = broker().await;
    let mut leader = Client::of(&broker);
    let start = Instant::now();
    let request = fetch("b", 3).with_max_wait_ms(500);
    let answer = leader.call(VERSION, request).await.responses.remove(0).partitions.remove(0);
    assert_eq!((answer.error_code, answer.preferred_read_replica, bytes(&answer)), (0, BrokerId(1), 0));
    assert_eq!((answer.high_watermark, start.elapsed()), (3, Duration::ZERO), "at once, without records");
    for rack in ["a", "nowhere", ""] {
        let answer = read(&mut leader, rack, 0).await;
        assert_eq!(answer.preferred_read_replica, BrokerId(-1), "rack {rack:?}");
        assert!(bytes(&answer) > 0);
    }
    broker.set_rack_aware_reads(false);
    assert_eq!(read(&mut leader, "b", 0).await.preferred_read_replica, BrokerId(-1));
}

#[tokio::test]
async fn a_follower_serves_what_it_has_but_lists_no_offsets() {
    let broker = broker().await;
    let mut follower = Client::of_node(&broker, 1);
    let answer = read(&mut follower, "b", 1).await;
    assert_eq!((answer.error_code, answer.preferred_read_replica, answer.high_watermark), (0, BrokerId(-1), 3));
    assert!(bytes(&answer) > 0);

    let asked = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![asked]);
    let response = follower.call(7, ListOffsetsRequest::default().with_topics(vec![topic])).await;
    assert_eq!(response.topics[0].partitions[0].error_code, ResponseError::NotLeaderOrFollower.code());
}

#[tokio::test]
async fn only_nodes_with_a_replica_serve() {
    let broker = broker().await;
    broker.set_replicas("orders", 0, [0, 2]).unwrap();
    let metadata = Client::of(&broker).metadata("orders").await;
    assert_eq!(metadata.topics[0].partitions[0].replica_nodes, [BrokerId(0), BrokerId(2)]);
    assert_eq!(
        read(&mut Client::of_node(&broker, 1), "b", 0).await.error_code,
        ResponseError::NotLeaderOrFollower.code()
    );
    assert_eq!(read(&mut Client::of(&broker), "b", 0).await.preferred_read_replica, BrokerId(-1));
    broker.set_replicas("orders", 0, [1, 2]).unwrap();
    assert_eq!((broker.leader("orders", 0), broker.leader_epoch("orders", 0)), (Some(1), Some(1)));
    assert!(broker.set_replicas("orders", 0, [7]).is_err());
}

#[tokio::test]
async fn a_follower_that_lags_is_out_of_range_where_its_log_ends_and_no_client_is_sent_there() {
    let broker = broker().await;
    broker.hold_replica("orders", 0, 1, 1).unwrap();
    let (mut leader, mut follower) = (Client::of(&broker), Client::of_node(&broker, 1));
    let answer = read(&mut follower, "b", 0).await;
    assert_eq!((answer.error_code, answer.high_watermark), (0, 1));
    assert_eq!(bytes(&answer), broker.log("orders", 0).batches()[0].bytes().len(), "one batch of three");
    assert_eq!(read(&mut follower, "b", 1).await.error_code, 0);
    assert_eq!(read(&mut follower, "b", 2).await.error_code, ResponseError::OffsetOutOfRange.code());
    assert_eq!(read(&mut leader, "b", 0).await.preferred_read_replica, BrokerId(-1));
    let metadata = leader.metadata("orders").await;
    assert_eq!(metadata.topics[0].partitions[0].isr_nodes, [BrokerId(0), BrokerId(2)]);

    broker.release_replica("orders", 0, 1).unwrap();
    assert_eq!(read(&mut follower, "b", 2).await.error_code, 0);
    assert_eq!(read(&mut leader, "b", 0).await.preferred_read_replica, BrokerId(1));
    assert!(broker.hold_replica("orders", 0, 0, 1).is_err(), "the leader can't lag behind itself");
}

#[tokio::test(start_paused = true)]
async fn a_follower_shows_nothing_past_its_high_watermark() {
    let broker = broker().await;
    broker.hold_high_watermark("orders", 0, 1, 2).unwrap();
    let mut follower = Client::of_node(&broker, 1);
    let start = Instant::now();
    follower.send(VERSION, fetch("b", 2).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::Fetch, 1).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    broker.release_replica("orders", 0, 1).unwrap();
    let (_, response) = follower.receive::<FetchRequest>(VERSION).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(100), "it waited until there was more to see");
    assert!(bytes(&response.responses[0].partitions[0]) > 0);

    broker.hold_high_watermark("orders", 0, 1, 1).unwrap();
    let answer = read(&mut follower, "b", 2).await;
    assert_eq!((answer.error_code, answer.high_watermark, answer.last_stable_offset, bytes(&answer)), (0, 1, 1, 0));
    assert_eq!(read(&mut Client::of(&broker), "b", 2).await.preferred_read_replica, BrokerId(1), "it is in sync");
}

#[tokio::test]
async fn a_new_leader_may_have_less_than_the_old_one() {
    let broker = broker().await;
    broker.hold_replica("orders", 0, 1, 1).unwrap();
    broker.hold_replica("orders", 0, 2, 1).unwrap();
    broker.node(0).stop().await;
    assert_eq!(broker.leader("orders", 0), None, "nobody in sync is up");
    broker.elect_unclean("orders", 0, 1, 1).unwrap();
    broker.append("orders", 0, ["water"]).unwrap();
    assert_eq!(broker.log("orders", 0).values(), ["tea", "water"]);
    assert_eq!((broker.leader("orders", 0), broker.leader_epoch("orders", 0)), (Some(1), Some(2)));

    let mut request = fetch("", 3);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    request.topics[0].partitions[0].current_leader_epoch = 2;
    let response = Client::of_node(&broker, 1).call(VERSION, request).await;
    let diverging = &response.responses[0].partitions[0].diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 1));
}
