//! OffsetFetch: committed offsets, of one group or of many.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use super::compact::Reader;
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::faults::Verdict;
use crate::group::offsets::CommittedOffset;

/// The first version that names topics by id.
pub(super) const TOPIC_IDS_FROM: i16 = 10;

/// The first version that asks for many groups at once.
const GROUPS_FROM: i16 = 8;

/// The first version with an error for the group, not only for each partition.
const GROUP_ERRORS_FROM: i16 = 2;

/// The first version with leader epochs.
const LEADER_EPOCHS_FROM: i16 = 5;

/// Errors that are about a partition, not about the group.
const PARTITION_ERRORS: [ResponseError; 4] = [
    ResponseError::TopicAuthorizationFailed,
    ResponseError::UnknownTopicId,
    ResponseError::UnknownTopicOrPartition,
    ResponseError::UnstableOffsetCommit,
];

/// Reads version 10, which names topics by id.
pub(super) fn decode_with_topic_ids(body: &mut Bytes) -> Result<OffsetFetchRequest, String> {
    let mut reader = Reader(body);
    let groups = reader.array(|reader| {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(reader.string()?))
            .with_member_id(reader.nullable_string()?)
            .with_member_epoch(reader.i32()?);
        let topics = reader.array(|reader| {
            let topic = OffsetFetchRequestTopics::default().with_topic_id(reader.uuid()?);
            let partitions = reader.array(Reader::i32)?;
            reader.tags().map(|()| topic.with_partition_indexes(partitions.unwrap_or_default()))
        })?;
        reader.tags().map(|()| group.with_topics(topics))
    })?;
    let request = OffsetFetchRequest::default().with_groups(groups.unwrap_or_default());
    let request = request.with_require_stable(reader.bool()?);
    reader.tags().map(|()| request)
}

pub(super) fn targets(request: &OffsetFetchRequest, topics: &Topics) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in request.topics.iter().flatten() {
        targets.extend(topic.partition_indexes.iter().map(|index| (topic.name.to_string(), *index)));
    }
    for topic in request.groups.iter().flat_map(|group| group.topics.iter().flatten()) {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.name.as_str());
        targets.extend(topic.partition_indexes.iter().map(|index| (name.to_owned(), *index)));
    }
    targets
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: OffsetFetchRequest,
    verdict: &Verdict,
) -> OffsetFetchResponse {
    // A transaction's offsets count once it has ended; who asks so waits for that (KIP-447).
    let is_stable_only = request.require_stable;
    if context.version >= GROUPS_FROM {
        let fetch = |group| fetch(cluster, context, group, is_stable_only, verdict);
        return OffsetFetchResponse::default().with_groups(request.groups.into_iter().map(fetch).collect());
    }
    let topics = request.topics.map(|topics| {
        let widen = |topic: kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            let wide = OffsetFetchRequestTopics::default().with_name(topic.name);
            wide.with_partition_indexes(topic.partition_indexes)
        };
        topics.into_iter().map(widen).collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics);
    let asked = group.clone();
    let mut fetched = fetch(cluster, context, group, is_stable_only, verdict);
    if context.version < GROUP_ERRORS_FROM && fetched.error_code != 0 {
        // No place for the group's error, so each partition has it.
        let code = fetched.error_code;
        let refuse = |topic: OffsetFetchRequestTopics| {
            let partitions = topic.partition_indexes.into_iter().map(|index| nothing(index).with_error_code(code));
            OffsetFetchResponseTopics::default().with_name(topic.name).with_partitions(partitions.collect())
        };
        fetched.topics = asked.topics.into_iter().flatten().map(refuse).collect();
        fetched.error_code = 0;
    }
    let narrow = |topic: OffsetFetchResponseTopics| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    };
    OffsetFetchResponse::default()
        .with_error_code(fetched.error_code)
        .with_topics(fetched.topics.into_iter().map(narrow).collect())
}

fn fetch(
    cluster: &Cluster,
    context: &Context,
    request: OffsetFetchRequestGroup,
    is_stable_only: bool,
    verdict: &Verdict,
) -> OffsetFetchResponseGroup {
    let id = request.group_id.to_string();
    let response = OffsetFetchResponseGroup::default().with_group_id(request.group_id);
    let is_about_partitions = |code: &i16| PARTITION_ERRORS.iter().any(|error| error.code() == *code);
    if let Some(code) = verdict.error_of_topic("").filter(|code| !is_about_partitions(code)) {
        return response.with_error_code(code);
    }
    if cluster.coordinator(&id) != Some(context.node) {
        return response.with_error_code(ResponseError::NotCoordinator.code());
    }
    let checked = cluster
        .groups
        .get(&id)
        .map_or(Ok(()), |group| group.check_fetch(request.member_id.as_deref(), request.member_epoch));
    if let Err(error) = checked {
        return response.with_error_code(error.code());
    }
    let Some(wanted) = request.topics else {
        return response.with_topics(all(cluster, context, &id, is_stable_only, verdict));
    };
    let offsets = cluster.groups.get(&id).map(|group| &group.offsets);
    let topics = wanted.into_iter().map(|topic| {
        let by_id = context.version >= TOPIC_IDS_FROM;
        let name = if by_id { cluster.topics.name_of(topic.topic_id) } else { Some(topic.name.as_str()) };
        let partitions = topic.partition_indexes.iter().map(|index| match name {
            Some(name) => match verdict.error_at(name, *index) {
                Some(code) => nothing(*index).with_error_code(code),
                None if is_stable_only && offsets.is_some_and(|offsets| offsets.is_unstable(name, *index)) => {
                    unstable(*index)
                }
                None => {
                    let committed = offsets.and_then(|offsets| offsets.get(name, *index));
                    committed.map_or_else(|| nothing(*index), |committed| found(context, *index, committed))
                }
            },
            None => nothing(*index).with_error_code(ResponseError::UnknownTopicId.code()),
        });
        let answered = OffsetFetchResponseTopics::default().with_partitions(partitions.collect());
        if by_id { answered.with_topic_id(topic.topic_id) } else { answered.with_name(topic.name) }
    });
    response.with_topics(topics.collect())
}

/// Every offset the group has committed.
fn all(
    cluster: &Cluster,
    context: &Context,
    id: &str,
    is_stable_only: bool,
    verdict: &Verdict,
) -> Vec<OffsetFetchResponseTopics> {
    let Some(group) = cluster.groups.get(id) else { return Vec::new() };
    let topics = group.offsets.iter().map(|(name, partitions)| {
        let partitions = partitions.map(|(index, committed)| match verdict.error_at(name, index) {
            Some(code) => nothing(index).with_error_code(code),
            None if is_stable_only && group.offsets.is_unstable(name, index) => unstable(index),
            None => found(context, index, committed),
        });
        let answered = OffsetFetchResponseTopics::default().with_partitions(partitions.collect());
        if context.version >= TOPIC_IDS_FROM {
            answered.with_topic_id(cluster.topics.get(name).map(|topic| topic.id).unwrap_or_default())
        } else {
            answered.with_name(TopicName(StrBytes::from_string(name.to_owned())))
        }
    });
    topics.collect()
}

fn found(context: &Context, index: i32, committed: &CommittedOffset) -> OffsetFetchResponsePartitions {
    let answer = nothing(index)
        .with_committed_offset(committed.offset)
        .with_metadata(Some(StrBytes::from_string(committed.metadata.clone())));
    if context.version >= LEADER_EPOCHS_FROM {
        answer.with_committed_leader_epoch(committed.leader_epoch)
    } else {
        answer
    }
}

fn unstable(index: i32) -> OffsetFetchResponsePartitions {
    nothing(index).with_error_code(ResponseError::UnstableOffsetCommit.code())
}

fn nothing(index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(-1)
        .with_metadata(Some(StrBytes::default()))
}
