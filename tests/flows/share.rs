//! Records of share groups: who gets them, what becomes of them, and what goes wrong between a poll and its
//! acknowledgement.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::config::{ShareAcknowledgementMode, ShareConsumerBuilder};
use ottla::{AcknowledgeType, Code, Error, Kind, ShareConsumer, ShareRecords, TopicIdPartition};
use ottla_broker::{ApiKey, Broker, SharedState};
use tokio::time::Instant;

use crate::{SOON, pipes};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn builder(broker: &Broker) -> ShareConsumerBuilder {
    ShareConsumer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .group("packers")
}

pub(crate) async fn orders(nodes: u16, partitions: u16) -> Broker {
    let broker = Broker::start().nodes(nodes).replication_factor(nodes).topic("orders", partitions);
    let broker = broker.in_memory_only().await;
    broker.configure_share_group("packers", "share.auto.offset.reset", "earliest").unwrap();
    broker
}

pub(crate) fn append(broker: &Broker, partition: i32, range: std::ops::Range<i32>) {
    for value in range {
        broker.append("orders", partition, [value.to_string()]).unwrap();
    }
}

async fn joined(builder: ShareConsumerBuilder) -> ShareConsumer {
    let consumer = builder.build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    consumer
}

async fn explicit(broker: &Broker) -> ShareConsumer {
    joined(builder(broker).share_acknowledgement_mode(ShareAcknowledgementMode::Explicit)).await
}

/// Partition, value and delivery count of each record.
fn told(records: &ShareRecords) -> Vec<(i32, i32, i16)> {
    let told = records.iter().map(|record| {
        let value = std::str::from_utf8(record.value().unwrap()).unwrap();
        (record.partition(), value.parse().unwrap(), record.delivery_count().unwrap())
    });
    told.collect()
}

/// The next poll that brings records.
async fn some(consumer: &ShareConsumer) -> ShareRecords {
    let deadline = Instant::now() + SOON;
    loop {
        let records = consumer.poll(SECOND).await.unwrap();
        if !records.is_empty() {
            return records;
        }
        assert!(Instant::now() < deadline, "nothing came");
    }
}

async fn until(broker: &Broker, what: impl FnMut(&Broker) -> bool) {
    tokio::time::timeout(SOON, broker.until(what)).await.unwrap();
}

/// The one outcome of a commit.
async fn outcome(consumer: &ShareConsumer) -> Result<(), Error> {
    let results = consumer.commit().await.unwrap();
    assert_eq!(results.len(), 1, "{results:?}");
    results.into_values().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_record_goes_to_one_of_two_members() {
    let broker = orders(2, 3).await;
    let members = [joined(builder(&broker)).await, joined(builder(&broker).seed(8)).await];
    for member in &members {
        assert!(member.poll(SECOND).await.unwrap().is_empty());
    }
    let mut seen = [BTreeMap::new(), BTreeMap::new()];
    let deadline = Instant::now() + SOON;
    let mut written = 0;
    while seen.iter().map(BTreeMap::len).sum::<usize>() < 300 {
        assert!(Instant::now() < deadline, "{seen:?}");
        if written < 300 {
            (0..3).for_each(|partition| append(&broker, partition, written..written + 10));
            written += 30;
        }
        for (member, seen) in members.iter().zip(&mut seen) {
            for (partition, value, count) in told(&member.poll(SECOND).await.unwrap()) {
                assert_eq!((seen.insert((partition, value), ()), count), (None, 1));
            }
        }
    }
    assert!(seen.iter().all(|seen| !seen.is_empty()), "both got some");
    assert!(seen[0].keys().all(|record| !seen[1].contains_key(record)), "none came twice");
}

#[tokio::test(start_paused = true)]
async fn the_next_poll_accepts_what_the_last_one_handed_out() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..3);
    let consumer = joined(builder(&broker)).await;
    assert_eq!(told(&some(&consumer).await).len(), 3);
    let under_way = broker.shared_records("packers", "orders", 0);
    assert!(under_way.iter().all(|record| matches!(record.state, SharedState::Acquired(_))), "{under_way:?}");
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(3));
    assert_eq!(broker.count(ApiKey::ShareAcknowledge), 0, "it went with a fetch");
}

#[tokio::test(start_paused = true)]
async fn released_records_come_again_and_others_do_not() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..4);
    let consumer = explicit(&broker).await;
    let records = some(&consumer).await;
    assert_eq!(told(&records), [(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1)]);
    let kinds = [AcknowledgeType::Accept, AcknowledgeType::Release, AcknowledgeType::Reject, AcknowledgeType::Release];
    for (record, kind) in records.iter().zip(kinds) {
        consumer.acknowledge(&record, kind).unwrap();
    }
    let again = some(&consumer).await;
    assert_eq!(told(&again), [(0, 1, 2), (0, 3, 2)]);
    for record in &again {
        consumer.acknowledge(&record, AcknowledgeType::Accept).unwrap();
    }
    outcome(&consumer).await.unwrap();
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(4));
    assert!(consumer.poll(5 * SECOND).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_member_sits_on_goes_to_another_once_its_locks_are_over() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..3);
    let sleeper = joined(builder(&broker)).await;
    some(&sleeper).await;
    let taken = Instant::now();
    let other = joined(builder(&broker).seed(8)).await;
    assert_eq!(told(&some(&other).await), [(0, 0, 2), (0, 1, 2), (0, 2, 2)]);
    assert!(taken.elapsed() >= Duration::from_secs(29), "{:?}", taken.elapsed());
    // edge 70: too late, and the other has them.
    assert_eq!(outcome(&sleeper).await.unwrap_err().code(), Some(Code::InvalidRecordState));
    outcome(&other).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_fails_what_it_acknowledged_and_a_new_one_goes_on() {
    for code in [None, Some(Code::InvalidShareSessionEpoch)] {
        let broker = orders(1, 1).await;
        append(&broker, 0, 0..2);
        let consumer = joined(builder(&broker)).await;
        some(&consumer).await;
        match code {
            Some(code) => broker.once(ApiKey::ShareAcknowledge, code.to_wire()),
            None => broker.drop_share_sessions(),
        }
        // edge 70
        let told_code = code.unwrap_or(Code::ShareSessionNotFound);
        assert_eq!(outcome(&consumer).await.unwrap_err().code(), Some(told_code));
        assert_eq!(told(&some(&consumer).await), [(0, 0, 2), (0, 1, 2)]);
        outcome(&consumer).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_room_for_sessions_is_asked_again_by_and_by() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..2);
    broker.set_share_session_slots(0);
    let consumer = joined(builder(&broker)).await;
    // edge 70: SHARE_SESSION_LIMIT_REACHED.
    assert!(consumer.poll(20 * SECOND).await.unwrap().is_empty());
    assert!((10..60).contains(&broker.count(ApiKey::ShareFetch)), "{}", broker.count(ApiKey::ShareFetch));
    broker.set_share_session_slots(9);
    assert_eq!(told(&some(&consumer).await).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_goes_to_the_broker_that_delivered_and_what_it_lost_comes_again() {
    let broker = orders(2, 1).await;
    append(&broker, 0, 0..2);
    let consumer = joined(builder(&broker)).await;
    some(&consumer).await;
    let old = broker.leader("orders", 0).unwrap();
    broker.move_leader("orders", 0, 1 - old).unwrap();
    broker.forget_requests();
    // edge 70
    assert!(outcome(&consumer).await.is_err());
    let asked: Vec<_> = broker.requests().into_iter().filter(|it| it.api == ApiKey::ShareAcknowledge).collect();
    assert!(asked.iter().all(|request| request.node == old), "{asked:?}");
    assert_eq!(told(&some(&consumer).await).len(), 2);
    outcome(&consumer).await.unwrap();
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(2));
}

#[tokio::test(start_paused = true)]
async fn acknowledging_adds_no_partition_to_a_session() {
    let broker = orders(1, 2).await;
    append(&broker, 0, 0..1);
    let consumer = joined(builder(&broker)).await;
    some(&consumer).await;
    broker.create_topic("bills", 1).unwrap();
    consumer.subscribe(["bills"]).await.unwrap();
    until(&broker, |broker| {
        let group = broker.share_group("packers").unwrap();
        group.members[0].assigned == [("bills".to_owned(), 0)]
    })
    .await;
    for _ in 0..5 {
        consumer.poll(SECOND).await.unwrap();
    }
    // edge 69: partitions that are not fetched any more are not named for the sake of an acknowledgement.
    let partitions: Vec<_> = broker.share_sessions().iter().map(|session| session.partitions).collect();
    assert_eq!(partitions, [1]);
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_loses_nothing() {
    let broker = orders(2, 2).await;
    let consumer = joined(builder(&broker).max_poll_records(3_usize)).await;
    let mut seen = BTreeMap::new();
    for round in 0..2_000 {
        if round < 50 {
            append(&broker, round % 2, round..round + 1);
        }
        let wait = Duration::from_micros(u64::from(round.unsigned_abs()) * 37 % 1_000);
        let Ok(records) = tokio::time::timeout(wait, consumer.poll(SOON)).await else { continue };
        for (partition, value, count) in told(&records.unwrap()) {
            assert_eq!((seen.insert((partition, value), ()), count), (None, 1));
        }
        if seen.len() == 50 {
            return;
        }
    }
    panic!("{} records", seen.len());
}

#[tokio::test(start_paused = true)]
async fn closing_sends_acknowledgements_and_releases_the_rest() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..4);
    let consumer = explicit(&broker).await;
    let records = some(&consumer).await;
    consumer.acknowledge(&records.iter().next().unwrap(), AcknowledgeType::Accept).unwrap();
    let before = Instant::now();
    consumer.close(SOON).await.unwrap();
    assert!(before.elapsed() < SECOND, "{:?}", before.elapsed());
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(1));
    let left = broker.shared_records("packers", "orders", 0);
    assert!(left.iter().all(|record| record.state == SharedState::Available), "{left:?}");
    assert!(broker.share_sessions().is_empty());
    assert!(broker.share_group("packers").is_none_or(|group| group.members.is_empty()));
    assert_eq!(consumer.poll(SECOND).await.unwrap_err().kind(), Kind::Closed);
}

/// Outcomes as a callback hears them: first and last offsets, and what became of them.
type Heard = Arc<Mutex<Vec<(i64, i64, bool)>>>;

fn heard(consumer: &ShareConsumer) -> Heard {
    let heard = Heard::default();
    let into = heard.clone();
    consumer.set_acknowledgement_commit_callback(
        move |_: &TopicIdPartition, offsets: &[std::ops::RangeInclusive<i64>], outcome: &Result<(), Error>| {
            into.lock().unwrap().extend(offsets.iter().map(|it| (*it.start(), *it.end(), outcome.is_ok())));
        },
    );
    heard
}

#[tokio::test(start_paused = true)]
async fn closing_ends_in_time_beside_mute_brokers_and_says_what_is_lost() {
    for is_down in [true, false] {
        let broker = orders(2, 1).await;
        append(&broker, 0, 0..2);
        let consumer = joined(builder(&broker)).await;
        let heard = heard(&consumer);
        some(&consumer).await;
        for node in 0..2 {
            if is_down { broker.node(node).stop().await } else { broker.node(node).pause() }
        }
        let committing = tokio::spawn({
            let consumer = consumer.clone();
            async move { consumer.commit().await }
        });
        tokio::task::yield_now().await;
        let before = Instant::now();
        let _ = consumer.close(2 * SECOND).await;
        assert!(before.elapsed() <= 3 * SECOND, "{:?}", before.elapsed());
        assert_eq!(*heard.lock().unwrap(), [(0, 1, false)]);
        // Whoever waits for the outcome does not wait for what nobody asks about any more.
        let results = tokio::time::timeout(SECOND, committing).await.unwrap().unwrap().unwrap();
        assert!(results.len() == 1 && results.values().all(Result::is_err), "{results:?}");
    }
}

/// Else what it had is nobody's until its session has timed out.
#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_says_so_again_where_the_coordinator_has_moved() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..1);
    let consumer = joined(builder(&broker)).await;
    some(&consumer).await;
    broker.times(2, ApiKey::ShareGroupHeartbeat, Code::NotCoordinator.to_wire());
    consumer.close(SOON).await.unwrap();
    assert!(broker.share_group("packers").unwrap().members.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fenced_member_joins_again_and_keeps_reading() {
    let broker = orders(1, 1).await;
    let consumer = joined(builder(&broker)).await;
    let mut count = 0;
    for round in 0..4 {
        append(&broker, 0, round..round + 1);
        broker.once(ApiKey::ShareGroupHeartbeat, [Code::FencedMemberEpoch, Code::UnknownMemberId][count % 2].to_wire());
        count += told(&some(&consumer).await).len();
        assert!(consumer.poll(6 * SECOND).await.unwrap().is_empty());
    }
    assert_eq!(count, 4);
    assert_eq!(broker.share_start_offset("packers", "orders", 0), Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_added_is_read_and_one_that_is_not_subscribed_to_any_more_is_not() {
    let broker = orders(1, 1).await;
    broker.create_topic("bills", 1).unwrap();
    append(&broker, 0, 0..6);
    broker.append("bills", 0, ["100"]).unwrap();
    let consumer = joined(builder(&broker).max_poll_records(2_usize)).await;
    assert_eq!(told(&some(&consumer).await).len(), 2);
    consumer.subscribe(["orders", "bills"]).await.unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&100) {
        seen.extend(told(&some(&consumer).await).into_iter().map(|(_, value, _)| value));
    }
    append(&broker, 0, 10..14);
    assert!(!some(&consumer).await.is_empty(), "the others of that answer wait");
    consumer.subscribe(["bills"]).await.unwrap();
    broker.append("bills", 0, ["101"]).unwrap();
    assert_eq!(told(&some(&consumer).await), [(0, 101, 1)]);
    assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    let given_back = broker.shared_records("packers", "orders", 0);
    assert!(given_back.iter().all(|record| record.state == SharedState::Available), "{given_back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_comes_back_is_read_from() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..2);
    let consumer = joined(builder(&broker)).await;
    assert_eq!(told(&some(&consumer).await).len(), 2);
    broker.node(0).stop().await;
    assert!(consumer.poll(5 * SECOND).await.is_ok_and(|records| records.is_empty()));
    broker.node(0).start().await.unwrap();
    append(&broker, 0, 2..3);
    let mut seen = Vec::new();
    while !seen.contains(&2) {
        seen.extend(told(&some(&consumer).await).into_iter().map(|(_, value, _)| value));
    }
    outcome(&consumer).await.unwrap();
}
