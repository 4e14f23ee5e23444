//! ListTransactions: the transactional ids this node coordinates.

use std::time::Duration;

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::transaction::{State, Transaction};

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: &ListTransactionsRequest,
    verdict: &Verdict,
    now: Duration,
) -> ListTransactionsResponse {
    if let Some(code) = verdict.error() {
        return ListTransactionsResponse::default().with_error_code(code);
    }
    let unknown = request.state_filters.iter().filter(|name| State::of_name(name).is_none());
    let least_age = u64::try_from(request.duration_filter).ok().map(Duration::from_millis);
    let is_wanted = |(id, transaction): &(&str, &Transaction)| {
        let (states, producers) = (&request.state_filters, &request.producer_id_filters);
        // What never began counts as ever so old, as in Kafka.
        let age = transaction.started().map_or(Duration::MAX, |started| now.saturating_sub(started));
        cluster.transaction_coordinator(id) == Some(context.node)
            && (states.is_empty() || states.iter().any(|name| name.as_str() == transaction.state().name()))
            && (producers.is_empty() || producers.contains(&ProducerId(transaction.producer_id())))
            && least_age.is_none_or(|least| age > least)
    };
    let describe = |(id, transaction): (&str, &Transaction)| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(id.to_owned())))
            .with_producer_id(ProducerId(transaction.producer_id()))
            .with_transaction_state(StrBytes::from_static_str(transaction.state().name()))
    };
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.cloned().collect())
        .with_transaction_states(cluster.transactions.iter().filter(is_wanted).map(describe).collect())
}
