//! ShareGroupHeartbeat and ShareGroupDescribe: who is in a share group (KIP-932).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_group_describe_response::{self, DescribedGroup, Member};
use kafka_protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{
    GroupId, ShareGroupDescribeRequest, ShareGroupDescribeResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::share::assign::Partition;
use crate::share::group::{Heartbeat, ShareMember};

/// The epoch of a member that joins.
const JOIN: i32 = 0;

/// The epoch of a member that leaves.
const LEAVE: i32 = -1;

pub(super) fn heartbeat(
    cluster: &mut Cluster,
    context: &Context,
    request: ShareGroupHeartbeatRequest,
    verdict: &Verdict,
    now: Duration,
) -> ShareGroupHeartbeatResponse {
    if let Some(code) = verdict.error() {
        return ShareGroupHeartbeatResponse::default().with_error_code(code);
    }
    match beat(cluster, context, request, now) {
        Ok(response) => response,
        Err(error) => ShareGroupHeartbeatResponse::default().with_error_code(error.code()),
    }
}

fn beat(
    cluster: &mut Cluster,
    context: &Context,
    request: ShareGroupHeartbeatRequest,
    now: Duration,
) -> Result<ShareGroupHeartbeatResponse, ResponseError> {
    let (id, epoch) = (request.group_id.to_string(), request.member_epoch);
    let names_topics = request.subscribed_topic_names.as_ref().is_some_and(|names| !names.is_empty());
    let is_empty = |text: &StrBytes| text.is_empty();
    if request.member_id.is_empty()
        || id.is_empty()
        || request.rack_id.as_ref().is_some_and(is_empty)
        || epoch < LEAVE
        || (epoch == JOIN && !names_topics)
    {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_coordinator(context.node, &id)?;
    // A group of another kind has this id, or there is none.
    let is_missing = epoch != JOIN && !cluster.shares.groups.contains_key(&id);
    if is_missing || cluster.groups.get(&id).is_some() {
        return Err(ResponseError::GroupIdNotFound);
    }
    let (topics, settings) = (cluster.known_topics(), cluster.shares.settings(&id));
    let member = request.member_id.clone();
    let response = ShareGroupHeartbeatResponse::default().with_member_id(Some(member.clone()));
    let group = cluster.shares.groups.entry(id.clone()).or_default();
    if epoch == LEAVE {
        group.leave(&member, &topics)?;
        cluster.release_member(&id, &member, None, now);
        return Ok(response.with_member_epoch(LEAVE));
    }
    let names = |names: Vec<TopicName>| names.iter().map(|name| name.to_string()).collect();
    let beat = Heartbeat {
        member: member.to_string(),
        epoch,
        rack: request.rack_id.map(|rack| rack.to_string()),
        topics: request.subscribed_topic_names.map(names),
        client_id: context.client_id.to_string(),
        client_host: context.peer.host.to_string(),
    };
    let beat = group.heartbeat(beat, &topics, settings.session_timeout, now)?;
    cluster.settle_shares();
    let interval = i32::try_from(settings.heartbeat_interval.as_millis()).unwrap_or(i32::MAX);
    let assignment = beat.assigned.map(|assigned| {
        let topic = |(topic, partitions)| TopicPartitions::default().with_topic_id(topic).with_partitions(partitions);
        Assignment::default().with_topic_partitions(by_topic(&assigned).into_iter().map(topic).collect())
    });
    Ok(response.with_member_epoch(beat.epoch).with_heartbeat_interval_ms(interval).with_assignment(assignment))
}

fn by_topic(partitions: &BTreeSet<Partition>) -> BTreeMap<Uuid, Vec<i32>> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, index) in partitions {
        topics.entry(*topic).or_default().push(*index);
    }
    topics
}

pub(super) fn describe(
    cluster: &Cluster,
    context: &Context,
    request: ShareGroupDescribeRequest,
    verdict: &Verdict,
) -> ShareGroupDescribeResponse {
    let describe = |id: GroupId| {
        let described = DescribedGroup::default().with_group_id(id.clone());
        let refused =
            verdict.error().or_else(|| cluster.check_coordinator(context.node, &id).err().map(|error| error.code()));
        if let Some(code) = refused {
            return described.with_error_code(code);
        }
        let Some(group) = cluster.shares.groups.get(id.as_str()) else {
            let message = StrBytes::from_string(format!("Group {} not found.", id.as_str()));
            let code = ResponseError::GroupIdNotFound.code();
            return described.with_error_code(code).with_error_message(Some(message));
        };
        described
            .with_group_state(StrBytes::from_static_str(group.state()))
            .with_group_epoch(group.epoch)
            .with_assignment_epoch(group.epoch)
            .with_assignor_name(StrBytes::from_static_str("simple"))
            .with_members(group.members.iter().map(|(id, member)| describe_member(cluster, id, member)).collect())
    };
    ShareGroupDescribeResponse::default().with_groups(request.group_ids.into_iter().map(describe).collect())
}

fn describe_member(cluster: &Cluster, id: &str, member: &ShareMember) -> Member {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let topic = |(topic, partitions)| {
        share_group_describe_response::TopicPartitions::default()
            .with_topic_id(topic)
            .with_topic_name(TopicName(text(cluster.topics.name_of(topic).unwrap_or_default())))
            .with_partitions(partitions)
    };
    let assigned = by_topic(&member.assigned).into_iter().map(topic).collect();
    Member::default()
        .with_member_id(text(id))
        .with_member_epoch(member.epoch)
        .with_rack_id(member.rack.as_deref().map(text))
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_subscribed_topic_names(member.topics.iter().map(|name| TopicName(text(name))).collect())
        .with_assignment(share_group_describe_response::Assignment::default().with_topic_partitions(assigned))
}
