//! Groups whose coordinator assigns, through the requests of their members (KIP-848).

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DeleteGroupsRequest,
    DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;
use ottla_broker::{ApiKey, Broker, Code};

use super::client::{Client, broker, offered, text, topic_name};

fn billing() -> GroupId {
    GroupId(text("billing"))
}

fn joining(id: &str) -> ConsumerGroupHeartbeatRequest {
    at(id, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name("orders")]))
        .with_topic_partitions(Some(Vec::new()))
}

fn at(id: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_group_id(billing()).with_member_id(text(id)).with_member_epoch(epoch)
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = answer.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

fn commit(id: &str, epoch: i32, partition: i32) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(7);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(billing())
        .with_member_id(text(id))
        .with_generation_id_or_member_epoch(epoch)
        .with_topics(vec![topic])
}

fn classic_join() -> JoinGroupRequest {
    let mut subscription = BytesMut::new();
    subscription.put_slice(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff");
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription.freeze());
    JoinGroupRequest::default()
        .with_group_id(billing())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
}

async fn code(client: &mut Client, request: ConsumerGroupHeartbeatRequest) -> i16 {
    client.call(1, request).await.error_code
}

/// Two members that have one partition each, at epoch 3.
async fn two(broker: &Broker) -> Client {
    let mut client = Client::of(broker);
    assert_eq!(partitions(&client.call(1, joining("a")).await), Some(vec![0, 1]));
    assert_eq!(partitions(&client.call(1, joining("b")).await), Some(vec![]));
    assert_eq!(partitions(&client.call(1, at("a", 2)).await), Some(vec![0]));
    let topic = TopicPartitions::default().with_topic_id(uuid(broker, "orders")).with_partitions(vec![0]);
    let told = client.call(1, at("a", 2).with_topic_partitions(Some(vec![topic]))).await;
    assert_eq!((told.error_code, told.member_epoch), (0, 3));
    assert_eq!(partitions(&client.call(1, at("b", 3)).await), Some(vec![1]));
    client
}

fn uuid(broker: &Broker, topic: &str) -> uuid::Uuid {
    uuid::Uuid::from_u128(broker.topic_id(topic).unwrap())
}

#[tokio::test]
async fn two_members_share_and_can_be_watched() {
    let broker = broker().await;
    let mut client = two(&broker).await;
    let group = broker.group("billing").unwrap();
    assert_eq!((group.group_type, group.state, &*group.protocol), ("consumer", "Stable", "uniform"));
    assert_eq!((group.generation, group.assignment_epoch), (3, 3));
    let b = &group.members[1];
    assert_eq!((&*b.id, &*b.client_id, b.epoch), ("b", "test", 3));
    assert_eq!((&b.assigned, &b.target), (&vec![("orders".to_owned(), 1)], &vec![("orders".to_owned(), 1)]));

    for version in 0..=1 {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![billing(), GroupId(text("none"))]);
        let described = client.call(version, request).await.groups;
        assert_eq!(
            (&*described[0].group_state, described[0].group_epoch, &*described[0].assignor_name),
            ("Stable", 3, "uniform")
        );
        let member = &described[0].members[1];
        assert_eq!((member.member_epoch, &*member.subscribed_topic_names[0].0), (3, "orders"));
        assert_eq!(member.assignment.topic_partitions[0].partitions, [1]);
        assert_eq!(member.assignment, member.target_assignment);
        assert_eq!(described[1].error_code, ResponseError::GroupIdNotFound.code());
    }
    assert_eq!(client.call(1, at("b", -1)).await.error_code, 0);
    assert_eq!(partitions(&client.call(1, at("a", 3)).await), Some(vec![0, 1]));
}

#[tokio::test]
async fn a_member_of_the_first_version_is_given_its_id() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let told = client.call(0, joining("").with_subscribed_topic_regex(None)).await;
    assert_eq!((told.error_code, told.member_epoch), (0, 2));
    assert_eq!(broker.group("billing").unwrap().members[0].id, told.member_id.unwrap().as_str());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let invalid = [
        joining(""),
        joining("a").with_group_id(GroupId(text(" "))),
        joining("a").with_instance_id(Some(StrBytes::default())),
        joining("a").with_rack_id(Some(StrBytes::default())),
        joining("a").with_rebalance_timeout_ms(-1),
        joining("a").with_topic_partitions(None),
        joining("a").with_topic_partitions(Some(vec![TopicPartitions::default()])),
        joining("a").with_subscribed_topic_names(None),
        at("a", -2),
        at("a", -3),
    ];
    for request in invalid {
        assert_eq!(code(&mut client, request.clone()).await, ResponseError::InvalidRequest.code(), "{request:?}");
    }
    let unknown = joining("a").with_server_assignor(Some(text("best")));
    assert_eq!(code(&mut client, unknown).await, ResponseError::UnsupportedAssignor.code());
    let pattern = joining("a").with_subscribed_topic_regex(Some(text("(")));
    assert_eq!(code(&mut client, pattern).await, ResponseError::InvalidRegularExpression.code());
    assert_eq!(code(&mut client, at("a", 1)).await, ResponseError::GroupIdNotFound.code());
    assert_eq!(broker.group("billing"), None, "none of them made a group");
}

#[tokio::test(start_paused = true)]
async fn sessions_end_on_the_broker_s_clock() {
    let builder = Broker::builder().in_memory_only().topic("orders", 2);
    let broker = builder.consumer_group_session_timeout(Duration::from_secs(9)).await;
    let mut client = Client::of(&broker);
    client.call(1, joining("a")).await;
    let start = tokio::time::Instant::now();
    broker.until(|broker| broker.group("billing").unwrap().state == "Empty").await;
    assert_eq!(start.elapsed(), Duration::from_secs(9));
    assert_eq!(code(&mut client, at("a", 2)).await, ResponseError::UnknownMemberId.code());
}

#[tokio::test(start_paused = true)]
async fn a_session_may_last_for_ever() {
    let builder = Broker::builder().in_memory_only().topic("orders", 2);
    let broker = builder.consumer_group_session_timeout(Duration::MAX).await;
    let mut client = Client::of(&broker);
    client.call(1, joining("a")).await;
    tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(code(&mut client, at("a", 2)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_created_later_match_a_pattern_and_partitions_that_are_added_are_found() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let pattern = joining("a").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("orders.*")));
    assert_eq!(partitions(&client.call(1, pattern).await), Some(vec![]));
    assert_eq!(partitions(&client.call(1, at("a", 1)).await), Some(vec![0, 1]));
    broker.create_topic("orders-2", 1).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    client.call(1, at("a", 2)).await;
    let told = client.call(1, at("a", 2)).await;
    assert_eq!((told.member_epoch, partitions(&told).unwrap().len()), (3, 3));
}

#[tokio::test]
async fn offsets_are_for_members_at_their_epoch() {
    let broker = broker().await;
    let mut client = two(&broker).await;
    let mut committed = async |version, request: OffsetCommitRequest| {
        client.call(version, request).await.topics[0].partitions[0].error_code
    };
    assert_eq!(committed(9, commit("a", 3, 0)).await, 0);
    assert_eq!(committed(9, commit("a", 2, 0)).await, 0, "it was its own then");
    assert_eq!(committed(9, commit("b", 2, 1)).await, ResponseError::StaleMemberEpoch.code());
    assert_eq!(committed(9, commit("who", 3, 1)).await, ResponseError::UnknownMemberId.code());
    assert_eq!(committed(9, commit("", -1, 1)).await, ResponseError::UnknownMemberId.code());
    assert_eq!(committed(8, commit("a", 3, 0)).await, ResponseError::UnsupportedVersion.code());

    let fetch = |id: Option<&str>, epoch| {
        let topic = OffsetFetchRequestTopics::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default().with_group_id(billing()).with_member_id(id.map(text));
        OffsetFetchRequest::default().with_groups(vec![group.with_member_epoch(epoch).with_topics(Some(vec![topic]))])
    };
    let mut fetched = async |id, epoch| {
        let group = client.call(9, fetch(id, epoch)).await.groups.remove(0);
        (group.error_code, group.topics.first().map(|topic| topic.partitions[0].committed_offset))
    };
    assert_eq!(fetched(None, -1).await, (0, Some(7)));
    assert_eq!(fetched(Some("b"), 3).await, (0, Some(7)));
    assert_eq!(fetched(Some("b"), 2).await, (ResponseError::StaleMemberEpoch.code(), None));
    assert_eq!(fetched(Some("who"), 3).await, (ResponseError::UnknownMemberId.code(), None));
}

#[tokio::test]
async fn requests_of_the_classic_protocol_find_no_group_while_it_has_members() {
    let broker = broker().await;
    let mut client = two(&broker).await;
    assert_eq!(client.call(9, classic_join()).await.error_code, ResponseError::InconsistentGroupProtocol.code());
    let beat = HeartbeatRequest::default().with_group_id(billing()).with_member_id(text("a")).with_generation_id(3);
    assert_eq!(client.call(4, beat).await.error_code, ResponseError::UnknownMemberId.code());
    let described = client.call(6, DescribeGroupsRequest::default().with_groups(vec![billing()])).await.groups;
    assert_eq!(described[0].error_code, ResponseError::GroupIdNotFound.code());

    let listed = client.call(5, ListGroupsRequest::default().with_types_filter(vec![text("Consumer")])).await.groups;
    assert_eq!(
        (&*listed[0].group_type, &*listed[0].group_state, &*listed[0].protocol_type),
        ("consumer", "Stable", "consumer")
    );
    let classic = ListGroupsRequest::default().with_types_filter(vec![text("classic")]);
    assert_eq!(client.call(5, classic).await.groups.len(), 0);
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    let delete = OffsetDeleteRequest::default().with_group_id(billing()).with_topics(vec![topic]);
    let refused = client.call(0, delete).await.topics[0].partitions[0].error_code;
    assert_eq!(refused, ResponseError::GroupSubscribedToTopic.code());

    let delete = || DeleteGroupsRequest::default().with_groups_names(vec![billing()]);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, ResponseError::NonEmptyGroup.code());
    let member = |id| MemberIdentity::default().with_member_id(text(id)).with_group_instance_id(None);
    let leave = LeaveGroupRequest::default().with_group_id(billing()).with_members(vec![member("a"), member("b")]);
    assert_eq!(client.call(5, leave).await.members[1].error_code, 0, "an administrator may put members out");
    assert_eq!(client.call(2, delete()).await.results[0].error_code, 0);
}

#[tokio::test]
async fn an_empty_group_takes_the_protocol_of_whoever_comes_and_keeps_its_offsets() {
    let broker = broker().await;
    let mut client = two(&broker).await;
    client.call(9, commit("a", 3, 0)).await;
    for id in ["a", "b"] {
        client.call(1, at(id, -1)).await;
    }
    let asked = client.call(9, classic_join()).await;
    let joined = client.call(9, classic_join().with_member_id(asked.member_id)).await;
    assert_eq!(joined.error_code, 0);
    assert_eq!(broker.group("billing").unwrap().group_type, "classic");
    assert_eq!(code(&mut client, joining("a")).await, ResponseError::GroupIdNotFound.code(), "it has a member");
    let leaving = MemberIdentity::default().with_member_id(joined.member_id).with_group_instance_id(None);
    client.call(5, LeaveGroupRequest::default().with_group_id(billing()).with_members(vec![leaving])).await;
    assert_eq!(code(&mut client, joining("a")).await, 0);
    assert_eq!(broker.group("billing").unwrap().group_type, "consumer");
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 7);
}

#[tokio::test]
async fn members_are_fenced_expelled_and_refused_on_demand() {
    let broker = broker().await;
    let mut client = two(&broker).await;
    broker.once(ApiKey::ConsumerGroupHeartbeat, Code::CoordinatorLoadInProgress);
    assert_eq!(code(&mut client, at("a", 3)).await, ResponseError::CoordinatorLoadInProgress.code());
    broker.on(ApiKey::ConsumerGroupHeartbeat).group("other").error(Code::NotCoordinator);
    assert_eq!(code(&mut client, at("a", 3)).await, 0);
    broker.fence_member("billing", "a").unwrap();
    assert_eq!(code(&mut client, at("a", 3)).await, ResponseError::FencedMemberEpoch.code());
    assert_eq!(partitions(&client.call(1, joining("a")).await), Some(vec![0]));
    broker.expel_member("billing", "a").unwrap();
    assert_eq!(code(&mut client, at("a", 3)).await, ResponseError::UnknownMemberId.code());
    assert_eq!(partitions(&client.call(1, at("b", 3)).await), Some(vec![0, 1]));
    assert!(broker.expel_member("billing", "a").is_err());
}

#[tokio::test]
async fn members_follow_their_coordinator() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 1).await;
    let home = broker.coordinator("billing").unwrap();
    let mut client = Client::of_node(&broker, home);
    assert_eq!(code(&mut client, joining("a")).await, 0);
    broker.move_coordinator("billing", 1 - home).unwrap();
    assert_eq!(code(&mut client, at("a", 2)).await, ResponseError::NotCoordinator.code());
    assert_eq!(code(&mut Client::of_node(&broker, 1 - home), at("a", 2)).await, 0);
}

#[tokio::test]
async fn an_older_broker_does_not_know_of_such_groups() {
    let broker = Broker::builder().in_memory_only().without(ApiKey::ConsumerGroupHeartbeat).await;
    assert_eq!(offered(&mut Client::of(&broker), ApiKey::ConsumerGroupHeartbeat).await, None);
}
