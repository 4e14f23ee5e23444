//! TxnOffsetCommit: offsets that count once a transaction is committed (KIP-98, KIP-447).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use uuid::Uuid;

use super::Context;
use super::offset_commit::MAX_METADATA_BYTES;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::group::Committer;
use crate::group::offsets::CommittedOffset;
use crate::transaction::Protocol;

/// The first version that knows `TRANSACTION_ABORTABLE` (KIP-890).
const ABORTABLE_FROM: i16 = 4;

/// The first version that adds the group to the transaction itself (KIP-890).
const ADDS_FROM: i16 = 5;

pub(super) fn targets(request: &TxnOffsetCommitRequest) -> Vec<(String, i32)> {
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.to_string(), partition.partition_index)))
        .collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: TxnOffsetCommitRequest,
    verdict: &Verdict,
    now: Duration,
) -> TxnOffsetCommitResponse {
    let is_unknown = |cluster: &Cluster, topic: &str, index: i32| cluster.topics.partition(topic, index).is_none();
    let is_refused = |(topic, index): &(String, i32)| {
        verdict.error_at(topic, *index).is_some() || is_unknown(cluster, topic, *index)
    };
    // Where nothing is to be committed, nothing is checked or added.
    let allowed =
        if targets(&request).iter().all(is_refused) { Ok(()) } else { check(cluster, context, &request, now) };
    let (group, producer) = (request.group_id.to_string(), (request.producer_id.0, request.producer_epoch));
    let mut response = TxnOffsetCommitResponse::default();
    for topic in request.topics {
        let mut commit = |partition: TxnOffsetCommitRequestPartition| {
            let index = partition.partition_index;
            let code = verdict.error_at(&topic.name, index).unwrap_or_else(|| match allowed {
                _ if is_unknown(cluster, &topic.name, index) => ResponseError::UnknownTopicOrPartition.code(),
                Err(error) => error.code(),
                Ok(()) => commit(cluster, &group, producer, &topic.name, partition),
            });
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        let partitions = topic.partitions.into_iter().map(&mut commit).collect();
        response.topics.push(TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    response
}

fn check(
    cluster: &mut Cluster,
    context: &Context,
    request: &TxnOffsetCommitRequest,
    now: Duration,
) -> Result<(), ResponseError> {
    let group = request.group_id.as_str();
    cluster.check_coordinator(context.node, group)?;
    let producer = (request.producer_id.0, request.producer_epoch);
    let known = cluster.groups.get(group);
    if known.map_or(Ok(true), |known| known.offsets.verify(producer))? {
        let id = request.transactional_id.as_str();
        // Clients retry after this one without looking for the group's coordinator.
        cluster.check_transaction_coordinator_acts(id).map_err(|_| ResponseError::CoordinatorLoadInProgress)?;
        let agreed = if context.version >= ADDS_FROM {
            cluster.add_to_transaction(id, producer, [], Some(group), Protocol::V2, now)
        } else {
            cluster.verify_group(id, producer, group)
        };
        agreed.map_err(|error| match error {
            ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
            ResponseError::TransactionAbortable if context.version < ABORTABLE_FROM => ResponseError::InvalidTxnState,
            error => error,
        })?;
    }
    if cluster.groups.get(group).is_none() && request.generation_id >= 0 {
        return Err(ResponseError::IllegalGeneration);
    }
    let committer = Committer {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        epoch: request.generation_id,
    };
    let found = request.topics.iter().filter_map(|topic| Some((cluster.topics.get(&topic.name)?.id, topic)));
    let partitions: Vec<(Uuid, i32)> = found
        .flat_map(|(id, topic)| topic.partitions.iter().map(move |partition| (id, partition.partition_index)))
        .collect();
    cluster.group_or_new(group).check_transactional_commit(committer, &partitions)
}

/// Takes one offset; returns the error code.
fn commit(
    cluster: &mut Cluster,
    group: &str,
    producer: (i64, i16),
    topic: &str,
    partition: TxnOffsetCommitRequestPartition,
) -> i16 {
    let metadata = partition.committed_metadata.map(|metadata| metadata.to_string()).unwrap_or_default();
    if metadata.len() > MAX_METADATA_BYTES {
        return ResponseError::OffsetMetadataTooLarge.code();
    }
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
    };
    cluster.group_or_new(group).offsets.commit_pending(producer, topic, partition.partition_index, committed);
    0
}
