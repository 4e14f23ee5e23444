//! DescribeTransactions: what the coordinators of transactional ids know of them.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::transaction::Transaction;

/// The topic in which Kafka keeps the groups' offsets, so that their transactions have partitions too.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Kafka's `offsets.topic.num.partitions`.
const OFFSETS_PARTITIONS: i32 = 50;

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: DescribeTransactionsRequest,
    verdict: &Verdict,
) -> DescribeTransactionsResponse {
    let describe = |id: TransactionalId| {
        let found = match verdict.error() {
            Some(code) => Err(code),
            None => find(cluster, context, &id).map_err(|error| error.code()),
        };
        let described = TransactionState::default().with_transactional_id(id);
        match found {
            Ok(transaction) => describe(cluster, transaction, described),
            Err(code) => described.with_error_code(code),
        }
    };
    let states = request.transactional_ids.into_iter().map(describe).collect();
    DescribeTransactionsResponse::default().with_transaction_states(states)
}

fn find<'a>(cluster: &'a Cluster, context: &Context, id: &str) -> Result<&'a Transaction, ResponseError> {
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    cluster.transactions.get(id).ok_or(ResponseError::TransactionalIdNotFound)
}

fn describe(cluster: &Cluster, transaction: &Transaction, described: TransactionState) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    let groups = transaction.groups().iter().map(|group| (OFFSETS_TOPIC, offsets_partition(group)));
    let partitions = transaction.partitions().iter().map(|(topic, index)| (topic.as_str(), *index));
    for (topic, index) in partitions.chain(groups) {
        match topics.last_mut().filter(|known| known.topic.as_str() == topic) {
            Some(known) => known.partitions.push(index),
            None => {
                let name = TopicName(StrBytes::from_string(topic.to_owned()));
                topics.push(TopicData::default().with_topic(name).with_partitions(vec![index]));
            }
        }
    }
    let timeout = i32::try_from(transaction.timeout().as_millis()).unwrap_or(i32::MAX);
    described
        .with_transaction_state(StrBytes::from_static_str(transaction.state().name()))
        .with_transaction_timeout_ms(timeout)
        .with_transaction_start_time_ms(transaction.started().map_or(-1, |started| cluster.config.wall_ms(started)))
        .with_producer_id(ProducerId(transaction.producer_id()))
        .with_producer_epoch(transaction.epoch())
        .with_topics(topics)
}

/// The partition in which Kafka would keep a group's offsets: by Java's hash of its id.
fn offsets_partition(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % OFFSETS_PARTITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_fall_to_the_partitions_that_kafka_gives_them() {
        assert_eq!(offsets_partition("a"), 47, "97 in Java");
        assert_eq!(offsets_partition("billing"), 9, "-109829509 in Java");
    }
}
