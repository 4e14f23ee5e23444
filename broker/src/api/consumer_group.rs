//! ConsumerGroupHeartbeat and ConsumerGroupDescribe (KIP-848), whose rules are the group's.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, GroupId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Context;
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::faults::Verdict;
use crate::group::Group;
use crate::group::consumer::{Assignor, Consumer, Heartbeat, Member};
use crate::log::batch::Refused;

/// The first version whose members make their ids themselves, and may subscribe to a pattern.
const OWN_IDS_FROM: i16 = 1;

/// What a member that speaks this protocol is in ConsumerGroupDescribe.
const CONSUMER: i8 = 1;

/// The first version that tells which protocol a member speaks.
const MEMBER_TYPES_FROM: i16 = 1;

/// Leaves for good.
const LEAVES: i32 = -1;

/// Leaves and will be back.
const LEAVES_FOR_A_WHILE: i32 = -2;

pub(super) fn heartbeat(
    cluster: &mut Cluster,
    context: &Context,
    request: ConsumerGroupHeartbeatRequest,
    verdict: &Verdict,
    now: Duration,
) -> ConsumerGroupHeartbeatResponse {
    if let Some(code) = verdict.error() {
        return ConsumerGroupHeartbeatResponse::default().with_error_code(code);
    }
    let id = request.group_id.to_string();
    let answer = check(context, &request).and_then(|()| beat(cluster, context, &id, request, now));
    cluster.settle_group(&id, now);
    answer.unwrap_or_else(|refused| {
        ConsumerGroupHeartbeatResponse::default()
            .with_error_code(refused.code.code())
            .with_error_message(Some(StrBytes::from_string(refused.message)))
    })
}

fn beat(
    cluster: &mut Cluster,
    context: &Context,
    id: &str,
    request: ConsumerGroupHeartbeatRequest,
    now: Duration,
) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
    cluster.check_coordinator(context.node, id).map_err(|error| Refused::new(error, "this is not its coordinator"))?;
    let beat = Heartbeat {
        client_id: context.client_id.to_string(),
        client_host: context.peer.host.to_string(),
        new_id: cluster.new_uuid().to_string(),
        request,
    };
    let settings = cluster.config.consumer_groups;
    let not_found = || Refused::new(ResponseError::GroupIdNotFound, format!("{id} is not such a group"));
    if beat.request.member_epoch != 0 {
        let group = cluster.groups.get_mut(id).and_then(Group::consumer_mut).ok_or_else(not_found)?;
        return group.heartbeat(&beat, &cluster.topics, now);
    }
    let is_new = cluster.groups.get(id).is_none();
    cluster.group_or_new(id);
    let group = cluster.groups.get_mut(id).and_then(|group| group.as_consumer(settings)).ok_or_else(not_found)?;
    let answer = group.heartbeat(&beat, &cluster.topics, now);
    if is_new && answer.is_err() {
        cluster.remove_group(id);
    }
    answer
}

/// Checks what can be seen in the request alone.
fn check(context: &Context, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let invalid = |message: &str| Err(Refused::new(ResponseError::InvalidRequest, message));
    let is_blank = |text: &Option<StrBytes>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    let epoch = request.member_epoch;
    let needs_id = context.version >= OWN_IDS_FROM || epoch > 0 || epoch == LEAVES;
    if needs_id && request.member_id.trim().is_empty() {
        return invalid("MemberId is empty");
    }
    if request.group_id.trim().is_empty() {
        return invalid("GroupId is empty");
    }
    if is_blank(&request.instance_id) {
        return invalid("InstanceId is empty");
    }
    if is_blank(&request.rack_id) {
        return invalid("RackId is empty");
    }
    match epoch {
        0 if request.rebalance_timeout_ms == -1 => return invalid("who joins must say a RebalanceTimeoutMs"),
        0 if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("who joins must have no TopicPartitions, and say so");
        }
        0 if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return invalid("who joins must say SubscribedTopicNames or SubscribedTopicRegex");
        }
        LEAVES_FOR_A_WHILE if request.instance_id.is_none() => return invalid("only an InstanceId can come back"),
        ..LEAVES_FOR_A_WHILE => return invalid("there is no such MemberEpoch"),
        _ => {}
    }
    match request.server_assignor.as_deref() {
        Some(name) if Assignor::named(name).is_none() => {
            let known = Assignor::ALL.map(Assignor::name).join(", ");
            let message = format!("there is no ServerAssignor {name}; there are {known}");
            Err(Refused::new(ResponseError::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn describe(
    cluster: &Cluster,
    context: &Context,
    request: ConsumerGroupDescribeRequest,
    verdict: &Verdict,
) -> ConsumerGroupDescribeResponse {
    let describe = |id: GroupId| {
        let refused =
            verdict.error().or_else(|| cluster.check_coordinator(context.node, &id).err().map(|error| error.code()));
        let group = cluster.groups.get(&id).and_then(Group::consumer);
        let described = DescribedGroup::default().with_group_id(id);
        match (refused, group) {
            (Some(code), _) => described.with_error_code(code),
            (None, Some(group)) => describe_one(described, group, &cluster.topics, context.version),
            (None, None) => {
                let message = format!("{} is not such a group", described.group_id.as_str());
                described
                    .with_error_code(ResponseError::GroupIdNotFound.code())
                    .with_error_message(Some(StrBytes::from_string(message)))
            }
        }
    };
    ConsumerGroupDescribeResponse::default().with_groups(request.group_ids.into_iter().map(describe).collect())
}

fn describe_one(described: DescribedGroup, group: &Consumer, topics: &Topics, version: i16) -> DescribedGroup {
    let member = |member: &Member| {
        let described = describe_member(member, topics);
        if version >= MEMBER_TYPES_FROM { described.with_member_type(CONSUMER) } else { described }
    };
    described
        .with_group_state(StrBytes::from_static_str(group.state_name()))
        .with_group_epoch(group.epoch())
        .with_assignment_epoch(group.assignment_epoch())
        .with_assignor_name(StrBytes::from_static_str(group.assignor().name()))
        .with_members(group.members().iter().map(member).collect())
}

fn describe_member(member: &Member, topics: &Topics) -> DescribedMember {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    DescribedMember::default()
        .with_member_id(text(&member.id))
        .with_instance_id(member.instance.as_deref().map(text))
        .with_rack_id(member.rack.as_deref().map(text))
        .with_member_epoch(member.epoch)
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_subscribed_topic_names(member.names.iter().map(|name| TopicName(text(name))).collect())
        .with_subscribed_topic_regex(Some(text(&member.pattern)))
        // What it is to let go of is still in its hands.
        .with_assignment(assignment(member.assigned.keys().chain(member.revoking.keys()), topics))
        .with_target_assignment(assignment(member.target.iter(), topics))
}

fn assignment<'a>(partitions: impl Iterator<Item = &'a (Uuid, i32)>, topics: &Topics) -> Assignment {
    let mut by_topic: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        by_topic.entry(*topic).or_default().push(*partition);
    }
    let topic = |(id, partitions): (Uuid, Vec<i32>)| {
        let name = TopicName(StrBytes::from_string(topics.name_of(id)?.to_owned()));
        Some(TopicPartitions::default().with_topic_id(id).with_topic_name(name).with_partitions(partitions))
    };
    Assignment::default().with_topic_partitions(by_topic.into_iter().filter_map(topic).collect())
}
