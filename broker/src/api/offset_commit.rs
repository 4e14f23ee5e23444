//! OffsetCommit, by a member or by a client that assigns partitions itself.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse};
use uuid::Uuid;

use super::Context;
use super::compact::Reader;
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::faults::Verdict;
use crate::group::Committer;
use crate::group::offsets::CommittedOffset;

/// The first version that names topics by id.
pub(super) const TOPIC_IDS_FROM: i16 = 10;

/// The first version in which a group that isn't there has an error of its own.
const GROUP_ID_NOT_FOUND_FROM: i16 = 9;

/// The first version in which a member may have an epoch instead of a generation (KIP-848).
const MEMBER_EPOCHS_FROM: i16 = 9;

/// Kafka's `offset.metadata.max.bytes`.
pub(super) const MAX_METADATA_BYTES: usize = 4096;

/// Reads version 10, which names topics by id.
pub(super) fn decode_with_topic_ids(body: &mut Bytes) -> Result<OffsetCommitRequest, String> {
    let mut reader = Reader(body);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(reader.string()?))
        .with_generation_id_or_member_epoch(reader.i32()?)
        .with_member_id(reader.string()?)
        .with_group_instance_id(reader.nullable_string()?);
    let topics = reader.array(|reader| {
        let topic = OffsetCommitRequestTopic::default().with_topic_id(reader.uuid()?);
        let partitions = reader.array(|reader| {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(reader.i32()?)
                .with_committed_offset(reader.i64()?)
                .with_committed_leader_epoch(reader.i32()?)
                .with_committed_metadata(reader.nullable_string()?);
            reader.tags().map(|()| partition)
        })?;
        reader.tags().map(|()| topic.with_partitions(partitions.unwrap_or_default()))
    })?;
    reader.tags().map(|()| request.with_topics(topics.unwrap_or_default()))
}

pub(super) fn targets(request: &OffsetCommitRequest, topics: &Topics) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in &request.topics {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.name.as_str());
        targets.extend(topic.partitions.iter().map(|partition| (name.to_owned(), partition.partition_index)));
    }
    targets
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: OffsetCommitRequest,
    verdict: &Verdict,
    now: Duration,
) -> OffsetCommitResponse {
    let id = request.group_id.to_string();
    // What the verdict doesn't let act must not act: not even on the member's session.
    let allowed = match verdict.error() {
        Some(_) if request.topics.iter().all(|topic| refuses_all(cluster, topic, verdict)) => Ok(()),
        _ => check(cluster, context, &request, now),
    };
    let mut response = OffsetCommitResponse::default();
    for topic in request.topics {
        let by_id = context.version >= TOPIC_IDS_FROM;
        let name = if by_id {
            cluster.topics.name_of(topic.topic_id).map(str::to_owned)
        } else {
            Some(topic.name.to_string()).filter(|name| cluster.topics.get(name).is_some())
        };
        let unknown = if by_id { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
        let mut commit = |partition: OffsetCommitRequestPartition| {
            let index = partition.partition_index;
            let injected = verdict.error_at(name.as_deref().unwrap_or(topic.name.as_str()), index);
            let code = injected.unwrap_or_else(|| match (&name, allowed) {
                (_, Err(code)) => code.code(),
                (None, _) => unknown.code(),
                (Some(name), Ok(())) => commit(cluster, &id, name, partition),
            });
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        let partitions = topic.partitions.into_iter().map(&mut commit).collect();
        let answered = OffsetCommitResponseTopic::default().with_partitions(partitions);
        let answered = if by_id { answered.with_topic_id(topic.topic_id) } else { answered.with_name(topic.name) };
        response.topics.push(answered);
    }
    cluster.settle_group(&id, now);
    response
}

fn refuses_all(cluster: &Cluster, topic: &OffsetCommitRequestTopic, verdict: &Verdict) -> bool {
    let name = cluster.topics.name_of(topic.topic_id).unwrap_or(topic.name.as_str());
    topic.partitions.iter().all(|partition| verdict.error_at(name, partition.partition_index).is_some())
}

fn check(
    cluster: &mut Cluster,
    context: &Context,
    request: &OffsetCommitRequest,
    now: Duration,
) -> Result<(), ResponseError> {
    let id = request.group_id.as_str();
    if cluster.coordinator(id) != Some(context.node) {
        return Err(ResponseError::NotCoordinator);
    }
    let generation = request.generation_id_or_member_epoch;
    if cluster.groups.get(id).is_none() && generation >= 0 {
        return Err(if context.version >= GROUP_ID_NOT_FOUND_FROM {
            ResponseError::GroupIdNotFound
        } else {
            ResponseError::IllegalGeneration
        });
    }
    let committer =
        Committer { member_id: &request.member_id, instance: request.group_instance_id.as_deref(), epoch: generation };
    let partitions = partitions(&cluster.topics, request);
    let group = cluster.group_or_new(id);
    if context.version < MEMBER_EPOCHS_FROM
        && generation >= 0
        && group.consumer().is_some_and(|group| group.has(&request.member_id))
    {
        return Err(ResponseError::UnsupportedVersion);
    }
    group.check_commit(committer, &partitions, now)
}

/// The partitions of topics that are there.
fn partitions(topics: &Topics, request: &OffsetCommitRequest) -> Vec<(Uuid, i32)> {
    let found = request.topics.iter().filter_map(|topic| {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.name.as_str());
        Some((topics.get(name)?.id, topic))
    });
    found
        .flat_map(|(id, topic)| topic.partitions.iter().map(move |partition| (id, partition.partition_index)))
        .collect()
}

/// Takes one offset; returns the error code.
fn commit(cluster: &mut Cluster, group: &str, topic: &str, partition: OffsetCommitRequestPartition) -> i16 {
    let metadata = partition.committed_metadata.map(|metadata| metadata.to_string()).unwrap_or_default();
    if metadata.len() > MAX_METADATA_BYTES {
        return ResponseError::OffsetMetadataTooLarge.code();
    }
    if cluster.topics.partition(topic, partition.partition_index).is_none() {
        return ResponseError::UnknownTopicOrPartition.code();
    }
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
    };
    cluster.group_or_new(group).offsets.commit(topic, partition.partition_index, committed);
    0
}
