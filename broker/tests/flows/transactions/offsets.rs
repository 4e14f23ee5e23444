//! Offsets that are committed within a transaction.

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, JoinGroupRequest, OffsetFetchRequest, TxnOffsetCommitRequest,
};

use super::super::client::broker;
use super::*;

fn billing() -> GroupId {
    GroupId(text("billing"))
}

fn commit_request(producer: &Producer, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name("orders"));
    TxnOffsetCommitRequest::default()
        .with_transactional_id(producer.transactional_id())
        .with_group_id(billing())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic.with_partitions(vec![partition])])
}

async fn send(producer: &mut Producer, version: i16, request: TxnOffsetCommitRequest) -> i16 {
    producer.client.call(version, request).await.topics[0].partitions[0].error_code
}

/// Commits an offset for partition 0 of `orders`; the group is added first if the protocol wants so.
async fn commit(producer: &mut Producer, offset: i64) -> i16 {
    let version = if producer.protocol == Protocol::V1 { 4 } else { 5 };
    if producer.protocol == Protocol::V1 {
        assert_eq!(add(producer, 3).await, 0);
    }
    let request = commit_request(producer, offset);
    send(producer, version, request).await
}

async fn add(producer: &mut Producer, version: i16) -> i16 {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.transactional_id())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(billing());
    producer.client.call(version, request).await.error_code
}

/// The error and the offset that a consumer of the group is told for partition 0 of `orders`.
async fn fetch(client: &mut Client, require_stable: bool) -> (i16, i64) {
    let topic = OffsetFetchRequestTopics::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(billing()).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(require_stable);
    let response = client.call(9, request).await;
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

#[tokio::test]
async fn an_offset_counts_once_its_transaction_is_committed() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        assert_eq!(commit(&mut producer, 5).await, 0);
        assert_eq!(broker.transaction("tx").unwrap().groups, ["billing"]);
        assert_eq!(broker.committed("billing", "orders", 0), None);
        producer.commit().await;
        assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 5);
        assert_eq!(broker.transaction("tx").unwrap().state, "CompleteCommit");
    }
}

#[tokio::test]
async fn an_offset_of_an_aborted_transaction_never_counts() {
    for protocol in BOTH {
        let broker = broker().await;
        broker.commit("billing", "orders", 0, 3);
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        commit(&mut producer, 5).await;
        producer.abort().await;
        assert_eq!(fetch(&mut producer.client, true).await, (0, 3));
    }
}

#[tokio::test]
async fn who_wants_stable_offsets_waits_for_the_end() {
    let broker = broker().await;
    broker.commit("billing", "orders", 0, 3);
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    commit(&mut producer, 5).await;
    let unstable = code(ResponseError::UnstableOffsetCommit);
    assert_eq!(fetch(&mut producer.client, true).await, (unstable, -1));
    assert_eq!(fetch(&mut producer.client, false).await, (0, 3));
    let topic = OffsetFetchRequestTopic::default().with_name(topic_name("orders")).with_partition_indexes(vec![0, 1]);
    let single = OffsetFetchRequest::default().with_group_id(billing()).with_require_stable(true);
    let response = producer.client.call(7, single.clone().with_topics(Some(vec![topic]))).await;
    let codes: Vec<i16> = response.topics[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [unstable, 0], "only that partition waits");
    let all = producer.client.call(7, single.with_topics(None)).await;
    assert_eq!(all.topics[0].partitions[0].error_code, unstable);

    broker.hold_markers();
    producer.commit().await;
    assert_eq!(fetch(&mut producer.client, true).await, (unstable, -1), "the group isn't told yet");
    broker.release_markers();
    assert_eq!(fetch(&mut producer.client, true).await, (0, 5));
}

#[tokio::test]
async fn a_group_that_was_not_added_is_refused_in_the_versions_words() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    let request = commit_request(&producer, 5);
    assert_eq!(send(&mut producer, 3, request.clone()).await, code(ResponseError::InvalidTxnState));
    assert_eq!(send(&mut producer, 4, request.clone()).await, code(ResponseError::TransactionAbortable));
    assert_eq!(send(&mut producer, 5, request).await, 0, "from version 5 on it is added");
}

#[tokio::test]
async fn a_fenced_producer_commits_nothing() {
    let broker = broker().await;
    let mut old = Producer::of(&broker, "tx", Protocol::V2).await;
    Producer::of(&broker, "tx", Protocol::V2).await;
    assert_eq!(commit(&mut old, 5).await, code(ResponseError::InvalidProducerEpoch));
    assert_eq!(add(&mut old, 1).await, code(ResponseError::InvalidProducerEpoch));
    assert_eq!(add(&mut old, 2).await, code(ResponseError::ProducerFenced));
    old.id += 7;
    assert_eq!(commit(&mut old, 5).await, code(ResponseError::InvalidProducerIdMapping));
}

#[tokio::test]
async fn an_end_fences_later_commits_of_the_same_epoch() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    let late = commit_request(&producer, 9);
    commit(&mut producer, 5).await;
    producer.commit().await;
    assert_eq!(send(&mut producer, 5, late).await, code(ResponseError::InvalidProducerEpoch));
    assert_eq!(commit(&mut producer, 6).await, 0);
}

#[tokio::test]
async fn a_member_must_be_the_one_it_says() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    let join = JoinGroupRequest::default()
        .with_group_id(billing())
        .with_group_instance_id(Some(text("till-1")))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![JoinGroupRequestProtocol::default().with_name(text("range"))])
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000);
    let joined = producer.client.call(9, join).await;
    let as_member = |producer: &Producer, id: &str, instance: Option<&str>, generation| {
        commit_request(producer, 5)
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text))
            .with_generation_id(generation)
    };
    let (id, generation) = (joined.member_id.as_str(), joined.generation_id);
    let cases = [
        (as_member(&producer, "nobody", None, generation), ResponseError::UnknownMemberId),
        (as_member(&producer, "nobody", Some("till-1"), generation), ResponseError::FencedInstanceId),
        (as_member(&producer, id, Some("till-1"), generation + 1), ResponseError::IllegalGeneration),
        (as_member(&producer, id, Some("till-9"), generation), ResponseError::UnknownMemberId),
    ];
    for (request, expected) in cases {
        assert_eq!(send(&mut producer, 5, request).await, expected.code(), "{expected}");
    }
    let request = as_member(&producer, id, Some("till-1"), generation);
    assert_eq!(send(&mut producer, 5, request).await, 0, "though the group is still waiting for its assignment");
    let request = as_member(&producer, "", None, -1);
    assert_eq!(send(&mut producer, 5, request).await, 0, "who names no member may commit, as before KIP-447");

    let elsewhere = as_member(&producer, id, None, generation).with_group_id(GroupId(text("unknown")));
    assert_eq!(send(&mut producer, 5, elsewhere).await, code(ResponseError::IllegalGeneration));
    let nowhere = as_member(&producer, "", None, -1).with_group_id(GroupId(text("")));
    assert_eq!(send(&mut producer, 5, nowhere).await, code(ResponseError::InvalidGroupId));
}

#[tokio::test]
async fn an_unknown_partition_is_told_and_adds_nothing() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    let mut request = commit_request(&producer, 5);
    request.topics[0].name = topic_name("nothing");
    assert_eq!(send(&mut producer, 5, request).await, code(ResponseError::UnknownTopicOrPartition));
    assert_eq!(broker.transaction("tx").unwrap().state, "Empty");
}

#[tokio::test]
async fn the_groups_coordinator_is_asked_not_the_transactions() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 2).await;
    broker.move_transaction_coordinator("tx", 0).unwrap();
    broker.move_coordinator("billing", 1).unwrap();
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    assert_eq!(commit(&mut producer, 5).await, code(ResponseError::NotCoordinator));
    let request = commit_request(&producer, 5);
    let mut client = Client::of_node(&broker, 1);
    broker.node(0).pause();
    let response = client.call(5, request.clone()).await;
    let hangs = code(ResponseError::CoordinatorLoadInProgress);
    assert_eq!(response.topics[0].partitions[0].error_code, hangs, "the transaction's does not answer");
    broker.node(0).resume();
    let response = client.call(5, request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    producer.commit().await;
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 5);
}
