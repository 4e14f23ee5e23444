//! DeleteGroups and OffsetDelete.

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, DeleteGroupsRequest, DeleteGroupsResponse, GroupId, OffsetDeleteRequest,
    OffsetDeleteResponse,
};
use kafka_protocol::protocol::Decodable;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::group::{Group, Membership};

/// What consumers call their protocol.
const CONSUMER: &str = "consumer";

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: DeleteGroupsRequest,
    verdict: &Verdict,
) -> DeleteGroupsResponse {
    let mut delete = |id: &GroupId| match verdict.error() {
        Some(code) => code,
        None => delete(cluster, context, id).err().map_or(0, |error| error.code()),
    };
    let results = request.groups_names.into_iter().map(|id| {
        let code = delete(&id);
        DeletableGroupResult::default().with_group_id(id).with_error_code(code)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

fn delete(cluster: &mut Cluster, context: &Context, id: &str) -> Result<(), ResponseError> {
    cluster.check_coordinator(context.node, id)?;
    let group = cluster.groups.get(id).ok_or(ResponseError::GroupIdNotFound)?;
    if !group.is_empty() {
        return Err(ResponseError::NonEmptyGroup);
    }
    cluster.remove_group(id);
    Ok(())
}

/// The partitions whose offsets are to be deleted.
pub(super) fn targets(request: &OffsetDeleteRequest) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in &request.topics {
        targets.extend(topic.partitions.iter().map(|partition| (topic.name.to_string(), partition.partition_index)));
    }
    targets
}

/// OffsetDelete: forgets offsets of topics to which no member subscribes.
pub(super) fn offsets(
    cluster: &mut Cluster,
    context: &Context,
    request: OffsetDeleteRequest,
    verdict: &Verdict,
) -> OffsetDeleteResponse {
    let id = request.group_id.to_string();
    let refused = verdict.error_of_topic("").or_else(|| check(cluster, context, &id).err().map(|error| error.code()));
    let mut response = OffsetDeleteResponse::default();
    if let Some(code) = refused {
        return response.with_error_code(code);
    }
    for topic in request.topics {
        let name = topic.name.to_string();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for index in topic.partitions.iter().map(|partition| partition.partition_index) {
            let code = verdict.error_at(&name, index).unwrap_or_else(|| forget(cluster, &id, &name, index));
            partitions.push(OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code));
        }
        response.topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    response
}

fn check(cluster: &Cluster, context: &Context, id: &str) -> Result<(), ResponseError> {
    cluster.check_coordinator(context.node, id)?;
    let group = cluster.groups.get(id).ok_or(ResponseError::GroupIdNotFound)?;
    // Only consumers say what they subscribe to.
    let is_opaque = !group.is_empty() && group.protocol_type() != CONSUMER;
    if is_opaque { Err(ResponseError::NonEmptyGroup) } else { Ok(()) }
}

fn forget(cluster: &mut Cluster, id: &str, topic: &str, partition: i32) -> i16 {
    if cluster.topics.partition(topic, partition).is_none() {
        return ResponseError::UnknownTopicOrPartition.code();
    }
    let Some(group) = cluster.groups.get_mut(id) else { return 0 };
    if subscribes(group, topic) {
        return ResponseError::GroupSubscribedToTopic.code();
    }
    group.offsets.delete(topic, partition);
    0
}

fn subscribes(group: &Group, topic: &str) -> bool {
    match &group.members {
        Membership::Classic(group) => group.members().iter().any(|member| {
            let metadata = member.metadata(group.protocol());
            // What can't be read may hold the topic.
            subscription(metadata).is_none_or(|topics| topics.iter().any(|name| name == topic))
        }),
        Membership::Consumer(group) => group.subscribes_to(topic),
    }
}

fn subscription(mut metadata: Bytes) -> Option<Vec<String>> {
    let version = metadata.try_get_i16().ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut metadata, version.clamp(0, 3)).ok()?;
    Some(subscription.topics.iter().map(ToString::to_string).collect())
}
