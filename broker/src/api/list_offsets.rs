//! ListOffsets: the first, the last, and by time.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::log::{Found, Isolation};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// The first version with a leader epoch in the answer.
const LEADER_EPOCHS_FROM: i16 = 4;

pub(super) fn targets(request: &ListOffsetsRequest) -> Vec<(String, i32)> {
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|wanted| (topic.name.to_string(), wanted.partition_index)))
        .collect()
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: ListOffsetsRequest,
    verdict: &Verdict,
) -> ListOffsetsResponse {
    let mut response = ListOffsetsResponse::default();
    let isolation = Isolation::of(request.isolation_level);
    for topic in request.topics {
        let answer = |wanted: &ListOffsetsPartition| {
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(wanted.partition_index);
            let found = match verdict.error_at(&topic.name, wanted.partition_index) {
                Some(code) => Err(code),
                None => find(cluster, context, isolation, &topic.name, wanted).map_err(|error| error.code()),
            };
            match found {
                Err(code) => answer.with_error_code(code).with_offset(-1),
                Ok(found) if context.version < LEADER_EPOCHS_FROM => {
                    answer.with_timestamp(found.timestamp).with_offset(found.offset)
                }
                Ok(found) => answer
                    .with_timestamp(found.timestamp)
                    .with_offset(found.offset)
                    .with_leader_epoch(found.leader_epoch),
            }
        };
        let partitions = topic.partitions.iter().map(answer).collect();
        response.topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    response
}

fn find(
    cluster: &Cluster,
    context: &Context,
    isolation: Isolation,
    topic: &str,
    wanted: &ListOffsetsPartition,
) -> Result<Found, ResponseError> {
    let partition =
        cluster.topics.partition(topic, wanted.partition_index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    partition.check_leader(context.node, wanted.current_leader_epoch)?;
    let log = &partition.log;
    let at = |offset: i64, leader_epoch: Option<i32>| Found {
        offset,
        timestamp: -1,
        leader_epoch: leader_epoch.unwrap_or(-1),
    };
    let none = at(-1, None);
    let end = log.end_for(isolation);
    // A record that isn't decided yet isn't found, though there may be one.
    let visible = |found: Option<Found>| found.filter(|found| found.offset < end).unwrap_or(none);
    Ok(match wanted.timestamp {
        LATEST => at(end, log.epochs.latest()),
        EARLIEST | EARLIEST_LOCAL => at(log.start_offset(), log.epochs.at(log.start_offset())),
        MAX_TIMESTAMP => visible(log.at_max_time()),
        LATEST_TIERED => none,
        timestamp if timestamp < 0 => return Err(ResponseError::InvalidRequest),
        timestamp => visible(log.at_time(timestamp)),
    })
}
