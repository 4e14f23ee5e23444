//! Produce: append one batch to each partition named.
//!
//! ```text
//! check (without the cluster) ─► transaction.rs: may its transaction write here? ─► append.rs: rules, producers, log
//! ```

mod append;
mod transaction;

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::TopicProduceData;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Outcome};
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::config::Config;
use crate::faults::Verdict;
use crate::log::batch::{BadRecord, Batch, Refused};
use crate::log::record;
use append::{Appended, append};

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// The first version in which zstd is allowed.
const ZSTD_FROM: i16 = 7;

const ZSTD: i16 = 4;

/// The first version that names the new leader in a refusal.
const LEADERS_FROM: i16 = 10;

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
    let named = |topic: &TopicProduceData| match context.version >= TOPIC_IDS_FROM {
        true => cluster.topics.name_of(topic.topic_id).map(str::to_owned),
        false => Some(topic.name.to_string()),
    };
    let names: Vec<Option<String>> = request.topic_data.iter().map(named).collect();
    let mut parts = Vec::with_capacity(batches.len());
    let mut batches = batches.into_iter();
    for (topic, name) in request.topic_data.iter().zip(&names) {
        for (partition, batch) in topic.partition_data.iter().zip(&mut batches) {
            let index = partition.index;
            let topic = name.as_deref().unwrap_or_default();
            let batch = match (name, verdict.error_at(topic, index)) {
                (_, Some(code)) => Err(append::at_log(cluster, topic, index, Refused::injected(code))),
                _ if !(-1..=1).contains(&request.acks) => {
                    Err(Refused::new(ResponseError::InvalidRequiredAcks, "acks must be -1, 0 or 1"))
                }
                (None, _) => Err(Refused::new(ResponseError::UnknownTopicId, "No topic has this id")),
                (Some(_), None) => batch,
            };
            parts.push(Part { topic, index, batch });
        }
    }
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    transaction::agree(cluster, context, transactional_id, &mut parts, now);

    let mut response = ProduceResponse::default();
    let mut failed = false;
    let mut parts = parts.into_iter();
    for topic in request.topic_data {
        let mut answers = Vec::with_capacity(topic.partition_data.len());
        for Part { topic, index, batch } in parts.by_ref().take(topic.partition_data.len()) {
            let appended = batch.and_then(|batch| append(cluster, context.node, topic, index, batch, now));
            failed |= appended.is_err();
            answers.push(match appended {
                Ok(Appended { base_offset, time_ms, start_offset }) => PartitionProduceResponse::default()
                    .with_index(index)
                    .with_base_offset(base_offset)
                    .with_log_append_time_ms(time_ms)
                    .with_log_start_offset(start_offset),
                Err(refused) => refusal(cluster, &mut response, topic, index, refused, context.version),
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

/// One partition of a request.
struct Part<'a> {
    /// Empty if there is none of the id asked for.
    topic: &'a str,
    index: i32,
    /// What to append, unless it is refused already.
    batch: Result<Batch, Refused>,
}

/// The answer for a partition whose batch was not taken. If another node leads, it says which (KIP-951).
fn refusal(
    cluster: &Cluster,
    response: &mut ProduceResponse,
    topic: &str,
    index: i32,
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
        .with_log_start_offset(refused.start_offset)
        .with_record_errors(refused.records.into_iter().map(bad_record).collect())
        .with_error_message((!refused.message.is_empty()).then(|| StrBytes::from_string(refused.message)));
    let led_elsewhere = refused.code == ResponseError::NotLeaderOrFollower && version >= LEADERS_FROM;
    if let Some(partition) = cluster.topics.partition(topic, index).filter(|_| led_elsewhere) {
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
