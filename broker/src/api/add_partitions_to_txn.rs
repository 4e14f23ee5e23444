//! AddPartitionsToTxn: partitions are to be written to within a transaction.
//!
//! Up to version 3 a producer asks, for one transaction; from version 4 on a broker does, for several (KIP-890).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::transaction::Protocol;

/// The first version for several transactions.
const BATCHED_FROM: i16 = 4;

/// The first version that knows `PRODUCER_FENCED` (KIP-588).
const FENCED_FROM: i16 = 2;

pub(super) fn targets(request: &AddPartitionsToTxnRequest) -> Vec<(String, i32)> {
    let topics = request.transactions.iter().flat_map(|transaction| &transaction.topics);
    partitions(topics.chain(&request.v3_and_below_topics)).collect()
}

pub(super) fn transactional_id(request: &AddPartitionsToTxnRequest) -> &str {
    let first = request.transactions.first().map(|transaction| &transaction.transactional_id);
    first.unwrap_or(&request.v3_and_below_transactional_id)
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: AddPartitionsToTxnRequest,
    verdict: &Verdict,
    now: Duration,
) -> AddPartitionsToTxnResponse {
    if context.version < BATCHED_FROM {
        let only = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        let results = results(cluster, context, &only, verdict, now);
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    let answer = |transaction: AddPartitionsToTxnTransaction| {
        let results = results(cluster, context, &transaction, verdict, now);
        let answered = AddPartitionsToTxnResult::default().with_transactional_id(transaction.transactional_id);
        answered.with_topic_results(results)
    };
    let results = request.transactions.into_iter().map(answer).collect();
    AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
}

/// All partitions are added, or none is: then those that are not to blame are told so.
fn results(
    cluster: &mut Cluster,
    context: &Context,
    transaction: &AddPartitionsToTxnTransaction,
    verdict: &Verdict,
    now: Duration,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let wanted: Vec<(String, i32)> = partitions(&transaction.topics).collect();
    let refused = |(topic, index): &(String, i32)| {
        let is_there = cluster.topics.partition(topic, *index).is_some();
        verdict.error_at(topic, *index).or((!is_there).then_some(ResponseError::UnknownTopicOrPartition.code()))
    };
    let refused: Vec<Option<i16>> = wanted.iter().map(refused).collect();
    let codes: Vec<i16> = if refused.iter().any(Option::is_some) {
        let not_attempted = ResponseError::OperationNotAttempted.code();
        refused.into_iter().map(|code| code.unwrap_or(not_attempted)).collect()
    } else if transaction.verify_only {
        let verify = |partition| verify(cluster, context, transaction, partition);
        wanted.iter().map(|partition| code(context, verify(partition))).collect()
    } else {
        let code = code(context, add(cluster, context, transaction, now));
        vec![code; wanted.len()]
    };
    let mut codes = codes.into_iter();
    let answer = |topic: &AddPartitionsToTxnTopic| {
        let results = topic.partitions.iter().zip(&mut codes).map(|(index, code)| {
            let result = AddPartitionsToTxnPartitionResult::default().with_partition_index(*index);
            result.with_partition_error_code(code)
        });
        let results = results.collect();
        AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(results)
    };
    transaction.topics.iter().map(answer).collect()
}

fn add(
    cluster: &mut Cluster,
    context: &Context,
    transaction: &AddPartitionsToTxnTransaction,
    now: Duration,
) -> Result<(), ResponseError> {
    let id = transaction.transactional_id.as_str();
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    let producer = (transaction.producer_id.0, transaction.producer_epoch);
    let protocol = if context.version >= BATCHED_FROM { Protocol::V2 } else { Protocol::V1 };
    cluster.add_to_transaction(id, producer, partitions(&transaction.topics), None, protocol, now)
}

fn verify(
    cluster: &Cluster,
    context: &Context,
    transaction: &AddPartitionsToTxnTransaction,
    partition: &(String, i32),
) -> Result<(), ResponseError> {
    let id = transaction.transactional_id.as_str();
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    let producer = (transaction.producer_id.0, transaction.producer_epoch);
    cluster.verify_partition(id, producer, partition)
}

fn code(context: &Context, result: Result<(), ResponseError>) -> i16 {
    match result {
        Ok(()) => 0,
        Err(ResponseError::ProducerFenced) if context.version < FENCED_FROM => {
            ResponseError::InvalidProducerEpoch.code()
        }
        Err(error) => error.code(),
    }
}

fn partitions<'a>(
    topics: impl IntoIterator<Item = &'a AddPartitionsToTxnTopic>,
) -> impl Iterator<Item = (String, i32)> {
    let topics = topics.into_iter();
    topics.flat_map(|topic| topic.partitions.iter().map(|index| (topic.name.to_string(), *index)))
}
