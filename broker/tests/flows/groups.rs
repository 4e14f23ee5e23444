//! Groups, through the requests of their members.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use ottla_broker::{ApiKey, Broker, Code};

use super::client::{Client, broker, text, topic_name};

fn billing() -> GroupId {
    GroupId(text("billing"))
}

fn join(member_id: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription("orders"));
    JoinGroupRequest::default()
        .with_group_id(billing())
        .with_member_id(member_id.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
}

/// A consumer's subscription to one topic, version 0.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(i16::try_from(topic.len()).unwrap());
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(-1);
    bytes.freeze()
}

fn sync(joined: &JoinGroupResponse) -> SyncGroupRequest {
    let assigned = |member: &kafka_protocol::messages::join_group_response::JoinGroupResponseMember| {
        let assignment = SyncGroupRequestAssignment::default().with_member_id(member.member_id.clone());
        assignment.with_assignment(Bytes::from(member.member_id.to_string()))
    };
    SyncGroupRequest::default()
        .with_group_id(billing())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(joined.members.iter().map(assigned).collect())
}

fn heartbeat(joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(billing())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
}

fn commit(joined: &JoinGroupResponse, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("noted")));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(billing())
        .with_generation_id_or_member_epoch(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_topics(vec![topic])
}

/// A client that belongs to no group, as commits go.
fn stranger() -> JoinGroupResponse {
    JoinGroupResponse::default().with_generation_id(-1)
}

/// Makes a member of a stable group out of a client.
async fn enter(client: &mut Client) -> JoinGroupResponse {
    let refused = client.call(9, join(&StrBytes::default())).await;
    assert_eq!(refused.error_code, ResponseError::MemberIdRequired.code());
    let joined = client.call(9, join(&refused.member_id)).await;
    assert_eq!(joined.error_code, 0);
    let synced = client.call(5, sync(&joined)).await;
    assert_eq!((synced.error_code, synced.assignment), (0, Bytes::from(joined.member_id.to_string())));
    joined
}

#[tokio::test]
async fn a_member_joins_syncs_beats_commits_and_leaves() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let joined = enter(&mut client).await;
    assert_eq!(client.call(4, heartbeat(&joined)).await.error_code, 0);
    assert_eq!(client.call(9, commit(&joined, 7)).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 7);
    let group = broker.group("billing").unwrap();
    assert_eq!((group.state, group.generation, &*group.protocol), ("Stable", 1, "range"));
    assert_eq!(group.members[0].client_id, "test");

    let leaving = MemberIdentity::default().with_member_id(joined.member_id.clone()).with_group_instance_id(None);
    let request = LeaveGroupRequest::default().with_group_id(billing()).with_members(vec![leaving]);
    assert_eq!(client.call(5, request).await.members[0].error_code, 0);
    assert_eq!(broker.group("billing").unwrap().state, "Empty");
}

#[tokio::test]
async fn nobody_can_leave_a_group_that_is_not_there() {
    let broker = broker().await;
    let leaving = MemberIdentity::default().with_member_id(text("who")).with_group_instance_id(None);
    let request = LeaveGroupRequest::default().with_group_id(billing()).with_members(vec![leaving]);
    let response = Client::of(&broker).call(5, request).await;
    assert_eq!((response.error_code, response.members[0].error_code), (0, ResponseError::UnknownMemberId.code()));
}

#[tokio::test]
async fn two_members_share_and_the_leader_assigns() {
    let broker = broker().await;
    let (mut first, mut second) = (Client::of(&broker), Client::of(&broker));
    let leader = enter(&mut first).await;
    let id = second.call(9, join(&StrBytes::default())).await.member_id;
    second.send(9, join(&id)).await;
    broker.until(|broker| broker.group("billing").unwrap().state == "PreparingRebalance").await;
    assert_eq!(first.call(4, heartbeat(&leader)).await.error_code, ResponseError::RebalanceInProgress.code());

    let leader = first.call(9, join(&leader.member_id)).await;
    let (_, follower) = second.receive::<JoinGroupRequest>(9).await.unwrap();
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    second.send(5, sync(&follower)).await;
    broker.until_seen(ApiKey::SyncGroup, 2).await;
    assert_eq!(first.call(5, sync(&leader)).await.error_code, 0);
    let (_, synced) = second.receive::<SyncGroupRequest>(5).await.unwrap();
    assert_eq!(synced.assignment, Bytes::from(id.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_falls_silent_is_missed_after_its_session_timeout() {
    let broker = broker().await;
    let joined = enter(&mut Client::of(&broker)).await;
    let start = tokio::time::Instant::now();
    broker.until(|broker| broker.group("billing").unwrap().state == "Empty").await;
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    let code = Client::of(&broker).call(4, heartbeat(&joined)).await.error_code;
    assert_eq!(code, ResponseError::UnknownMemberId.code());
}

#[tokio::test]
async fn a_session_timeout_out_of_bounds_is_refused() {
    let broker = broker().await;
    let request = join(&StrBytes::default()).with_session_timeout_ms(100);
    let refused = Client::of(&broker).call(9, request).await;
    assert_eq!(refused.error_code, ResponseError::InvalidSessionTimeout.code());
}

#[tokio::test]
async fn join_answers_in_every_version() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    for version in 0..=9 {
        let group = GroupId(text(&format!("group-{version}")));
        let mut joined = client.call(version, join(&StrBytes::default()).with_group_id(group.clone())).await;
        if version >= 4 {
            joined = client.call(version, join(&joined.member_id).with_group_id(group)).await;
        }
        assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 1, 1), "version {version}");
        assert_eq!(joined.protocol_name, Some(text("range")));
        let unknown = join(&text("who")).with_group_id(GroupId(text("none")));
        assert_eq!(client.call(version, unknown).await.error_code, ResponseError::UnknownMemberId.code());
    }
}

/// Offsets of `orders` committed by `billing`, asked for in any version that names topics: by partition.
async fn committed(client: &mut Client, version: i16, all: bool) -> Vec<(i32, i64)> {
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name("orders"));
        let topics = (!all).then(|| vec![topic.with_partition_indexes(vec![0, 1])]);
        let response = client.call(version, OffsetFetchRequest::default().with_group_id(billing()).with_topics(topics));
        let topics = response.await.topics;
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        return partitions.map(|found| (found.partition_index, found.committed_offset)).collect();
    }
    let topic = OffsetFetchRequestTopics::default().with_name(topic_name("orders"));
    let topics = (!all).then(|| vec![topic.with_partition_indexes(vec![0, 1])]);
    let group = OffsetFetchRequestGroup::default().with_group_id(billing()).with_topics(topics);
    let response = client.call(version, OffsetFetchRequest::default().with_groups(vec![group])).await;
    let partitions = response.groups[0].topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|found| (found.partition_index, found.committed_offset)).collect()
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    for version in 2..=9 {
        let response = client.call(version, commit(&stranger(), i64::from(version))).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "version {version}");
    }
    for version in 1..=9 {
        assert_eq!(committed(&mut client, version, false).await, [(0, 9), (1, -1)], "version {version}");
        if version >= 2 {
            assert_eq!(committed(&mut client, version, true).await, [(0, 9)], "version {version}");
        }
    }
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_by_topic_id() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = broker.topic_id("orders").unwrap();

    let mut body = BytesMut::new();
    body.put_slice(b"\x08billing\xff\xff\xff\xff\x01\x00\x02");
    body.put_u128(id);
    body.put_slice(b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x2a\xff\xff\xff\xff\x06noted\0\0\0");
    client.send_body(ApiKey::OffsetCommit as i16, 10, 2, &body).await;
    let mut frame = client.receive_frame().await.unwrap().slice(5..);
    let response = OffsetCommitResponse::decode(&mut frame, 10).unwrap();
    assert_eq!(response.topics[0].topic_id.as_u128(), id);
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    assert_eq!(broker.committed("billing", "orders", 1).unwrap().metadata, "noted");

    let mut body = BytesMut::new();
    body.put_slice(b"\x02\x08billing\0\xff\xff\xff\xff\x03");
    body.put_u128(id);
    body.put_slice(b"\x02\0\0\0\x01\0");
    body.put_u128(id + 1);
    body.put_slice(b"\x02\0\0\0\x01\0\0\0\0");
    client.send_body(ApiKey::OffsetFetch as i16, 10, 2, &body).await;
    let mut frame = client.receive_frame().await.unwrap().slice(5..);
    let response = OffsetFetchResponse::decode(&mut frame, 10).unwrap();
    let topics = &response.groups[0].topics;
    assert_eq!((topics[0].topic_id.as_u128(), topics[0].partitions[0].committed_offset), (id, 42));
    assert_eq!(topics[1].partitions[0].error_code, ResponseError::UnknownTopicId.code());
}

#[tokio::test]
async fn commits_that_kafka_refuses_are_refused() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut code = async |version, request: OffsetCommitRequest| {
        client.call(version, request).await.topics[0].partitions[0].error_code
    };
    let unknown_group = commit(&stranger().with_generation_id(3), 1);
    assert_eq!(code(9, unknown_group.clone()).await, ResponseError::GroupIdNotFound.code());
    assert_eq!(code(8, unknown_group).await, ResponseError::IllegalGeneration.code());
    let mut too_long = commit(&stranger(), 1);
    too_long.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4097)));
    assert_eq!(code(9, too_long).await, ResponseError::OffsetMetadataTooLarge.code());
    let mut nowhere = commit(&stranger(), 1);
    nowhere.topics[0].name = topic_name("none");
    assert_eq!(code(9, nowhere).await, ResponseError::UnknownTopicOrPartition.code());

    enter(&mut Client::of(&broker)).await;
    assert_eq!(code(9, commit(&stranger(), 1)).await, ResponseError::UnknownMemberId.code(), "it has members");
}

#[tokio::test]
async fn errors_of_offsets_stand_where_kafka_puts_them() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    broker.once(ApiKey::OffsetCommit, Code::CoordinatorLoadInProgress);
    assert_eq!(client.call(9, commit(&stranger(), 1)).await.topics[0].partitions[0].error_code, 14);
    assert_eq!(broker.committed("billing", "orders", 0), None);

    let topic = OffsetFetchRequestTopics::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(billing()).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    broker.once(ApiKey::OffsetFetch, Code::NotCoordinator);
    assert_eq!(client.call(9, request.clone()).await.groups[0].error_code, 16);
    broker.once(ApiKey::OffsetFetch, Code::UnstableOffsetCommit);
    assert_eq!(client.call(9, request).await.groups[0].topics[0].partitions[0].error_code, 88);
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let joined = enter(&mut client).await;
    for version in 0..=5 {
        let listed = client.call(version, ListGroupsRequest::default()).await;
        assert_eq!(listed.groups[0].group_id, billing());
    }
    let only_empty = ListGroupsRequest::default().with_states_filter(vec![text("Empty")]);
    assert_eq!(client.call(5, only_empty).await.groups.len(), 0);

    for version in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![billing(), GroupId(text("none"))]);
        let described = client.call(version, request).await;
        let group = &described.groups[0];
        assert_eq!((&*group.group_state, &*group.protocol_data), ("Stable", "range"));
        assert_eq!(group.members[0].client_host, *"/127.0.0.1");
        assert_eq!(group.members[0].member_metadata, subscription("orders"));
        let missing = if version >= 6 { ResponseError::GroupIdNotFound.code() } else { 0 };
        assert_eq!((&*described.groups[1].group_state, described.groups[1].error_code), ("Dead", missing));
    }

    let delete = || DeleteGroupsRequest::default().with_groups_names(vec![billing()]);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, ResponseError::NonEmptyGroup.code());
    let leave = LeaveGroupRequest::default().with_group_id(billing()).with_member_id(joined.member_id);
    assert_eq!(client.call(1, leave).await.error_code, 0);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, 0);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, ResponseError::GroupIdNotFound.code());
}

#[tokio::test]
async fn offsets_of_topics_in_use_cant_be_deleted() {
    let broker = broker().await;
    broker.create_topic("teas", 1).unwrap();
    broker.commit("billing", "orders", 0, 1);
    broker.commit("billing", "teas", 0, 1);
    let mut client = Client::of(&broker);
    enter(&mut client).await;
    let topic = |name| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        OffsetDeleteRequestTopic::default().with_name(topic_name(name)).with_partitions(vec![partition])
    };
    let request = OffsetDeleteRequest::default().with_group_id(billing());
    let response = client.call(0, request.with_topics(vec![topic("orders"), topic("teas")])).await;
    let codes: Vec<i16> = response.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [ResponseError::GroupSubscribedToTopic.code(), 0]);
    assert_eq!(broker.committed("billing", "teas", 0), None);
}

#[tokio::test]
async fn the_coordinator_is_found_and_may_move() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 1).await;
    let home = broker.coordinator("billing").unwrap();
    let other = 1 - home;
    let mut client = Client::of_node(&broker, home);
    let joined = enter(&mut client).await;
    for version in 0..=6 {
        let request = FindCoordinatorRequest::default();
        let found = if version >= 4 {
            let request = request.with_coordinator_keys(vec![text("billing")]);
            client.call(version, request).await.coordinators[0].node_id
        } else {
            client.call(version, request.with_key(text("billing"))).await.node_id
        };
        assert_eq!(found.0, home);
    }
    broker.move_coordinator("billing", other).unwrap();
    assert_eq!(client.call(4, heartbeat(&joined)).await.error_code, ResponseError::NotCoordinator.code());
    let mut moved = Client::of_node(&broker, other);
    assert_eq!(moved.call(4, heartbeat(&joined)).await.error_code, 0, "the group is the same");
    broker.node(other).stop().await;
    assert_eq!(broker.coordinator("billing"), Some(home));
    assert_eq!(client.call(4, heartbeat(&joined)).await.error_code, 0);
}
