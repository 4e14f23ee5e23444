#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]

use ottla_wire::Uuid;
use ottla_wire::messages::join_group_response::JoinGroupResponseMember;
use ottla_wire::messages::{ConsumerProtocolSubscription, JoinGroupResponse, SyncGroupResponse};
use ottla_wire::{decode_data, encode_data};

use super::*;
use crate::cluster::{Partition, Topic};
use crate::config::AssignmentStrategy;
use crate::group::protocol;

const SECOND: Duration = Duration::from_secs(1);

struct Fixture {
    group: Classic,
    now: Instant,
    metadata: Metadata,
    random: fastrand::Rng,
}

/// What `next` wants done, in short.
#[derive(Debug, Eq, PartialEq)]
enum Does {
    Commits,
    Heartbeats,
    Joins(u64),
    Leaves(bool),
    Nothing,
    Syncs(u64),
}

impl Fixture {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            group: "g".into(),
            instance_id: None,
            session_timeout: 45 * SECOND,
            max_poll_interval: 300 * SECOND,
            heartbeat_interval: 3 * SECOND,
            assignors: Assignors::new(&[], &[AssignmentStrategy::Range, AssignmentStrategy::RoundRobin]).unwrap(),
            exclude_internal_topics: true,
            rack: String::new(),
            retry_backoff: SECOND / 10,
            retry_backoff_max: SECOND,
        };
        change(&mut settings);
        let now = Instant::now();
        let mut fixture = Self {
            group: Classic::new(settings, now),
            now,
            metadata: Metadata::default(),
            random: fastrand::Rng::with_seed(1),
        };
        fixture.knows("orders", 4);
        fixture
    }

    fn subscribed() -> Self {
        let mut fixture = Self::new(|_| {});
        fixture.subscribe(&["orders"]);
        fixture
    }

    /// A follower in generation 1, which was assigned two partitions.
    fn stable() -> Self {
        let mut fixture = Self::subscribed();
        fixture.becomes_stable(1);
        fixture
    }

    fn becomes_stable(&mut self, generation: i32) {
        let Does::Joins(attempt) = self.next() else { panic!("{:?}", self.group.phase) };
        let Some(Step::Sync(_, attempt)) = self.joined(attempt, generation, "another").0 else { panic!() };
        assert_eq!(self.synced(attempt).1, Some(Change::Assigned(partitions(&[0, 1]))));
    }

    fn subscribe(&mut self, topics: &[&str]) {
        self.group.subscribe(Wanted::Topics(topics.iter().map(|topic| Arc::from(*topic)).collect()), self.now);
    }

    fn knows(&mut self, topic: &str, partitions: usize) {
        let partition =
            Partition { leader: Some(1), leader_epoch: 0, replicas: vec![1], isr: vec![1], offline: vec![] };
        let topic = Topic {
            name: topic.into(),
            id: Uuid::ZERO,
            is_internal: false,
            partitions: vec![partition; partitions],
            error: if partitions == 0 { Code::UnknownTopicOrPartition } else { Code::None },
        };
        self.metadata.topics.insert(topic.name.clone(), Arc::new(topic));
        self.metadata.version += 1;
    }

    fn step(&mut self) -> Option<(Step, Option<Change>)> {
        self.group.next(self.now, &self.metadata)
    }

    fn next(&mut self) -> Does {
        match self.step() {
            None => Does::Nothing,
            Some((Step::Commit(_), _)) => Does::Commits,
            Some((Step::Heartbeat(_), _)) => Does::Heartbeats,
            Some((Step::Join(_, attempt), _)) => Does::Joins(attempt),
            Some((Step::Leave(request), _)) => Does::Leaves(request.is_some()),
            Some((Step::Sync(_, attempt), _)) => Does::Syncs(attempt),
        }
    }

    fn joined(&mut self, attempt: u64, generation: i32, leader: &str) -> Reaction {
        let members =
            if leader == "me" { vec![other("me", &["orders"]), other("you", &["orders", "bills"])] } else { vec![] };
        let response = JoinGroupResponse {
            generation_id: generation,
            protocol_name: Some("range".into()),
            leader: leader.into(),
            member_id: "me".into(),
            members,
            ..JoinGroupResponse::default()
        };
        self.group.on_joined(attempt, Ok(response), self.now, &mut self.random)
    }

    fn join_refused(&mut self, attempt: u64, code: Code) {
        let response = JoinGroupResponse { error_code: code, member_id: "me".into(), ..JoinGroupResponse::default() };
        let reaction = self.group.on_joined(attempt, Ok(response), self.now, &mut self.random);
        assert!(matches!(reaction, (None, None)));
    }

    fn synced(&mut self, attempt: u64) -> Reaction {
        let assignment = protocol::assignment(&partitions(&[0, 1]).into()).unwrap();
        let response = SyncGroupResponse { assignment, ..SyncGroupResponse::default() };
        self.group.on_synced(attempt, Ok(response), self.now, &mut self.random)
    }

    /// The commit before partitions are given up ended so; it is begun, unless it is on its way.
    fn commit_ended(&mut self, outcome: Result<(), Error>) -> Option<Change> {
        if let Phase::Committing { in_flight: None, .. } = self.group.phase {
            assert_eq!(self.next(), Does::Commits);
        }
        self.group.on_released(self.group.commits, outcome, self.now, &mut self.random)
    }

    /// What polls handed out is done with. True if the group waited for that.
    fn release(&mut self) -> bool {
        let waits = self.group.releasing().is_some();
        self.group.released();
        waits
    }

    fn heartbeat(&mut self, code: Code) -> Option<Change> {
        let sender = self.group.identity.clone();
        self.group.on_heartbeat(&sender, Ok(code), self.now).1
    }

    fn code_of_commit(&self) -> Option<Code> {
        self.group.committer().err().and_then(|error| error.code())
    }
}

fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("orders", *number)).collect()
}

fn other(id: &str, topics: &[&str]) -> JoinGroupResponseMember {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| Str::from(*topic)).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    JoinGroupResponseMember {
        member_id: id.into(),
        metadata: encode_data(&subscription, 1).unwrap(),
        ..JoinGroupResponseMember::default()
    }
}

#[test]
fn a_join_offers_every_strategy_and_says_what_is_wanted() {
    let mut fixture = Fixture::new(|settings| {
        settings.instance_id = Some("till-1".into());
        settings.rack = "r1".into();
    });
    fixture.subscribe(&["orders", "bills"]);
    let Some((Step::Join(request, _), None)) = fixture.step() else { panic!() };
    assert_eq!((&*request.group_id, &*request.protocol_type, &*request.member_id), ("g", "consumer", ""));
    assert_eq!((request.session_timeout_ms, request.rebalance_timeout_ms), (45_000, 300_000));
    assert_eq!(request.group_instance_id.as_deref(), Some("till-1"));
    let names: Vec<_> = request.protocols.iter().map(|protocol| &*protocol.name).collect();
    assert_eq!(names, ["range", "roundrobin"]);
    let (subscription, version) =
        decode_data::<ConsumerProtocolSubscription>(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!((version, subscription.generation_id, subscription.rack_id.as_deref()), (3, -1, Some("r1")));
    assert_eq!(subscription.topics, [Str::from("bills"), Str::from("orders")]);
}

/// edge 52
#[test]
fn the_id_it_was_given_is_what_it_joins_with() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    fixture.join_refused(attempt, Code::MemberIdRequired);
    let Some((Step::Join(request, _), _)) = fixture.step() else { panic!() };
    assert_eq!(&*request.member_id, "me");
}

#[test]
fn a_follower_sends_nothing_to_be_assigned() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    let (Some(Step::Sync(request, _)), None) = fixture.joined(attempt, 4, "another") else { panic!() };
    assert_eq!((request.generation_id, &*request.member_id), (4, "me"));
    assert_eq!(request.protocol_name.as_deref(), Some("range"));
    assert!(request.assignments.is_empty());
}

#[test]
fn the_leader_waits_until_every_topic_is_known_or_known_not_to_be() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    assert!(matches!(fixture.joined(attempt, 1, "me"), (None, None)));
    assert!(fixture.group.group_topics().contains("bills"));
    assert_eq!(fixture.next(), Does::Nothing);
    fixture.now += 3 * SECOND;
    assert_eq!(fixture.next(), Does::Heartbeats, "it lives while it waits");
    fixture.knows("bills", 0);
    let Some((Step::Sync(request, _), None)) = fixture.step() else { panic!() };
    let assigned: Vec<_> = request
        .assignments
        .iter()
        .map(|one| (&*one.member_id, protocol::assigned(one.assignment.clone()).unwrap().partitions))
        .collect();
    assert_eq!(assigned, [("me", partitions(&[0, 1])), ("you", partitions(&[2, 3]))]);
}

#[test]
fn the_leader_rebalances_when_partitions_come_or_go_and_others_do_not() {
    let mut leader = Fixture::subscribed();
    leader.knows("bills", 1);
    let Does::Joins(attempt) = leader.next() else { panic!() };
    leader.joined(attempt, 1, "me");
    let Does::Syncs(attempt) = leader.next() else { panic!() };
    leader.synced(attempt);
    leader.metadata.version += 1;
    assert_eq!(leader.next(), Does::Nothing);
    assert!(!matches!(leader.group.phase, Phase::Releasing { .. }));
    // Of a topic that only another member reads.
    leader.knows("bills", 2);
    leader.next();
    assert!(matches!(leader.group.phase, Phase::Releasing { .. }));

    let mut follower = Fixture::stable();
    follower.knows("orders", 9);
    follower.next();
    assert!(matches!(follower.group.phase, Phase::Stable));
}

#[test]
fn a_rebalance_waits_for_the_release_then_commits_then_joins() {
    let mut fixture = Fixture::stable();
    assert_eq!(fixture.heartbeat(Code::RebalanceInProgress), None);
    assert_eq!(fixture.next(), Does::Nothing);
    fixture.now += 3 * SECOND;
    assert_eq!(fixture.next(), Does::Heartbeats);
    assert_eq!(fixture.code_of_commit(), None, "until then commits are welcome");
    assert!(fixture.release());
    assert_eq!(fixture.next(), Does::Commits);
    assert_eq!(fixture.next(), Does::Nothing, "once");
    let revoked = fixture.commit_ended(Ok(()));
    assert_eq!(revoked, Some(Change::Revoked(partitions(&[0, 1]))));
    assert!(matches!(fixture.next(), Does::Joins(_)));
    assert_eq!(fixture.code_of_commit(), Some(Code::RebalanceInProgress));
}

#[test]
fn a_commit_before_a_rebalance_is_tried_again_as_long_as_the_group_waits() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat(Code::RebalanceInProgress);
    fixture.release();
    let mut attempts = 0;
    let start = fixture.now;
    loop {
        match fixture.next() {
            Does::Commits => {
                attempts += 1;
                let lost = Err(Error::new(Kind::Connection, "lost"));
                if fixture.commit_ended(lost).is_some() {
                    break;
                }
            }
            Does::Heartbeats => assert_eq!(fixture.heartbeat(Code::None), None),
            does => assert_eq!(does, Does::Nothing),
        }
        fixture.now = fixture.group.wake_at().unwrap().max(fixture.now);
        fixture.group.last_poll = fixture.now;
    }
    assert!(attempts > 200, "{attempts}");
    assert_eq!((fixture.now - start).as_secs(), 300);
}

#[test]
fn a_commit_that_cannot_succeed_does_not_hold_up_a_rebalance() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat(Code::RebalanceInProgress);
    fixture.release();
    assert_eq!(fixture.next(), Does::Commits);
    let refused = Err(Error::broker(Code::TopicAuthorizationFailed, "commit"));
    let change = fixture.commit_ended(refused);
    assert_eq!(change, Some(Change::Revoked(partitions(&[0, 1]))));
}

/// It waits for the commits before it, and its member may be expelled and back before it is answered.
#[test]
fn a_commit_of_an_earlier_release_does_not_count_for_a_later_one() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat(Code::RebalanceInProgress);
    fixture.release();
    let Some((Step::Commit(earlier), _)) = fixture.step() else { panic!("{:?}", fixture.group.phase) };
    fixture.heartbeat(Code::UnknownMemberId);
    fixture.becomes_stable(2);
    fixture.heartbeat(Code::RebalanceInProgress);
    fixture.release();
    assert_eq!(fixture.group.on_released(earlier, Ok(()), fixture.now, &mut fixture.random), None);
    let Some((Step::Commit(later), _)) = fixture.step() else { panic!("{:?}", fixture.group.phase) };
    assert_eq!(fixture.group.on_released(earlier, Ok(()), fixture.now, &mut fixture.random), None);
    assert_eq!(fixture.next(), Does::Nothing, "its own commit is still on its way");
    let revoked = fixture.group.on_released(later, Ok(()), fixture.now, &mut fixture.random);
    assert_eq!(revoked, Some(Change::Revoked(partitions(&[0, 1]))));
    assert!(matches!(fixture.next(), Does::Joins(_)));
}

/// A session lasts 45 s from when the coordinator has heard of the member, three before its next heartbeat.
#[test]
fn a_member_that_could_not_send_heartbeats_for_a_session_is_in_doubt_until_one_is_answered() {
    let lost = || Err(Error::new(Kind::Connection, "lost"));
    for answer in [Ok(Code::None), Ok(Code::CoordinatorLoadInProgress), lost()] {
        let mut fixture = Fixture::stable();
        let sender = fixture.group.identity.clone();
        fixture.now += 45 * SECOND - SECOND / 10;
        assert!(!fixture.group.is_in_doubt(fixture.now), "its session may last yet");
        fixture.now += SECOND / 10;
        assert!(fixture.group.is_in_doubt(fixture.now));
        assert_eq!(fixture.next(), Does::Heartbeats);
        assert!(fixture.group.is_in_doubt(fixture.now), "it is asked");
        fixture.group.on_heartbeat(&sender, answer, fixture.now);
        assert!(!fixture.group.is_in_doubt(fixture.now));
        // One that is not answered for long is no such reason.
        fixture.now += 3 * SECOND;
        assert_eq!(fixture.next(), Does::Heartbeats);
        fixture.now += 100 * SECOND;
        assert!(!fixture.group.is_in_doubt(fixture.now));
    }
}

/// edges 53, 54
#[test]
fn an_expelled_member_loses_all_and_keeps_its_id_only_if_that_is_still_known() {
    for (code, id) in [(Code::UnknownMemberId, ""), (Code::IllegalGeneration, "me")] {
        let mut fixture = Fixture::stable();
        assert_eq!(fixture.heartbeat(code), Some(Change::Lost(partitions(&[0, 1]))));
        let Some((Step::Join(request, _), _)) = fixture.step() else { panic!() };
        assert_eq!(&*request.member_id, id, "{code}");
    }
}

/// edge 53
#[test]
fn what_is_said_of_an_earlier_generation_or_amid_a_join_is_ignored() {
    let mut fixture = Fixture::stable();
    let earlier = Identity { generation: 0, ..fixture.group.identity.clone() };
    let unknown = || Ok(Code::UnknownMemberId);
    assert!(matches!(fixture.group.on_heartbeat(&earlier, unknown(), fixture.now), (None, None)));
    assert_eq!(fixture.group.on_commit(&earlier, Code::IllegalGeneration, fixture.now), None);
    fixture.heartbeat(Code::RebalanceInProgress);
    fixture.release();
    fixture.commit_ended(Ok(()));
    fixture.next();
    assert_eq!(fixture.heartbeat(Code::UnknownMemberId), None);
    let current = fixture.group.identity.clone();
    assert_eq!(fixture.group.on_commit(&current, Code::IllegalGeneration, fixture.now), None);
    assert!(matches!(fixture.group.phase, Phase::Joining));
}

/// edge 55
#[test]
fn a_fenced_member_stays_away_until_it_subscribes_anew() {
    let mut fixture = Fixture::stable();
    assert_eq!(fixture.heartbeat(Code::FencedInstanceId), Some(Change::Lost(partitions(&[0, 1]))));
    for _ in 0..3 {
        fixture.group.poll_began();
        assert_eq!(fixture.group.failure().and_then(|error| error.code()), Some(Code::FencedInstanceId));
        assert_eq!(fixture.next(), Does::Nothing);
        fixture.group.poll_ended(fixture.now);
    }
    fixture.subscribe(&["orders"]);
    assert!(matches!(fixture.next(), Does::Joins(_)));
}

#[test]
fn another_failure_is_told_once_and_the_next_poll_tries_again() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    fixture.join_refused(attempt, Code::GroupAuthorizationFailed);
    assert_eq!(fixture.next(), Does::Nothing);
    assert!(!fixture.group.poll_began(), "nobody was told yet");
    assert!(fixture.group.failure().is_some());
    assert!(fixture.group.failure().is_none());
    fixture.group.poll_ended(fixture.now);
    assert!(fixture.group.poll_began());
    assert!(matches!(fixture.next(), Does::Joins(_)));
}

/// edge 57
#[test]
fn a_coordinator_that_is_not_ready_is_asked_again_after_a_wait() {
    for code in [
        Code::CoordinatorLoadInProgress,
        Code::NotCoordinator,
        Code::CoordinatorNotAvailable,
        Code::RebalanceInProgress,
    ] {
        let mut fixture = Fixture::subscribed();
        let Does::Joins(attempt) = fixture.next() else { panic!() };
        fixture.join_refused(attempt, code);
        assert_eq!(fixture.next(), Does::Nothing);
        let at = fixture.group.wake_at().unwrap();
        assert!(at > fixture.now && at <= fixture.now + SECOND);
        fixture.now = at;
        assert!(matches!(fixture.next(), Does::Joins(_)), "{code}");
    }
}

#[test]
fn an_answer_to_an_earlier_attempt_is_stale() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(earlier) = fixture.next() else { panic!() };
    fixture.group.unsubscribe("unsubscribed", GroupMembershipOperation::Default);
    fixture.subscribe(&["bills"]);
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    assert!(matches!(fixture.joined(earlier, 1, "another"), (None, None)));
    assert!(fixture.joined(attempt, 2, "another").0.is_some());
}

/// edge 59
#[test]
fn a_member_that_nobody_polls_leaves_and_a_poll_brings_it_back() {
    let mut fixture = Fixture::stable();
    fixture.now += 299 * SECOND;
    fixture.next();
    fixture.group.poll_began();
    fixture.now += 900 * SECOND;
    assert_ne!(fixture.next(), Does::Leaves(true), "a poll that waits is a poll");
    fixture.group.poll_ended(fixture.now);
    fixture.now += 300 * SECOND;
    let Some((Step::Leave(Some(request)), Some(Change::Lost(_)))) = fixture.step() else { panic!() };
    assert_eq!(&*request.members[0].member_id, "me");
    assert_eq!((fixture.next(), fixture.group.wake_at()), (Does::Nothing, None));
    assert_eq!(fixture.code_of_commit(), Some(Code::UnknownMemberId));
    assert!(fixture.group.poll_began());
    assert!(matches!(fixture.next(), Does::Joins(_)));
}

/// KIP-345: the coordinator keeps the place of one that has a name.
#[test]
fn a_static_member_leaves_without_a_word() {
    let mut fixture = Fixture::new(|settings| settings.instance_id = Some("till-1".into()));
    fixture.subscribe(&["orders"]);
    fixture.becomes_stable(1);
    assert!(fixture.group.leave_request("closed", GroupMembershipOperation::Default).is_none());
    fixture.now += 301 * SECOND;
    assert_eq!(fixture.next(), Does::Leaves(false));
}

#[test]
fn a_subscription_that_changes_amid_a_join_is_joined_with_afterwards() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    fixture.subscribe(&["bills"]);
    let Some(Step::Sync(_, attempt)) = fixture.joined(attempt, 1, "another").0 else { panic!() };
    assert!(matches!(fixture.synced(attempt), (None, None)), "what is not wanted any more is not read");
    assert!(fixture.release());
    assert_eq!(fixture.next(), Does::Commits);
    fixture.commit_ended(Ok(()));
    let Some((Step::Join(request, _), _)) = fixture.step() else { panic!() };
    let (subscription, _) = decode_data::<ConsumerProtocolSubscription>(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!(subscription.topics, [Str::from("bills")]);
}

#[test]
fn heartbeats_come_at_their_interval_one_at_a_time_and_sooner_after_a_failure() {
    let mut fixture = Fixture::stable();
    assert_eq!(fixture.next(), Does::Nothing);
    assert_eq!(fixture.group.wake_at(), Some(fixture.now + 3 * SECOND));
    fixture.now += 3 * SECOND;
    assert_eq!(fixture.next(), Does::Heartbeats);
    fixture.now += 3 * SECOND;
    assert_eq!(fixture.next(), Does::Nothing, "the last is not answered");
    let sender = fixture.group.identity.clone();
    let lost = Err(Error::new(Kind::Connection, "lost"));
    assert!(matches!(fixture.group.on_heartbeat(&sender, lost, fixture.now), (None, None)));
    assert_eq!(fixture.group.wake_at(), Some(fixture.now + SECOND / 10));
}

#[test]
fn a_group_of_others_than_consumers_or_of_another_strategy_is_refused() {
    for (protocol_type, name) in [(Some("connect"), "range"), (Some("consumer"), "sticky"), (None, "")] {
        let mut fixture = Fixture::subscribed();
        let Does::Joins(attempt) = fixture.next() else { panic!() };
        let response = JoinGroupResponse {
            protocol_type: protocol_type.map(Str::from),
            protocol_name: Some(name.into()),
            ..JoinGroupResponse::default()
        };
        fixture.group.on_joined(attempt, Ok(response), fixture.now, &mut fixture.random);
        assert!(fixture.group.failure().is_some());
    }
}

#[test]
fn an_assignment_that_cannot_be_read_is_a_failure_and_no_panic() {
    let mut fixture = Fixture::subscribed();
    let Does::Joins(attempt) = fixture.next() else { panic!() };
    let Some(Step::Sync(_, attempt)) = fixture.joined(attempt, 1, "another").0 else { panic!() };
    let response = SyncGroupResponse { assignment: vec![0, 1, 0x7f, 0xff].into(), ..SyncGroupResponse::default() };
    fixture.group.on_synced(attempt, Ok(response), fixture.now, &mut fixture.random);
    assert_eq!(fixture.group.failure().map(|error| error.kind()), Some(Kind::Protocol));
}

/// A member that rebalances cooperatively, in generation 1, with two partitions.
fn cooperative() -> Fixture {
    struct Cooperative;

    impl Assignor for Cooperative {
        fn name(&self) -> &str {
            "range"
        }

        fn supported_protocols(&self) -> &[RebalanceProtocol] {
            &[RebalanceProtocol::Eager, RebalanceProtocol::Cooperative]
        }

        fn assign(
            &self,
            _: &[GroupMember],
            _: &GroupTopics,
        ) -> Result<std::collections::BTreeMap<String, crate::MemberAssignment>, Box<dyn std::error::Error + Send + Sync>>
        {
            Err("it follows".into())
        }
    }

    let mut fixture =
        Fixture::new(|settings| settings.assignors = Assignors::new(&[Arc::new(Cooperative)], &[]).unwrap());
    fixture.subscribe(&["orders"]);
    fixture.becomes_stable(1);
    fixture
}

fn subscription(request: &JoinGroupRequest) -> ConsumerProtocolSubscription {
    decode_data(request.protocols[0].metadata.clone()).unwrap().0
}

/// KIP-429; edge 56
#[test]
fn a_cooperative_member_joins_at_once_with_what_it_has_and_may_commit_all_the_while() {
    let mut fixture = cooperative();
    assert_eq!(fixture.heartbeat(Code::RebalanceInProgress), None);
    assert_eq!(fixture.group.releasing(), None, "nothing goes");
    let Some((Step::Join(request, attempt), None)) = fixture.step() else { panic!("{:?}", fixture.group.phase) };
    let told = subscription(&request);
    assert_eq!((told.owned_partitions[0].partitions.as_slice(), told.generation_id), (&[0, 1][..], 1));
    assert_eq!(fixture.code_of_commit(), None);
    let Some(Step::Sync(_, attempt)) = fixture.joined(attempt, 2, "another").0 else { panic!() };
    assert_eq!(fixture.code_of_commit(), None);

    // The second of them is taken away, another comes.
    let assignment = protocol::assignment(&partitions(&[0, 3]).into()).unwrap();
    let response = SyncGroupResponse { assignment, ..SyncGroupResponse::default() };
    let change = fixture.group.on_synced(attempt, Ok(response), fixture.now, &mut fixture.random).1;
    assert_eq!(change, Some(Change::Assigned(partitions(&[0, 1, 3]))), "all that it holds for now");
    assert_eq!(fixture.group.releasing().unwrap().iter().cloned().collect::<Vec<_>>(), partitions(&[1]));
    fixture.now += 3 * SECOND;
    assert_eq!(fixture.next(), Does::Heartbeats, "it lives while it waits for the release");
    assert!(fixture.release());
    assert_eq!(fixture.next(), Does::Commits);
    let change = fixture.commit_ended(Ok(()));
    assert_eq!(change, Some(Change::Revoked(partitions(&[1]))));
    let Some((Step::Join(request, _), None)) = fixture.step() else { panic!("it joins again at once") };
    assert_eq!(
        (subscription(&request).owned_partitions[0].partitions.as_slice(), request.reason.is_some()),
        (&[0, 3][..], true)
    );
}

#[test]
fn a_cooperative_member_gives_up_what_is_not_subscribed_to_any_more_before_it_joins() {
    let mut fixture = cooperative();
    fixture.subscribe(&["bills"]);
    assert_eq!(fixture.group.releasing().map(BTreeSet::len), Some(2));
    fixture.release();
    assert_eq!(fixture.next(), Does::Commits);
    fixture.commit_ended(Ok(()));
    let Some((Step::Join(request, _), _)) = fixture.step() else { panic!() };
    assert!(subscription(&request).owned_partitions.is_empty());
}

/// edge 54, amid a rebalance; edge 53: a commit's answer alone changes nothing then.
#[test]
fn a_cooperative_member_that_the_coordinator_does_not_know_any_more_loses_what_it_kept() {
    for code in [Code::UnknownMemberId, Code::FencedInstanceId] {
        let mut fixture = cooperative();
        fixture.heartbeat(Code::RebalanceInProgress);
        let Does::Joins(attempt) = fixture.next() else { panic!() };
        let sender = fixture.group.identity.clone();
        assert_eq!(fixture.group.on_commit(&sender, Code::IllegalGeneration, fixture.now), None);
        let response = JoinGroupResponse { error_code: code, ..JoinGroupResponse::default() };
        let change = fixture.group.on_joined(attempt, Ok(response), fixture.now, &mut fixture.random).1;
        assert_eq!(change, Some(Change::Lost(partitions(&[0, 1]))), "{code}");
    }
}

#[test]
fn a_pattern_waits_for_the_metadata_of_all_topics_and_follows_them() {
    let mut fixture = Fixture::new(|_| {});
    fixture.knows("orders-eu", 1);
    fixture.knows("bills", 1);
    fixture.knows("orders-gone", 0);
    let pattern = super::super::Pattern::new("orders.*").unwrap();
    fixture.group.subscribe(Wanted::Pattern(pattern), fixture.now);
    assert!(fixture.group.wants_all_topics());
    assert_eq!((fixture.next(), fixture.group.topics().len()), (Does::Nothing, 0));
    fixture.metadata.is_complete = true;
    let Some((Step::Join(request, attempt), _)) = fixture.step() else { panic!() };
    assert_eq!(subscription(&request).topics, [Str::from("orders"), Str::from("orders-eu")]);
    let Some(Step::Sync(_, attempt)) = fixture.joined(attempt, 1, "another").0 else { panic!() };
    fixture.synced(attempt);
    fixture.knows("shirts", 1);
    fixture.next();
    assert_eq!(fixture.group.releasing(), None, "none of them");
    fixture.knows("orders-us", 1);
    fixture.next();
    assert!(fixture.group.releasing().is_some());
}

#[test]
fn a_member_that_waits_for_the_topics_of_a_pattern_wakes_for_no_retry_of_before() {
    let mut fixture = Fixture::subscribed();
    let Some((Step::Join(_, attempt), _)) = fixture.step() else { panic!() };
    fixture.join_refused(attempt, Code::CoordinatorLoadInProgress);
    assert!(fixture.group.wake_at().is_some(), "it is to try again");
    fixture.group.subscribe(Wanted::Pattern(super::super::Pattern::new("orders.*").unwrap()), fixture.now);
    fixture.now += Duration::from_secs(10);
    assert_eq!(fixture.next(), Does::Nothing);
    assert!(fixture.group.wake_at().is_none_or(|at| at > fixture.now), "metadata is what it waits for");
}

/// `exclude.internal.topics`
#[test]
fn topics_that_kafka_keeps_for_itself_match_only_where_that_is_wanted() {
    for (excluded, expected) in [(true, 1), (false, 2)] {
        let mut fixture = Fixture::new(|settings| settings.exclude_internal_topics = excluded);
        fixture.knows("__consumer_offsets", 50);
        let offsets = fixture.metadata.topics.get_mut("__consumer_offsets").unwrap();
        Arc::make_mut(offsets).is_internal = true;
        fixture.metadata.is_complete = true;
        fixture.group.subscribe(Wanted::Pattern(super::super::Pattern::new(".*").unwrap()), fixture.now);
        fixture.next();
        assert_eq!(fixture.group.topics().len(), expected);
    }
}

/// KIP-1092
#[test]
fn whether_a_member_leaves_is_for_its_name_to_say_unless_it_is_told() {
    use GroupMembershipOperation::{Default, LeaveGroup, RemainInGroup};
    for (instance_id, leaves) in [(None, [true, true, false]), (Some("till-1"), [false, true, false])] {
        let mut fixture = Fixture::new(|settings| settings.instance_id = instance_id.map(Str::from));
        fixture.subscribe(&["orders"]);
        fixture.becomes_stable(1);
        let said =
            [Default, LeaveGroup, RemainInGroup].map(|operation| fixture.group.leave_request("closed", operation));
        assert_eq!(said.each_ref().map(Option::is_some), leaves);
        assert_eq!(said[1].as_ref().unwrap().members[0].group_instance_id.as_deref(), instance_id);
    }
}

/// KIP-800: brokers refuse a longer one.
#[test]
fn a_reason_is_cut_where_a_character_ends() {
    let mut fixture = Fixture::stable();
    fixture.group.rebalance("\u{1f980}".repeat(200), fixture.now);
    fixture.release();
    fixture.next();
    fixture.commit_ended(Ok(()));
    let Some((Step::Join(request, _), _)) = fixture.step() else { panic!() };
    assert_eq!(request.reason.unwrap().encode_utf16().count(), 254);
}
