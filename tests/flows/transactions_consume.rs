//! What consumers see of transactions, and what a transaction gets from the consumer whose records it holds.

use std::time::Duration;

use bytes::Bytes;
use ottla::config::OffsetReset;
use ottla::{Code, Consumer, Kind};
use ottla_broker::{ApiKey, Broker};
use ottla_wire::records::{BodyCrc, BodyEncoder};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read};
use crate::consume_stream::next;
use crate::groups::{join, member};

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

fn generation(consumer: &Consumer) -> i32 {
    consumer.group_metadata().unwrap().generation_id()
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
