//! Produce: append one batch to each partition named.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Outcome, fetch};
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::config::Config;
use crate::faults::Verdict;
use crate::log::batch::{BadRecord, Batch, Refused};
use crate::log::producers;
use crate::log::record;
use crate::log::validate::validate;

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// The first version in which zstd is allowed.
const ZSTD_FROM: i16 = 7;

const ZSTD: i16 = 4;

/// The first version that names the new leader in a refusal.
const LEADERS_FROM: i16 = 10;

/// The errors whose answer has no log start offset: they come before the log is looked at.
const WITHOUT_START_OFFSET: [ResponseError; 6] = [
    ResponseError::CorruptMessage,
    ResponseError::InvalidRequiredAcks,
    ResponseError::MessageTooLarge,
    ResponseError::NotLeaderOrFollower,
    ResponseError::UnknownTopicId,
    ResponseError::UnknownTopicOrPartition,
];

/// Takes the batches out of a request and checks what can be checked without the cluster.
pub(super) fn batches(request: &mut ProduceRequest, version: i16, config: &Config) -> Vec<Result<Batch, Refused>> {
    let partitions = request.topic_data.iter_mut().flat_map(|topic| &mut topic.partition_data);
    let check = |records| {
        let batch = Batch::produced(records, config.check_records)?;
        if batch.header.codec() == ZSTD && version < ZSTD_FROM {
            let message = "Produce requests of version 6 and below may not use zstd";
            return Err(Refused::new(ResponseError::UnsupportedCompressionType, message));
        }
        if config.check_records {
            record::check(&batch)?;
        }
        Ok(batch)
    };
    partitions.map(|partition| check(partition.records.take())).collect()
}

pub(super) fn targets(request: &ProduceRequest, topics: &Topics) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in &request.topic_data {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.name.as_str());
        targets.extend(topic.partition_data.iter().map(|partition| (name.to_owned(), partition.index)));
    }
    targets
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: ProduceRequest,
    batches: Vec<Result<Batch, Refused>>,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    let mut batches = batches.into_iter();
    let mut response = ProduceResponse::default();
    let mut failed = false;
    for topic in request.topic_data {
        let name = if context.version >= TOPIC_IDS_FROM {
            cluster.topics.name_of(topic.topic_id).map(str::to_owned)
        } else {
            Some(topic.name.to_string())
        };
        let mut answers = Vec::with_capacity(topic.partition_data.len());
        for (partition, batch) in topic.partition_data.iter().zip(&mut batches) {
            let index = partition.index;
            let appended = match (&name, verdict.error_at(name.as_deref().unwrap_or_default(), index)) {
                (_, Some(code)) => Err(Refused::injected(code)),
                _ if !(-1..=1).contains(&request.acks) => {
                    Err(Refused::new(ResponseError::InvalidRequiredAcks, "acks must be -1, 0 or 1"))
                }
                (None, _) => Err(Refused::new(ResponseError::UnknownTopicId, "No topic has this id")),
                (Some(name), _) => batch.and_then(|batch| append(cluster, context.node, name, index, batch, now)),
            };
            failed |= appended.is_err();
            answers.push(match appended {
                Ok(Appended { base_offset, time_ms, start_offset }) => PartitionProduceResponse::default()
                    .with_index(index)
                    .with_base_offset(base_offset)
                    .with_log_append_time_ms(time_ms)
                    .with_log_start_offset(start_offset),
                Err(refused) => refusal(cluster, &mut response, index, name.as_deref(), refused, context.version),
            });
        }
        let answered = TopicProduceResponse::default().with_partition_responses(answers);
        response.responses.push(if context.version >= TOPIC_IDS_FROM {
            answered.with_topic_id(topic.topic_id)
        } else {
            answered.with_name(topic.name)
        });
    }
    match request.acks {
        0 if failed => Outcome::Close,
        0 => Outcome::Silent,
        _ => response.into(),
    }
}

/// Where a batch went, or where it was already.
struct Appended {
    base_offset: i64,
    /// The broker's time, with `LogAppendTime`; else -1.
    time_ms: i64,
    start_offset: i64,
}

fn append(
    cluster: &mut Cluster,
    node: i32,
    name: &str,
    index: i32,
    mut batch: Batch,
    now: Duration,
) -> Result<Appended, Refused> {
    let (keep, now_ms) = (!cluster.config.discard, cluster.config.wall_ms(now));
    let unknown = || Refused::new(ResponseError::UnknownTopicOrPartition, "There is no such partition");
    let topic = cluster.topics.get_mut(name).ok_or_else(unknown)?;
    let slot = usize::try_from(index).map_err(|_| unknown())?;
    let partition = topic.partitions.get_mut(slot).ok_or_else(unknown)?;
    if partition.leader != node {
        let message = format!("Node {node} is not the leader");
        return Err(Refused::new(ResponseError::NotLeaderOrFollower, message));
    }
    let limit = topic.config.max_message_bytes();
    if batch.size() > limit {
        let message = format!("The batch has {} bytes, max.message.bytes is {limit}", batch.size());
        return Err(Refused::new(ResponseError::MessageTooLarge, message));
    }
    if cluster.config.check_records {
        validate(&batch, &topic.config.record_rules(), now_ms)?;
    }
    if batch.header.is_transactional() {
        let message = "No transaction is under way: this broker has none";
        return Err(Refused::new(ResponseError::InvalidTxnState, message));
    }
    let log = &mut partition.log;
    if batch.header.has_producer()
        && let producers::Verdict::Duplicate(written) = log.producers.check(&batch.header)?
    {
        return Ok(Appended {
            base_offset: written.base_offset,
            time_ms: written.max_timestamp,
            start_offset: log.start_offset(),
        });
    }
    let mut time_ms = -1;
    if topic.config.is_log_append_time() {
        let Batch { header, body } = &mut batch;
        header.set_log_append_time(now_ms, body);
        time_ms = now_ms;
    }
    let base_offset = log.append(batch, partition.leader_epoch, keep);
    let appended = Appended { base_offset, time_ms, start_offset: log.start_offset() };
    let id = topic.id;
    fetch::wake(cluster, id, slot, now);
    Ok(appended)
}

/// The answer for a partition whose batch was not taken. If another node leads, it says which (KIP-951).
fn refusal(
    cluster: &Cluster,
    response: &mut ProduceResponse,
    index: i32,
    name: Option<&str>,
    refused: Refused,
    version: i16,
) -> PartitionProduceResponse {
    let bad_record = |record: BadRecord| {
        let message = Some(StrBytes::from_string(record.message));
        BatchIndexAndErrorMessage::default().with_batch_index(record.index).with_batch_index_error_message(message)
    };
    let mut answer = PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(refused.code.code())
        .with_base_offset(-1)
        .with_record_errors(refused.records.into_iter().map(bad_record).collect())
        .with_error_message((!refused.message.is_empty()).then(|| StrBytes::from_string(refused.message)));
    let Some(partition) = name.and_then(|name| cluster.topics.partition(name, index)) else { return answer };
    if !WITHOUT_START_OFFSET.contains(&refused.code) {
        answer.log_start_offset = partition.log.start_offset();
    }
    if refused.code == ResponseError::NotLeaderOrFollower && version >= LEADERS_FROM {
        answer.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(partition.leader))
            .with_leader_epoch(partition.leader_epoch);
        let leader = cluster.node(partition.leader);
        let is_new =
            |node: &&crate::cluster::Node| response.node_endpoints.iter().all(|known| known.node_id.0 != node.id);
        if let Some(node) = leader.filter(is_new) {
            let endpoint = NodeEndpoint::default().with_node_id(BrokerId(node.id));
            response.node_endpoints.push(endpoint.with_host(node.host.clone()).with_port(node.port));
        }
    }
    answer
}
