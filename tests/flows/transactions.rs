//! Transactions of both protocols, and what goes wrong with them.

use std::time::Duration;

use ottla::{
    Code, Consumer, Error, Kind, Producer, ProducerBuilder, Record, Retry, TopicPartition, Transaction,
    TransactionalProducer,
};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::{SOON, pipes};

/// The protocol of before KIP-890, and since.
const PROTOCOLS: [u16; 2] = [1, 2];

async fn orders(version: u16) -> Broker {
    Broker::start().nodes(3).topic("orders", 3).topic("stock", 1).transaction_version(version).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .transactional_id("copy-1")
}

fn producer(broker: &Broker) -> TransactionalProducer {
    builder(broker).build_transactional().unwrap()
}

async fn put(transaction: &Transaction, partition: i32, value: &str) {
    drop(transaction.enqueue(Record::to("orders").partition(partition).value(value)).await.unwrap());
}

fn committed(broker: &Broker, partition: i32) -> Vec<String> {
    broker.log("orders", partition).committed_values()
}

fn retry(result: Result<(), impl Into<Error>>) -> Retry {
    result.err().map(Into::into).expect("an error").retry()
}

/// Waits until what happens in the background has happened.
async fn until(broker: &Broker, is_so: impl FnMut(&Broker) -> bool) {
    tokio::time::timeout(SOON, broker.until(is_so)).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        for (round, commit) in [true, false, true].into_iter().enumerate() {
            let transaction = producer.begin().await.unwrap();
            for partition in 0..3 {
                put(&transaction, partition, &format!("{round}")).await;
            }
            transaction.flush().await.unwrap();
            let before = usize::from(round > 0) + usize::from(round > 2);
            assert_eq!(committed(&broker, 0).len(), before, "nothing is seen while it is open");
            if commit { transaction.commit().await.unwrap() } else { transaction.abort().await.unwrap() }
        }
        for partition in 0..3 {
            assert_eq!(committed(&broker, partition), ["0", "2"], "version {version}");
            let log = broker.log("orders", partition);
            let markers: Vec<_> = log.markers().into_iter().map(|(_, marker)| marker.is_commit).collect();
            assert_eq!(markers, [true, false, true]);
        }
        producer.close(SOON).await.unwrap();
    }
}

/// edge 27: which requests, and which versions of them, tell a broker which protocol is spoken.
#[tokio::test(start_paused = true)]
async fn each_protocol_says_what_belongs_to_it() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        producer.init().await.unwrap();
        broker.forget_requests();
        for _ in 0..2 {
            let transaction = producer.begin().await.unwrap();
            put(&transaction, 0, "tea").await;
            let group = group_metadata(&broker);
            transaction.send_offsets([(TopicPartition::new("stock", 0), 1.into())], &group).await.unwrap();
            transaction.commit().await.unwrap();
        }
        let adds = broker.count(ApiKey::AddPartitionsToTxn) + broker.count(ApiKey::AddOffsetsToTxn);
        assert_eq!(adds, if version == 1 { 4 } else { 0 });
        for request in broker.requests() {
            let newest_of_v1 = match request.api {
                ApiKey::Produce => 11,
                ApiKey::EndTxn | ApiKey::TxnOffsetCommit => 4,
                _ => continue,
            };
            assert_eq!(request.version <= newest_of_v1, version == 1, "{request:?}");
        }
        let epochs: Vec<_> =
            broker.log("orders", 0).batches().iter().step_by(2).map(ottla_broker::BatchView::producer_epoch).collect();
        assert_eq!(epochs, if version == 1 { [0, 0] } else { [0, 1] });
    }
}

/// edge 27: nothing was sent, so nothing is ended.
#[tokio::test(start_paused = true)]
async fn an_empty_transaction_costs_no_request() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        producer.init().await.unwrap();
        broker.forget_requests();
        producer.begin().await.unwrap().commit().await.unwrap();
        producer.begin().await.unwrap().abort().await.unwrap();
        assert_eq!(broker.requests().len(), 0);
    }
}

/// edge 27: a cluster that changes its mind is followed from the next transaction on.
#[tokio::test(start_paused = true)]
async fn a_change_of_protocol_is_followed_between_transactions() {
    let broker = orders(1).await;
    let producer = producer(&broker);
    for (round, version) in [2, 1, 2].into_iter().enumerate() {
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, &round.to_string()).await;
        transaction.flush().await.unwrap();
        broker.set_transaction_version(version);
        // Brokers tell on new connections.
        for node in 0..3 {
            broker.node(node).stop().await;
            broker.node(node).start().await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    assert_eq!(committed(&broker, 0), ["0", "1", "2"]);
    producer.begin().await.unwrap().abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_transaction_is_aborted_and_the_next_begins() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let dropped = producer.begin().await.unwrap();
        put(&dropped, 0, "lost").await;
        dropped.flush().await.unwrap();
        drop(dropped);
        let next = producer.begin().await.unwrap();
        assert_eq!(broker.log("orders", 0).markers().len(), 1, "the abort came first");
        put(&next, 0, "kept").await;
        next.commit().await.unwrap();
        assert_eq!(committed(&broker, 0), ["kept"]);
    }
}

/// What was never sent is not sent for an abort.
#[tokio::test(start_paused = true)]
async fn an_abort_gives_up_what_lingers() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = builder(&broker).linger(Duration::from_secs(20)).build_transactional().unwrap();
        let transaction = producer.begin().await.unwrap();
        let delivery = transaction.enqueue(Record::to("orders").partition(0).value("lost")).await.unwrap();
        let start = Instant::now();
        transaction.abort().await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(delivery.await.unwrap_err().kind(), Kind::Aborted);
        assert_eq!(broker.count(ApiKey::Produce) + broker.count(ApiKey::AddPartitionsToTxn), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_count_when_the_transaction_is_committed() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let group = group_metadata(&broker);
        let offsets = || [(TopicPartition::new("stock", 0), 5.into())];
        let aborted = producer.begin().await.unwrap();
        aborted.send_offsets(offsets(), &group).await.unwrap();
        aborted.abort().await.unwrap();
        assert!(broker.committed("billing", "stock", 0).is_none());
        let transaction = producer.begin().await.unwrap();
        transaction.send_offsets(offsets(), &group).await.unwrap();
        assert!(broker.committed("billing", "stock", 0).is_none(), "it is still open");
        transaction.commit().await.unwrap();
        assert_eq!(broker.committed("billing", "stock", 0).unwrap().offset, 5);
    }
}

/// edge 28: the group has gone on without the member: the transaction is to be aborted, and the producer goes on.
#[tokio::test(start_paused = true)]
async fn offsets_of_a_member_that_was_replaced_abort_the_transaction() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let consumer = joined(&broker).await;
        let group = consumer.group_metadata().unwrap();
        consumer.close(SOON).await.unwrap();
        let producer = producer(&broker);
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "lost").await;
        let error = transaction.send_offsets([(TopicPartition::new("orders", 0), 5.into())], &group).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Abort, "{error}");
        let unfinished = transaction.commit().await.unwrap_err();
        assert_eq!(unfinished.error().retry(), Retry::Abort);
        unfinished.into_transaction().abort().await.unwrap();
        let next = producer.begin().await.unwrap();
        put(&next, 0, "kept").await;
        next.commit().await.unwrap();
        assert_eq!(committed(&broker, 0), ["kept"], "version {version}");
    }
}

/// edge 9: the newest producer of an id fences the others and ends what they left open.
#[tokio::test(start_paused = true)]
async fn a_zombie_is_fenced() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let zombie = producer(&broker);
        let left_open = zombie.begin().await.unwrap();
        put(&left_open, 0, "zombie").await;
        left_open.flush().await.unwrap();
        let successor = producer(&broker);
        let transaction = successor.begin().await.unwrap();
        put(&transaction, 0, "successor").await;
        transaction.commit().await.unwrap();
        let late = left_open.enqueue(Record::to("orders").partition(0).value("late")).await;
        drop(late);
        let error: Error = left_open.commit().await.unwrap_err().into();
        assert_ne!(error.retry(), Retry::Backoff, "{error}");
        let error = loop {
            match zombie.begin().await {
                Ok(transaction) => {
                    put(&transaction, 1, "late").await;
                    drop(transaction.commit().await);
                }
                Err(error) => break error,
            }
        };
        assert_eq!((error.retry(), error.code()), (Retry::Restart, Some(Code::ProducerFenced)), "{error}");
        assert_eq!(committed(&broker, 0), ["successor"], "version {version}");
        assert_eq!(committed(&broker, 1).len(), 0);
    }
}

/// edge 22: the markers of the last transaction take their time.
#[tokio::test(start_paused = true)]
async fn the_next_transaction_waits_while_markers_are_written() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let first = producer.begin().await.unwrap();
        put(&first, 0, "first").await;
        first.flush().await.unwrap();
        broker.hold_markers();
        first.commit().await.unwrap();
        let start = Instant::now();
        let second = producer.begin().await.unwrap();
        put(&second, 0, "second").await;
        let releasing = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            broker.release_markers();
        };
        let (committed_, ()) = tokio::join!(second.commit(), releasing);
        committed_.unwrap();
        assert!(start.elapsed() < Duration::from_millis(150), "{:?}", start.elapsed());
        assert_eq!(committed(&broker, 0), ["first", "second"]);
    }
}

/// edge 23: whatever request is told so, only an abort is allowed, and after it the producer goes on.
#[tokio::test(start_paused = true)]
async fn an_abortable_error_of_any_request_allows_an_abort_alone() {
    for version in PROTOCOLS {
        let added = if version == 1 { ApiKey::AddPartitionsToTxn } else { ApiKey::Produce };
        for api in [added, ApiKey::TxnOffsetCommit, ApiKey::EndTxn] {
            let broker = orders(version).await;
            let producer = producer(&broker);
            let transaction = producer.begin().await.unwrap();
            broker.once(api, Code::TransactionAbortable.to_wire());
            put(&transaction, 0, "lost").await;
            let group = group_metadata(&broker);
            drop(transaction.send_offsets([(TopicPartition::new("stock", 0), 5.into())], &group).await);
            let unfinished = transaction.commit().await.unwrap_err();
            let error = unfinished.error();
            assert_eq!(
                (error.retry(), error.code()),
                (Retry::Abort, Some(Code::TransactionAbortable)),
                "{api:?}: {error}"
            );
            let unfinished = unfinished.into_transaction().commit().await.unwrap_err();
            assert_eq!(unfinished.error().retry(), Retry::Abort, "{api:?}");
            unfinished.into_transaction().abort().await.unwrap();
            let next = producer.begin().await.unwrap();
            put(&next, 0, "kept").await;
            next.commit().await.unwrap();
            assert_eq!(committed(&broker, 0), ["kept"], "version {version}, {api:?}");
            assert!(broker.committed("billing", "stock", 0).is_none());
        }
    }
}

/// edge 24: the commit waits for all records, and one that failed forbids it.
#[tokio::test(start_paused = true)]
async fn a_record_that_failed_forbids_the_commit() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "good").await;
        broker.on(ApiKey::Produce).partition(1).error(Code::InvalidRecord.to_wire());
        let bad = transaction.enqueue(Record::to("orders").partition(1).value("bad")).await.unwrap();
        let unfinished = transaction.commit().await.unwrap_err();
        assert_eq!(unfinished.error().retry(), Retry::Abort);
        assert_eq!(bad.await.unwrap_err().code(), Some(Code::InvalidRecord));
        let transaction = unfinished.into_transaction();
        let refused = transaction.enqueue(Record::to("orders").value("late")).await.unwrap_err();
        assert_eq!(refused.retry(), Retry::Abort);
        transaction.abort().await.unwrap();
        let next = producer.begin().await.unwrap();
        for partition in 0..2 {
            put(&next, partition, "again").await;
        }
        next.commit().await.unwrap();
        assert_eq!((committed(&broker, 0), committed(&broker, 1)), (vec!["again".into()], vec!["again".into()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_not_taken_forbids_the_commit() {
    let broker = orders(2).await;
    let producer = builder(&broker).max_request_size(1_000_usize).build_transactional().unwrap();
    for way in 0..3 {
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "tea").await;
        let large = || Record::to("orders").partition(0).value(vec![0; 2_000]);
        let error = match way {
            0 => transaction.enqueue(large()).await.unwrap_err(),
            1 => transaction.try_enqueue(large()).unwrap_err().error,
            _ => transaction.enqueue(Record::to("orders").partition(-1).value("lost")).await.unwrap_err(),
        };
        assert_eq!(error.kind(), if way == 2 { Kind::State } else { Kind::TooLarge });
        assert_eq!(retry(transaction.commit().await), Retry::Abort, "way {way}");
    }
}

/// Nobody waits until delivery.timeout.ms for what can never be sent.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_when_the_transaction_failed_fails_at_once() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = builder(&broker).linger(Duration::from_secs(20)).build_transactional().unwrap();
        let transaction = producer.begin().await.unwrap();
        let start = Instant::now();
        let lingering = transaction.enqueue(Record::to("orders").partition(0).value("lingers")).await.unwrap();
        if version == 1 {
            broker.on(ApiKey::AddPartitionsToTxn).error(Code::TopicAuthorizationFailed.to_wire());
        } else {
            broker.on(ApiKey::TxnOffsetCommit).error(Code::TransactionAbortable.to_wire());
        }
        let (flushed, sent) = if version == 1 {
            let unadded = transaction.enqueue(Record::to("stock").value("unadded")).await.unwrap();
            (transaction.flush().await, unadded.await)
        } else {
            let offsets = [(TopicPartition::new("stock", 0), 1.into())];
            let refused = transaction.send_offsets(offsets, &group_metadata(&broker)).await;
            (refused, lingering.await)
        };
        assert!(flushed.is_err() || version == 1);
        let error = sent.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::Aborted, Retry::Abort), "{error}");
        assert!(start.elapsed() < Duration::from_secs(2), "version {version}: {:?}", start.elapsed());
        transaction.abort().await.unwrap();
        let next = producer.begin().await.unwrap();
        put(&next, 0, "kept").await;
        next.commit().await.unwrap();
        assert_eq!(committed(&broker, 0), ["kept"]);
    }
}

/// A record that came while the end is under way would be part of the next transaction, or of none.
#[tokio::test(start_paused = true)]
async fn nothing_is_added_to_a_transaction_whose_end_is_under_way() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = builder(&broker).max_block(Duration::from_secs(3)).build_transactional().unwrap();
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "tea").await;
        transaction.flush().await.unwrap();
        broker.on(ApiKey::EndTxn).hold();
        let unfinished = transaction.commit().await.unwrap_err();
        assert_eq!(unfinished.error().kind(), Kind::Timeout);
        let transaction = unfinished.into_transaction();
        let late = || Record::to("orders").partition(0).value("late");
        assert_eq!(transaction.enqueue(late()).await.unwrap_err().kind(), Kind::State);
        assert_eq!(transaction.send(late()).await.unwrap_err().kind(), Kind::State);
        assert_eq!(transaction.try_enqueue(late()).unwrap_err().error.kind(), Kind::State);
        broker.release();
        transaction.commit().await.unwrap();
        producer.begin().await.unwrap().commit().await.unwrap();
        let log = broker.log("orders", 0);
        assert_eq!((log.values(), log.last_stable_offset()), (vec!["tea".into()], log.end_offset()));
    }
}

/// The coordinator has the partition in its books though the answer was lost: left open there, the transaction would time
/// out and fence the producer.
#[tokio::test(start_paused = true)]
async fn an_abort_ends_also_what_the_coordinator_was_told_without_an_answer() {
    let broker = orders(1).await;
    let producer = producer(&broker);
    producer.init().await.unwrap();
    let transaction = producer.begin().await.unwrap();
    broker.drop_after(ApiKey::AddPartitionsToTxn);
    put(&transaction, 0, "lost").await;
    broker.until_seen(ApiKey::AddPartitionsToTxn, 1).await;
    transaction.abort().await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let next = producer.begin().await.unwrap();
    put(&next, 0, "kept").await;
    next.commit().await.unwrap();
    assert_eq!(committed(&broker, 0), ["kept"]);
}

/// edge 25: a commit that times out goes on, and only another commit is allowed.
#[tokio::test(start_paused = true)]
async fn a_commit_that_times_out_may_only_be_repeated() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = builder(&broker).max_block(Duration::from_secs(3)).build_transactional().unwrap();
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "tea").await;
        transaction.flush().await.unwrap();
        broker.on(ApiKey::EndTxn).hold();
        let unfinished = transaction.commit().await.unwrap_err();
        assert_eq!(unfinished.error().kind(), Kind::Timeout);
        let unfinished = unfinished.into_transaction().abort().await.unwrap_err();
        assert_eq!(unfinished.error().kind(), Kind::State);
        broker.release();
        unfinished.into_transaction().commit().await.unwrap();
        assert_eq!(committed(&broker, 0), ["tea"]);
    }
}

/// edge 26: coordinators that move, load and lose connections while a transaction ends.
#[tokio::test(start_paused = true)]
async fn a_commit_survives_coordinators_that_move() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        for round in 0..4 {
            let transaction = producer.begin().await.unwrap();
            put(&transaction, 0, &round.to_string()).await;
            transaction.flush().await.unwrap();
            match round {
                0 => broker.once(ApiKey::EndTxn, Code::CoordinatorLoadInProgress.to_wire()),
                1 => broker.drop_after(ApiKey::EndTxn),
                2 => broker.repeat(ApiKey::EndTxn),
                _ => {
                    let now = broker.transaction_coordinator("copy-1").unwrap();
                    broker.move_transaction_coordinator("copy-1", (now + 1) % 3).unwrap();
                }
            }
            transaction.commit().await.unwrap();
        }
        assert_eq!(committed(&broker, 0), ["0", "1", "2", "3"], "version {version}");
    }
}

/// edge 26: the cluster's metadata no longer names the coordinator that the producer knows.
#[tokio::test(start_paused = true)]
async fn a_commit_survives_a_coordinator_that_left_the_cluster() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let transaction = producer.begin().await.unwrap();
        let coordinator = broker.transaction_coordinator("copy-1").unwrap();
        let elsewhere = (0..3).find(|partition| broker.leader("orders", *partition) != Some(coordinator)).unwrap();
        put(&transaction, elsewhere, "tea").await;
        transaction.flush().await.unwrap();
        broker.node(coordinator).stop().await;
        // Asks for new metadata, and so forgets the broker.
        producer.partitions_for("unheard-of").await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(committed(&broker, elsewhere), ["tea"], "version {version}");
    }
}

/// A coordinator that stands still is not waited for until request.timeout.ms.
#[tokio::test(start_paused = true)]
async fn a_silent_coordinator_costs_a_second_once_there_is_another() {
    let broker = orders(2).await;
    let producer = producer(&broker);
    let transaction = producer.begin().await.unwrap();
    put(&transaction, 0, "tea").await;
    transaction.flush().await.unwrap();
    let silent = broker.transaction_coordinator("copy-1").unwrap();
    broker.on(ApiKey::EndTxn).node(silent).hold();
    let start = Instant::now();
    let moving = async {
        broker.until(|broker| broker.held() > 0).await;
        broker.move_transaction_coordinator("copy-1", (silent + 1) % 3).unwrap();
    };
    let (result, ()) = tokio::join!(transaction.commit(), moving);
    result.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(committed(&broker, 0), ["tea"]);
}

/// edge 29: what an earlier producer is still committing is waited for.
#[tokio::test(start_paused = true)]
async fn a_producer_waits_for_the_transaction_of_its_predecessor() {
    let broker = orders(2).await;
    let first = producer(&broker);
    let transaction = first.begin().await.unwrap();
    put(&transaction, 0, "tea").await;
    transaction.flush().await.unwrap();
    broker.hold_markers();
    transaction.commit().await.unwrap();
    let second = builder(&broker).max_block(Duration::from_secs(5)).build_transactional().unwrap();
    assert_eq!(second.init().await.unwrap_err().kind(), Kind::Timeout);
    broker.release_markers();
    second.init().await.unwrap();
    assert_eq!(committed(&broker, 0), ["tea"]);
}

/// A transaction that is open for too long is aborted by its coordinator, and its producer learns so.
#[tokio::test(start_paused = true)]
async fn a_transaction_left_open_is_aborted_by_the_coordinator() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = builder(&broker).transaction_timeout(Duration::from_secs(5)).build_transactional().unwrap();
        let transaction = producer.begin().await.unwrap();
        put(&transaction, 0, "late").await;
        transaction.flush().await.unwrap();
        until(&broker, |broker| !broker.log("orders", 0).markers().is_empty()).await;
        let error: Error = transaction.commit().await.unwrap_err().into();
        assert!(matches!(error.retry(), Retry::Abort | Retry::Restart), "{error}");
        assert!(committed(&broker, 0).is_empty());
    }
}

/// edge 17: closing writes what was enqueued, and aborts what is open.
#[tokio::test(start_paused = true)]
async fn closing_aborts_an_open_transaction() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        let transaction = producer.begin().await.unwrap();
        let delivery = transaction.enqueue(Record::to("orders").partition(0).value("tea")).await.unwrap();
        producer.close(Duration::from_secs(10)).await.unwrap();
        assert!(delivery.await.is_ok(), "it was written");
        assert!(committed(&broker, 0).is_empty());
        assert!(!broker.log("orders", 0).markers()[0].1.is_commit);
        assert_eq!(retry(transaction.commit().await), Retry::Never);
    }
}

/// edge 17: in the time that was given, whatever the cluster does.
#[tokio::test(start_paused = true)]
async fn closing_with_an_open_transaction_keeps_its_time() {
    let broker = orders(2).await;
    let producer = producer(&broker);
    let transaction = producer.begin().await.unwrap();
    put(&transaction, 0, "tea").await;
    transaction.flush().await.unwrap();
    for node in 0..3 {
        broker.node(node).pause();
    }
    let start = Instant::now();
    drop(producer.close(Duration::from_secs(3)).await);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// edge 10: a batch that is split is committed whole.
#[tokio::test(start_paused = true)]
async fn a_transaction_is_committed_whole_though_its_batches_are_split() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        broker.configure_topic("orders", "max.message.bytes", "2000").unwrap();
        let producer = producer(&broker);
        let transaction = producer.begin().await.unwrap();
        let values: Vec<_> = (0..500).map(|n| format!("{n:0100}")).collect();
        for value in &values {
            put(&transaction, 0, value).await;
        }
        transaction.commit().await.unwrap();
        assert_eq!(committed(&broker, 0), values);
    }
}

/// edge 8: after the last epoch comes a new id.
#[tokio::test(start_paused = true)]
async fn the_last_epoch_is_followed_by_a_new_id() {
    for version in PROTOCOLS {
        let broker = orders(version).await;
        let producer = producer(&broker);
        producer.init().await.unwrap();
        broker.set_producer_epoch("copy-1", i16::MAX - 2).unwrap();
        let producer = self::producer(&broker);
        for round in 0..4 {
            let transaction = producer.begin().await.unwrap();
            put(&transaction, 0, &round.to_string()).await;
            transaction.commit().await.unwrap();
        }
        assert_eq!(committed(&broker, 0), ["0", "1", "2", "3"], "version {version}");
        let ids: std::collections::BTreeSet<_> =
            broker.log("orders", 0).batches().iter().map(ottla_broker::BatchView::producer_id).collect();
        assert_eq!(ids.len(), if version == 2 { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_contradict_transactions_are_refused_by_name() {
    let broker = orders(2).await;
    for (key, value) in [("acks", "1"), ("enable.idempotence", "false"), ("retries", "0")] {
        let error = builder(&broker).set(key, value).build_transactional().unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{key}: {error}");
    }
    assert!(builder(&broker).build().unwrap_err().to_string().contains("build_transactional"));
    let error = Producer::builder(broker.address()).build_transactional().unwrap_err();
    assert!(error.to_string().contains("`transactional.id`"), "{error}");
    let error = builder(&broker)
        .transaction_timeout(Duration::from_secs(86_400))
        .build_transactional()
        .unwrap()
        .init()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidTransactionTimeout));
    assert!(error.to_string().contains("`transaction.timeout.ms`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_transaction_is_open_at_a_time() {
    let broker = orders(2).await;
    let producer = producer(&broker);
    let transaction = producer.begin().await.unwrap();
    assert_eq!(producer.begin().await.unwrap_err().kind(), Kind::State);
    transaction.abort().await.unwrap();
    drop(producer.begin().await.unwrap());
}

/// A broker of before KIP-447 cannot tell whether the member is still one.
#[tokio::test(start_paused = true)]
async fn a_coordinator_too_old_to_check_the_member_is_not_trusted() {
    let broker = Broker::start()
        .topic("orders", 1)
        .transaction_version(0)
        .max_version(ApiKey::TxnOffsetCommit, 2)
        .in_memory_only()
        .await;
    let consumer = joined(&broker).await;
    let producer = producer(&broker);
    let transaction = producer.begin().await.unwrap();
    let group = consumer.group_metadata().unwrap();
    let error = transaction.send_offsets([(TopicPartition::new("orders", 0), 5.into())], &group).await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnsupportedVersion, "{error}");
}

/// A member of the group `billing` that has polled as such.
async fn joined(broker: &Broker) -> Consumer {
    let consumer = crate::groups::join(crate::groups::member(broker, "first")).await;
    let deadline = Instant::now() + SOON;
    while consumer.group_metadata().unwrap().generation_id() < 0 {
        assert!(Instant::now() < deadline);
        consumer.poll(Duration::from_secs(1)).await.unwrap();
    }
    consumer
}

/// As a consumer that chooses its partitions itself.
pub(crate) fn group_metadata(broker: &Broker) -> ottla::GroupMetadata {
    let consumer = Consumer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .group("billing")
        .build()
        .unwrap();
    consumer.group_metadata().unwrap()
}
