//! The rules of a group whose coordinator assigns, tried on the bare state.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::topics::{Partition, Topic};
use crate::group::Committer;

const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn names(names: &[&str]) -> Option<Vec<TopicName>> {
    Some(names.iter().map(|name| TopicName(text(name))).collect())
}

/// A group, the cluster's topics, and what time it is.
struct Coordinator {
    group: Consumer,
    topics: Topics,
    now: Duration,
}

type Answer = Result<ConsumerGroupHeartbeatResponse, ResponseError>;

fn coordinator() -> Coordinator {
    with(Settings::default())
}

fn with(settings: Settings) -> Coordinator {
    let mut coordinator = Coordinator { group: Consumer::new(settings), topics: Topics::default(), now: SECOND };
    coordinator.create("orders", 1, 4);
    coordinator
}

fn joining(id: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_member_id(text(id))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(names(&["orders"]))
        .with_topic_partitions(Some(Vec::new()))
}

/// What a heartbeat says that says nothing new.
fn at(id: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_member_id(text(id)).with_member_epoch(epoch)
}

fn owning(request: ConsumerGroupHeartbeatRequest, partitions: &[i32]) -> ConsumerGroupHeartbeatRequest {
    let topic = TopicPartitions::default().with_topic_id(Uuid::from_u128(1)).with_partitions(partitions.to_vec());
    request.with_topic_partitions(Some(if partitions.is_empty() { Vec::new() } else { vec![topic] }))
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = answer.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

impl Coordinator {
    fn create(&mut self, name: &str, id: u128, partitions: usize) {
        self.topics.insert(Topic {
            name: name.to_owned(),
            id: Uuid::from_u128(id),
            config: TopicConfig::default(),
            partitions: (0..partitions).map(|_| Partition::new(vec![0])).collect(),
        });
    }

    fn beat(&mut self, request: ConsumerGroupHeartbeatRequest) -> Answer {
        let beat = Heartbeat {
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            new_id: "new".to_owned(),
            request,
        };
        self.group.heartbeat(&beat, &self.topics, self.now).map_err(|refused| refused.code)
    }

    /// Beats once more, and returns the epoch and the partitions, if told.
    fn told(&mut self, request: ConsumerGroupHeartbeatRequest) -> (i32, Option<Vec<i32>>) {
        let answer = self.beat(request).unwrap();
        (answer.member_epoch, partitions(&answer))
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.on_time(self.now);
    }

    /// Two members that have reached the target together, with two partitions each. Returns their epoch.
    fn two(&mut self) -> i32 {
        self.beat(joining("a")).unwrap();
        self.beat(joining("b")).unwrap();
        self.beat(at("a", 2)).unwrap();
        assert_eq!(self.told(owning(at("a", 2), &[0, 1])).0, 3);
        assert_eq!(self.told(at("b", 3)), (3, Some(vec![2, 3])));
        3
    }
}

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut coordinator = coordinator();
    let answer = coordinator.beat(joining("a")).unwrap();
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (2, 5000));
    assert_eq!(partitions(&answer), Some(vec![0, 1, 2, 3]));
    assert_eq!(coordinator.told(at("a", 2)), (2, None), "nothing has changed");
    assert_eq!(coordinator.group.state_name(), "Stable");
}

#[test]
fn a_partition_goes_over_only_once_it_was_let_go_of() {
    let mut coordinator = coordinator();
    coordinator.beat(joining("a")).unwrap();
    assert_eq!(coordinator.told(joining("b")), (3, Some(vec![])), "a has it all");
    assert_eq!(coordinator.told(at("a", 2)), (2, Some(vec![0, 1])), "a is to let go, at its old epoch");
    assert_eq!(coordinator.told(at("b", 3)), (3, None));
    assert_eq!(coordinator.group.state_name(), "Reconciling");
    assert_eq!(coordinator.told(owning(at("a", 2), &[0, 1, 2, 3])), (2, None), "a still has all");
    assert_eq!(coordinator.told(owning(at("a", 2), &[0, 1])), (3, None), "a has let go");
    assert_eq!(coordinator.told(at("b", 3)), (3, Some(vec![2, 3])));
    assert_eq!(coordinator.group.state_name(), "Stable");
}

#[test]
fn who_does_not_let_go_in_time_is_out() {
    let mut coordinator = coordinator();
    coordinator.beat(joining("a")).unwrap();
    coordinator.beat(joining("b")).unwrap();
    coordinator.beat(at("a", 2)).unwrap();
    for _ in 0..59 {
        coordinator.pass(SECOND);
        coordinator.beat(at("a", 2)).unwrap();
        coordinator.beat(at("b", 3)).unwrap();
    }
    assert_eq!(coordinator.group.wake_at(), Some(coordinator.now + SECOND));
    coordinator.pass(REBALANCE - SECOND * 59);
    assert_eq!(coordinator.beat(at("a", 2)), Err(ResponseError::UnknownMemberId));
    assert_eq!(coordinator.told(at("b", 3)), (4, Some(vec![0, 1, 2, 3])));
}

#[test]
fn who_is_silent_for_too_long_is_out() {
    let mut coordinator = coordinator();
    coordinator.two();
    coordinator.pass(SESSION - SECOND);
    coordinator.beat(at("b", 3)).unwrap();
    coordinator.pass(SECOND);
    assert_eq!(coordinator.beat(at("a", 3)), Err(ResponseError::UnknownMemberId));
    assert_eq!(coordinator.told(at("b", 3)), (4, Some(vec![0, 1, 2, 3])));
}

#[test]
fn who_leaves_is_gone_at_once() {
    let mut coordinator = coordinator();
    coordinator.two();
    let answer = coordinator.beat(at("a", -1)).unwrap();
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (-1, 0));
    assert_eq!(coordinator.told(at("b", 3)), (4, Some(vec![0, 1, 2, 3])));
    coordinator.beat(at("b", -1)).unwrap();
    assert_eq!((coordinator.group.state_name(), coordinator.group.wake_at()), ("Empty", None));
    assert_eq!(coordinator.beat(at("b", -1)), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_wrong_epoch_is_fenced_but_not_the_one_before_if_nothing_foreign_is_owned() {
    let mut coordinator = coordinator();
    coordinator.two();
    assert_eq!(coordinator.beat(at("a", 4)), Err(ResponseError::FencedMemberEpoch));
    assert_eq!(coordinator.beat(at("a", 1)), Err(ResponseError::FencedMemberEpoch));
    assert_eq!(coordinator.beat(at("a", 2)), Err(ResponseError::FencedMemberEpoch), "it doesn't say what it owns");
    assert_eq!(coordinator.beat(owning(at("a", 2), &[0, 3])), Err(ResponseError::FencedMemberEpoch));
    assert_eq!(coordinator.told(owning(at("a", 2), &[0, 1])).0, 3, "it missed an answer");
    assert_eq!(coordinator.told(joining("a")), (3, Some(vec![0, 1])), "it joins again");
}

#[test]
fn whoever_says_everything_is_told_everything() {
    let mut coordinator = coordinator();
    coordinator.two();
    let full = owning(joining("a").with_member_epoch(3), &[0, 1]);
    assert_eq!(coordinator.told(full), (3, Some(vec![0, 1])));
}

#[test]
fn a_static_member_that_is_away_keeps_its_partitions_for_whoever_comes_back() {
    let mut coordinator = coordinator();
    let instance = |request: ConsumerGroupHeartbeatRequest| request.with_instance_id(Some(text("i")));
    coordinator.beat(instance(joining("a"))).unwrap();
    assert_eq!(coordinator.beat(instance(joining("b"))), Err(ResponseError::UnreleasedInstanceId));
    assert_eq!(coordinator.beat(instance(at("b", 2))), Err(ResponseError::FencedInstanceId));
    assert_eq!(coordinator.beat(at("a", 2).with_instance_id(Some(text("other")))), Err(ResponseError::UnknownMemberId));
    assert_eq!(coordinator.beat(instance(at("a", -2))).unwrap().member_epoch, -2);
    assert_eq!(coordinator.group.epoch(), 2, "nobody rebalances");
    assert_eq!(coordinator.beat(instance(at("a", 2))), Err(ResponseError::FencedMemberEpoch));
    assert_eq!(coordinator.told(instance(joining("b"))), (2, Some(vec![0, 1, 2, 3])));
    assert_eq!(coordinator.beat(instance(at("a", 2))), Err(ResponseError::FencedInstanceId));

    coordinator.beat(instance(at("b", -2))).unwrap();
    coordinator.pass(SESSION);
    assert_eq!(coordinator.group.state_name(), "Empty", "nobody came back");
}

#[test]
fn topics_that_come_and_grow_are_found() {
    let mut coordinator = coordinator();
    coordinator.beat(joining("a").with_subscribed_topic_names(names(&["orders", "teas"]))).unwrap();
    coordinator.create("teas", 2, 1);
    let answer = coordinator.beat(at("a", 2)).unwrap();
    assert_eq!((answer.member_epoch, partitions(&answer).unwrap().len()), (3, 5));
    coordinator.create("orders", 1, 6);
    let answer = coordinator.beat(at("a", 3)).unwrap();
    assert_eq!((answer.member_epoch, partitions(&answer).unwrap().len()), (4, 7));
    coordinator.topics.remove("teas");
    let answer = coordinator.beat(at("a", 4)).unwrap();
    assert_eq!((answer.member_epoch, partitions(&answer).unwrap().len()), (4, 6), "it is to let go");
}

#[test]
fn a_subscription_may_change() {
    let mut coordinator = coordinator();
    coordinator.create("teas", 2, 2);
    coordinator.beat(joining("a")).unwrap();
    let answer = coordinator.beat(at("a", 2).with_subscribed_topic_names(names(&["teas"]))).unwrap();
    assert_eq!((answer.member_epoch, partitions(&answer)), (2, Some(vec![])), "first it lets go");
    let answer = coordinator.beat(owning(at("a", 2), &[])).unwrap();
    assert_eq!((answer.member_epoch, partitions(&answer)), (3, Some(vec![0, 1])));
}

#[test]
fn a_pattern_is_looked_up_after_the_answer_and_again_when_topics_come() {
    let mut coordinator = coordinator();
    let pattern =
        |pattern: &str| joining("a").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text(pattern)));
    assert_eq!(coordinator.beat(pattern("(")), Err(ResponseError::InvalidRegularExpression));
    assert_eq!(coordinator.group.members().len(), 0);
    assert_eq!(coordinator.told(pattern(r"ord.{3}|orders-\d|tea")), (1, Some(vec![])));
    assert_eq!(coordinator.told(at("a", 1)), (2, Some(vec![0, 1, 2, 3])));
    coordinator.create("orders-2", 2, 1);
    coordinator.create("teas", 3, 1);
    assert_eq!(coordinator.told(at("a", 2)), (2, None), "for ten seconds it isn't looked up again");
    coordinator.pass(SECOND * 11);
    assert_eq!(coordinator.told(at("a", 2)), (2, None));
    assert_eq!(coordinator.told(at("a", 2)), (3, Some(vec![0, 1, 2, 3, 0])), "but not what only begins like it");
    let none = at("a", 3).with_subscribed_topic_regex(Some(text("")));
    assert_eq!(coordinator.told(none), (3, Some(vec![])));
}

#[test]
fn the_assignor_is_the_one_most_ask_for() {
    let mut coordinator = coordinator();
    assert_eq!(coordinator.group.assignor(), DEFAULT_ASSIGNOR);
    for id in ["c", "b"] {
        coordinator.beat(joining(id).with_server_assignor(Some(text("range")))).unwrap();
    }
    coordinator.beat(joining("a")).unwrap();
    assert_eq!(coordinator.group.assignor(), Assignor::Range);
    let targets: Vec<usize> = coordinator.group.members().iter().map(|member| member.target.len()).collect();
    assert_eq!(targets, [1, 1, 2], "ranges go by member id");
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut coordinator = with(Settings { max_size: 1, ..Settings::default() });
    coordinator.beat(joining("a")).unwrap();
    assert_eq!(coordinator.beat(joining("b")), Err(ResponseError::GroupMaxSizeReached));
    coordinator.beat(joining("a")).unwrap();
}

#[test]
fn targets_come_no_faster_than_the_interval() {
    let mut coordinator = with(Settings { assignment_interval: SECOND, ..Settings::default() });
    coordinator.beat(joining("a")).unwrap();
    assert_eq!(coordinator.told(joining("b")), (2, Some(vec![])));
    assert_eq!(coordinator.group.state_name(), "Assigning");
    coordinator.pass(SECOND);
    assert_eq!(coordinator.told(at("b", 2)), (3, None));
}

#[test]
fn a_member_that_is_fenced_on_demand_joins_again_and_others_may_have_what_it_had() {
    let mut coordinator = coordinator();
    coordinator.two();
    assert!(coordinator.group.fence("a", coordinator.now));
    assert_eq!(coordinator.beat(at("a", 3)), Err(ResponseError::FencedMemberEpoch));
    assert_eq!(coordinator.told(joining("a")), (3, Some(vec![0, 1])));
    assert!(!coordinator.group.fence("who", coordinator.now));
}

#[test]
fn commits_go_by_the_epoch_since_which_a_partition_is_the_members() {
    let mut coordinator = coordinator();
    let orders = |index| [(Uuid::from_u128(1), index)];
    let commit = |coordinator: &Coordinator, id: &str, epoch, index| {
        let committer = Committer { member_id: id, instance: None, epoch };
        coordinator.group.check_commit(committer, &orders(index))
    };
    assert_eq!(commit(&coordinator, "", -1, 0), Ok(()), "nobody is there");
    coordinator.two();
    assert_eq!(commit(&coordinator, "", -1, 0), Err(ResponseError::UnknownMemberId));
    assert_eq!(commit(&coordinator, "a", 3, 3), Ok(()), "at its epoch a member may commit anything");
    assert_eq!(commit(&coordinator, "a", 2, 0), Ok(()), "it has had it since then");
    assert_eq!(commit(&coordinator, "a", 2, 3), Err(ResponseError::StaleMemberEpoch));
    assert_eq!(commit(&coordinator, "b", 2, 3), Err(ResponseError::StaleMemberEpoch));
    assert_eq!(commit(&coordinator, "a", 4, 0), Err(ResponseError::StaleMemberEpoch));
    let transactional = |id, epoch| {
        let committer = Committer { member_id: id, instance: None, epoch };
        coordinator.group.check_transactional_commit(committer, &orders(3))
    };
    assert_eq!(transactional("", -1), Ok(()));
    assert_eq!(transactional("a", 2), Err(ResponseError::IllegalGeneration));
    assert_eq!(coordinator.group.check_fetch(None, -1), Ok(()));
    assert_eq!(coordinator.group.check_fetch(Some("a"), 3), Ok(()));
    assert_eq!(coordinator.group.check_fetch(Some("a"), 2), Err(ResponseError::StaleMemberEpoch));
    assert_eq!(coordinator.group.check_fetch(Some("who"), 3), Err(ResponseError::UnknownMemberId));
}
