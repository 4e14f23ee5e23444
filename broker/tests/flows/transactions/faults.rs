//! Faults in the requests of transactional producers.

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use ottla_broker::{ApiKey, Code};

use super::super::client::{broker, offered};
use super::*;

/// A code that nothing in the broker gives of itself.
const CODE: i16 = 7_777;

/// Asks for an error, then sends what `request` makes for each version.
async fn refused<R: Request>(broker: &Broker, request: impl Fn(i16) -> R)
where
    R::Response: std::fmt::Debug,
{
    let mut client = Client::of(broker);
    let api = ApiKey::try_from(R::KEY).unwrap();
    let (min, max) = offered(&mut client, api).await.unwrap();
    for version in min..=max.min(R::VERSIONS.max) {
        broker.once(api, CODE);
        let answer = format!("{:?}", client.call(version, request(version)).await);
        assert!(answer.contains("error_code: 7777"), "{api:?} v{version}: {answer}");
    }
}

#[tokio::test]
async fn an_error_stands_in_the_answer_of_every_api_and_nothing_is_done() {
    let broker = broker().await;
    let id = || TransactionalId(text("tx"));
    let producer = Producer::of(&broker, "tx", Protocol::V2).await;
    refused(&broker, |_| init("tx")).await;
    refused(&broker, |version| {
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name("orders")).with_partitions(vec![0]);
        if version < 4 {
            let request = AddPartitionsToTxnRequest::default().with_v3_and_below_transactional_id(id());
            let request = request.with_v3_and_below_producer_id(ProducerId(producer.id));
            return request.with_v3_and_below_topics(vec![topic]);
        }
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(producer.id))
            .with_topics(vec![topic]);
        AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
    })
    .await;
    refused(&broker, |_| {
        let request = AddOffsetsToTxnRequest::default().with_transactional_id(id());
        request.with_producer_id(ProducerId(producer.id)).with_group_id(GroupId(text("billing")))
    })
    .await;
    refused(&broker, |_| {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(9);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name("orders"));
        let request = TxnOffsetCommitRequest::default().with_transactional_id(id()).with_generation_id(-1);
        let request = request.with_producer_id(ProducerId(producer.id)).with_group_id(GroupId(text("billing")));
        request.with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    refused(&broker, |_| {
        EndTxnRequest::default().with_transactional_id(id()).with_producer_id(ProducerId(producer.id))
    })
    .await;
    refused(&broker, |_| DescribeTransactionsRequest::default().with_transactional_ids(vec![id()])).await;
    refused(&broker, |_| ListTransactionsRequest::default()).await;
    refused(&broker, |_| {
        let topic = TopicRequest::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    })
    .await;
    let view = broker.transaction("tx").unwrap();
    assert_eq!((view.state, view.producer_epoch), ("Empty", 0));
    assert_eq!(broker.group("billing"), None);
}

#[tokio::test]
async fn a_fault_may_be_for_one_transactional_id() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.on(ApiKey::InitProducerId).transactional_id("tx").error(Code::CoordinatorLoadInProgress);
    assert_eq!(client.call(5, init("other")).await.error_code, 0);
    assert_eq!(client.call(5, init("tx")).await.error_code, code(Code::CoordinatorLoadInProgress));

    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    broker.on(ApiKey::Produce).transactional_id("tx").error(Code::NotEnoughReplicas);
    client.write(0, "plain").await;
    assert_eq!(producer.try_write(0, "tea").await.error_code, code(Code::NotEnoughReplicas));
    broker.on(ApiKey::FindCoordinator).transactional_id("tx").error(Code::CoordinatorNotAvailable);
    let find = |kind| FindCoordinatorRequest::default().with_key_type(kind).with_key(text("tx"));
    assert_eq!(client.call(3, find(0)).await.error_code, 0, "a group of the same name");
    assert_eq!(client.call(3, find(1)).await.error_code, code(Code::CoordinatorNotAvailable));
}

#[tokio::test]
async fn one_partition_of_an_addition_fails_and_none_is_added() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    broker.on(ApiKey::AddPartitionsToTxn).topic("orders").partition(1).error(Code::TopicAuthorizationFailed);
    let others = code(Code::OperationNotAttempted);
    assert_eq!(producer.add(&[0, 1]).await, [others, code(Code::TopicAuthorizationFailed)]);
    assert_eq!(broker.transaction("tx").unwrap().state, "Empty");
    assert_eq!(producer.add(&[0, 1]).await, [0, 0]);
}

#[tokio::test]
async fn an_end_may_be_done_and_its_answer_lost() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    broker.drop_after(ApiKey::EndTxn);
    let (version, request) = producer.end_request(true);
    producer.client.send(version, request).await;
    assert!(producer.client.is_closed().await);
    assert_eq!(broker.log("orders", 0).committed_values(), ["tea"]);
    producer.client = Client::of(&broker);
    producer.commit().await;
    assert_eq!((producer.epoch, broker.log("orders", 0).markers().len()), (1, 1));
}

#[tokio::test]
async fn what_is_done_twice_is_done_once() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    broker.repeat(ApiKey::Produce);
    producer.write(0, "tea").await;
    broker.repeat(ApiKey::EndTxn);
    producer.commit().await;
    assert_eq!(producer.epoch, 1);
    assert_eq!(broker.log("orders", 0).committed_values(), ["tea"]);
    broker.repeat(ApiKey::InitProducerId);
    let again = producer.client.call(5, init("tx")).await;
    assert_eq!(again.producer_epoch, 3, "two producers began");
}

#[tokio::test]
async fn a_test_may_abort_a_transaction_behind_its_producers_back() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    broker.abort_transaction("tx");
    assert_eq!(broker.transaction("tx").unwrap().state, "CompleteAbort");
    assert_eq!(producer.try_write(0, "milk").await.error_code, code(Code::InvalidProducerEpoch));
}
