//! Produce, and the idempotent producer's rules as a client meets them.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use kafka_protocol::records::Record;
use ottla_broker::Broker;
use uuid::Uuid;

use super::client::{Client, batch, broker, numbered, produce, record};

#[tokio::test]
async fn records_get_the_next_offsets() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    assert_eq!(client.produce(0, batch(&[record("tea"), record("milk")])).await.base_offset, 0);
    assert_eq!(client.write(0, "sugar").await, 2);
    assert_eq!(client.write(1, "elsewhere").await, 0);
    assert_eq!(broker.log("orders", 0).values(), ["tea", "milk", "sugar"]);
    assert_eq!(broker.log("orders", 0).batches().len(), 2);
}

#[tokio::test]
async fn an_answer_comes_in_every_version() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    for version in 3..=12 {
        let response = client.call(version, produce("orders", 0, batch(&[record("tea")]))).await;
        assert_eq!(response.responses[0].partition_responses[0].base_offset, i64::from(version) - 3);
    }
}

#[tokio::test]
async fn a_topic_may_be_named_by_its_id() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let to = |id| {
        let data = PartitionProduceData::default().with_index(0).with_records(Some(batch(&[record("tea")])));
        let topic = TopicProduceData::default().with_topic_id(id).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])
    };
    let id = Uuid::from_u128(broker.topic_id("orders").unwrap());
    let response = client.call(13, to(id)).await;
    assert_eq!((response.responses[0].topic_id, response.responses[0].partition_responses[0].error_code), (id, 0));

    broker.recreate_topic("orders").unwrap();
    let response = client.call(13, to(id)).await;
    assert_eq!(
        response.responses[0].partition_responses[0].error_code,
        ResponseError::UnknownTopicId.code(),
        "the new topic has another id"
    );
}

#[tokio::test]
async fn without_acks_there_is_no_answer_and_an_error_ends_the_connection() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.send(9, produce("orders", 0, batch(&[record("tea")])).with_acks(0)).await;
    assert_eq!(client.write(0, "milk").await, 1, "the next answer is the next request's");
    client.send(9, produce("orders", 9, batch(&[record("tea")])).with_acks(0)).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_kafka_refuses_is_refused() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let sound = batch(&[record("tea")]);
    let mut corrupt = sound.to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let cases = [
        (produce("orders", 2, sound.clone()), ResponseError::UnknownTopicOrPartition),
        (produce("nothing", 0, sound.clone()), ResponseError::UnknownTopicOrPartition),
        (produce("orders", 0, corrupt.into()), ResponseError::CorruptMessage),
        (produce("orders", 0, Bytes::new()), ResponseError::InvalidRecord),
        (produce("orders", 0, sound).with_acks(2), ResponseError::InvalidRequiredAcks),
    ];
    for (request, expected) in cases {
        let response = client.call(9, request).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (expected.code(), -1), "{expected}");
    }
    assert!(broker.log("orders", 0).is_empty());
}

/// A broker with topic `orders`, of one partition, that has this setting.
async fn broker_with(key: &str, value: &str) -> Broker {
    Broker::builder().in_memory_only().topic_with("orders", 1, [(key, value)]).try_start().await.unwrap()
}

#[tokio::test]
async fn a_batch_over_the_topics_limit_is_too_large() {
    let broker = broker_with("max.message.bytes", "100").await;
    let mut client = Client::of(&broker);
    assert_eq!(client.write(0, "small").await, 0);
    let large = batch(&[record("a value that makes the batch larger than one hundred bytes")]);
    assert_eq!(client.produce(0, large.clone()).await.error_code, ResponseError::MessageTooLarge.code());
    broker.configure_topic("orders", "max.message.bytes", "1000").unwrap();
    assert_eq!(client.produce(0, large).await.error_code, 0);
}

/// The error, and which records of the batch are to blame.
async fn blamed(client: &mut Client, records: &[Record]) -> (i16, Vec<i32>) {
    let answer = client.produce(0, batch(records)).await;
    assert_eq!((answer.base_offset, answer.error_message.is_some()), (-1, true));
    (answer.error_code, answer.record_errors.iter().map(|error| error.batch_index).collect())
}

#[tokio::test]
async fn a_compacted_topic_names_the_records_without_keys() {
    let broker = broker_with("cleanup.policy", "compact").await;
    let mut client = Client::of(&broker);
    let keyed = |value| Record { key: Some(Bytes::from_static(b"key")), ..record(value) };
    let mixed = [record("tea"), keyed("milk"), record("sugar")];
    assert_eq!(blamed(&mut client, &mixed).await, (ResponseError::InvalidRecord.code(), vec![0, 2]));
    assert!(broker.log("orders", 0).is_empty(), "none is taken");
    assert_eq!(client.produce(0, batch(&[keyed("milk")])).await.error_code, 0);
    for version in 3..=12 {
        let response = client.call(version, produce("orders", 0, batch(&[record("tea")]))).await;
        let answer = &response.responses[0].partition_responses[0];
        let named = if version >= 8 { 1 } else { 0 };
        assert_eq!((answer.error_code, answer.record_errors.len()), (87, named), "version {version}");
    }
}

#[tokio::test]
async fn a_time_too_far_from_the_brokers_is_invalid() {
    const HOUR: i64 = 3_600_000;
    let at = |timestamp| Record { timestamp, ..record("tea") };
    let invalid = ResponseError::InvalidTimestamp.code();
    let builder = Broker::builder().in_memory_only().started_at_ms(10 * HOUR).topic("orders", 1);
    let broker = builder.await;
    let mut client = Client::of(&broker);
    assert_eq!(blamed(&mut client, &[at(10 * HOUR), at(12 * HOUR)]).await, (invalid, vec![1]), "an hour by default");
    assert_eq!(client.produce(0, batch(&[at(0)])).await.error_code, 0, "the past is not limited");
    broker.configure_topic("orders", "message.timestamp.before.max.ms", "3600000").unwrap();
    assert_eq!(blamed(&mut client, &[at(8 * HOUR), at(10 * HOUR)]).await, (invalid, vec![0]));
    broker.configure_topic("orders", "message.timestamp.after.max.ms", "9000000").unwrap();
    assert_eq!(client.produce(0, batch(&[at(12 * HOUR)])).await.error_code, 0);
    broker.configure_topic("orders", "message.timestamp.type", "LogAppendTime").unwrap();
    assert_eq!(client.produce(0, batch(&[at(0), at(99 * HOUR)])).await.error_code, 0, "its time doesn't count");
}

#[tokio::test]
async fn a_topic_with_a_setting_that_isnt_one_is_not_created() {
    let builder = Broker::builder().in_memory_only().topic_with("orders", 1, [("max.message.bytes", "many")]);
    assert!(builder.clone().try_start().await.unwrap_err().to_string().contains("max.message.bytes"));
    assert_eq!(builder.await.topic_id("orders"), None);
}

#[tokio::test(start_paused = true)]
async fn log_append_time_is_the_brokers_clock() {
    let builder = Broker::builder().in_memory_only().started_at_ms(5_000).topic("orders", 1);
    let broker = builder.await;
    broker.configure_topic("orders", "message.timestamp.type", "LogAppendTime").unwrap();
    tokio::time::advance(std::time::Duration::from_millis(250)).await;
    let mut client = Client::of(&broker);
    assert_eq!(client.produce(0, batch(&[record("tea")])).await.log_append_time_ms, 5_250);
    assert_eq!(broker.log("orders", 0).records()[0].timestamp, 5_250);
}

#[tokio::test]
async fn a_batch_sent_twice_is_stored_once() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = client.call(5, InitProducerIdRequest::default().with_transactional_id(None)).await;
    assert_eq!((id.error_code, id.producer_epoch), (0, 0));
    let id = id.producer_id.0;

    client.write(0, "before").await;
    for _ in 0..2 {
        let produced = client.produce(0, numbered(id, 0, 0)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, 1));
    }
    assert_eq!(broker.log("orders", 0).len(), 2);
    let gap = client.produce(0, numbered(id, 0, 2)).await;
    assert_eq!(gap.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!(client.produce(0, numbered(id, 1, 0)).await.error_code, 0, "a new epoch begins at 0");
    let stale = client.produce(0, numbered(id, 0, 1)).await;
    assert_eq!(stale.error_code, ResponseError::InvalidProducerEpoch.code());
}

#[tokio::test]
async fn a_producer_outlives_its_records() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.produce(0, numbered(7, 0, 0)).await;
    broker.delete_records("orders", 0, 1).unwrap();
    assert_eq!(client.produce(0, numbered(7, 0, 1)).await.error_code, 0, "since KIP-360 it does");
    let gap = client.produce(0, numbered(7, 0, 9)).await;
    assert_eq!((gap.error_code, gap.log_start_offset), (ResponseError::OutOfOrderSequenceNumber.code(), 1));
}

#[tokio::test]
async fn a_broker_before_kip_360_forgets_a_producer_with_its_records() {
    let broker = Broker::builder().in_memory_only().topic("orders", 1).unknown_producer_ids(true).await;
    let mut client = Client::of(&broker);
    assert_eq!(client.produce(0, numbered(7, 0, 0)).await.error_code, 0);
    assert_eq!(client.produce(0, numbered(7, 0, 1)).await.error_code, 0);
    broker.delete_records("orders", 0, 1).unwrap();
    assert_eq!(client.produce(0, numbered(7, 0, 2)).await.error_code, 0, "one of its records was left");
    broker.delete_records("orders", 0, 3).unwrap();
    let unknown = client.produce(0, numbered(7, 0, 3)).await;
    assert_eq!((unknown.error_code, unknown.log_start_offset), (ResponseError::UnknownProducerId.code(), 3));
    assert_eq!(client.produce(0, numbered(7, 1, 0)).await.error_code, 0, "it may begin anew");
}

#[tokio::test]
async fn producer_ids_are_given_once() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let first = client.call(5, InitProducerIdRequest::default().with_transactional_id(None)).await;
    let second = client.call(5, InitProducerIdRequest::default().with_transactional_id(None)).await;
    assert_ne!(first.producer_id, second.producer_id);
}

#[tokio::test]
async fn a_discarding_broker_counts_but_keeps_nothing() {
    let broker = Broker::builder().in_memory_only().topic("orders", 1).discard(true).await;
    let mut client = Client::of(&broker);
    assert_eq!(client.write(0, "tea").await, 0);
    assert_eq!(client.write(0, "milk").await, 1);
    let log = broker.log("orders", 0);
    assert_eq!((log.end_offset(), log.batches().len()), (2, 0));
}
