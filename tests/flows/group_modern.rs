//! Groups whose coordinator shares out the partitions (KIP-848): who reads what, what a rebalance waits for, and what goes
//! wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla::config::GroupProtocol;
use ottla::{
    Called, CloseOptions, Code, Consumer, ConsumerBuilder, GroupMembershipOperation, Kind, RebalanceListener, Retry,
    Subscription, TopicPartition,
};
use ottla_broker::{ApiKey, Broker, GroupView};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read, values};

const SESSION: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_secs(1);

async fn cluster(nodes: u16, partitions: u16) -> Broker {
    Broker::start()
        .nodes(nodes)
        .replication_factor(nodes)
        .topic("orders", partitions)
        .consumer_group_session_timeout(SESSION)
        .consumer_group_heartbeat_interval(PACE)
        .in_memory_only()
        .await
}

fn member(broker: &Broker, name: &str) -> ConsumerBuilder {
    // Members make up their ids, by chance.
    let seed = name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
    builder(broker).seed(seed).group("billing").client_id(name).group_protocol(GroupProtocol::Consumer)
}

async fn join(builder: ConsumerBuilder) -> Consumer {
    let consumer = builder.build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    consumer
}

async fn joined(broker: &Broker, partitions: usize) -> Consumer {
    let consumer = join(member(broker, "m")).await;
    poll_until(&[&consumer], || has(&consumer, partitions)).await;
    consumer
}

fn has(consumer: &Consumer, count: usize) -> bool {
    consumer.assignment().len() == count
}

/// Waits until it is so, while the consumers poll and throw away what they get.
async fn poll_until(consumers: &[&Consumer], mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + 2 * SOON;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            consumers.iter().map(|consumer| consumer.assignment()).collect::<Vec<_>>()
        );
        for consumer in consumers {
            consumer.poll(Duration::from_millis(10)).await.unwrap();
        }
    }
}

fn append(broker: &Broker, number: i32, values: std::ops::Range<i32>) {
    broker.append("orders", number, values.map(|n| n.to_string())).unwrap();
}

fn committed(broker: &Broker, number: i32) -> Option<i64> {
    broker.committed("billing", "orders", number).map(|committed| committed.offset)
}

fn group(broker: &Broker) -> GroupView {
    broker.group("billing").unwrap()
}

/// The id of the only member.
fn id_of(broker: &Broker) -> String {
    let members = group(broker).members;
    assert_eq!(members.len(), 1);
    members[0].id.clone()
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, event: &str, partitions: &[TopicPartition]) -> Called<'static> {
        let partitions: Vec<_> = partitions.iter().map(|partition| partition.partition.to_string()).collect();
        self.0.lock().push(format!("{event} {}", partitions.join(" ")).trim_end().to_owned());
        Box::pin(async { Ok(()) })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl RebalanceListener for Heard {
    fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("assigned", partitions)
    }

    fn on_partitions_revoked<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("revoked", partitions)
    }

    fn on_partitions_lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("lost", partitions)
    }
}

async fn join_and_listen(builder: ConsumerBuilder) -> (Consumer, Heard) {
    let (consumer, heard) = (builder.build().unwrap(), Heard::default());
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(heard.clone())).await.unwrap();
    (consumer, heard)
}

#[tokio::test(start_paused = true)]
async fn a_lone_member_reads_all_and_its_successor_goes_on_where_it_committed() {
    let broker = cluster(1, 3).await;
    for number in 0..3 {
        append(&broker, number, 0..10);
    }
    let first = join(member(&broker, "first").enable_auto_commit(false)).await;
    read(&first, 30).await;
    first.commit().await.unwrap();
    append(&broker, 1, 10..12);
    read(&first, 2).await;
    first.close(SOON).await.unwrap();
    assert!(group(&broker).members.is_empty(), "it took its leave");
    assert_eq!(group(&broker).group_type, "consumer");

    let second = join(member(&broker, "second")).await;
    assert_eq!(read(&second, 2).await, BTreeMap::from([(1, vec!["10".to_owned(), "11".to_owned()])]));
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go_and_every_partition_is_read_by_one() {
    let broker = cluster(3, 6).await;
    let (first, heard) = join_and_listen(member(&broker, "first")).await;
    poll_until(&[&first], || has(&first, 6)).await;
    assert_eq!(heard.take(), ["assigned 0 1 2 3 4 5"]);
    let second = join(member(&broker, "second")).await;
    poll_until(&[&first, &second], || has(&first, 3) && has(&second, 3)).await;
    let third = join(member(&broker, "third")).await;
    poll_until(&[&first, &second, &third], || [&first, &second, &third].iter().all(|member| has(member, 2))).await;
    let mut all: Vec<_> = [&first, &second, &third].iter().flat_map(|member| member.assignment()).collect();
    all.sort();
    assert_eq!(all, (0..6).map(partition).collect::<Vec<_>>());

    second.close(SOON).await.unwrap();
    poll_until(&[&first, &third], || has(&first, 3) && has(&third, 3)).await;
    third.close(SOON).await.unwrap();
    poll_until(&[&first], || has(&first, 6)).await;
}

/// What stays is not disturbed: only what goes is told, and only what comes.
#[tokio::test(start_paused = true)]
async fn what_stays_goes_on_while_the_rest_moves() {
    let broker = cluster(1, 2).await;
    let (first, heard) = join_and_listen(member(&broker, "first")).await;
    poll_until(&[&first], || has(&first, 2)).await;
    heard.take();
    append(&broker, 0, 0..4);
    append(&broker, 1, 0..4);
    read(&first, 8).await;
    let second = join(member(&broker, "second").auto_offset_reset(ottla::config::OffsetReset::Earliest)).await;
    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    let (kept, gone) = (first.assignment()[0].clone(), second.assignment()[0].clone());
    poll_until(&[&first], || heard.0.lock().len() >= 2).await;
    assert_eq!(heard.take(), [format!("revoked {}", gone.partition), "assigned".to_owned()]);
    // Committed before it went, so that nobody reads it twice; the position of the other did not move.
    assert_eq!(committed(&broker, gone.partition), Some(4));
    assert_eq!(second.position(&gone).await.unwrap(), 4);
    assert_eq!(first.position(&kept).await.unwrap(), 4);
    append(&broker, gone.partition, 4..5);
    append(&broker, kept.partition, 4..5);
    assert_eq!(read(&second, 1).await, BTreeMap::from([(gone.partition, vec!["4".to_owned()])]));
    assert_eq!(read(&first, 1).await, BTreeMap::from([(kept.partition, vec!["4".to_owned()])]));
}

#[tokio::test(start_paused = true)]
async fn partitions_are_given_up_only_once_what_was_handed_out_is_done_with() {
    let broker = cluster(1, 2).await;
    let first = joined(&broker, 2).await;
    append(&broker, 0, 0..3);
    append(&broker, 1, 0..3);
    read(&first, 6).await;
    let second = join(member(&broker, "second")).await;
    tokio::time::sleep(5 * PACE).await;
    assert!(has(&first, 2) && has(&second, 0), "the first has not polled again");
    assert_eq!((committed(&broker, 0), committed(&broker, 1)), (None, None));
    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    assert_eq!(committed(&broker, second.assignment()[0].partition), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_dies_is_missed_after_its_session() {
    let broker = cluster(1, 2).await;
    let first = join(member(&broker, "first")).await;
    let dead = join(member(&broker, "dead")).await;
    poll_until(&[&first, &dead], || has(&first, 1) && has(&dead, 1)).await;
    broker.on(ApiKey::ConsumerGroupHeartbeat).client_id("dead").always().ignore();
    let died_at = Instant::now();
    poll_until(&[&first], || has(&first, 2)).await;
    assert!(died_at.elapsed() >= SESSION - 2 * PACE, "{:?}", died_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn partitions_that_a_topic_gets_are_shared_out_too() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    broker.add_partitions("orders", 4).unwrap();
    poll_until(&[&consumer], || has(&consumer, 4)).await;
    append(&broker, 3, 0..2);
    assert_eq!(read(&consumer, 2).await, BTreeMap::from([(3, vec!["0".to_owned(), "1".to_owned()])]));
}

/// edge 61: the coordinator finds the topics, and names them by ids that the member does not know.
#[tokio::test(start_paused = true)]
async fn a_pattern_finds_topics_that_come_later() {
    let broker = cluster(3, 2).await;
    broker.create_topic("bills", 1).unwrap();
    let consumer = member(&broker, "m").build().unwrap();
    consumer.subscribe_to(Subscription::pattern("or.*").unwrap()).await.unwrap();
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    broker.create_topic("orders-eu", 1).unwrap();
    poll_until(&[&consumer], || has(&consumer, 3)).await;
    let names: Vec<_> = consumer.assignment().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["orders[0]", "orders[1]", "orders-eu[0]"]);
    consumer.seek_to_beginning(&[TopicPartition::new("orders-eu", 0)]).await.unwrap();
    broker.append("orders-eu", 0, ["tea"]).unwrap();
    assert_eq!(read(&consumer, 1).await, BTreeMap::from([(0, vec!["tea".to_owned()])]));

    // By name from now on: the pattern is taken back.
    consumer.subscribe(["bills"]).await.unwrap();
    poll_until(&[&consumer], || consumer.assignment() == [TopicPartition::new("bills", 0)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_the_coordinator_refuses_is_an_error_of_the_poll() {
    let broker = cluster(1, 1).await;
    broker.once(ApiKey::ConsumerGroupHeartbeat, Code::InvalidRegularExpression.to_wire());
    let consumer = member(&broker, "m").build().unwrap();
    consumer.subscribe_to(Subscription::pattern("or.*").unwrap()).await.unwrap();
    let error = consumer.poll(SOON).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidRegularExpression));
    consumer.subscribe(["orders"]).await.unwrap();
    poll_until(&[&consumer], || has(&consumer, 1)).await;
}

/// edge 60: lost, not revoked; and it is back under the same id.
#[tokio::test(start_paused = true)]
async fn a_fenced_member_loses_its_partitions_and_joins_again_as_the_same() {
    for is_expelled in [false, true] {
        let broker = cluster(1, 2).await;
        let (consumer, heard) = join_and_listen(member(&broker, "m")).await;
        poll_until(&[&consumer], || has(&consumer, 2)).await;
        append(&broker, 0, 0..2);
        read(&consumer, 2).await;
        heard.take();
        let id = id_of(&broker);
        if is_expelled {
            broker.expel_member("billing", &id).unwrap();
        } else {
            broker.fence_member("billing", &id).unwrap();
        }
        poll_until(&[&consumer], || heard.0.lock().len() >= 2).await;
        assert_eq!(heard.take(), ["lost 0 1", "assigned 0 1"]);
        assert_eq!(id_of(&broker), id);
        // What was read as the lost member was not committed: it is read again.
        assert_eq!(committed(&broker, 0), None);
    }
}

/// edge 57: a coordinator that moved, or still loads, costs no partition.
#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_is_found_again_and_the_assignment_stays() {
    let broker = cluster(3, 2).await;
    let consumer = joined(&broker, 2).await;
    let epoch = group(&broker).generation;
    for node in [0, 1, 2, 0] {
        broker.move_coordinator("billing", node).unwrap();
        append(&broker, 0, 0..2);
        read(&consumer, 2).await;
        consumer.commit().await.unwrap();
        consumer.poll(3 * PACE).await.unwrap();
        assert!(has(&consumer, 2));
    }
    for code in [Code::CoordinatorLoadInProgress, Code::CoordinatorNotAvailable, Code::NotCoordinator] {
        broker.times(3, ApiKey::ConsumerGroupHeartbeat, code.to_wire());
        consumer.poll(5 * PACE).await.unwrap();
        assert!(has(&consumer, 2));
    }
    assert_eq!((group(&broker).generation, committed(&broker, 0)), (epoch, Some(8)));
}

/// edge 57: a coordinator that stops answering is noticed long before the request's own limit.
#[tokio::test(start_paused = true)]
async fn a_coordinator_that_falls_silent_is_left_for_its_successor() {
    let broker = cluster(3, 2).await;
    let consumer = joined(&broker, 2).await;
    let silent = broker.coordinator("billing").unwrap();
    broker.node(silent).pause();
    broker.move_coordinator("billing", (silent + 1) % 3).unwrap();
    let started = Instant::now();
    let heartbeats = broker.count(ApiKey::ConsumerGroupHeartbeat);
    poll_until(&[&consumer], || broker.count(ApiKey::ConsumerGroupHeartbeat) > heartbeats + 2).await;
    assert!(started.elapsed() < SESSION, "{:?}", started.elapsed());
    assert!(has(&consumer, 2));
}

/// edge 62: the epoch rose behind the member's back; commits, and questions what is committed, wait for the newest.
#[tokio::test(start_paused = true)]
async fn a_commit_under_an_old_epoch_is_tried_again_with_the_new_one() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    append(&broker, 0, 0..2);
    read(&consumer, 2).await;
    broker.times(2, ApiKey::OffsetCommit, Code::StaleMemberEpoch.to_wire());
    consumer.commit().await.unwrap();
    assert_eq!(committed(&broker, 0), Some(2));
    broker.times(2, ApiKey::OffsetFetch, Code::StaleMemberEpoch.to_wire());
    let found = consumer.committed([&partition(0)]).await.unwrap();
    assert_eq!(found[&partition(0)].as_ref().map(|committed| committed.offset), Some(2));
}

/// edge 62: what was read is another's to commit by now: there is no epoch under which it would be right.
#[tokio::test(start_paused = true)]
async fn a_commit_that_fencing_overtook_is_not_to_be_tried_again() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    append(&broker, 0, 0..2);
    read(&consumer, 2).await;
    broker.fence_member("billing", &id_of(&broker)).unwrap();
    broker.times(1, ApiKey::OffsetCommit, Code::StaleMemberEpoch.to_wire());
    let error = consumer.commit().await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (Some(Code::StaleMemberEpoch), Retry::Never), "{error}");
    assert_eq!(committed(&broker, 0), None);
}

/// edge 62, with nobody left who keeps the epoch: it is asked for between the attempts. Then the member leaves.
#[tokio::test(start_paused = true)]
async fn the_last_commit_asks_for_its_epoch() {
    let broker = cluster(1, 1).await;
    let consumer = joined(&broker, 1).await;
    append(&broker, 0, 0..2);
    read(&consumer, 2).await;
    broker.once(ApiKey::OffsetCommit, Code::StaleMemberEpoch.to_wire());
    broker.forget_requests();
    consumer.close(SOON).await.unwrap();
    assert_eq!(committed(&broker, 0), Some(2));
    assert_eq!(
        broker.seen([ApiKey::OffsetCommit, ApiKey::ConsumerGroupHeartbeat]),
        "OffsetCommit ConsumerGroupHeartbeat OffsetCommit ConsumerGroupHeartbeat"
    );
    assert!(group(&broker).members.is_empty());
}

/// edge 62: the answer that told of a newer epoch was lost.
#[tokio::test(start_paused = true)]
async fn a_member_that_closes_before_it_knows_its_epoch_commits_all_the_same() {
    let broker = cluster(1, 1).await;
    let consumer = joined(&broker, 1).await;
    append(&broker, 0, 0..2);
    read(&consumer, 2).await;
    let (id, before) = (id_of(&broker), consumer.group_metadata().unwrap().generation_id());
    let epoch = |broker: &Broker| group(broker).members.iter().find(|member| member.id == id).unwrap().epoch;
    broker.on(ApiKey::ConsumerGroupHeartbeat).client_id("m").drop_after();
    let second = join(member(&broker, "second")).await;
    broker.until(|broker| epoch(broker) > before).await;
    assert_eq!(consumer.group_metadata().unwrap().generation_id(), before);
    consumer.close(SOON).await.unwrap();
    assert_eq!(committed(&broker, 0), Some(2));
    poll_until(&[&second], || has(&second, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn group_metadata_names_the_newest_epoch_of_what_was_read() {
    let broker = cluster(1, 2).await;
    let first = joined(&broker, 2).await;
    append(&broker, 0, 0..2);
    append(&broker, 1, 0..2);
    read(&first, 4).await;
    let before = first.group_metadata().unwrap();
    assert_eq!(before.member_id(), id_of(&broker));
    assert_eq!(before.generation_id(), group(&broker).members[0].epoch);
    let second = join(member(&broker, "second")).await;
    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    let kept = first.assignment()[0].partition;
    append(&broker, kept, 2..4);
    read(&first, 2).await;
    let epochs: Vec<_> = group(&broker).members.iter().map(|member| member.epoch).collect();
    let after = first.group_metadata().unwrap();
    assert!(after.generation_id() > before.generation_id());
    assert!(epochs.contains(&after.generation_id()), "{after:?} {epochs:?}");
}

/// edge 59
#[tokio::test(start_paused = true)]
async fn who_does_not_poll_leaves_and_is_back_with_the_next_poll() {
    let broker = cluster(1, 2).await;
    let (consumer, heard) = join_and_listen(member(&broker, "m").max_poll_interval(Duration::from_secs(5))).await;
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    heard.take();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(group(&broker).members.is_empty());
    assert!(has(&consumer, 0));
    poll_until(&[&consumer], || heard.0.lock().len() >= 2).await;
    assert_eq!(heard.take(), ["lost 0 1", "assigned 0 1"]);
}

/// edge 68: what is to be given up is given up at once, and nothing is waited for.
#[tokio::test(start_paused = true)]
async fn closing_while_the_group_rebalances_does_not_hang() {
    let broker = cluster(1, 2).await;
    let (first, heard) = join_and_listen(member(&broker, "first")).await;
    poll_until(&[&first], || has(&first, 2)).await;
    heard.take();
    append(&broker, 0, 0..2);
    read(&first, 2).await;
    let second = join(member(&broker, "second")).await;
    tokio::time::sleep(3 * PACE).await;
    assert!(has(&first, 2), "it is to give up one, and waits for a poll");
    let started = Instant::now();
    first.close(SOON).await.unwrap();
    assert!(started.elapsed() < PACE, "{:?}", started.elapsed());
    assert_eq!(heard.take().last().map(String::as_str), Some("revoked 0 1"));
    assert_eq!(committed(&broker, 0), Some(2));
    poll_until(&[&second], || has(&second, 2)).await;
}

/// edge 68
#[tokio::test(start_paused = true)]
async fn closing_without_a_coordinator_ends_in_time() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    append(&broker, 0, 0..2);
    read(&consumer, 2).await;
    broker.node(0).stop().await;
    let started = Instant::now();
    consumer.close(Duration::from_secs(3)).await.unwrap_err();
    assert!(started.elapsed() <= Duration::from_secs(4), "{:?}", started.elapsed());
}

/// edge 60 (KIP-345): a restart within the session moves nothing.
#[tokio::test(start_paused = true)]
async fn a_static_member_that_restarts_gets_its_partitions_back() {
    let broker = cluster(1, 4).await;
    let named = |name: &str| member(&broker, name).group_instance_id(name);
    let first = join(named("first")).await;
    let second = join(named("second")).await;
    poll_until(&[&first, &second], || has(&first, 2) && has(&second, 2)).await;
    let (before, epoch) = (first.assignment(), group(&broker).generation);
    first.close(SOON).await.unwrap();
    poll_until(&[&second], || group(&broker).members.len() == 2).await;
    assert!(has(&second, 2), "the partitions wait for the member");
    let first = join(named("first")).await;
    poll_until(&[&first, &second], || has(&first, 2)).await;
    assert_eq!((first.assignment(), group(&broker).generation), (before, epoch));

    // For good.
    let leave = CloseOptions::new().group_membership(GroupMembershipOperation::LeaveGroup);
    first.close_with(leave).await.unwrap();
    poll_until(&[&second], || has(&second, 4)).await;
}

/// KIP-1092: one without a name that remains is missed after its session.
#[tokio::test(start_paused = true)]
async fn a_member_that_remains_says_nothing() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    let remain = CloseOptions::new().group_membership(GroupMembershipOperation::RemainInGroup);
    consumer.close_with(remain).await.unwrap();
    assert_eq!(group(&broker).members.len(), 1);
    let second = join(member(&broker, "second")).await;
    let since = Instant::now();
    poll_until(&[&second], || has(&second, 2)).await;
    assert!(since.elapsed() > SESSION / 2, "{:?}", since.elapsed());
}

/// edge 60
#[tokio::test(start_paused = true)]
async fn a_name_that_is_in_use_is_refused_for_good() {
    let broker = cluster(1, 2).await;
    let first = join(member(&broker, "first").group_instance_id("one")).await;
    poll_until(&[&first], || has(&first, 2)).await;
    let second = join(member(&broker, "second").group_instance_id("one")).await;
    for _ in 0..2 {
        let error = second.poll(SOON).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::UnreleasedInstanceId), "{error}");
        assert!(error.to_string().contains("`group.instance.id` of its own"), "{error}");
    }
    first.poll(3 * PACE).await.unwrap();
    assert!(has(&first, 2));
}

#[tokio::test(start_paused = true)]
async fn the_assignor_is_the_coordinators() {
    for (assignor, expected) in [("range", Ok("range")), ("mine", Err(Code::UnsupportedAssignor))] {
        let broker = cluster(1, 2).await;
        let consumer = join(member(&broker, "m").group_remote_assignor(assignor)).await;
        match expected {
            Ok(name) => {
                poll_until(&[&consumer], || has(&consumer, 2)).await;
                assert_eq!(group(&broker).protocol, name);
            }
            Err(code) => {
                let error = consumer.poll(SOON).await.unwrap_err();
                assert_eq!(error.code(), Some(code));
                assert!(error.to_string().contains("`group.remote.assignor`"), "{error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_other_protocol_has_is_an_error_that_says_so() {
    let broker = cluster(1, 2).await;
    let classic = crate::groups::join(crate::groups::member(&broker, "classic")).await;
    poll_until(&[&classic], || has(&classic, 2)).await;
    let modern = join(member(&broker, "modern")).await;
    let error = modern.poll(SOON).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::GroupIdNotFound), "{error}");

    let broker = cluster(1, 2).await;
    broker.once(ApiKey::ConsumerGroupHeartbeat, Code::UnsupportedVersion.to_wire());
    let modern = join(member(&broker, "modern")).await;
    let error = modern.poll(SOON).await.unwrap_err();
    assert!(error.to_string().contains("set it to `classic`"), "{error}");
    assert!(matches!(error.kind(), Kind::Broker(Code::UnsupportedVersion)));
}

#[tokio::test(start_paused = true)]
async fn who_unsubscribes_leaves_and_may_come_back() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    append(&broker, 0, 0..3);
    read(&consumer, 3).await;
    consumer.unsubscribe().await.unwrap();
    assert!(group(&broker).members.is_empty() && has(&consumer, 0));
    append(&broker, 0, 3..5);
    consumer.subscribe(["orders"]).await.unwrap();
    let mut again = BTreeMap::new();
    while again.values().map(Vec::len).sum::<usize>() < 2 {
        values(&consumer.poll(SOON).await.unwrap(), &mut again);
    }
    // Unsubscribing says nothing of what the last poll handed out.
    assert!(again[&0].ends_with(&["4".to_owned()]) || again[&0].len() >= 2, "{again:?}");
}

/// A member costs what its coordinator asks of it, and no more.
#[tokio::test(start_paused = true)]
async fn a_member_at_rest_sends_one_heartbeat_per_interval() {
    let broker = cluster(1, 2).await;
    let consumer = joined(&broker, 2).await;
    consumer.poll(5 * PACE).await.unwrap();
    broker.forget_requests();
    consumer.poll(60 * PACE).await.unwrap();
    let heartbeats = broker.count(ApiKey::ConsumerGroupHeartbeat);
    assert!((58..=62).contains(&heartbeats), "{heartbeats}");
    assert_eq!(broker.count(ApiKey::FindCoordinator), 0);
}

#[tokio::test(start_paused = true)]
async fn rebalances_are_counted_what_is_given_up_for_them_included() {
    let broker = cluster(1, 4).await;
    let first = joined(&broker, 4).await;
    let counted = |name: &str| first.metrics().find("consumer-coordinator-metrics", name, &[]).unwrap().as_f64();
    assert_eq!((counted("rebalance-total"), counted("failed-rebalance-total")), (1.0, 0.0));
    let second = join(member(&broker, "second")).await;
    poll_until(&[&first, &second], || has(&first, 2) && has(&second, 2)).await;
    assert_eq!((counted("rebalance-total"), counted("failed-rebalance-total")), (2.0, 0.0));
    assert!(counted("last-rebalance-seconds-ago") >= 0.0 && counted("rebalance-rate-per-hour") > 0.0);
}
