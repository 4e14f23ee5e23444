//! Flows of the state without brokers: answers go in, requests come out.
#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_wire::compression::Decompressor;
use ottla_wire::messages::share_acknowledge_response::{self, ShareAcknowledgeTopicResponse};
use ottla_wire::messages::share_fetch_response::{self, AcquiredRecords, ShareFetchableTopicResponse};
use ottla_wire::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_wire::messages::{
    MetadataResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
    ShareGroupHeartbeatResponse, metadata_response,
};
use ottla_wire::{Code, Uuid};
use tokio::time::Instant;

use super::acknowledge::AcknowledgeType;
use super::outbox::{Ask, Next, Sent};
use super::state::State;
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::{ShareAcknowledgementMode, ShareConsumerBuilder};
use crate::consume::testing;
use crate::error::{Error, Kind};

const ID: Uuid = Uuid([7; 16]);

/// The state of a member, and metadata of the topic `t`: partition 0 is led by broker 1, partition 1 by broker 2.
struct Member {
    state: State,
    now: Instant,
    random: fastrand::Rng,
}

impl Member {
    fn joined(mode: ShareAcknowledgementMode) -> Self {
        let builder = ShareConsumerBuilder::new("a:1").group("g").share_acknowledgement_mode(mode);
        let (config, _) = builder.validated().unwrap();
        let now = Instant::now();
        let mut state = State::new(&config, fastrand::Rng::with_seed(1), now);
        state.subscribe(["t".into()].into(), now).unwrap();
        let mut member = Self { state, now, random: fastrand::Rng::with_seed(2) };
        member.assigned(&[0, 1]);
        member.state.assign(&metadata(&[1, 2]));
        member
    }

    fn heartbeat(&mut self, answer: ShareGroupHeartbeatResponse) -> ottla_wire::messages::ShareGroupHeartbeatRequest {
        self.now += Duration::from_secs(10);
        let (request, attempt) = self.state.membership.heartbeat(self.now).unwrap();
        self.state.membership.on_heartbeat(attempt, Ok(answer), self.now, &mut self.random);
        request
    }

    fn assigned(&mut self, partitions: &[i32]) -> i32 {
        let topic_partitions = vec![TopicPartitions { topic_id: ID, partitions: partitions.to_vec() }];
        let answer = ShareGroupHeartbeatResponse {
            member_epoch: 4,
            heartbeat_interval_ms: 5_000,
            assignment: Some(Assignment { topic_partitions }),
            ..ShareGroupHeartbeatResponse::default()
        };
        self.heartbeat(answer).member_epoch
    }

    fn poll(&mut self) {
        self.state.poll_began(self.now).unwrap();
    }

    fn next(&mut self, broker: i32) -> Option<Sent> {
        match self.state.next_request(broker, self.now) {
            Next::Send(sent) => Some(sent),
            Next::Wait(_) | Next::Done => None,
        }
    }

    /// Polls, and answers the fetch that follows with four records from `base` on.
    fn fetched(&mut self, base: i64) {
        self.poll();
        let sent = self.next(1).unwrap();
        let answer = delivered(base, Code::None);
        assert!(self.state.on_fetched(1, &sent, answer, self.now).delivered);
        self.take();
    }

    /// Hands out what is there.
    fn take(&mut self) -> usize {
        let mut count = 0;
        while let Some(mut delivery) = self.state.take() {
            let read = delivery.read(true, &mut Decompressor::new(1 << 20));
            count += read.iter().flat_map(|read| &read.parts).map(|part| part.count).sum::<usize>();
            self.state.settle(delivery, read.as_ref());
        }
        self.state.poll_ended(self.now);
        count
    }
}

fn metadata(leaders: &[i32]) -> Metadata {
    let partitions =
        (0..).zip(leaders).map(|(partition_index, leader_id)| metadata_response::MetadataResponsePartition {
            partition_index,
            leader_id: *leader_id,
            leader_epoch: 1,
            ..Default::default()
        });
    let topic = metadata_response::MetadataResponseTopic {
        name: Some("t".into()),
        topic_id: ID,
        partitions: partitions.collect(),
        ..Default::default()
    };
    let brokers = [1, 2].map(|node_id| metadata_response::MetadataResponseBroker {
        node_id,
        host: "h".into(),
        port: 9,
        ..Default::default()
    });
    Metadata::default().merged(&MetadataResponse {
        brokers: brokers.to_vec(),
        topics: vec![topic],
        ..MetadataResponse::default()
    })
}

fn delivered(base: i64, acknowledged: Code) -> ShareFetchResponse {
    let data = share_fetch_response::PartitionData {
        partition_index: 0,
        acknowledge_error_code: acknowledged,
        records: testing::bytes(base, &[b"a", b"b", b"c", b"d"]),
        acquired_records: vec![AcquiredRecords { first_offset: base, last_offset: base + 3, delivery_count: 1 }],
        ..Default::default()
    };
    let responses = vec![ShareFetchableTopicResponse { topic_id: ID, partitions: vec![data] }];
    ShareFetchResponse { responses, acquisition_lock_timeout_ms: 30_000, ..ShareFetchResponse::default() }
}

fn acknowledged(code: Code) -> ShareAcknowledgeResponse {
    let data = share_acknowledge_response::PartitionData { partition_index: 0, error_code: code, ..Default::default() };
    let responses = vec![ShareAcknowledgeTopicResponse { topic_id: ID, partitions: vec![data] }];
    ShareAcknowledgeResponse { responses, ..ShareAcknowledgeResponse::default() }
}

fn fetch(sent: &Sent) -> &ShareFetchRequest {
    match &sent.ask {
        Ask::Fetch(request) => request,
        other => panic!("no fetch: {other:?}"),
    }
}

fn acknowledge(sent: &Sent) -> &ShareAcknowledgeRequest {
    match &sent.ask {
        Ask::Acknowledge(request) | Ask::Close(request) => request,
        other @ Ask::Fetch(_) => panic!("no acknowledgement: {other:?}"),
    }
}

/// First and last offset and the types of what a ShareAcknowledge says of partition 0.
fn told(sent: &Sent) -> Vec<(i64, i64, Vec<i8>)> {
    let topics = acknowledge(sent).topics.iter().flat_map(|topic| &topic.partitions);
    let batches = topics.flat_map(|partition| &partition.acknowledgement_batches);
    batches.map(|batch| (batch.first_offset, batch.last_offset, batch.acknowledge_types.clone())).collect()
}

#[test]
fn nothing_is_fetched_unless_a_poll_found_nothing() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    assert!(member.next(1).is_none());
    member.fetched(0);
    assert!(member.next(1).is_none(), "what was handed out is still being processed");
    assert!(member.next(2).is_none());
}

#[test]
fn acknowledgements_ride_on_the_next_fetch_and_the_session_goes_on() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.fetched(0);
    member.poll();
    let sent = member.next(1).unwrap();
    let request = fetch(&sent);
    assert_eq!(request.share_session_epoch, 1);
    let batch = &request.topics[0].partitions[0].acknowledgement_batches[0];
    assert_eq!((batch.first_offset, batch.last_offset, &*batch.acknowledge_types), (0, 3, &[1][..]));
    member.state.on_fetched(1, &sent, delivered(4, Code::None), member.now);
    assert_eq!(member.take(), 4);
    member.state.commit(false, member.now).unwrap();
    let sent = member.next(1).unwrap();
    assert_eq!(acknowledge(&sent).share_session_epoch, 2);
    assert_eq!(told(&sent), [(4, 7, vec![1])]);
}

/// edge 69: what goes to a broker that is not fetched from any more adds nothing to its session.
#[test]
fn a_partition_that_is_not_fetched_any_more_is_acknowledged_apart_and_forgotten() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.state.assign(&metadata(&[1, 1]));
    member.fetched(0);
    // edge 70: to the broker that delivered, though another leads now.
    member.state.assign(&metadata(&[2, 1]));
    member.poll();
    let sent = member.next(1).unwrap();
    assert_eq!(told(&sent), [(0, 3, vec![1])]);
    member.state.on_acknowledged(1, &sent, acknowledged(Code::None), member.now);
    let sent = member.next(1).unwrap();
    assert!(fetch(&sent).topics.is_empty(), "partition 1 is in the session, and nothing is added");
    assert_eq!(fetch(&sent).forgotten_topics_data[0].partitions, [0]);
}

/// edge 70
#[test]
fn a_lost_session_begins_anew_and_what_waits_for_it_fails() {
    for code in [Code::ShareSessionNotFound, Code::InvalidShareSessionEpoch, Code::ShareSessionLimitReached] {
        let mut member = Member::joined(ShareAcknowledgementMode::Explicit);
        member.fetched(0);
        let partition = TopicPartition::new("t", 0);
        member.state.acknowledge(&partition, 0, AcknowledgeType::Accept).unwrap();
        let (first, _) = member.state.commit(true, member.now).unwrap().unwrap();
        let sent = member.next(1).unwrap();
        member.state.acknowledge(&partition, 1, AcknowledgeType::Accept).unwrap();
        let (second, _) = member.state.commit(true, member.now).unwrap().unwrap();
        let refused = ShareAcknowledgeResponse { error_code: code, ..ShareAcknowledgeResponse::default() };
        member.state.on_acknowledged(1, &sent, refused, member.now);
        assert!(member.next(1).is_none(), "it waits before it tries again");
        for (commit, expected) in [(first, code), (second, Code::InvalidShareSessionEpoch)] {
            let results = member.state.take_results(commit).unwrap().results;
            let outcome = results.into_values().next().unwrap();
            assert_eq!(outcome.unwrap_err().code(), Some(expected));
        }
        for offset in [2, 3] {
            member.state.acknowledge(&partition, offset, AcknowledgeType::Accept).unwrap();
        }
        member.poll();
        member.now += Duration::from_secs(2);
        assert_eq!(fetch(&member.next(1).unwrap()).share_session_epoch, 0);
    }
}

#[test]
fn what_a_broker_cannot_do_now_is_tried_again_until_the_time_is_up() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.fetched(0);
    let (commit, mut done) = member.state.commit(true, member.now).unwrap().unwrap();
    let sent = member.next(1).unwrap();
    member.state.on_acknowledged(1, &sent, acknowledged(Code::CoordinatorLoadInProgress), member.now);
    assert!(done.try_recv().is_err());
    member.now += Duration::from_secs(61);
    let sent = member.next(1).unwrap();
    assert_eq!(told(&sent), [(0, 3, vec![1])]);
    member.state.on_acknowledged(1, &sent, acknowledged(Code::CoordinatorLoadInProgress), member.now);
    assert!(done.try_recv().is_ok());
    let results = member.state.take_results(commit).unwrap().results;
    assert_eq!(results.into_values().next().unwrap().unwrap_err().code(), Some(Code::CoordinatorLoadInProgress));
}

#[test]
fn a_connection_that_breaks_takes_the_session_along() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.fetched(0);
    let (commit, _done) = member.state.commit(true, member.now).unwrap().unwrap();
    let sent = member.next(1).unwrap();
    member.state.on_failed(1, &sent, Error::new(Kind::Connection, "cut"), member.now);
    let results = member.state.take_results(commit).unwrap().results;
    assert_eq!(results.into_values().next().unwrap().unwrap_err().kind(), Kind::Connection);
    member.poll();
    member.now += Duration::from_secs(2);
    assert_eq!(fetch(&member.next(1).unwrap()).share_session_epoch, 0);
}

/// edge 70: renewals go alone, and a broker that knows none costs no other acknowledgement and no session.
#[test]
fn renewals_go_alone_and_the_record_is_handed_out_again() {
    let mut member = Member::joined(ShareAcknowledgementMode::Explicit);
    member.fetched(0);
    let partition = TopicPartition::new("t", 0);
    for (offset, kind) in [(0, AcknowledgeType::Accept), (1, AcknowledgeType::Renew), (2, AcknowledgeType::Renew)] {
        member.state.acknowledge(&partition, offset, kind).unwrap();
    }
    member.state.acknowledge(&partition, 3, AcknowledgeType::Reject).unwrap();
    member.poll();
    let sent = member.next(1).unwrap();
    assert!(!acknowledge(&sent).is_renew_ack);
    assert_eq!(told(&sent), [(0, 0, vec![1]), (3, 3, vec![3])]);
    member.state.on_acknowledged(1, &sent, acknowledged(Code::None), member.now);
    let sent = member.next(1).unwrap();
    assert!(acknowledge(&sent).is_renew_ack);
    assert!(member.state.take_renewed().is_empty(), "not yet");
    member.state.on_acknowledged(1, &sent, acknowledged(Code::None), member.now);
    let renewed = member.state.take_renewed();
    let offsets: Vec<_> =
        renewed.iter().flat_map(crate::consume::Part::records).map(|record| record.offset()).collect();
    assert_eq!(offsets, [1, 2]);
    member.state.acknowledge(&partition, 1, AcknowledgeType::Renew).unwrap();
    member.state.acknowledge(&partition, 2, AcknowledgeType::Accept).unwrap();
    member.state.commit(false, member.now).unwrap();
    let sent = member.next(1).unwrap();
    member.state.on_acknowledged(1, &sent, acknowledged(Code::None), member.now);
    let sent = member.next(1).unwrap();
    member.state.on_failed(1, &sent, Error::new(Kind::UnsupportedVersion, "old"), member.now);
    assert!(member.state.take_renewed().is_empty(), "it is not this member's any more");
    assert!(!member.state.brokers[&1].session.is_new());
}

#[test]
fn explicit_mode_wants_every_record_acknowledged_and_implicit_mode_none() {
    let mut member = Member::joined(ShareAcknowledgementMode::Explicit);
    let partition = TopicPartition::new("t", 0);
    member.fetched(0);
    let error = member.state.poll_began(member.now).unwrap_err();
    assert!(error.to_string().contains("t[0] at offset 0 was not acknowledged"), "{error}");
    assert!(member.state.acknowledge(&partition, 4, AcknowledgeType::Accept).is_err(), "it was not handed out");
    for offset in 0..4 {
        member.state.acknowledge(&partition, offset, AcknowledgeType::Accept).unwrap();
    }
    member.state.acknowledge(&partition, 3, AcknowledgeType::Release).unwrap();
    member.poll();
    let sent = member.next(1).unwrap();
    let batch = &fetch(&sent).topics[0].partitions[0].acknowledgement_batches[0];
    assert_eq!(batch.acknowledge_types, [1, 1, 1, 2]);

    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.fetched(0);
    let error = member.state.acknowledge(&partition, 0, AcknowledgeType::Accept).unwrap_err();
    assert_eq!(error.kind(), Kind::State);
}

/// A record that came from the old leader and the new one is at hand twice, and acknowledged by one word.
#[test]
fn a_record_that_two_brokers_delivered_is_acknowledged_to_both() {
    let mut member = Member::joined(ShareAcknowledgementMode::Explicit);
    member.poll();
    let sent = member.next(1).unwrap();
    member.state.assign(&metadata(&[2, 2]));
    let other = member.next(2).unwrap();
    member.state.on_fetched(1, &sent, delivered(0, Code::None), member.now);
    member.state.on_fetched(2, &other, delivered(0, Code::None), member.now);
    assert_eq!(member.take(), 8);
    for offset in 0..4 {
        member.state.acknowledge(&TopicPartition::new("t", 0), offset, AcknowledgeType::Accept).unwrap();
    }
    member.poll();
    assert_eq!(told(&member.next(1).unwrap()), [(0, 3, vec![1])]);
}

#[test]
fn an_answer_that_names_a_partition_twice_delivers_it_once() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.poll();
    let sent = member.next(1).unwrap();
    let mut answer = delivered(0, Code::None);
    answer.responses.push(answer.responses[0].clone());
    member.state.on_fetched(1, &sent, answer, member.now);
    assert_eq!(member.take(), 4);
}

#[test]
fn what_is_not_subscribed_to_any_more_is_given_back() {
    for is_late in [false, true] {
        let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
        member.poll();
        let sent = member.next(1).unwrap();
        if is_late {
            member.state.subscribe(["u".into()].into(), member.now).unwrap();
        }
        member.state.on_fetched(1, &sent, delivered(0, Code::None), member.now);
        if !is_late {
            member.state.subscribe(["u".into()].into(), member.now).unwrap();
        }
        assert_eq!(told(&member.next(1).unwrap()), [(0, 3, vec![2])]);
        assert_eq!(member.take(), 0);
    }
}

#[test]
fn what_is_given_up_at_the_end_is_told() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.state.has_callback = true;
    member.fetched(0);
    let (first, _) = member.state.commit(true, member.now).unwrap().unwrap();
    let _on_its_way = member.next(1).unwrap();
    member.state.close(member.now);
    member.state.give_up(member.now);
    assert_eq!(member.state.completed.len(), 1);
    let results = member.state.take_results(first).unwrap().results;
    assert_eq!(results.into_values().next().unwrap().unwrap_err().kind(), Kind::Timeout);
}

#[test]
fn closing_tells_what_was_acknowledged_and_ends_the_session() {
    let mut member = Member::joined(ShareAcknowledgementMode::Explicit);
    member.fetched(0);
    member.state.acknowledge(&TopicPartition::new("t", 0), 2, AcknowledgeType::Reject).unwrap();
    let leave = member.state.close(member.now).unwrap();
    assert_eq!(leave.member_epoch, -1);
    let sent = member.next(1).unwrap();
    assert_eq!(acknowledge(&sent).share_session_epoch, -1);
    assert_eq!(told(&sent), [(2, 2, vec![3])]);
    member.state.on_acknowledged(1, &sent, acknowledged(Code::None), member.now);
    assert!(matches!(member.state.next_request(1, member.now), Next::Done));
    assert!(matches!(member.state.next_request(2, member.now), Next::Done), "it never had a session");
}

#[test]
fn unsubscribing_gives_back_what_was_not_handed_out() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.poll();
    let sent = member.next(1).unwrap();
    member.state.on_fetched(1, &sent, delivered(0, Code::None), member.now);
    member.state.unsubscribe(member.now).unwrap();
    assert_eq!(told(&member.next(1).unwrap()), [(0, 3, vec![2])]);
    assert_eq!(member.state.poll_began(member.now).unwrap_err().kind(), Kind::State);
}

#[test]
fn what_comes_after_unsubscribing_is_given_back() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.poll();
    let sent = member.next(1).unwrap();
    member.state.unsubscribe(member.now).unwrap();
    assert!(!member.state.on_fetched(1, &sent, delivered(0, Code::None), member.now).delivered);
    assert_eq!(told(&member.next(1).unwrap()), [(0, 3, vec![2])]);
}

#[test]
fn a_failed_request_fetches_for_nobody() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.poll();
    let sent = member.next(1).unwrap();
    member.state.poll_ended(member.now);
    member.state.on_failed(1, &sent, Error::new(Kind::Connection, "cut"), member.now);
    member.now += Duration::from_secs(2);
    assert!(member.next(1).is_none());
}

/// edge 60, of share groups: the id stays, the epoch starts over, and so does what is told.
#[test]
fn a_fenced_member_joins_again_under_its_id() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    let fenced = ShareGroupHeartbeatResponse { error_code: Code::FencedMemberEpoch, ..Default::default() };
    let before = member.heartbeat(fenced);
    assert_eq!((before.member_epoch, &before.subscribed_topic_names), (4, &None));
    assert!(member.state.membership.assignment.is_empty());
    let again = member.heartbeat(ShareGroupHeartbeatResponse::default());
    assert_eq!((again.member_epoch, &again.member_id), (0, &before.member_id));
    assert_eq!(again.subscribed_topic_names.unwrap(), ["t"]);
}

/// edge 61
#[test]
fn an_assigned_topic_that_metadata_does_not_know_stays_assigned() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.state.assign(&Metadata::default());
    assert!(member.state.lacks_metadata && member.state.brokers.values().all(|outbox| outbox.wanted.is_empty()));
    member.state.assign(&metadata(&[1, 2]));
    assert!(!member.state.lacks_metadata && !member.state.brokers[&2].wanted.is_empty());
}

#[test]
fn a_member_that_nobody_polls_for_leaves_and_the_next_poll_joins_again() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.now += Duration::from_secs(301);
    let (request, _) = member.state.membership.heartbeat(member.now).unwrap();
    assert_eq!(request.member_epoch, -1);
    assert!(member.state.membership.heartbeat(member.now).is_none());
    assert!(member.state.poll_began(member.now).unwrap());
    assert_eq!(member.assigned(&[0]), 0);
}

#[test]
fn a_group_that_refuses_is_told_once_and_tried_again_by_the_poll_after() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    let refused = ShareGroupHeartbeatResponse { error_code: Code::GroupAuthorizationFailed, ..Default::default() };
    member.heartbeat(refused);
    assert!(!member.state.poll_began(member.now).unwrap());
    assert_eq!(member.state.membership.failure().unwrap().code(), Some(Code::GroupAuthorizationFailed));
    assert!(member.state.membership.failure().is_none());
    assert!(member.state.poll_began(member.now).unwrap());
}

#[test]
fn with_a_limit_on_records_brokers_are_asked_in_turn() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    let builder = ShareConsumerBuilder::new("a:1").group("g").set("share.acquire.mode", "record_limit");
    let (config, _) = builder.validated().unwrap();
    let membership =
        std::mem::replace(&mut member.state, State::new(&config, fastrand::Rng::new(), member.now)).membership;
    member.state.membership = membership;
    member.state.assign(&metadata(&[1, 2]));
    member.poll();
    let mut order = Vec::new();
    for _ in 0..4 {
        let (broker, sent) = [1, 2].into_iter().find_map(|broker| Some((broker, member.next(broker)?))).unwrap();
        assert!(member.next(3 - broker).is_none(), "one at a time");
        member.state.on_fetched(broker, &sent, ShareFetchResponse::default(), member.now);
        order.push(broker);
    }
    assert_eq!(order, [1, 2, 1, 2]);
}

#[test]
fn the_callback_hears_of_every_offset() {
    let mut member = Member::joined(ShareAcknowledgementMode::Implicit);
    member.state.has_callback = true;
    member.fetched(0);
    member.poll();
    let sent = member.next(1).unwrap();
    member.state.on_fetched(1, &sent, delivered(4, Code::InvalidRecordState), member.now);
    let completed: BTreeMap<_, _> = member
        .state
        .completed
        .iter()
        .map(|done| (done.acks.iter().collect::<Vec<_>>(), done.outcome.as_ref().err().and_then(Error::code)))
        .collect();
    assert_eq!(completed, BTreeMap::from([(vec![(0, 3, 1)], Some(Code::InvalidRecordState))]));
}
