//! Produce within a transaction.

use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use super::super::client::broker;
use super::*;

#[tokio::test]
async fn a_transaction_is_committed_in_every_partition() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        producer.write(0, "tea").await;
        producer.write(1, "milk").await;
        producer.write(0, "sugar").await;
        let view = broker.transaction("tx").unwrap();
        assert_eq!((view.state, view.partitions), ("Ongoing", vec![("orders".into(), 0), ("orders".into(), 1)]));
        producer.commit().await;
        assert_eq!(broker.transaction("tx").unwrap().state, "CompleteCommit");
        assert_eq!(broker.log("orders", 0).committed_values(), ["tea", "sugar"]);
        assert_eq!(broker.log("orders", 1).committed_values(), ["milk"]);

        let log = broker.log("orders", 0);
        assert_eq!((log.len(), log.end_offset()), (2, 3), "the marker takes an offset");
        let (offset, marker) = log.markers()[0];
        assert_eq!((offset, marker.producer_id, marker.is_commit), (2, producer.id, true));
        assert_eq!(marker.producer_epoch, producer.epoch, "in the newer protocol that is the next one");
        assert!(log.batches().iter().all(ottla_broker::BatchView::is_transactional));
    }
}

#[tokio::test]
async fn one_transaction_follows_another() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        for (value, is_commit) in [("tea", true), ("poison", false), ("milk", true)] {
            producer.write(0, value).await;
            producer.end(is_commit).await;
        }
        assert_eq!(producer.epoch, if protocol == Protocol::V1 { 0 } else { 3 });
        assert_eq!(broker.log("orders", 0).values(), ["tea", "poison", "milk"]);
        assert_eq!(broker.log("orders", 0).committed_values(), ["tea", "milk"]);
    }
}

#[tokio::test]
async fn a_partition_that_was_not_added_is_refused_in_the_versions_words() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    let (_, request) = producer.next(0, "tea");
    let answer = |response: &ProduceResponse| response.responses[0].partition_responses[0].error_code;
    let client = &mut producer.client;
    assert_eq!(answer(&client.call(10, request.clone()).await), code(ResponseError::InvalidTxnState));
    assert_eq!(answer(&client.call(11, request.clone()).await), code(ResponseError::TransactionAbortable));
    assert_eq!(answer(&client.call(12, request).await), 0, "from version 12 on it is added");
    assert_eq!(broker.transaction("tx").unwrap().partitions.len(), 1);
}

#[tokio::test]
async fn a_partition_is_added_to_the_next_transaction_anew() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    producer.write(0, "tea").await;
    producer.commit().await;
    assert_eq!(producer.try_write(0, "milk").await.error_code, code(ResponseError::TransactionAbortable));
    producer.write(0, "milk").await;
}

#[tokio::test]
async fn a_batch_sent_twice_is_stored_once() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        producer.write(0, "tea").await;
        producer.sequences[0] = 0;
        assert_eq!(producer.try_write(0, "tea").await.base_offset, 0);
        producer.commit().await;
        assert_eq!(broker.log("orders", 0).values(), ["tea"]);
    }
}

#[tokio::test]
async fn a_batch_that_comes_after_its_transactions_end_is_refused() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    let (version, late) = producer.next(0, "tea");
    producer.write(0, "tea").await;
    producer.abort().await;
    let response = producer.client.call(version, late).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, code(ResponseError::InvalidProducerEpoch), "the marker's epoch is newer");
    assert_eq!(broker.log("orders", 0).last_stable_offset(), 2);
}

#[tokio::test]
async fn each_transaction_of_the_newer_protocol_begins_with_sequence_zero() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.sequences[0] = 1;
    assert_eq!(producer.try_write(0, "tea").await.error_code, code(ResponseError::OutOfOrderSequenceNumber));
    producer.sequences[0] = 0;
    producer.write(0, "tea").await;
    producer.commit().await;
    producer.sequences[0] = 1;
    assert_eq!(producer.try_write(0, "milk").await.error_code, code(ResponseError::OutOfOrderSequenceNumber));
}

#[tokio::test]
async fn a_request_must_say_whose_transaction_it_is() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    let answer = |response: &ProduceResponse| response.responses[0].partition_responses[0].error_code;
    let (version, request) = producer.next(0, "tea");
    let anonymous = producer.client.call(version, request.clone().with_transactional_id(None)).await;
    assert_eq!(answer(&anonymous), code(ResponseError::TransactionalIdAuthorizationFailed));
    let other = request.with_transactional_id(Some(TransactionalId(text("other"))));
    assert_eq!(answer(&producer.client.call(version, other).await), code(ResponseError::InvalidProducerIdMapping));

    let data = |index, id| {
        PartitionProduceData::default().with_index(index).with_records(Some(transactional(id, 0, 0, "tea")))
    };
    let topic = TopicProduceData::default().with_name(topic_name("orders"));
    let topic = topic.with_partition_data(vec![data(0, producer.id), data(1, producer.id + 1)]);
    let mixed = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
    let mixed = mixed.with_transactional_id(Some(producer.transactional_id()));
    assert_eq!(answer(&producer.client.call(version, mixed).await), code(ResponseError::InvalidProducerIdMapping));
    assert!(broker.log("orders", 0).is_empty());
}

#[tokio::test]
async fn a_coordinator_that_hangs_makes_producers_retry() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 2).await;
    broker.move_transaction_coordinator("tx", 0).unwrap();
    let producer = Producer::of(&broker, "tx", Protocol::V2).await;
    broker.node(0).pause();
    let (version, request) = producer.next(1, "tea");
    let response = Client::of_node(&broker, 1).call(version, request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, code(ResponseError::NotEnoughReplicas));
}

#[tokio::test]
async fn a_partition_that_is_unknown_leaves_the_others_out_of_the_transaction() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    let (unknown, others) = (ResponseError::UnknownTopicOrPartition, ResponseError::OperationNotAttempted);
    assert_eq!(producer.add(&[0, 9]).await, [code(others), code(unknown)]);
    assert_eq!(broker.transaction("tx").unwrap().state, "Empty");
}

#[tokio::test]
async fn an_abort_may_be_asked_for_though_nothing_was_written() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    assert_eq!(producer.try_end(true).await.error_code, code(ResponseError::InvalidTxnState));
    producer.abort().await;
    assert_eq!((producer.epoch, broker.transaction("tx").unwrap().state), (1, "CompleteAbort"));
    producer.write(0, "tea").await;
    producer.commit().await;
    assert_eq!(broker.log("orders", 0).committed_values(), ["tea"]);
}
