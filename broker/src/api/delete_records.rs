//! DeleteRecords: moves the start of a log.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;

/// Asks for everything up to the end to be deleted.
const TO_THE_END: i64 = -1;

pub(super) fn targets(request: &DeleteRecordsRequest) -> Vec<(String, i32)> {
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|wanted| (topic.name.to_string(), wanted.partition_index)))
        .collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: DeleteRecordsRequest,
    verdict: &Verdict,
) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let index = wanted.partition_index;
            let deleted = match verdict.error_at(&topic.name, index) {
                Some(code) => Err(code),
                None => delete(cluster, context, &topic.name, index, wanted.offset).map_err(|error| error.code()),
            };
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            partitions.push(match deleted {
                Ok(start) => result.with_low_watermark(start),
                Err(code) => result.with_error_code(code).with_low_watermark(-1),
            });
        }
        response.topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    response
}

fn delete(
    cluster: &mut Cluster,
    context: &Context,
    topic: &str,
    index: i32,
    offset: i64,
) -> Result<i64, ResponseError> {
    let partition = cluster.topics.partition_mut(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    partition.check_leader(context.node, -1)?;
    let end = partition.log.end_offset();
    let offset = if offset == TO_THE_END { end } else { offset };
    if !(0..=end).contains(&offset) {
        return Err(ResponseError::OffsetOutOfRange);
    }
    partition.log.delete_before(offset);
    Ok(partition.log.start_offset())
}
