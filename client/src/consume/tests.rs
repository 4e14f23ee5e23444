//! The consumer's state against made-up metadata and answers: time is moved, nothing is waited for.
#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::compression::Decompressor;
use ottla_wire::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use ottla_wire::messages::fetch_response::AbortedTransaction;
use ottla_wire::messages::{ConsumerProtocolAssignment, JoinGroupResponse, SyncGroupResponse};
use ottla_wire::{Code, Uuid, encode_data};
use tokio::time::Instant;

use super::arrive::FoundOffset;
use super::commit::{self, Which};
use super::fetch::{Answer, FetchKind, Next, Plan};
use super::position::{AS_OLD_AS_ALLOWED, Bounds, EARLIEST, LATEST, Leader, LookUps, Place, Position};
use super::rebalance::GroupWork;
use super::state::{State, Subject};
use super::subscription::Subscription;
use super::{OffsetAndMetadata, Records, decode, testing};
use crate::TopicPartition;
use crate::cluster::{Metadata, Partition, Topic};
use crate::config::ConsumerConfig;
use crate::error::{Error, Kind};
use crate::group::assign::Assignors;
use crate::group::{Identity, Step, classic};

mod epochs;
mod followers;
mod together;
mod wakes;

const SECOND: Duration = Duration::from_secs(1);

fn orders(number: i32) -> TopicPartition {
    TopicPartition::new("orders", number)
}

/// The topic `orders`: the leader and epoch of each partition.
fn metadata(id: u8, leaders: &[(i32, i32)]) -> Metadata {
    let partition = |(broker, epoch): &(i32, i32)| Partition {
        leader: Some(*broker).filter(|broker| *broker >= 0),
        leader_epoch: *epoch,
        replicas: vec![],
        isr: vec![],
        offline: vec![],
    };
    let topic = Topic {
        name: "orders".into(),
        id: Uuid([id; 16]),
        is_internal: false,
        partitions: leaders.iter().map(partition).collect(),
        error: Code::None,
    };
    let mut metadata = Metadata { version: 1, ..Metadata::default() };
    metadata.topics.insert("orders".into(), Arc::new(topic));
    metadata
}

struct Fixture {
    state: State,
    now: Instant,
    decompressor: Decompressor,
}

impl Fixture {
    fn new(settings: &[(&str, &str)]) -> Self {
        let mut config = ConsumerConfig::default();
        for (key, value) in settings {
            config.set(key, value).unwrap();
        }
        let now = Instant::now();
        let assignors = Assignors::new(&[], &config.partition_assignment_strategy).unwrap();
        let state = State::new(&config, assignors, fastrand::Rng::with_seed(7), now);
        Self { state, now, decompressor: Decompressor::new(1 << 20) }
    }

    /// Reads partitions 0.. of `orders` by hand, led as given, from offset 0.
    fn reading(settings: &[(&str, &str)], leaders: &[(i32, i32)]) -> Self {
        let mut all = vec![("auto.offset.reset", "earliest")];
        all.extend(settings);
        let mut fixture = Self::new(&all);
        fixture.state.assign((0..).take(leaders.len()).map(orders).collect(), fixture.now).unwrap();
        fixture.state.on_metadata(&metadata(1, leaders));
        for number in (0..).take(leaders.len()) {
            fixture.state.positions.start_over(&orders(number), Place::At(Position { offset: 0, epoch: -1 }));
        }
        fixture
    }

    fn look_ups(&mut self) -> LookUps {
        self.state.look_ups(self.now)
    }

    /// The next fetch from a broker, as offsets by partition.
    fn plan(&mut self, broker: i32) -> Option<Plan> {
        match self.state.next_fetch(broker, self.now) {
            Next::Fetch(plan) => Some(plan),
            _ => None,
        }
    }

    fn refill(&mut self, broker: i32) -> Option<Plan> {
        match self.state.next_refill(broker, self.now) {
            Next::Fetch(plan) => Some(plan),
            _ => None,
        }
    }

    fn answer(&mut self, plan: &Plan, answers: &[(i32, Code, Bytes)]) -> super::arrive::Arrived {
        self.answer_naming(plan, answers, &[])
    }

    /// An answer that names aborted transactions in each partition: producer, first offset.
    fn answer_naming(
        &mut self,
        plan: &Plan,
        answers: &[(i32, Code, Bytes)],
        named: &[(i64, i64)],
    ) -> super::arrive::Arrived {
        let aborted: Vec<_> = named
            .iter()
            .map(|(producer_id, first_offset)| AbortedTransaction {
                producer_id: *producer_id,
                first_offset: *first_offset,
            })
            .collect();
        let answers = answers.iter().map(|(number, code, records)| {
            let asked = plan.asked.iter().find(|asked| asked.partition.partition == *number).unwrap().clone();
            let bounds = Bounds { log_start: Some(0), last_stable: Some(50), high_watermark: Some(60) };
            Answer {
                asked,
                code: *code,
                records: records.clone(),
                bounds,
                diverging: None,
                aborted: aborted.clone(),
                leader: None,
                preferred: None,
            }
        });
        let answers = answers.collect();
        let arrived = self.state.on_fetched(plan.kind, answers, self.now);
        self.state.fetch_ended(plan);
        arrived
    }

    /// What a poll hands out: partition and offset.
    fn poll(&mut self, max: usize) -> Vec<(i32, i64)> {
        self.state.poll_began(self.now).unwrap();
        let mut records = Records::default();
        while records.len() < max {
            let Some(taken) = self.state.take() else { break };
            let (key, left) = (taken.key(), max - records.len());
            let read = decode::read(&taken.partition, taken.item, taken.position, left, true, &mut self.decompressor);
            let is_full = read.part.as_ref().is_some_and(|part| part.count == left);
            let settled = self.state.settle(key, read, is_full, self.now);
            settled.part.into_iter().for_each(|part| records.push(part));
            settled.wakes.into_iter().for_each(|wakes| wakes.notify_one());
        }
        self.state.poll_ended(false, self.now);
        records.iter().map(|record| (record.partition(), record.offset())).collect()
    }

    /// Joins the group, and is assigned `orders[0]` in that generation.
    fn joins(&mut self, generation_id: i32) {
        let metadata = metadata(1, &[(1, 5)]);
        let Some(GroupWork::Send(Step::Classic(step))) = self.state.group_work(self.now, &metadata) else {
            panic!("there is nothing to do")
        };
        let classic::Step::Join(_, attempt) = *step else { panic!("it does not join") };
        let joined = JoinGroupResponse {
            generation_id,
            protocol_name: Some("range".into()),
            leader: "another".into(),
            member_id: "me".into(),
            ..JoinGroupResponse::default()
        };
        let Some(classic::Step::Sync(_, attempt)) = self.state.on_joined(attempt, Ok(joined), self.now) else {
            panic!()
        };
        let assigned_partitions = vec![AssignedTopic { topic: "orders".into(), partitions: vec![0] }];
        let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
        let assignment = encode_data(&assignment, 3).unwrap();
        self.state.on_synced(attempt, Ok(SyncGroupResponse { assignment, ..SyncGroupResponse::default() }), self.now);
        self.state.on_metadata(&metadata);
        self.state.positions.start_over(&orders(0), Place::At(Position { offset: 0, epoch: -1 }));
    }

    /// Group, generation and member of what was handed out.
    fn reads_as(&self) -> (i32, String) {
        let metadata = self.state.group_metadata().unwrap();
        assert_eq!(metadata.group_id(), "g");
        (metadata.generation_id(), metadata.member_id().to_owned())
    }

    fn position(&self, number: i32) -> Option<i64> {
        Some(self.state.positions.get(&orders(number))?.position()?.offset)
    }
}

fn asked(plan: Option<Plan>) -> Vec<(i32, i64)> {
    let asked = |plan: Plan| plan.asked.iter().map(|asked| (asked.partition.partition, asked.offset)).collect();
    plan.map_or_else(Vec::new, asked)
}

fn values(base: i64, count: usize) -> Bytes {
    testing::bytes(base, &vec![&b"0123456789"[..]; count])
}

#[test]
fn without_a_group_each_leader_is_asked_where_to_start() {
    let mut fixture = Fixture::new(&[("auto.offset.reset", "latest")]);
    fixture.state.assign((0..3).map(orders).collect(), fixture.now).unwrap();
    assert_eq!(fixture.look_ups(), LookUps::default(), "no leader is known");
    assert!(fixture.state.lacks_metadata(&Metadata::default()));

    fixture.state.on_metadata(&metadata(1, &[(1, 5), (2, 6), (1, 7)]));
    let due = fixture.look_ups();
    let of = |broker: i32| {
        due.offsets[&broker].iter().map(|query| (query.partition.partition, query.leader_epoch)).collect::<Vec<_>>()
    };
    assert_eq!((of(1), of(2)), (vec![(0, 5), (2, 7)], vec![(1, 6)]));
    assert!(due.offsets.values().flatten().all(|query| query.timestamp == LATEST));
    assert_eq!(fixture.look_ups(), LookUps::default(), "each is asked once");

    let found = FoundOffset { offset: 9, timestamp: -1, epoch: 4 };
    assert!(!fixture.state.on_offset(&due.offsets[&2][0], Ok(found), fixture.now));
    assert_eq!(fixture.position(1), Some(9));
    assert_eq!(asked(fixture.plan(2)), [(1, 9)]);
    assert_eq!(asked(fixture.plan(1)), []);
}

#[test]
fn with_a_group_what_it_committed_comes_first_and_then_the_policy() {
    let mut fixture = Fixture::new(&[("group.id", "g"), ("auto.offset.reset", "earliest")]);
    fixture.state.assign((0..2).map(orders).collect(), fixture.now).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(1, 5), (1, 5)]));
    let due = fixture.look_ups();
    assert_eq!(due.committed.len(), 2);
    let committed = OffsetAndMetadata { offset: 7, leader_epoch: Some(3), metadata: String::new() };
    let (partition, stamp) = &due.committed[0];
    fixture.state.on_committed(partition, *stamp, Ok(Some(committed)), fixture.now);
    let (partition, stamp) = &due.committed[1];
    fixture.state.on_committed(partition, *stamp, Ok(None), fixture.now);
    assert_eq!(fixture.state.positions.get(&orders(0)).unwrap().position(), Some(Position { offset: 7, epoch: 3 }));
    assert_eq!(fixture.look_ups().offsets[&1][0].timestamp, EARLIEST);
}

/// edge 48
#[test]
fn what_was_asked_before_a_seek_is_stale() {
    let mut fixture = Fixture::new(&[("auto.offset.reset", "earliest")]);
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(1, 5)]));
    let query = fixture.look_ups().offsets[&1][0].clone();
    fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 40, epoch: -1 }));
    let found = FoundOffset { offset: 0, timestamp: -1, epoch: 0 };
    fixture.state.on_offset(&query, Ok(found), fixture.now);
    assert_eq!(fixture.position(0), Some(40));

    let plan = fixture.plan(1).unwrap();
    fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 41, epoch: -1 }));
    fixture.answer(&plan, &[(0, Code::None, values(40, 5))]);
    assert_eq!(fixture.poll(10), []);
    assert_eq!(asked(fixture.plan(1)), [(0, 41)]);
}

/// Another member may have committed more since.
#[test]
fn what_was_committed_before_a_partition_was_lost_and_came_back_is_stale() {
    let mut fixture = Fixture::new(&[("group.id", "g")]);
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    let (partition, stamp) = fixture.look_ups().committed[0].clone();
    fixture.state.give_up();
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    fixture.state.on_committed(&partition, stamp, Ok(Some(7.into())), fixture.now);
    assert_eq!(fixture.position(0), None);
    assert_eq!(fixture.look_ups().committed.len(), 1);
}

#[test]
fn what_was_fetched_of_a_topic_before_it_was_created_anew_is_stale_even_at_the_same_offset() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.state.on_metadata(&metadata(2, &[(1, 0)]));
    let query = fixture.look_ups().offsets[&1][0].clone();
    fixture.state.on_offset(&query, Ok(FoundOffset { offset: 0, timestamp: -1, epoch: 0 }), fixture.now);
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    assert_eq!(fixture.poll(10), []);
}

#[test]
fn a_seek_while_a_batch_is_decoded_wins() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    let taken = fixture.state.take().unwrap();
    let key = taken.key();
    let read = decode::read(&orders(0), taken.item, taken.position, 2, true, &mut fixture.decompressor);
    fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 7, epoch: -1 }));
    assert!(fixture.state.settle(key, read, true, fixture.now).part.is_none());
    assert_eq!(fixture.position(0), Some(7));
    assert_eq!(fixture.poll(10), [], "nor is the rest of the batch put back");
}

#[test]
fn failures_wait_longer_and_longer_until_there_is_another_leader() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let plan = fixture.plan(1).unwrap();
        assert!(fixture.answer(&plan, &[(0, Code::NotLeaderOrFollower, Bytes::new())]).is_outdated);
        let Next::Wait(Some(until)) = fixture.state.next_fetch(1, fixture.now) else { panic!() };
        waits.push((until - fixture.now).as_millis());
        fixture.now = until;
    }
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0] || pair[1] > 750), "{waits:?}");
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::NotLeaderOrFollower, Bytes::new())]);
    assert_eq!(asked(fixture.plan(1)), []);
    // edge 49
    fixture.state.on_metadata(&metadata(1, &[(1, 6)]));
    assert_eq!(asked(fixture.plan(1)), [(0, 0)]);
}

/// edge 44: whatever the epoch, a partition goes where its leader is.
#[test]
fn a_partition_follows_its_leader_even_without_a_newer_epoch() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    for (broker, epoch) in [(2, 5), (3, -1), (1, 4)] {
        assert!(fixture.state.on_metadata(&metadata(1, &[(broker, epoch)])));
        assert_eq!(fixture.state.positions.get(&orders(0)).unwrap().leader, Some(Leader { broker, epoch }));
        assert_eq!(asked(fixture.plan(broker)), [(0, 0)]);
    }
    assert!(!fixture.state.on_metadata(&metadata(1, &[(1, 4)])));
}

#[test]
fn the_answer_of_whichever_leader_was_faster_counts_and_the_other_is_dropped() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let old = fixture.plan(1).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(2, 6)]));
    let new = fixture.plan(2).unwrap();
    fixture.answer(&new, &[(0, Code::None, values(0, 5))]);
    fixture.answer(&old, &[(0, Code::None, values(0, 3))]);
    assert_eq!(asked(fixture.plan(2)), [(0, 5)], "and does not set the next fetch back");
    assert_eq!(fixture.poll(10).len(), 5);
    assert_eq!(fixture.position(0), Some(5));
}

#[test]
fn a_full_partition_is_left_out_until_there_is_room_and_then_refilled() {
    let mut fixture = Fixture::reading(&[("max.partition.fetch.bytes", "150")], &[(1, 5), (1, 5)]);
    let plan = fixture.plan(1).unwrap();
    assert_eq!(plan.asked.len(), 2);
    fixture
        .answer(&plan, &[(0, Code::None, [values(0, 5), values(5, 5)].concat().into()), (1, Code::None, Bytes::new())]);
    let waiting = fixture.plan(1).unwrap();
    assert_eq!(asked(Some(waiting.clone())), [(1, 0)]);
    assert_eq!(asked(fixture.refill(1)), [], "there is no room yet, and 1 is being fetched");
    fixture.state.fetchers.insert(1, Arc::default());

    assert_eq!(fixture.poll(5).len(), 5);
    let refill = fixture.refill(1).unwrap();
    assert_eq!(refill.kind, FetchKind::Refill);
    assert_eq!(asked(Some(refill.clone())), [(0, 10)]);
    fixture.answer(&refill, &[(0, Code::None, Bytes::new())]);
    assert_eq!(asked(fixture.refill(1)), [], "there was nothing: it waits with the others");
    fixture.answer(&waiting, &[(1, Code::None, Bytes::new())]);
    assert_eq!(asked(fixture.plan(1)), [(0, 10), (1, 0)]);
}

#[test]
fn a_fetch_that_failed_leaves_its_partitions_fetchable() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    assert_eq!(asked(fixture.refill(1)), []);
    fixture.state.fetch_ended(&plan);
    assert_eq!(asked(fixture.refill(1)), [(0, 0)]);
}

#[test]
fn a_broker_is_not_asked_for_more_than_may_be_held_of_it() {
    let mut fixture = Fixture::reading(
        &[("fetch.max.bytes", "150"), ("max.partition.fetch.bytes", "100")],
        &[(1, 5), (1, 5), (2, 5)],
    );
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 1)), (1, Code::None, values(0, 1))]);
    assert_eq!(asked(fixture.plan(1)), []);
    assert_eq!(asked(fixture.plan(2)), [(2, 0)], "the other broker is not held up");
    // edge 47: what rests takes no room from the others.
    fixture.state.positions.get_mut(&orders(0)).unwrap().is_paused = true;
    assert_eq!(asked(fixture.plan(1)), [(1, 1)]);
}

#[test]
fn partitions_take_turns() {
    let mut fixture = Fixture::reading(&[], &[(1, 5), (1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 6)), (1, Code::None, values(0, 3))]);
    let polls: Vec<_> = (0..5).map(|_| fixture.poll(2)).collect();
    let expected =
        [vec![(0, 0), (0, 1)], vec![(1, 0), (1, 1)], vec![(0, 2), (0, 3)], vec![(1, 2), (0, 4)], vec![(0, 5)]];
    assert_eq!(polls, expected);
}

/// edge 42: what is buffered is handed out before the position is reset.
#[test]
fn out_of_range_behind_what_is_buffered_waits() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    let plan = fixture.plan(1).unwrap();
    assert!(!fixture.answer(&plan, &[(0, Code::OffsetOutOfRange, Bytes::new())]).resets);
    assert_eq!(fixture.poll(10).len(), 3);
    fixture.now += SECOND;
    let plan = fixture.plan(1).unwrap();
    assert!(fixture.answer(&plan, &[(0, Code::OffsetOutOfRange, Bytes::new())]).resets);
    assert_eq!(fixture.look_ups().offsets[&1][0].timestamp, EARLIEST);
}

/// edge 50
#[test]
fn a_topic_with_another_id_starts_over_and_commits_nothing_of_before() {
    let mut fixture = Fixture::reading(&[("group.id", "g")], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    fixture.poll(2);
    fixture.poll(0);
    assert_eq!(commit::offsets(&fixture.state.positions, Which::Released, fixture.now).len(), 1);
    fixture.state.on_metadata(&metadata(2, &[(1, 0)]));
    assert_eq!(fixture.poll(10), [], "what is buffered is of the old one");
    assert_eq!(fixture.look_ups().offsets[&1][0].timestamp, EARLIEST);
    assert!(commit::offsets(&fixture.state.positions, Which::Released, fixture.now).is_empty());
}

#[test]
fn nowhere_to_start_is_said_again_after_a_while_and_ends_with_a_seek() {
    let mut fixture = Fixture::new(&[("auto.offset.reset", "none")]);
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    for _ in 0..2 {
        fixture.look_ups();
        assert_eq!(fixture.state.next_fault().unwrap().kind(), Kind::NoOffset);
        fixture.look_ups();
        assert!(fixture.state.next_fault().is_none());
        fixture.now += SECOND;
    }
    fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 0, epoch: -1 }));
    fixture.look_ups();
    assert!(fixture.state.next_fault().is_none());
}

#[test]
fn a_fault_is_said_once_however_often_it_came_and_not_after_the_partition_is_gone() {
    let mut fixture = Fixture::reading(&[], &[(1, 5), (1, 5)]);
    for _ in 0..3 {
        let plan = fixture.plan(1).unwrap();
        let denied =
            [(0, Code::TopicAuthorizationFailed, Bytes::new()), (1, Code::TopicAuthorizationFailed, Bytes::new())];
        fixture.answer(&plan, &denied);
        fixture.now += 2 * SECOND;
    }
    assert!(fixture.state.next_fault().unwrap().to_string().contains("orders[0]"));
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    assert!(fixture.state.next_fault().is_none());
}

/// edge 66
#[test]
fn what_was_wrong_with_topics_no_longer_wanted_is_not_said() {
    let mut fixture = Fixture::new(&[("group.id", "g")]);
    fixture.state.subscribe(Subscription::topics(["secret"]), fixture.now).unwrap();
    fixture.state.faults.insert(Subject::Topic("secret".into()), Error::new(Kind::State, "x"));
    fixture.state.subscribe(Subscription::topics(["orders"]), fixture.now).unwrap();
    assert!(fixture.state.next_fault().is_none());
}

#[test]
fn a_poll_releases_what_the_one_before_handed_out() {
    let mut fixture = Fixture::reading(&[("group.id", "g"), ("auto.commit.interval.ms", "1000")], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 6))]);
    let due = |fixture: &mut Fixture| {
        let began = fixture.state.poll_began(fixture.now).unwrap();
        fixture.state.poll_ended(false, fixture.now);
        began.commit.map(|(_, offsets)| offsets[&orders(0)].offset)
    };
    fixture.poll(2);
    assert!(fixture.state.commits.outstanding);
    fixture.now += SECOND;
    assert_eq!(due(&mut fixture), Some(2));
    assert!(!fixture.state.commits.outstanding);
    // One at a time, and not before the interval is over.
    fixture.now += SECOND;
    assert_eq!(due(&mut fixture), None);
    fixture.state.commits.ended(None, fixture.now);
    fixture.poll(2);
    assert_eq!(commit::offsets(&fixture.state.positions, Which::HandedOut, fixture.now)[&orders(0)].offset, 4);
}

#[test]
fn what_is_committed_is_not_committed_again_until_brokers_might_forget_it() {
    let mut fixture = Fixture::reading(&[("group.id", "g")], &[(1, 5)]);
    let offsets = |fixture: &Fixture| commit::offsets(&fixture.state.positions, Which::Released, fixture.now);
    let first = offsets(&fixture);
    assert_eq!(first.len(), 1, "where reading starts is worth a commit");
    commit::committed(&mut fixture.state.positions, &first, fixture.now);
    assert!(offsets(&fixture).is_empty());
    fixture.now += 7_200 * SECOND;
    assert_eq!(offsets(&fixture), first);
}

#[test]
fn nothing_is_handed_out_of_frozen_partitions() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    let all: Vec<_> = fixture.state.positions.partitions.keys().cloned().collect();
    fixture.state.positions.freeze(&all);
    assert_eq!(fixture.poll(10), []);
    assert_eq!(asked(fixture.plan(1)), [], "nor is more fetched");
}

#[test]
fn a_flaw_comes_after_the_records_before_it_and_is_tried_again_behind_them() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    let mut old = values(3, 3).to_vec();
    old[16] = 1;
    fixture.answer(&plan, &[(0, Code::None, [values(0, 3), old.into()].concat().into())]);
    assert_eq!(asked(fixture.plan(1)), [], "nothing behind it");
    assert_eq!(fixture.poll(10).len(), 3);
    assert_eq!(fixture.position(0), Some(3));
    fixture.now += SECOND;
    assert_eq!(asked(fixture.plan(1)), [(0, 3)]);
}

/// edges 30, 31
#[test]
fn an_aborted_transaction_over_several_fetches_is_seen_only_by_those_who_want_to() {
    let first = [testing::of_transaction(7, 0, 2), testing::of_transaction(8, 2, 1)].concat();
    let second = [testing::of_transaction(7, 3, 2), testing::abort(7, 5), testing::of_transaction(7, 6, 1)].concat();
    let expected: [(&str, &[i64]); 2] = [("read_committed", &[2, 6]), ("read_uncommitted", &[0, 1, 2, 3, 4, 6])];
    for (level, expected) in expected {
        let mut fixture = Fixture::reading(&[("isolation.level", level)], &[(1, 5)]);
        let mut read = Vec::new();
        for bytes in [&first, &second] {
            let plan = fixture.plan(1).unwrap();
            fixture.answer_naming(&plan, &[(0, Code::None, bytes.clone().into())], &[(7, 0)]);
            read.extend(fixture.poll(10).into_iter().map(|(_, offset)| offset));
        }
        assert_eq!(read, expected, "{level}");
        assert_eq!(fixture.position(0), Some(7));
    }
}

/// What rests is copied, so that whole answers need not be kept.
#[test]
fn a_paused_partition_still_skips_what_was_aborted() {
    let mut fixture = Fixture::reading(&[("isolation.level", "read_committed")], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.state.positions.get_mut(&orders(0)).unwrap().is_paused = true;
    let log = [testing::of_transaction(7, 0, 2), testing::abort(7, 2), values(3, 1)].concat();
    fixture.answer_naming(&plan, &[(0, Code::None, log.into())], &[(7, 0)]);
    assert_eq!(fixture.poll(10), []);
    fixture.state.positions.get_mut(&orders(0)).unwrap().is_paused = false;
    assert_eq!(fixture.poll(10), [(0, 3)]);
}

#[test]
fn a_group_is_named_as_its_last_assignment_and_without_one_by_its_id_alone() {
    let mut fixture = Fixture::new(&[("group.id", "g"), ("group.instance.id", "i")]);
    assert_eq!(fixture.reads_as(), (-1, String::new()));
    fixture.state.subscribe(Subscription::topics(["orders"]), fixture.now).unwrap();
    fixture.joins(3);
    assert_eq!(fixture.reads_as(), (3, "me".to_owned()));
    assert_eq!(fixture.state.group_metadata().unwrap().group_instance_id(), Some("i"));
    let error = Fixture::new(&[]).state.group_metadata().unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
}

/// Its group went on without it, and it is back by itself: others may have read on from what it had committed.
#[test]
fn a_member_that_was_lost_and_is_back_is_still_named_as_it_was_for_what_it_was_handed_out_before() {
    let mut fixture = Fixture::new(&[("group.id", "g")]);
    fixture.state.subscribe(Subscription::topics(["orders"]), fixture.now).unwrap();
    fixture.joins(3);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 2))]);
    assert_eq!(fixture.poll(10).len(), 2);

    let sender = Identity { generation: 3, member_id: "me".into() };
    fixture.state.on_heartbeat(&sender, Ok(Code::IllegalGeneration), fixture.now);
    assert_eq!(fixture.reads_as(), (3, "me".to_owned()), "lost");
    fixture.joins(5);
    assert_eq!(fixture.reads_as(), (3, "me".to_owned()), "back");
    fixture.poll(10);
    assert_eq!(fixture.reads_as(), (5, "me".to_owned()), "and has polled again");
}

#[test]
fn partitions_chosen_by_hand_are_read_as_nobody() {
    let mut fixture = Fixture::new(&[("group.id", "g")]);
    fixture.state.subscribe(Subscription::topics(["orders"]), fixture.now).unwrap();
    fixture.joins(3);
    fixture.state.unsubscribe(fixture.now).unwrap();
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    assert_eq!(fixture.reads_as(), (-1, String::new()));
}

/// A rebalance waits for the offsets past a marker to be committed, as it does for those of records.
#[test]
fn a_position_that_moved_past_a_marker_alone_is_handed_out_as_well() {
    let mut fixture = Fixture::reading(&[("group.id", "g")], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, testing::commit(7, 0))]);
    assert_eq!(fixture.poll(10), []);
    assert!(fixture.state.commits.outstanding);
    assert_eq!(fixture.position(0), Some(1));
}

/// Before anything was committed there is only where reading began: a policy might lead past what was rolled back.
#[test]
fn going_back_to_what_is_committed_leads_to_where_reading_began_if_nothing_is() {
    let mut fixture = Fixture::new(&[("group.id", "g"), ("auto.offset.reset", "latest")]);
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(1, 5)]));
    let (partition, stamp) = fixture.look_ups().committed[0].clone();
    fixture.state.on_committed(&partition, stamp, Ok(None), fixture.now);
    let query = fixture.look_ups().offsets[&1][0].clone();
    fixture.state.on_offset(&query, Ok(FoundOffset { offset: 40, timestamp: -1, epoch: 0 }), fixture.now);
    for committed in [None, None, Some(OffsetAndMetadata::from(42))] {
        let plan = fixture.plan(1).unwrap();
        fixture.answer(&plan, &[(0, Code::None, values(40, 5))]);
        assert_eq!(fixture.poll(10).last(), Some(&(0, 44)));
        fixture.state.positions.start_over(&orders(0), Place::Committed);
        let (partition, stamp) = fixture.look_ups().committed[0].clone();
        fixture.state.on_committed(&partition, stamp, Ok(committed.clone()), fixture.now);
        assert_eq!(fixture.position(0), Some(committed.map_or(40, |committed| committed.offset)));
    }
    // Another log has nothing to do with where reading began.
    fixture.state.on_metadata(&metadata(2, &[(1, 0)]));
    assert_eq!(fixture.state.positions.get(&orders(0)).unwrap().began, None);
}

/// edge 63
#[test]
fn an_offset_that_a_transaction_may_still_change_is_asked_for_again() {
    let mut fixture = Fixture::new(&[("group.id", "g")]);
    fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
    for _ in 0..3 {
        let (partition, stamp) = fixture.look_ups().committed[0].clone();
        fixture.state.on_committed(&partition, stamp, Err(Code::UnstableOffsetCommit), fixture.now);
        assert!(fixture.look_ups().committed.is_empty(), "not at once");
        assert!(fixture.state.next_fault().is_none());
        fixture.now += 2 * SECOND;
    }
    let (partition, stamp) = fixture.look_ups().committed[0].clone();
    fixture.state.on_committed(&partition, stamp, Ok(Some(7.into())), fixture.now);
    assert_eq!(fixture.position(0), Some(7));
}

#[test]
fn the_lag_is_told_by_answers_as_the_isolation_level_sees_the_end() {
    for (level, end) in [("read_uncommitted", 60), ("read_committed", 50)] {
        let mut fixture = Fixture::reading(&[("isolation.level", level)], &[(1, 5)]);
        assert_eq!(fixture.state.lag(&orders(7)), (None, false), "not assigned");
        let plan = fixture.plan(1).unwrap();
        fixture.answer(&plan, &[(0, Code::None, values(0, 5))]);
        assert_eq!(fixture.state.lag(&orders(0)), (Some(end), false), "{level}");
        fixture.poll(3);
        assert_eq!(fixture.state.lag(&orders(0)).0, Some(end - 3), "{level}");
        // A follower may lag behind what its leader told.
        fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 99, epoch: -1 }));
        assert_eq!(fixture.state.lag(&orders(0)).0, Some(0));
        fixture.state.on_metadata(&metadata(2, &[(1, 0)]));
        assert_eq!(fixture.state.lag(&orders(0)).0, None, "another log");
    }
}

#[test]
fn an_end_that_is_not_known_is_asked_for_once_for_its_lag() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    assert_eq!(fixture.state.lag(&orders(0)), (None, true));
    assert_eq!(fixture.state.lag(&orders(0)), (None, false), "one look-up at a time");
    let query = fixture.look_ups().ends[&1][0].clone();
    assert_eq!((query.timestamp, query.leader_epoch), (LATEST, 5));
    assert_eq!(fixture.look_ups(), LookUps::default());
    fixture.state.on_end(&query, Err(Code::NotLeaderOrFollower));
    assert_eq!(fixture.state.lag(&orders(0)), (None, true), "the next who wants to know asks again");
    let query = fixture.look_ups().ends[&1][0].clone();
    fixture.state.on_end(&query, Ok(FoundOffset { offset: 12, timestamp: -1, epoch: 5 }));
    assert_eq!(fixture.state.lag(&orders(0)), (Some(12), false));
    assert_eq!(fixture.position(0), Some(0), "the position stays");
}

#[test]
fn a_reset_by_duration_goes_to_the_first_record_that_is_young_enough_else_to_the_end() {
    let mut fixture = Fixture::new(&[("auto.offset.reset", "by_duration:PT1H")]);
    fixture.state.assign([orders(0), orders(1)].into(), fixture.now).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(1, 5), (1, 5)]));
    let queries = fixture.look_ups().offsets.remove(&1).unwrap();
    assert!(queries.iter().all(|query| query.timestamp == AS_OLD_AS_ALLOWED));
    let none = FoundOffset { offset: -1, timestamp: -1, epoch: -1 };
    fixture.state.on_offset(&queries[0], Ok(FoundOffset { offset: 4, ..none }), fixture.now);
    assert_eq!(fixture.position(0), Some(4));
    fixture.state.on_offset(&queries[1], Ok(none), fixture.now);
    fixture.now += SECOND;
    let mut due = fixture.look_ups();
    let end = due.ends.remove(&1).unwrap();
    fixture.state.on_end(&end[0], Ok(FoundOffset { offset: 9, ..none }));
    assert_eq!(fixture.position(1), None, "a record may have come between");
    fixture.state.on_offset(&due.offsets[&1][0], Ok(none), fixture.now);
    assert_eq!(fixture.position(1), Some(9));
}

/// edge 56: a batch that is decoded as its partition is frozen is the next owner's.
#[test]
fn nothing_is_handed_out_of_a_partition_that_was_frozen_while_a_batch_was_decoded() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    fixture.answer(&plan, &[(0, Code::None, values(0, 3))]);
    let taken = fixture.state.take().unwrap();
    let key = taken.key();
    let read = decode::read(&orders(0), taken.item, taken.position, 2, true, &mut fixture.decompressor);
    fixture.state.positions.freeze(&[orders(0)]);
    assert!(fixture.state.settle(key, read, true, fixture.now).part.is_none());
    assert_eq!(fixture.position(0), Some(0));
    assert!(!fixture.state.commits.outstanding);
}

#[test]
fn fetches_in_flight_ask_for_no_more_than_the_maximum_together() {
    let settings = [("fetch.max.bytes", "1000"), ("max.partition.fetch.bytes", "800")];
    let mut fixture = Fixture::reading(&settings, &[(1, 1), (1, 1)]);
    let all = fixture.plan(1).unwrap();
    assert_eq!((all.asked.len(), all.max_bytes), (2, 1_000), "nobody is left who would want a refill");
    fixture.state.fetch_ended(&all);

    fixture.state.positions.get_mut(&orders(1)).unwrap().is_paused = true;
    let waiting = fixture.plan(1).unwrap();
    assert_eq!((waiting.asked.len(), waiting.max_bytes), (1, 500));
    fixture.state.positions.get_mut(&orders(1)).unwrap().is_paused = false;
    let refill = fixture.refill(1).unwrap();
    assert_eq!((refill.asked.len(), refill.max_bytes), (1, 500));
    assert!(fixture.refill(1).is_none());
}
