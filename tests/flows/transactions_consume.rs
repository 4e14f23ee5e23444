//! What consumers see of transactions, and what a transaction gets from the consumer whose records it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ottla::config::{IsolationLevel, OffsetReset};
use ottla::{Code, Consumer, Kind, Producer, Record, Retry, Transaction, TransactionalProducer};
use ottla_broker::{ApiKey, Broker};
use ottla_wire::records::{BodyCrc, BodyEncoder};
use tokio::time::Instant;

use crate::consume::{builder, partition, read, values};
use crate::consume_stream::next;
use crate::groups::{join, member};
use crate::{SOON, pipes};

async fn orders() -> Broker {
    Broker::start().topic("orders", 1).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await
}

fn append(broker: &Broker, values: std::ops::Range<usize>) {
    broker.append("orders", 0, values.map(|n| n.to_string())).unwrap();
}

/// A COMMIT marker.
fn marker() -> Bytes {
    let mut encoder = BodyEncoder::new(1_000);
    let mut body = Vec::new();
    encoder.push(&mut body, 1_000, Some(&[0, 0, 0, 1]), Some(&[0; 6]), [].into_iter()).unwrap();
    let mut header = encoder.header();
    (header.control, header.transactional) = (true, true);
    (header.producer_id, header.producer_epoch) = (7, 0);
    [&header.encode(&BodyCrc::of(&body)), body.as_slice()].concat().into()
}

fn transactional(broker: &Broker, id: &str) -> TransactionalProducer {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(8)
        .transactional_id(id)
        .build_transactional()
        .unwrap()
}

/// Sends values to partition 0, and waits until they are written.
async fn send(transaction: &Transaction, values: &[&str]) {
    for value in values {
        transaction.enqueue(Record::to("orders").partition(0).value(*value)).await.unwrap();
    }
    transaction.flush().await.unwrap();
}

/// A consumer of partition 0 that sees committed records alone.
async fn committed(broker: &Broker) -> Consumer {
    let consumer = builder(broker).isolation_level(IsolationLevel::ReadCommitted).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    consumer
}

/// What comes within a second, and where the position then stands.
async fn comes(consumer: &Consumer) -> (Vec<String>, i64) {
    let mut all = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        values(&consumer.poll(Duration::from_millis(300)).await.unwrap(), &mut all);
    }
    (all.remove(&0).unwrap_or_default(), consumer.position(&partition(0)).await.unwrap())
}

fn generation(consumer: &Consumer) -> i32 {
    consumer.group_metadata().unwrap().generation_id()
}

/// A partition is read up to the first transaction that is open, also where others behind it are over (KIP-98).
#[tokio::test(start_paused = true)]
async fn a_transaction_is_seen_once_it_is_committed_and_never_if_it_is_aborted() {
    let broker = orders().await;
    let consumer = committed(&broker).await;
    let (slow, quick) = (transactional(&broker, "slow"), transactional(&broker, "quick"));
    append(&broker, 0..1);
    let open = slow.begin().await.unwrap();
    send(&open, &["slow 1"]).await;
    let aborted = quick.begin().await.unwrap();
    send(&aborted, &["never 2", "never 3"]).await;
    send(&open, &["slow 4"]).await;
    aborted.abort().await.unwrap();
    let done = quick.begin().await.unwrap();
    send(&done, &["quick 6"]).await;
    done.commit().await.unwrap();

    assert_eq!(comes(&consumer).await, (vec!["0".to_owned()], 1));
    assert_eq!(consumer.end_offsets(&[partition(0)]).await.unwrap()[&partition(0)], 1);

    open.commit().await.unwrap();
    let (read, position) = comes(&consumer).await;
    assert_eq!(read, ["slow 1", "slow 4", "quick 6"]);
    // Behind the marker that no record follows.
    let log = broker.log("orders", 0);
    assert_eq!((position, log.end_offset(), log.markers().len()), (9, 9, 3));
    assert_eq!(consumer.end_offsets(&[partition(0)]).await.unwrap()[&partition(0)], 9);

    let all = builder(&broker).build().unwrap();
    all.assign([partition(0)]).await.unwrap();
    assert_eq!(comes(&all).await.0, ["0", "slow 1", "never 2", "never 3", "slow 4", "quick 6"]);
}

/// Nothing is polled for: the fetch waits at the broker until the transaction is over.
#[tokio::test(start_paused = true)]
async fn a_waiting_poll_has_a_transaction_as_soon_as_it_is_committed() {
    let broker = orders().await;
    let consumer = committed(&broker).await;
    let producer = transactional(&broker, "t");
    let open = producer.begin().await.unwrap();
    send(&open, &["x"]).await;
    let poll = tokio::spawn(async move { (consumer.poll(SOON).await.unwrap().len(), Instant::now()) });
    tokio::time::sleep(Duration::from_millis(3_210)).await;
    open.commit().await.unwrap();
    let written = Instant::now();
    let (count, returned) = poll.await.unwrap();
    assert_eq!(count, 1);
    assert!(returned.saturating_duration_since(written) < Duration::from_millis(50));
}

/// Small fetches end anywhere inside of transactions; the next one is told about them again.
#[tokio::test(start_paused = true)]
async fn transactions_over_many_fetches_and_polls_are_told_apart() {
    let broker = orders().await;
    let producers = [transactional(&broker, "a"), transactional(&broker, "b")];
    let mut expected = Vec::new();
    for round in 0..12 {
        let open = [producers[0].begin().await.unwrap(), producers[1].begin().await.unwrap()];
        for step in 0..3 {
            for (name, transaction) in ["a", "b"].iter().zip(&open) {
                let value = format!("{name} {round} {step}");
                send(transaction, &[&value, &value]).await;
                if (round + usize::from(*name == "b")) % 3 != 0 {
                    expected.extend([value.clone(), value]);
                }
            }
        }
        for (number, transaction) in open.into_iter().enumerate() {
            if (round + number) % 3 == 0 {
                transaction.abort().await.unwrap();
            } else {
                transaction.commit().await.unwrap();
            }
        }
    }
    let end = broker.log("orders", 0).end_offset();
    for (bytes, records) in [("1", 1_usize), ("300", 5), ("1000000", 500)] {
        let consumer = builder(&broker)
            .isolation_level(IsolationLevel::ReadCommitted)
            .max_poll_records(records)
            .set("max.partition.fetch.bytes", bytes)
            .build()
            .unwrap();
        consumer.assign([partition(0)]).await.unwrap();
        let mut read = BTreeMap::new();
        let deadline = Instant::now() + SOON;
        while consumer.position(&partition(0)).await.unwrap() < end {
            assert!(Instant::now() < deadline, "{read:?}");
            values(&consumer.poll(Duration::from_secs(1)).await.unwrap(), &mut read);
        }
        assert_eq!(read[&0], expected, "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn latest_is_before_an_open_transaction() {
    let broker = orders().await;
    append(&broker, 0..2);
    let producer = transactional(&broker, "t");
    let open = producer.begin().await.unwrap();
    send(&open, &["x"]).await;
    let consumer = committed(&broker).await;
    consumer.seek_to_end(&[partition(0)]).await.unwrap();
    assert_eq!(comes(&consumer).await, (vec![], 2));
    open.commit().await.unwrap();
    assert_eq!(comes(&consumer).await, (vec!["x".to_owned()], 4));
}

/// edge 63, KIP-447: a transaction is not over before its markers are written, whatever its producer was told.
#[tokio::test(start_paused = true)]
async fn where_to_start_waits_for_the_transaction_that_holds_the_offset() {
    for (commits, expected) in [(true, ["2", "3"].as_slice()), (false, ["1", "2", "3"].as_slice())] {
        let broker = orders().await;
        append(&broker, 0..4);
        broker.commit("billing", "orders", 0, 1);
        let consumer = join(member(&broker, "first").enable_auto_commit(false).max_poll_records(1_usize)).await;
        assert_eq!(read(&consumer, 1).await[&0], ["1"]);
        let producer = transactional(&broker, "t");
        let transaction = producer.begin().await.unwrap();
        let offsets = [(partition(0), 2.into())];
        transaction.send_offsets(offsets, &consumer.group_metadata().unwrap()).await.unwrap();
        consumer.close(SOON).await.unwrap();

        broker.hold_markers();
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.abort().await.unwrap();
        }
        let next = join(member(&broker, "second").enable_auto_commit(false)).await;
        assert!(next.poll(Duration::from_secs(20)).await.unwrap().is_empty(), "its offset is not known yet");
        assert_eq!(next.assignment().len(), 1);
        let committed = tokio::spawn({
            let next = next.clone();
            async move { next.committed(&[partition(0)]).await.unwrap().remove(&partition(0)).unwrap() }
        });
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!committed.is_finished());

        broker.release_markers();
        assert_eq!(read(&next, expected.len()).await[&0], expected);
        assert_eq!(committed.await.unwrap().unwrap().offset, if commits { 2 } else { 1 });
    }
}

/// What an aborted transaction held is handed out again, once it is known that its offsets do not count.
#[tokio::test(start_paused = true)]
async fn records_of_an_aborted_transaction_come_again_and_in_the_next_one_are_committed() {
    let broker = orders().await;
    append(&broker, 0..4);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    let producer = transactional(&broker, "t");
    for aborts in [true, true, false] {
        let records = consumer.poll(SOON).await.unwrap();
        assert_eq!(records.iter().map(|record| record.offset()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let transaction = producer.begin().await.unwrap();
        let metadata = consumer.group_metadata().unwrap();
        transaction.send_offsets(records.next_offsets(), &metadata).await.unwrap();
        if aborts {
            transaction.abort().await.unwrap();
            consumer.seek_to_committed().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
    let known = consumer.committed(&[partition(0)]).await.unwrap()[&partition(0)].clone().unwrap();
    assert_eq!((known.offset, known.leader_epoch), (4, broker.leader_epoch("orders", 0)));
    consumer.seek_to_committed().await.unwrap();
    assert!(consumer.poll(Duration::from_secs(5)).await.unwrap().is_empty());
}

/// KIP-447: it has lost its partitions and has them back, but others might have read on in between.
#[tokio::test(start_paused = true)]
async fn offsets_read_before_a_member_was_taken_out_of_its_group_are_refused() {
    let broker = orders().await;
    append(&broker, 0..3);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    let producer = transactional(&broker, "t");
    let records = consumer.poll(SOON).await.unwrap();
    let before = consumer.group_metadata().unwrap().generation_id();
    broker.once(ApiKey::Heartbeat, Code::UnknownMemberId.to_wire());
    broker
        .until(|broker| {
            let group = broker.group("billing").unwrap();
            group.generation > before && group.state == "Stable" && !consumer.assignment().is_empty()
        })
        .await;

    let transaction = producer.begin().await.unwrap();
    let metadata = consumer.group_metadata().unwrap();
    let error = transaction.send_offsets(records.next_offsets(), &metadata).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Abort, "{error}");
    transaction.abort().await.unwrap();
    consumer.seek_to_committed().await.unwrap();
    assert_eq!(read(&consumer, 3).await[&0].len(), 3);
}

/// A poll that waits comes back, so that what it moved past can be committed.
#[tokio::test(start_paused = true)]
async fn a_marker_at_the_end_moves_the_position_and_holds_up_nobody() {
    let broker = orders().await;
    append(&broker, 0..2);
    let consumer = builder(&broker).group("billing").enable_auto_commit(false).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&consumer, 2).await[&0].len(), 2);
    broker.append_batch("orders", 0, marker()).unwrap();

    let records = consumer.poll(SOON).await.unwrap();

    assert!(records.is_empty());
    let next = records.next_offsets();
    assert_eq!(next.iter().map(|(of, next)| (of.partition, next.offset)).collect::<Vec<_>>(), [(0, 3)]);
    assert_eq!(next[&partition(0)].leader_epoch, broker.leader_epoch("orders", 0));
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 3);
    assert_eq!(consumer.end_offsets(&[partition(0)]).await.unwrap()[&partition(0)], 3);
    consumer.commit_offsets(next).await.unwrap();
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 3);

    let waited = Instant::now();
    let records = consumer.poll(Duration::from_secs(5)).await.unwrap();
    assert!(records.next_offsets().is_empty() && waited.elapsed() >= Duration::from_secs(5), "the marker comes once");
}

/// A stream has no items for markers; it asks on, and so says that what it gave before is done with.
#[tokio::test(start_paused = true)]
async fn a_stream_that_met_a_marker_last_lets_others_into_its_group() {
    let broker =
        Broker::start().topic("orders", 2).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await;
    let first = join(member(&broker, "first")).await;
    append(&broker, 0..1);
    broker.append_batch("orders", 0, marker()).unwrap();
    let mut stream = first.stream();
    assert_eq!(next(&mut stream).await.unwrap().unwrap().offset, 0);
    let streaming = tokio::spawn(async move { next(&mut stream).await });
    while first.position(&partition(0)).await.unwrap() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let second = join(member(&broker, "second")).await;

    let deadline = Instant::now() + SOON;
    while second.assignment().len() != 1 {
        assert!(Instant::now() < deadline, "{:?}", broker.group("billing"));
        second.poll(Duration::from_millis(10)).await.unwrap();
    }
    streaming.abort();
}

/// KIP-447: what was read in one generation is not committed as if it were of the next.
#[tokio::test(start_paused = true)]
async fn a_group_that_rebalances_waits_for_the_next_poll_with_a_new_generation() {
    let broker = orders().await;
    append(&broker, 0..3);
    let consumer = join(member(&broker, "first")).await;
    assert_eq!(generation(&consumer), -1, "not joined yet");
    read(&consumer, 3).await;
    let metadata = consumer.group_metadata().unwrap();
    let known = broker.group("billing").unwrap();
    assert_eq!((metadata.group_id(), metadata.generation_id()), ("billing", known.generation));
    assert_eq!((metadata.member_id(), metadata.group_instance_id()), (&*known.members[0].id, None));

    let _second = join(member(&broker, "second")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(broker.group("billing").unwrap().state, "PreparingRebalance");
    assert_eq!(consumer.group_metadata().unwrap(), metadata);

    let deadline = Instant::now() + SOON;
    while generation(&consumer) == known.generation {
        assert!(Instant::now() < deadline);
        consumer.poll(Duration::from_millis(10)).await.unwrap();
    }
    assert_eq!(generation(&consumer), broker.group("billing").unwrap().generation);
}

/// The coordinator goes on without a member, which is back before it knows: what it read before stays of before.
#[tokio::test(start_paused = true)]
async fn a_member_that_was_taken_out_of_its_group_does_not_pass_for_its_successor() {
    for code in [Code::UnknownMemberId, Code::IllegalGeneration] {
        let broker = orders().await;
        append(&broker, 0..3);
        let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
        read(&consumer, 3).await;
        let metadata = consumer.group_metadata().unwrap();
        let before = broker.group("billing").unwrap().generation;

        broker.once(ApiKey::Heartbeat, code.to_wire());
        broker
            .until(|broker| {
                let group = broker.group("billing").unwrap();
                group.generation > before && group.state == "Stable" && !consumer.assignment().is_empty()
            })
            .await;
        assert_eq!(consumer.group_metadata().unwrap(), metadata, "{code}");

        assert_eq!(read(&consumer, 3).await[&0].len(), 3, "nothing was committed");
        assert_eq!(generation(&consumer), broker.group("billing").unwrap().generation);
    }
}

/// A member that left for want of polls must not pass for a consumer that needs no membership.
#[tokio::test(start_paused = true)]
async fn a_member_that_polls_too_late_is_still_named_as_it_was() {
    let broker = orders().await;
    append(&broker, 0..3);
    let limit = Duration::from_secs(10);
    let consumer = join(member(&broker, "m").max_poll_interval(limit)).await;
    read(&consumer, 3).await;
    let metadata = consumer.group_metadata().unwrap();
    tokio::time::sleep(2 * limit).await;
    assert!(consumer.assignment().is_empty(), "it has left");
    assert_eq!(consumer.group_metadata().unwrap(), metadata);
}

#[tokio::test(start_paused = true)]
async fn without_a_group_there_is_no_metadata_of_one_nor_after_the_end() {
    let broker = orders().await;
    let consumer = builder(&broker).build().unwrap();
    assert_eq!(consumer.group_metadata().unwrap_err().kind(), Kind::Config);
    assert_eq!(consumer.seek_to_committed().await.unwrap_err().kind(), Kind::Config);
    let consumer = builder(&broker).group("billing").build().unwrap();
    assert_eq!((generation(&consumer), consumer.group_metadata().unwrap().member_id()), (-1, ""));
    consumer.close(SOON).await.unwrap();
    assert_eq!(consumer.group_metadata().unwrap_err().kind(), Kind::Closed);
}

/// What a loop of transactions does after one was aborted.
#[tokio::test(start_paused = true)]
async fn going_back_to_what_is_committed_hands_out_the_rest_again() {
    let broker = orders().await;
    append(&broker, 0..5);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 5).await;
    consumer.seek_to_committed().await.unwrap();
    assert_eq!(read(&consumer, 5).await[&0][0], "0", "nothing is committed yet");

    consumer.commit_offsets([(partition(0), 2)]).await.unwrap();
    consumer.seek_to_committed().await.unwrap();
    assert_eq!(read(&consumer, 3).await[&0], ["2", "3", "4"]);
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 5);
}

/// With the policy `latest` nothing is skipped either.
#[tokio::test(start_paused = true)]
async fn going_back_to_nothing_committed_is_going_back_to_where_reading_began() {
    let broker = orders().await;
    append(&broker, 0..3);
    let latest = member(&broker, "m").enable_auto_commit(false).auto_offset_reset(OffsetReset::Latest);
    let consumer = join(latest).await;
    consumer.poll(Duration::from_secs(5)).await.unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 3);
    append(&broker, 3..5);
    assert_eq!(read(&consumer, 2).await[&0], ["3", "4"]);
    consumer.seek_to_committed().await.unwrap();
    assert_eq!(read(&consumer, 2).await[&0], ["3", "4"]);
}

/// edge 63
#[tokio::test(start_paused = true)]
async fn offsets_that_a_transaction_may_still_change_are_waited_for() {
    let broker = orders().await;
    append(&broker, 0..3);
    broker.commit("billing", "orders", 0, 2);
    broker.times(5, ApiKey::OffsetFetch, Code::UnstableOffsetCommit.to_wire());
    let consumer = join(member(&broker, "m")).await;
    assert_eq!(read(&consumer, 1).await[&0], ["2"]);

    broker.times(5, ApiKey::OffsetFetch, Code::UnstableOffsetCommit.to_wire());
    let committed = consumer.committed(&[partition(0)]).await.unwrap();
    assert_eq!(committed[&partition(0)].as_ref().map(|committed| committed.offset), Some(2));

    broker.always(ApiKey::OffsetFetch, Code::UnstableOffsetCommit.to_wire());
    let error = consumer.committed(&[partition(0)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.to_string().contains("UNSTABLE_OFFSET_COMMIT"), "{error}");
}
