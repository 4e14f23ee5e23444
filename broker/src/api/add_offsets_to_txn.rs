//! AddOffsetsToTxn: offsets of a group are to be committed within a transaction.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::transaction::Protocol;

/// The first version that knows `PRODUCER_FENCED` (KIP-588).
const FENCED_FROM: i16 = 2;

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: &AddOffsetsToTxnRequest,
    verdict: &Verdict,
    now: Duration,
) -> AddOffsetsToTxnResponse {
    let code = verdict.error().unwrap_or_else(|| match add(cluster, context, request, now) {
        Ok(()) => 0,
        Err(ResponseError::ProducerFenced) if context.version < FENCED_FROM => {
            ResponseError::InvalidProducerEpoch.code()
        }
        Err(error) => error.code(),
    });
    AddOffsetsToTxnResponse::default().with_error_code(code)
}

fn add(
    cluster: &mut Cluster,
    context: &Context,
    request: &AddOffsetsToTxnRequest,
    now: Duration,
) -> Result<(), ResponseError> {
    let id = request.transactional_id.as_str();
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    let producer = (request.producer_id.0, request.producer_epoch);
    // Only producers of the older protocol ask: the newer one's say it with TxnOffsetCommit.
    cluster.add_to_transaction(id, producer, [], Some(&request.group_id), Protocol::V1, now)
}
