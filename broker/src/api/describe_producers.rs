//! DescribeProducers: what partitions know of the producers that write to them.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::log::producers::Producer;

pub(super) fn targets(request: &DescribeProducersRequest) -> Vec<(String, i32)> {
    let topics = request.topics.iter();
    topics.flat_map(|topic| topic.partition_indexes.iter().map(|index| (topic.name.to_string(), *index))).collect()
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: DescribeProducersRequest,
    verdict: &Verdict,
) -> DescribeProducersResponse {
    let mut response = DescribeProducersResponse::default();
    for topic in request.topics {
        let answer = |index: &i32| {
            let answer = PartitionResponse::default().with_partition_index(*index);
            let found = match verdict.error_at(&topic.name, *index) {
                Some(code) => Err(code),
                None => find(cluster, context, &topic.name, *index).map_err(|error| error.code()),
            };
            match found {
                Ok(producers) => answer.with_active_producers(producers),
                Err(code) => answer.with_error_code(code),
            }
        };
        let partitions = topic.partition_indexes.iter().map(answer).collect();
        response.topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    response
}

fn find(cluster: &Cluster, context: &Context, topic: &str, index: i32) -> Result<Vec<ProducerState>, ResponseError> {
    let partition = cluster.topics.partition(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    partition.check_leader(context.node, -1)?;
    Ok(partition.log.producers.iter().map(describe).collect())
}

fn describe((id, producer): (i64, &Producer)) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(i32::from(producer.epoch))
        .with_last_sequence(producer.last_sequence())
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.open_from.unwrap_or(-1))
}
