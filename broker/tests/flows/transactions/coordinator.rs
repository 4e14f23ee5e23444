//! InitProducerId, EndTxn and who is asked for them.

use std::time::Duration;

use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, FindCoordinatorRequest, ListTransactionsRequest,
    describe_producers_request::TopicRequest,
};
use kafka_protocol::messages::{InitProducerIdResponse, add_partitions_to_txn_request::AddPartitionsToTxnTransaction};

use super::super::client::broker;
use super::*;

fn refused(error: ResponseError) -> (i16, i64, i16) {
    (error.code(), -1, -1)
}

#[tokio::test]
async fn each_producer_of_a_transactional_id_gets_the_next_epoch() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let (_, id, _) = initialized(&client.call(5, init("tx")).await);
    for version in 0..=5 {
        assert_eq!(initialized(&client.call(version, init("tx")).await), (0, id, version + 1));
    }
    assert_ne!(client.call(5, init("other")).await.producer_id.0, id);
}

#[tokio::test]
async fn what_kafka_refuses_to_initialize_is_refused() {
    let builder = Broker::builder().in_memory_only().transaction_max_timeout(Duration::from_secs(60));
    let broker = builder.await;
    let mut client = Client::of(&broker);
    let cases = [
        (init(""), ResponseError::InvalidRequest),
        (init("tx").with_transaction_timeout_ms(60_001), ResponseError::InvalidTransactionTimeout),
        (init("tx").with_transaction_timeout_ms(0), ResponseError::InvalidTransactionTimeout),
        (init("tx").with_producer_id(ProducerId(1)), ResponseError::InvalidRequest),
        (init("tx").with_producer_epoch(1), ResponseError::InvalidRequest),
    ];
    for (request, expected) in cases {
        assert_eq!(initialized(&client.call(5, request).await), refused(expected));
    }
    assert_eq!(broker.transaction("tx"), None);
}

#[tokio::test]
async fn a_fenced_producer_is_told_so_in_its_versions_words() {
    let broker = broker().await;
    let first = Producer::of(&broker, "tx", Protocol::V2).await;
    let mut client = Producer::of(&broker, "tx", Protocol::V2).await.client;
    let again = |version| {
        let request = init("tx").with_producer_id(ProducerId(first.id)).with_producer_epoch(first.epoch);
        (version, request)
    };
    let (version, request) = again(3);
    assert_eq!(initialized(&client.call(version, request).await), refused(ResponseError::InvalidProducerEpoch));
    let (version, request) = again(4);
    assert_eq!(initialized(&client.call(version, request).await), refused(ResponseError::ProducerFenced));
}

#[tokio::test]
async fn a_new_producer_waits_until_the_old_ones_transaction_is_aborted() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut old = Producer::of(&broker, "tx", protocol).await;
        old.write(0, "half").await;
        let mut client = Client::of(&broker);
        assert_eq!(initialized(&client.call(5, init("tx")).await), refused(ResponseError::ConcurrentTransactions));
        let response: InitProducerIdResponse = client.call(5, init("tx")).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, old.epoch + 2), "one epoch was for the abort");
        assert_eq!(broker.log("orders", 0).committed_values(), [""; 0]);
        assert_eq!(old.try_write(0, "zombie").await.error_code, code(ResponseError::InvalidProducerEpoch));
        assert_eq!(old.try_end(true).await.error_code, code(ResponseError::ProducerFenced));
    }
}

#[tokio::test]
async fn while_markers_are_on_their_way_the_coordinator_asks_for_patience() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    broker.hold_markers();
    producer.commit().await;
    assert_eq!(broker.transaction("tx").unwrap().state, "PrepareCommit");
    let concurrent = code(ResponseError::ConcurrentTransactions);
    assert_eq!(producer.client.call(5, init("tx")).await.error_code, concurrent);
    assert_eq!(producer.try_write(0, "milk").await.error_code, concurrent);
    assert_eq!(broker.log("orders", 0).committed_values(), [""; 0]);

    broker.release_markers();
    assert_eq!(broker.transaction("tx").unwrap().state, "CompleteCommit");
    producer.write(0, "milk").await;
    assert_eq!(broker.log("orders", 0).committed_values(), ["tea"]);
}

#[tokio::test]
async fn an_older_producer_retries_after_an_error_it_knows() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    producer.write(0, "tea").await;
    broker.hold_markers();
    producer.commit().await;
    assert_eq!(producer.add(&[1]).await, [code(ResponseError::ConcurrentTransactions)]);
    assert_eq!(producer.try_write(1, "milk").await.error_code, code(ResponseError::NotEnoughReplicas));
}

#[tokio::test]
async fn an_end_that_was_answered_into_the_void_is_answered_alike() {
    for protocol in BOTH {
        let broker = broker().await;
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        producer.write(0, "tea").await;
        let (version, request) = producer.end_request(true);
        let first = producer.client.call(version, request.clone()).await;
        let again = producer.client.call(version, request.clone()).await;
        assert_eq!(first, again);
        assert_eq!(again.producer_epoch, if protocol == Protocol::V2 { 1 } else { -1 });
        assert_eq!(broker.log("orders", 0).markers().len(), 1, "there is one end");
        let other = producer.client.call(version, request.with_committed(false)).await;
        assert_eq!(other.error_code, code(ResponseError::InvalidTxnState));
    }
}

#[tokio::test]
async fn older_versions_know_no_fencing() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    producer.write(0, "tea").await;
    producer.epoch += 1;
    let (_, request) = producer.end_request(true);
    assert_eq!(producer.client.call(1, request.clone()).await.error_code, code(ResponseError::InvalidProducerEpoch));
    assert_eq!(producer.client.call(2, request).await.error_code, code(ResponseError::ProducerFenced));
    let unknown = EndTxnRequest::default().with_transactional_id(TransactionalId(text("unknown")));
    let response = producer.client.call(5, unknown).await;
    assert_eq!(response.error_code, code(ResponseError::InvalidProducerIdMapping));
}

/// Waits until the open transaction is aborted, which must be soon.
async fn until_aborted(broker: &Broker) {
    let aborted = broker.until(|broker| broker.transaction("tx").unwrap().state == "CompleteAbort");
    tokio::time::timeout(Duration::from_secs(1), aborted).await.expect("the transaction is aborted");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_stays_open_is_aborted_and_its_producer_fenced() {
    for protocol in BOTH {
        let broker = broker().await;
        broker.set_transaction_version(if protocol == Protocol::V1 { 1 } else { 2 });
        let mut producer = Producer::of(&broker, "tx", protocol).await;
        producer.write(0, "slow").await;
        tokio::time::advance(Duration::from_millis(59_999)).await;
        producer.write(1, "in time").await;
        assert_eq!(broker.transaction("tx").unwrap().state, "Ongoing", "time runs from the first record");
        tokio::time::advance(Duration::from_millis(1)).await;
        until_aborted(&broker).await;
        let view = broker.transaction("tx").unwrap();
        assert_eq!((view.producer_epoch, view.partitions.len()), (producer.epoch + 1, 0));
        assert_eq!(broker.log("orders", 0).markers()[0].1.producer_epoch, producer.epoch + 1);
        assert_eq!(producer.try_write(0, "late").await.error_code, code(ResponseError::InvalidProducerEpoch));
        let expected =
            if protocol == Protocol::V1 { ResponseError::ProducerFenced } else { ResponseError::InvalidTxnState };
        assert_eq!(producer.try_end(true).await.error_code, code(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_was_away_aborts_when_it_is_back() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "slow").await;
    broker.node(0).pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::task::yield_now().await;
    assert_eq!(broker.transaction("tx").unwrap().state, "Ongoing");
    broker.node(0).resume();
    until_aborted(&broker).await;
}

#[tokio::test]
async fn the_coordinator_is_found_and_may_move() {
    let broker = Broker::builder().in_memory_only().nodes(3).topic("orders", 2).await;
    let home = broker.transaction_coordinator("tx").unwrap();
    let mut client = Client::of(&broker);
    let find = FindCoordinatorRequest::default().with_key_type(1);
    for version in 1..=6 {
        let request = find.clone();
        let response = client
            .call(
                version,
                if version >= 4 {
                    request.with_coordinator_keys(vec![text("tx")])
                } else {
                    request.with_key(text("tx"))
                },
            )
            .await;
        let found = response.coordinators.first().map_or(response.node_id, |found| found.node_id);
        assert_eq!(found.0, home, "version {version}");
    }

    let other = (home + 1) % 3;
    broker.move_transaction_coordinator("tx", other).unwrap();
    let mut old = Client::of_node(&broker, home);
    assert_eq!(initialized(&old.call(5, init("tx")).await), refused(ResponseError::NotCoordinator));
    assert_eq!(Client::of_node(&broker, other).call(5, init("tx")).await.error_code, 0);
    broker.node(other).stop().await;
    let next = broker.transaction_coordinator("tx").unwrap();
    assert_ne!(next, other);
    assert_eq!(Client::of_node(&broker, next).call(5, init("tx")).await.producer_epoch, 1, "the id is the same");
    assert!(broker.move_transaction_coordinator("tx", other).is_err(), "it is stopped");
}

#[tokio::test]
async fn a_partition_without_a_leader_gets_its_marker_later() {
    let broker = Broker::builder().in_memory_only().nodes(2).replication_factor(1).topic("orders", 2).await;
    broker.move_transaction_coordinator("tx", 0).unwrap();
    let mut producer = Producer::of(&broker, "tx", Protocol::V1).await;
    producer.add(&[0, 1]).await;
    producer.try_write(0, "tea").await;
    let elsewhere = producer.next(1, "milk").1;
    Client::of_node(&broker, 1).call(11, elsewhere).await;
    broker.node(1).stop().await;
    producer.commit().await;
    let view = broker.transaction("tx").unwrap();
    assert_eq!((view.state, view.partitions), ("PrepareCommit", vec![("orders".to_owned(), 1)]));
    assert_eq!(broker.log("orders", 0).committed_values(), ["tea"]);
    broker.node(1).start().await.unwrap();
    assert_eq!(broker.transaction("tx").unwrap().state, "CompleteCommit");
    assert_eq!(broker.log("orders", 1).committed_values(), ["milk"]);
}

#[tokio::test]
async fn a_deleted_topic_holds_up_no_end() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    broker.delete_topic("orders");
    producer.commit().await;
    assert_eq!(broker.transaction("tx").unwrap().state, "CompleteCommit");
}

#[tokio::test]
async fn transactions_are_listed_and_described() {
    let broker = Broker::builder().in_memory_only().started_at_ms(5_000).topic("orders", 2).await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(1, "tea").await;
    Producer::of(&broker, "idle", Protocol::V2).await;
    let client = &mut producer.client;

    let all = client.call(1, ListTransactionsRequest::default().with_duration_filter(-1)).await;
    let names: Vec<&str> = all.transaction_states.iter().map(|state| state.transactional_id.as_str()).collect();
    assert_eq!(names, ["idle", "tx"]);
    let open = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing"), text("Closed")]);
    let open = client.call(0, open).await;
    assert_eq!(open.transaction_states.len(), 1);
    assert_eq!(open.unknown_state_filters, [text("Closed")]);
    let old = client.call(1, ListTransactionsRequest::default().with_duration_filter(60_000)).await;
    assert_eq!(old.transaction_states[0].transactional_id.as_str(), "idle", "what never began is ever so old");

    let ids = ["tx", "unknown", ""].map(|id| TransactionalId(text(id))).to_vec();
    let described = client.call(0, DescribeTransactionsRequest::default().with_transactional_ids(ids)).await;
    let tx = &described.transaction_states[0];
    assert_eq!((tx.error_code, tx.transaction_state.as_str(), tx.transaction_timeout_ms), (0, "Ongoing", 60_000));
    assert_eq!((tx.producer_id.0, tx.producer_epoch), (producer.id, producer.epoch));
    assert!((5_000..65_000).contains(&tx.transaction_start_time_ms));
    assert_eq!((tx.topics[0].topic.as_str(), &tx.topics[0].partitions[..]), ("orders", &[1][..]));
    let codes: Vec<i16> = described.transaction_states[1..].iter().map(|state| state.error_code).collect();
    assert_eq!(codes, [code(ResponseError::TransactionalIdNotFound), code(ResponseError::InvalidRequest)]);
}

#[tokio::test]
async fn producers_are_described() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    let topic = TopicRequest::default().with_name(topic_name("orders")).with_partition_indexes(vec![0, 9]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let response = producer.client.call(0, request.clone()).await;
    let partitions = &response.topics[0].partitions;
    let known = &partitions[0].active_producers[0];
    assert_eq!((known.producer_id.0, known.producer_epoch), (producer.id, 0));
    assert_eq!((known.last_sequence, known.current_txn_start_offset, known.coordinator_epoch), (0, 0, -1));
    assert_eq!(partitions[1].error_code, code(ResponseError::UnknownTopicOrPartition));

    producer.commit().await;
    let response = producer.client.call(0, request).await;
    let known = &response.topics[0].partitions[0].active_producers[0];
    assert_eq!((known.producer_epoch, known.last_sequence), (1, -1), "the marker brought the next epoch");
    assert_eq!((known.current_txn_start_offset, known.coordinator_epoch), (-1, 0));
}

#[tokio::test]
async fn brokers_may_ask_for_several_transactions_or_only_verify_one() {
    let broker = broker().await;
    let mut producer = Producer::of(&broker, "tx", Protocol::V2).await;
    producer.write(0, "tea").await;
    let asked = |epoch| {
        AddPartitionsToTxnTransaction::default()
            .with_transactional_id(TransactionalId(text("tx")))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(epoch)
            .with_topics(vec![
                AddPartitionsToTxnTopic::default().with_name(topic_name("orders")).with_partitions(vec![0, 1]),
            ])
    };
    let (verify, fenced, add) = (asked(0).with_verify_only(true), asked(7), asked(0));
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![verify, fenced, add]);
    let response = producer.client.call(5, request).await;
    let codes: Vec<Vec<i16>> = response
        .results_by_transaction
        .iter()
        .map(|result| {
            let partitions = &result.topic_results[0].results_by_partition;
            partitions.iter().map(|partition| partition.partition_error_code).collect()
        })
        .collect();
    let (fenced, missing) = (code(ResponseError::ProducerFenced), code(ResponseError::TransactionAbortable));
    assert_eq!(codes, [[0, missing], [fenced, fenced], [0, 0]]);
}
