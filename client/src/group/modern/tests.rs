#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]

use ottla_wire::Uuid;
use ottla_wire::messages::ConsumerGroupHeartbeatResponse;
use ottla_wire::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};

use super::*;
use crate::error::Kind;
use crate::group::Pattern;

const SECOND: Duration = Duration::from_secs(1);
const ORDERS: Uuid = Uuid([1; 16]);
const BILLS: Uuid = Uuid([2; 16]);
/// The pace that the coordinator asks for.
const PACE: Duration = Duration::from_secs(3);

struct Fixture {
    group: Modern,
    now: Instant,
    metadata: Metadata,
    random: fastrand::Rng,
    /// As the coordinator answers.
    epoch: i32,
}

impl Fixture {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            group: "g".into(),
            instance_id: None,
            max_poll_interval: 300 * SECOND,
            assignor: None,
            rack: None,
            retry_backoff: SECOND / 10,
            retry_backoff_max: SECOND,
        };
        change(&mut settings);
        let now = Instant::now();
        let mut metadata = Metadata { version: 1, ..Metadata::default() };
        metadata.ids.insert(ORDERS, "orders".into());
        Self {
            group: Modern::new(settings, "me".into(), now),
            now,
            metadata,
            random: fastrand::Rng::with_seed(1),
            epoch: 0,
        }
    }

    fn subscribed() -> Self {
        let mut fixture = Self::new(|_| {});
        fixture.subscribe(&["orders"]);
        fixture
    }

    /// A member that owns partitions 0 and 1, and has said so.
    fn stable() -> Self {
        let mut fixture = Self::subscribed();
        fixture.becomes_stable();
        fixture
    }

    fn becomes_stable(&mut self) {
        self.heartbeat();
        self.answers(5, Some(&[(ORDERS, &[0, 1])]));
        assert_eq!(self.change(), Some(Change::Assigned(orders(&[0, 1]))));
        assert_eq!(told(&self.heartbeat()), Some(vec![(ORDERS, vec![0, 1])]));
        self.answers(5, None);
        self.rests();
        assert!(matches!(self.group.phase, Phase::Stable));
    }

    fn subscribe(&mut self, topics: &[&str]) {
        let topics = topics.iter().map(|topic| Arc::from(*topic)).collect();
        self.group.subscribe(Wanted::Topics(topics), self.now);
    }

    fn knows(&mut self, id: Uuid, name: &str) {
        self.metadata.ids.insert(id, name.into());
        self.metadata.version += 1;
    }

    fn step(&mut self) -> Option<(Option<Step>, Option<Change>)> {
        self.group.next(self.now, &self.metadata)
    }

    fn change(&mut self) -> Option<Change> {
        let (step, change) = self.step()?;
        assert!(step.is_none(), "{step:?}");
        change
    }

    fn heartbeat(&mut self) -> ConsumerGroupHeartbeatRequest {
        match self.step() {
            Some((Some(Step::Heartbeat(request, _)), None)) => request,
            other => panic!("{other:?} in {:?}", self.group.phase),
        }
    }

    /// The heartbeat that the pace asks for.
    fn heartbeat_in_time(&mut self) -> ConsumerGroupHeartbeatRequest {
        self.rests();
        self.now += PACE;
        self.heartbeat()
    }

    fn commits(&mut self) {
        assert!(matches!(self.step(), Some((Some(Step::Commit(_)), None))), "{:?}", self.group.phase);
    }

    /// There is nothing to do now.
    fn rests(&mut self) {
        let step = self.step();
        assert!(step.is_none(), "{step:?}");
        assert!(self.group.wake_at().is_none_or(|at| at > self.now), "it would be asked again and again");
    }

    fn reply(&mut self, answer: Result<ConsumerGroupHeartbeatResponse, Error>) -> Option<Change> {
        let number = self.group.in_flight.expect("a heartbeat is in flight");
        self.group.on_heartbeat(number, answer, self.now, &mut self.random)
    }

    fn answers(&mut self, epoch: i32, assignment: Option<&[(Uuid, &[i32])]>) {
        self.epoch = epoch;
        assert_eq!(self.reply(Ok(answer(epoch, assignment))), None);
    }

    fn refuses(&mut self, code: Code) -> Option<Change> {
        self.reply(Ok(ConsumerGroupHeartbeatResponse {
            error_code: code,
            error_message: Some("because".into()),
            ..ConsumerGroupHeartbeatResponse::default()
        }))
    }

    /// A poll, as it begins and ends; what was handed out before it is done with.
    fn poll(&mut self) {
        self.group.poll_began();
        self.group.released();
        self.group.poll_ended(self.now);
    }

    fn released(&mut self, outcome: Result<(), Error>) -> Option<Change> {
        self.group.on_released(self.group.commits, outcome, self.now, &mut self.random)
    }

    fn leaves(&mut self) -> Option<i32> {
        let farewell = self.group.unsubscribe(GroupMembershipOperation::Default)?;
        farewell.leave.map(|leave| leave.member_epoch)
    }

    fn code_of_commit(&self) -> Option<Code> {
        self.group.committer().err().and_then(|error| error.code())
    }
}

fn orders(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("orders", *number)).collect()
}

fn answer(epoch: i32, assignment: Option<&[(Uuid, &[i32])]>) -> ConsumerGroupHeartbeatResponse {
    let topic = |(topic_id, partitions): &(Uuid, &[i32])| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.to_vec(),
    };
    ConsumerGroupHeartbeatResponse {
        member_epoch: epoch,
        heartbeat_interval_ms: 3_000,
        assignment: assignment.map(|topics| Assignment { topic_partitions: topics.iter().map(topic).collect() }),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

/// The partitions that a heartbeat says the member owns.
fn told(request: &ConsumerGroupHeartbeatRequest) -> Option<Vec<(Uuid, Vec<i32>)>> {
    let topics = request.topic_partitions.as_ref()?;
    Some(topics.iter().map(|topic| (topic.topic_id, topic.partitions.clone())).collect())
}

fn is_full(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.rebalance_timeout_ms >= 0 && request.subscribed_topic_names.is_some() && request.topic_partitions.is_some()
}

/// Says nothing but that the member lives.
fn is_minimal(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.rebalance_timeout_ms == -1
        && request.subscribed_topic_names.is_none()
        && request.subscribed_topic_regex.is_none()
        && request.topic_partitions.is_none()
        && request.server_assignor.is_none()
        && request.rack_id.is_none()
}

fn lost_answer() -> Error {
    Error::new(Kind::Connection, "gone")
}

#[test]
fn joining_tells_everything_and_later_heartbeats_only_what_changed() {
    let mut fixture = Fixture::new(|settings| {
        settings.assignor = Some("uniform".into());
        settings.rack = Some("r1".into());
        settings.instance_id = Some("one".into());
    });
    fixture.subscribe(&["orders"]);
    let join = fixture.heartbeat();
    assert_eq!((&*join.group_id, &*join.member_id, join.member_epoch), ("g", "me", 0));
    assert!(is_full(&join));
    assert_eq!(join.rebalance_timeout_ms, 300_000);
    assert_eq!(join.server_assignor.as_deref(), Some("uniform"));
    assert_eq!(join.rack_id.as_deref(), Some("r1"));
    assert_eq!(join.subscribed_topic_names.as_deref(), Some(&["orders".into()][..]));
    assert_eq!(join.subscribed_topic_regex, None);
    assert_eq!(told(&join), Some(vec![]));
    fixture.rests();
    fixture.answers(5, Some(&[(ORDERS, &[0])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0]))));
    // At once, and this is all that is new.
    let acknowledgement = fixture.heartbeat();
    assert_eq!(told(&acknowledgement), Some(vec![(ORDERS, vec![0])]));
    assert_eq!((acknowledgement.member_epoch, acknowledgement.rebalance_timeout_ms), (5, -1));
    assert_eq!(acknowledgement.subscribed_topic_names, None);
    fixture.answers(5, None);
    let next = fixture.heartbeat_in_time();
    assert!(is_minimal(&next));
    assert_eq!(next.instance_id.as_deref(), Some("one"), "a static member says always who it is");
}

#[test]
fn the_coordinator_sets_the_pace_and_one_heartbeat_is_in_flight() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.now += 10 * PACE;
    fixture.rests();
    let paced = ConsumerGroupHeartbeatResponse { heartbeat_interval_ms: 60_000, ..answer(5, None) };
    assert_eq!(fixture.reply(Ok(paced)), None);
    fixture.rests();
    fixture.now += 30 * SECOND;
    fixture.heartbeat();
    fixture.answers(5, None);
    // A pace of nothing is no pace.
    let paced = ConsumerGroupHeartbeatResponse { heartbeat_interval_ms: 0, ..answer(5, None) };
    fixture.now += PACE;
    fixture.heartbeat();
    assert_eq!(fixture.reply(Ok(paced)), None);
    fixture.rests();
}

/// edge 60: everything is said again after an error, and after an answer that was lost.
#[test]
fn everything_is_said_again_after_a_failure() {
    let mut fixture = Fixture::stable();
    for fails in [true, false] {
        fixture.heartbeat_in_time();
        if fails {
            assert_eq!(fixture.refuses(Code::CoordinatorLoadInProgress), None);
        } else {
            assert_eq!(fixture.reply(Err(lost_answer())), None);
        }
        fixture.rests();
        fixture.now += SECOND;
        let again = fixture.heartbeat();
        assert!(is_full(&again));
        assert_eq!((again.member_epoch, told(&again)), (5, Some(vec![(ORDERS, vec![0, 1])])));
        fixture.answers(5, None);
    }
    assert!(is_minimal(&fixture.heartbeat_in_time()));
}

/// edge 57: what says that the coordinator moved, or is not ready, costs no partition.
#[test]
fn a_coordinator_that_moves_takes_nothing_away() {
    let mut fixture = Fixture::stable();
    for code in [Code::NotCoordinator, Code::CoordinatorNotAvailable, Code::CoordinatorLoadInProgress] {
        fixture.heartbeat_in_time();
        assert_eq!(fixture.refuses(code), None);
        assert_eq!(fixture.group.committer().unwrap().generation, 5);
        fixture.rests();
        fixture.now += SECOND;
        fixture.heartbeat();
        fixture.answers(5, None);
    }
    assert!(!fixture.group.has_failed());
}

#[test]
fn what_is_added_needs_no_poll() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[0, 1, 2])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0, 1, 2]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![0, 1, 2])]));
    fixture.answers(6, None);
    fixture.rests();
}

/// edge 60: what goes is given up, and the coordinator told, before what is new is taken.
#[test]
fn what_goes_is_acknowledged_before_what_is_new_is_taken() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1, 2])]));
    fixture.rests();
    assert_eq!(fixture.group.releasing().unwrap().iter().cloned().collect::<Vec<_>>(), orders(&[0]));
    // Heartbeats go on as before while what was handed out is not done with.
    assert!(is_minimal(&fixture.heartbeat_in_time()));
    fixture.answers(6, None);
    fixture.poll();
    fixture.commits();
    fixture.rests();
    assert_eq!(fixture.group.committer().unwrap().generation, 6, "it is a member as long as it commits");
    assert_eq!(fixture.released(Ok(())), Some(Change::Revoked(orders(&[0]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[1, 2]))));
    fixture.rests();
    fixture.answers(6, None);
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1, 2])]));
    fixture.answers(6, None);
    fixture.rests();
    assert!(matches!(fixture.group.phase, Phase::Stable));
}

#[test]
fn giving_up_alone_is_said_once() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.poll();
    fixture.commits();
    assert_eq!(fixture.released(Ok(())), Some(Change::Revoked(orders(&[0]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[1]))), "the rebalance is over: nothing was added");
    fixture.answers(6, None);
    assert!(is_minimal(&fixture.heartbeat_in_time()));
}

#[test]
fn a_newer_target_waits_for_what_is_to_be_given_up() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.heartbeat_in_time();
    fixture.answers(7, Some(&[(ORDERS, &[0, 1])]));
    fixture.rests();
    fixture.poll();
    fixture.commits();
    assert_eq!(fixture.released(Ok(())), Some(Change::Revoked(orders(&[0]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0, 1]))), "it comes back");
}

#[test]
fn a_newer_target_waits_for_what_is_being_committed() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.poll();
    fixture.commits();
    fixture.heartbeat_in_time();
    fixture.answers(7, Some(&[(ORDERS, &[0, 1])]));
    fixture.rests();
    assert_eq!(fixture.released(Ok(())), Some(Change::Revoked(orders(&[0]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1])]), "it is not owned now, whatever comes");
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0, 1]))));
}

/// edge 61: a topic that metadata does not know yet is waited for; nothing is given up meanwhile.
#[test]
fn an_unknown_topic_is_kept_until_metadata_names_it() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[0, 1]), (BILLS, &[0])]));
    // What can be taken over is acknowledged.
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0, 1]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![0, 1])]));
    fixture.answers(6, None);
    assert_eq!(fixture.group.unknown_topics(&fixture.metadata), BTreeSet::from([BILLS]));
    fixture.metadata.version += 1;
    assert!(is_minimal(&fixture.heartbeat_in_time()));
    fixture.answers(6, None);
    fixture.knows(BILLS, "bills");
    let all = vec![TopicPartition::new("bills", 0), TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)];
    assert_eq!(fixture.change(), Some(Change::Assigned(all)));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![0, 1]), (BILLS, vec![0])]));
    fixture.answers(6, None);
    assert!(fixture.group.unknown_topics(&fixture.metadata).is_empty());
}

/// edge 61: a topic that is owned keeps its name, also while metadata does not know it.
#[test]
fn metadata_that_forgets_a_topic_takes_nothing_away() {
    let mut fixture = Fixture::stable();
    fixture.metadata.ids.clear();
    fixture.metadata.version += 1;
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[0, 1, 2])]));
    assert_eq!(fixture.change(), Some(Change::Assigned(orders(&[0, 1, 2]))));
}

/// edge 60: fenced means lost, and a new start under the same id.
#[test]
fn a_fenced_member_loses_its_partitions_and_joins_again_as_the_same() {
    for code in [Code::FencedMemberEpoch, Code::UnknownMemberId] {
        let mut fixture = Fixture::stable();
        fixture.heartbeat_in_time();
        assert_eq!(fixture.refuses(code), Some(Change::Lost(orders(&[0, 1]))));
        assert_eq!(fixture.code_of_commit(), Some(Code::RebalanceInProgress));
        let join = fixture.heartbeat();
        assert_eq!((join.member_epoch, &*join.member_id), (0, "me"));
        assert!(is_full(&join));
        assert_eq!(told(&join), Some(vec![]));
        // A coordinator that fences whoever comes is not asked all the time.
        assert_eq!(fixture.refuses(code), None);
        fixture.rests();
        fixture.now += SECOND;
        fixture.becomes_stable();
    }
}

/// edge 60
#[test]
fn a_member_that_is_fenced_while_it_gives_up_partitions_loses_all() {
    for commits in [false, true] {
        let mut fixture = Fixture::stable();
        fixture.heartbeat_in_time();
        fixture.answers(6, Some(&[(ORDERS, &[1])]));
        fixture.rests();
        if commits {
            fixture.poll();
            fixture.commits();
        }
        fixture.heartbeat_in_time();
        assert_eq!(fixture.refuses(Code::FencedMemberEpoch), Some(Change::Lost(orders(&[0, 1]))));
        assert_eq!(fixture.released(Ok(())), None, "what came of the commit is of no interest");
        assert_eq!(fixture.heartbeat().member_epoch, 0);
    }
}

/// It waits for the commits before it, and its member may be fenced and back before it is answered.
#[test]
fn a_commit_of_an_earlier_release_does_not_count_for_a_later_one() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.poll();
    fixture.commits();
    let earlier = fixture.group.commits;
    fixture.heartbeat_in_time();
    fixture.refuses(Code::FencedMemberEpoch);
    fixture.becomes_stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.poll();
    let ends =
        |fixture: &mut Fixture, number| fixture.group.on_released(number, Ok(()), fixture.now, &mut fixture.random);
    assert_eq!(ends(&mut fixture, earlier), None);
    fixture.commits();
    assert_eq!(ends(&mut fixture, earlier), None);
    fixture.rests();
    let later = fixture.group.commits;
    assert_eq!(ends(&mut fixture, later), Some(Change::Revoked(orders(&[0]))));
    assert_eq!(told(&fixture.heartbeat()), Some(vec![(ORDERS, vec![1])]));
}

/// edge 60
#[test]
fn what_cannot_pass_is_told_by_every_poll_until_something_else_is_subscribed_to() {
    let fatal = [
        Code::UnreleasedInstanceId,
        Code::FencedInstanceId,
        Code::UnsupportedAssignor,
        Code::InvalidRegularExpression,
        Code::InvalidRequest,
        Code::GroupAuthorizationFailed,
        Code::GroupMaxSizeReached,
        Code::GroupIdNotFound,
        Code::UnsupportedVersion,
        Code::UnknownServerError,
    ];
    for code in fatal {
        let mut fixture = Fixture::stable();
        fixture.heartbeat_in_time();
        assert_eq!(fixture.refuses(code), Some(Change::Lost(orders(&[0, 1]))), "{code}");
        fixture.now += 1_000 * SECOND;
        fixture.rests();
        for _ in 0..2 {
            fixture.poll();
            let error = fixture.group.failure().unwrap();
            assert_eq!(error.code(), Some(code));
            assert!(error.to_string().contains("group g"), "{error}");
        }
        assert_eq!(fixture.code_of_commit(), Some(Code::UnknownMemberId));
        fixture.subscribe(&["bills"]);
        assert!(!fixture.group.has_failed());
        assert_eq!(fixture.heartbeat().member_epoch, 0);
    }
}

#[test]
fn a_cluster_without_the_protocol_is_told_what_to_do() {
    let mut fixture = Fixture::subscribed();
    fixture.heartbeat();
    assert_eq!(fixture.refuses(Code::UnsupportedVersion), None);
    let error = fixture.group.failure().unwrap();
    assert!(error.to_string().contains("set it to `classic`"), "{error}");

    let mut fixture = Fixture::subscribed();
    fixture.heartbeat();
    assert_eq!(fixture.reply(Err(Error::new(Kind::UnsupportedVersion, "too old"))), None);
    assert_eq!(fixture.group.failure().map(|error| error.kind()), Some(Kind::UnsupportedVersion));
    fixture.rests();
}

#[test]
fn a_topic_that_must_not_be_read_is_told_once_and_asked_for_again() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    assert_eq!(fixture.refuses(Code::TopicAuthorizationFailed), None);
    assert_eq!(fixture.group.failure().and_then(|error| error.code()), Some(Code::TopicAuthorizationFailed));
    assert!(fixture.group.failure().is_none());
    fixture.rests();
    fixture.now += SECOND;
    assert!(is_full(&fixture.heartbeat()));
    fixture.answers(5, None);
    assert!(fixture.group.committer().is_ok(), "it kept what it had");
}

/// edge 59: who does not poll leaves, and its partitions are lost; the next poll joins again.
#[test]
fn who_does_not_poll_leaves_and_joins_again_with_the_next_poll() {
    for (instance_id, epoch) in [(None, -1), (Some("one"), -2)] {
        let mut fixture = Fixture::new(|settings| settings.instance_id = instance_id.map(Str::from));
        fixture.subscribe(&["orders"]);
        fixture.becomes_stable();
        fixture.now += 300 * SECOND;
        let Some((Some(Step::Leave(request)), Some(change))) = fixture.step() else { panic!() };
        assert_eq!((request.member_epoch, &*request.member_id), (epoch, "me"));
        assert!(is_minimal(&request));
        assert_eq!(change, Change::Lost(orders(&[0, 1])));
        fixture.rests();
        assert!(fixture.group.poll_began());
        fixture.rests();
        fixture.group.on_left();
        let join = fixture.heartbeat();
        assert_eq!((join.member_epoch, &*join.member_id), (0, "me"), "the leave was answered: it cannot undo this");
        fixture.group.poll_ended(fixture.now);
    }
}

#[test]
fn a_poll_that_waits_keeps_the_member_in() {
    let mut fixture = Fixture::stable();
    fixture.group.poll_began();
    fixture.now += 400 * SECOND;
    assert!(is_minimal(&fixture.heartbeat()));
    fixture.answers(5, None);
    fixture.group.poll_ended(fixture.now);
    fixture.now += 299 * SECOND;
    fixture.heartbeat();
    fixture.answers(5, None);
    fixture.now += SECOND;
    assert!(matches!(fixture.step(), Some((Some(Step::Leave(_)), Some(Change::Lost(_))))));
}

/// edge 60: -1 is for good, -2 for a while, and answers to what was said before are of no interest then.
#[test]
fn leaving_says_whether_the_member_comes_back() {
    let epochs = [
        (None, GroupMembershipOperation::Default, Some(-1)),
        (None, GroupMembershipOperation::LeaveGroup, Some(-1)),
        (None, GroupMembershipOperation::RemainInGroup, None),
        (Some("one"), GroupMembershipOperation::Default, Some(-2)),
        (Some("one"), GroupMembershipOperation::LeaveGroup, Some(-1)),
        (Some("one"), GroupMembershipOperation::RemainInGroup, Some(-2)),
    ];
    for (instance_id, leaving, epoch) in epochs {
        let mut fixture = Fixture::new(|settings| settings.instance_id = instance_id.map(Str::from));
        fixture.subscribe(&["orders"]);
        fixture.becomes_stable();
        fixture.heartbeat_in_time();
        let number = fixture.group.in_flight.unwrap();
        let farewell = fixture.group.unsubscribe(leaving).unwrap();
        assert_eq!(farewell.leave.as_ref().map(|request| request.member_epoch), epoch);
        assert!(farewell.leave.iter().all(is_minimal));
        // edge 62: what tells the epoch anew, for the last commit.
        assert_eq!((farewell.heartbeat.member_epoch, is_full(&farewell.heartbeat)), (5, true));
        assert_eq!(told(&farewell.heartbeat), Some(vec![(ORDERS, vec![0, 1])]));
        for late in [answer(9, Some(&[(ORDERS, &[3])])), answer(-1, None)] {
            assert_eq!(fixture.group.on_heartbeat(number, Ok(late), fixture.now, &mut fixture.random), None);
        }
        fixture.now += 1_000 * SECOND;
        fixture.rests();
        assert!(fixture.group.unsubscribe(leaving).is_none(), "nothing is said twice");
    }
}

#[test]
fn a_join_does_not_overtake_the_leave_before_it() {
    let mut fixture = Fixture::stable();
    assert!(fixture.group.unsubscribe(GroupMembershipOperation::Default).is_some());
    fixture.subscribe(&["orders"]);
    fixture.rests();
    fixture.group.on_left();
    fixture.becomes_stable();
}

/// KIP-1082: the join may have arrived, so the member that it made leaves.
#[test]
fn who_leaves_while_it_joins_takes_leave_all_the_same() {
    let mut fixture = Fixture::subscribed();
    assert!(fixture.group.unsubscribe(GroupMembershipOperation::Default).is_none(), "nobody knows it yet");
    fixture.subscribe(&["orders"]);
    fixture.heartbeat();
    assert_eq!(fixture.leaves(), Some(-1));
    fixture.group.on_left();
    fixture.subscribe(&["orders"]);
    fixture.heartbeat();
    assert_eq!(fixture.reply(Err(lost_answer())), None);
    assert_eq!(fixture.leaves(), Some(-1));
}

#[test]
fn another_subscription_is_told_at_once() {
    let mut fixture = Fixture::stable();
    fixture.subscribe(&["bills", "orders"]);
    let request = fixture.heartbeat();
    let names: Vec<_> = request.subscribed_topic_names.as_deref().unwrap().iter().map(|name| &**name).collect();
    assert_eq!(names, ["bills", "orders"]);
    assert_eq!((request.rebalance_timeout_ms, told(&request)), (-1, None));
    fixture.answers(6, None);
    fixture.group.subscribe(Wanted::Pattern(Pattern::new("or.*").unwrap()), fixture.now);
    let request = fixture.heartbeat();
    assert_eq!(request.subscribed_topic_names, Some(vec![]));
    assert_eq!(request.subscribed_topic_regex.as_deref(), Some("or.*"));
    fixture.answers(7, None);
    fixture.subscribe(&["orders"]);
    let request = fixture.heartbeat();
    assert_eq!(request.subscribed_topic_regex.as_deref(), Some(""), "the pattern is taken back");
    fixture.answers(8, None);
    assert!(is_minimal(&fixture.heartbeat_in_time()));
}

/// edge 62: by the next attempt to commit, the member knows its epoch.
#[test]
fn the_commit_before_partitions_go_is_tried_again_as_who_the_member_is_then() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.poll();
    fixture.commits();
    fixture.heartbeat_in_time();
    assert_eq!(fixture.released(Err(Error::broker(Code::StaleMemberEpoch, "commit"))), None);
    fixture.answers(7, None);
    fixture.rests();
    fixture.now += SECOND;
    fixture.commits();
    assert_eq!(fixture.group.committer().unwrap().generation, 7);
    assert_eq!(
        fixture.released(Err(Error::broker(Code::UnknownMemberId, "commit"))),
        Some(Change::Revoked(orders(&[0])))
    );
}

/// edge 62: a commit that tells of another epoch asks the coordinator, at once.
#[test]
fn a_refused_commit_brings_the_next_heartbeat_forward() {
    for (code, at_once) in
        [(Code::StaleMemberEpoch, true), (Code::UnknownMemberId, true), (Code::RequestTimedOut, false)]
    {
        let mut fixture = Fixture::stable();
        let sender = fixture.group.identity().clone();
        fixture.group.on_commit(&Identity { generation: 4, ..sender.clone() }, code);
        fixture.rests();
        fixture.group.on_commit(&sender, code);
        assert_eq!(fixture.group.wake_at().is_some_and(|at| at <= fixture.now), at_once, "{code}");
        if at_once {
            assert!(is_minimal(&fixture.heartbeat()));
            fixture.answers(6, None);
            assert_eq!(fixture.group.committer().unwrap().generation, 6);
            fixture.rests();
        }
    }
}

#[test]
fn ids_of_members_are_their_own() {
    let mut random = fastrand::Rng::with_seed(1);
    let ids: BTreeSet<_> = (0..500).map(|_| member_id(&mut random)).collect();
    assert_eq!(ids.len(), 500);
    assert!(ids.iter().all(|id| id.len() == 22 && !id.starts_with('-')));
}

/// A listener that takes longer than `max.poll.interval.ms` costs the membership, as with Java's client.
#[test]
fn a_listener_counts_as_not_polling() {
    let mut fixture = Fixture::stable();
    fixture.group.poll_began();
    fixture.group.call_began(fixture.now);
    fixture.now += 300 * SECOND;
    assert!(matches!(fixture.step(), Some((Some(Step::Leave(_)), Some(Change::Lost(_))))));
    fixture.group.on_left();
    fixture.rests();
    fixture.group.call_ended(fixture.now);
    assert_eq!(fixture.heartbeat().member_epoch, 0, "the poll goes on, and joins again");
}

#[test]
fn a_commit_that_cannot_succeed_holds_up_the_others_until_the_rebalance_timeout_at_most() {
    let mut fixture = Fixture::stable();
    fixture.heartbeat_in_time();
    fixture.answers(6, Some(&[(ORDERS, &[1])]));
    fixture.rests();
    fixture.group.poll_began();
    fixture.group.released();
    fixture.commits();
    assert_eq!(fixture.released(Err(lost_answer())), None);
    fixture.now += 301 * SECOND;
    fixture.commits();
    assert_eq!(fixture.released(Err(lost_answer())), Some(Change::Revoked(orders(&[0]))));
}

#[test]
fn an_assignment_of_nothing_is_one() {
    let mut fixture = Fixture::subscribed();
    fixture.heartbeat();
    fixture.answers(1, Some(&[]));
    assert_eq!(fixture.change(), Some(Change::Assigned(vec![])));
    fixture.answers_acknowledgement();
}

impl Fixture {
    fn answers_acknowledgement(&mut self) {
        // The join said as much: there is nothing to add.
        if self.group.in_flight.is_none() && matches!(self.group.phase, Phase::Acknowledging) {
            self.heartbeat();
            self.answers(self.epoch, None);
        }
        assert!(is_minimal(&self.heartbeat_in_time()));
    }
}

#[test]
fn nonsense_of_a_coordinator_is_an_error_that_says_so() {
    let hostile = [
        answer(0, None),
        answer(-1, None),
        answer(5, Some(&[(ORDERS, &[-1])])),
        answer(5, Some(&[(Uuid::ZERO, &[0])])),
    ];
    for response in hostile {
        let mut fixture = Fixture::subscribed();
        fixture.heartbeat();
        assert_eq!(fixture.reply(Ok(response)), None);
        assert_eq!(fixture.group.failure().map(|error| error.kind()), Some(Kind::Protocol));
    }
}
