//! EndTxn: commits or aborts a transaction.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::transaction::{End, Ending, Protocol};

/// The first version that knows `PRODUCER_FENCED` (KIP-588).
const FENCED_FROM: i16 = 2;

/// The first version of producers whose epoch rises with each transaction (KIP-890).
const BUMPS_FROM: i16 = 5;

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: &EndTxnRequest,
    verdict: &Verdict,
    now: Duration,
) -> EndTxnResponse {
    let ended = match verdict.error() {
        Some(code) => Err(code),
        None => end(cluster, context, request, now).map_err(|error| match error {
            ResponseError::ProducerFenced if context.version < FENCED_FROM => {
                ResponseError::InvalidProducerEpoch.code()
            }
            error => error.code(),
        }),
    };
    let response = EndTxnResponse::default();
    match ended {
        // Versions in which the epoch stays have no place for it.
        Ok((id, epoch)) => response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
        Err(code) => response.with_error_code(code).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
    }
}

fn end(
    cluster: &mut Cluster,
    context: &Context,
    request: &EndTxnRequest,
    now: Duration,
) -> Result<(i64, i16), ResponseError> {
    let id = request.transactional_id.as_str();
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    let end = End {
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
        is_commit: request.committed,
        protocol: if context.version >= BUMPS_FROM { Protocol::V2 } else { Protocol::V1 },
    };
    match cluster.end_transaction(id, end, now)? {
        Ending::Begun(producer_id, epoch) | Ending::Again(producer_id, epoch) => Ok((producer_id, epoch)),
    }
}
