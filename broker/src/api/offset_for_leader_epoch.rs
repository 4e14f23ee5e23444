//! OffsetForLeaderEpoch: where an epoch ended (KIP-320).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;

pub(super) fn targets(request: &OffsetForLeaderEpochRequest) -> Vec<(String, i32)> {
    let topics = request.topics.iter();
    topics.flat_map(|topic| topic.partitions.iter().map(|wanted| (topic.topic.to_string(), wanted.partition))).collect()
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: OffsetForLeaderEpochRequest,
    verdict: &Verdict,
) -> OffsetForLeaderEpochResponse {
    let mut response = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let answer = |wanted: &OffsetForLeaderPartition| {
            let answer = EpochEndOffset::default().with_partition(wanted.partition);
            let found = match verdict.error_at(&topic.topic, wanted.partition) {
                Some(code) => Err(code),
                None => find(cluster, context, &topic.topic, wanted).map_err(|error| error.code()),
            };
            match found {
                Err(code) => answer.with_error_code(code),
                Ok(Some((epoch, end))) => answer.with_leader_epoch(epoch).with_end_offset(end),
                Ok(None) => answer,
            }
        };
        let partitions = topic.partitions.iter().map(answer).collect();
        let answered = OffsetForLeaderTopicResult::default().with_topic(topic.topic);
        response.topics.push(answered.with_partitions(partitions));
    }
    response
}

fn find(
    cluster: &Cluster,
    context: &Context,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ResponseError> {
    let partition = cluster.topics.partition(topic, wanted.partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
    partition.check_leader(context.node, wanted.current_leader_epoch)?;
    Ok(partition.log.epochs.end_of(wanted.leader_epoch, partition.log.end_offset()))
}
