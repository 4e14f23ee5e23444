//! Faults, as a client meets them.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, HeartbeatRequest, InitProducerIdRequest, ListGroupsRequest, MetadataRequest,
    ProduceRequest,
};
use ottla_broker::{ApiKey, Code};
use tokio::time::Instant;

use super::client::{Client, batch, broker, numbered, produce, record, topic_name};

#[tokio::test]
async fn an_error_is_answered_once_and_nothing_is_done() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.once(ApiKey::Produce, Code::NotLeaderOrFollower);
    let refused = client.produce(0, batch(&[record("tea")])).await;
    assert_eq!((refused.error_code, refused.base_offset), (6, -1));
    assert!(broker.log("orders", 0).is_empty());
    assert_eq!(client.write(0, "tea").await, 0);
}

#[tokio::test]
async fn errors_may_be_counted_or_lasting() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut code = async || client.call(0, ListGroupsRequest::default()).await.error_code;
    broker.times(2, ApiKey::ListGroups, 15);
    assert_eq!([code().await, code().await, code().await], [15, 15, 0]);
    broker.always(ApiKey::ListGroups, 16);
    assert_eq!([code().await, code().await, code().await], [16, 16, 16]);
    broker.clear();
    assert_eq!(code().await, 0);
}

#[tokio::test]
async fn one_partition_fails_and_the_others_are_written() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.on(ApiKey::Produce).topic("orders").partition(1).error(Code::NotEnoughReplicas);
    let data = |index| PartitionProduceData::default().with_index(index).with_records(Some(batch(&[record("tea")])));
    let topic = TopicProduceData::default().with_name(topic_name("orders")).with_partition_data(vec![data(0), data(1)]);
    let response = client.call(9, ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])).await;
    let codes: Vec<i16> = response.responses[0].partition_responses.iter().map(|answer| answer.error_code).collect();
    assert_eq!(codes, [0, Code::NotEnoughReplicas.code()]);
    assert_eq!((broker.log("orders", 0).len(), broker.log("orders", 1).len()), (1, 0));
}

#[tokio::test]
async fn a_connection_is_closed_before_or_after_the_deed() {
    let broker = broker().await;
    for (written, fault) in [(0, ottla_broker::Broker::refuse as fn(&_, _)), (1, ottla_broker::Broker::drop_after)] {
        let mut client = Client::of(&broker);
        fault(&broker, ApiKey::Produce);
        client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
        assert!(client.is_closed().await);
        assert_eq!(broker.log("orders", 0).len(), written);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_late_though_the_deed_is_done() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.delay(ApiKey::Produce, Duration::from_millis(300));
    let start = Instant::now();
    client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
    client.send(9, produce("orders", 0, batch(&[record("milk")]))).await;
    broker.until(|broker| broker.log("orders", 0).len() == 2).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    client.receive::<ProduceRequest>(9).await.unwrap();
    client.receive::<ProduceRequest>(9).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(300), "both delays passed together");
}

#[tokio::test]
async fn answers_held_back_go_in_order_when_released() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.hold(ApiKey::Produce);
    let first = client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
    let second = client.send(9, produce("orders", 0, batch(&[record("milk")]))).await;
    broker.until(|broker| broker.held() == 2).await;
    assert_eq!(broker.log("orders", 0).len(), 2);
    assert!(broker.release_one());
    assert_eq!(client.receive::<ProduceRequest>(9).await.unwrap().0, first);
    broker.release();
    assert_eq!(client.receive::<ProduceRequest>(9).await.unwrap().0, second);
    assert_eq!(client.write(0, "sugar").await, 2, "nothing is held back any more");
    assert!(!broker.release_one());
}

#[tokio::test]
async fn a_request_that_comes_twice_meets_the_real_rules() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.repeat(ApiKey::Produce);
    assert_eq!(client.write(0, "tea").await, 1, "without idempotence it is written twice");
    broker.repeat(ApiKey::Produce);
    assert_eq!(client.produce(0, numbered(9, 0, 0)).await.base_offset, 2);
    assert_eq!(broker.log("orders", 0).len(), 3, "with it, once");
}

#[tokio::test]
async fn clients_are_told_to_slow_down() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.throttle(ApiKey::Produce, Duration::from_millis(70));
    let response = client.call(9, produce("orders", 0, batch(&[record("tea")]))).await;
    assert_eq!(response.throttle_time_ms, 70);
    let response = client.call(1, ApiVersionsRequest::default()).await;
    assert_eq!(response.throttle_time_ms, 0);
}

#[tokio::test]
async fn a_request_may_be_ignored() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.on(ApiKey::Produce).ignore();
    client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
    client.send(0, ListGroupsRequest::default()).await;
    broker.until_seen(ApiKey::ListGroups, 1).await;
    assert!(broker.log("orders", 0).is_empty());
    let silence = tokio::time::timeout(Duration::from_millis(20), client.receive_frame()).await;
    assert!(silence.is_err(), "what follows isn't answered either");
}

#[tokio::test]
async fn errors_stand_where_kafka_puts_them() {
    let broker = broker().await;
    let mut client = Client::of(&broker);

    broker.once(ApiKey::InitProducerId, Code::CoordinatorLoadInProgress);
    assert_eq!(client.call(5, InitProducerIdRequest::default()).await.error_code, 14);
    broker.once(ApiKey::Heartbeat, Code::RebalanceInProgress);
    assert_eq!(client.call(4, HeartbeatRequest::default()).await.error_code, 27);

    broker.once(ApiKey::Metadata, Code::LeaderNotAvailable);
    let response = client.call(13, MetadataRequest::default().with_topics(None)).await;
    assert_eq!((response.error_code, response.topics[0].error_code), (0, 5));
    broker.once(ApiKey::Metadata, Code::RebootstrapRequired);
    assert_eq!(client.call(13, MetadataRequest::default()).await.error_code, 129);
    broker.on(ApiKey::Metadata).topic("orders").partition(1).error(Code::LeaderNotAvailable);
    let response = client.metadata("orders").await;
    let codes: Vec<i16> = response.topics[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, 5]);

    let wanted = FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(100);
    let topic = FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![wanted]);
    let fetch = FetchRequest::default().with_topics(vec![topic]);
    broker.once(ApiKey::Fetch, Code::KafkaStorageError);
    let response = client.call(12, fetch.clone()).await;
    assert_eq!((response.error_code, response.responses[0].partitions[0].error_code), (0, 56));
    broker.once(ApiKey::Fetch, Code::FetchSessionIdNotFound);
    assert_eq!(client.call(12, fetch).await.error_code, ResponseError::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn a_damaged_answer_is_one_that_a_client_can_tell() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea".repeat(10_000)]).unwrap();
    let mut client = Client::of(&broker);
    // Without records it is the number of the request that is wrong.
    broker.on(ApiKey::ListGroups).damage();
    let asked = client.send(0, ListGroupsRequest::default()).await;
    let answer = client.receive_frame().await.unwrap();
    assert_ne!(answer[..4], asked.to_be_bytes());
    client.call(0, ListGroupsRequest::default()).await;
    // With more than a few records it is their last byte: the checksum tells.
    let wanted = FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(100);
    let topic = FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![wanted]);
    let fetch = FetchRequest::default().with_max_bytes(100).with_topics(vec![topic]);
    let records = async |client: &mut Client| {
        let response = client.call(12, fetch.clone()).await;
        response.responses[0].partitions[0].records.clone().unwrap()
    };
    broker.on(ApiKey::Fetch).damage();
    let (damaged, whole) = (records(&mut client).await, records(&mut client).await);
    let is_sound = |batch: &[u8]| crc32c::crc32c(&batch[21..]) == u32::from_be_bytes(batch[17..21].try_into().unwrap());
    assert!(is_sound(&whole) && !is_sound(&damaged));
    assert_eq!(damaged.len(), whole.len());
    assert_eq!(damaged[..whole.len() - 1], whole[..whole.len() - 1]);
}

#[tokio::test]
async fn a_truncated_answer_breaks_off_and_its_connection_with_it() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.on(ApiKey::Produce).truncate();
    client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
    assert_eq!(client.receive_frame().await, None, "not all of it comes");
    assert!(client.is_closed().await);
    assert_eq!(broker.log("orders", 0).len(), 1, "it is done all the same");
    assert_eq!(Client::of(&broker).write(0, "more").await, 1);
}
