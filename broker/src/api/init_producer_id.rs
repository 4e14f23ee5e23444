//! InitProducerId: an id and an epoch for an idempotent or a transactional producer.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;

/// The first version that knows `PRODUCER_FENCED` (KIP-588).
const FENCED_FROM: i16 = 4;

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: &InitProducerIdRequest,
    verdict: &Verdict,
    now: Duration,
) -> InitProducerIdResponse {
    let initialized = match verdict.error() {
        Some(code) => Err(code),
        None => init(cluster, context, request, now).map_err(|error| match error {
            ResponseError::ProducerFenced if context.version < FENCED_FROM => {
                ResponseError::InvalidProducerEpoch.code()
            }
            error => error.code(),
        }),
    };
    let response = InitProducerIdResponse::default();
    match initialized {
        Ok((id, epoch)) => response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
        Err(code) => response.with_error_code(code).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
    }
}

fn init(
    cluster: &mut Cluster,
    context: &Context,
    request: &InitProducerIdRequest,
    now: Duration,
) -> Result<(i64, i16), ResponseError> {
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ResponseError::InvalidRequest),
        known => Some(known),
    };
    let Some(id) = &request.transactional_id else {
        // Whatever id and epoch the producer had: without a transactional id Kafka always gives a new one.
        return Ok((cluster.new_producer_id(), 0));
    };
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let timeout = u64::try_from(request.transaction_timeout_ms).unwrap_or(0);
    let timeout = Duration::from_millis(timeout);
    if timeout.is_zero() || timeout > cluster.config.transaction_max_timeout {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    cluster.check_transaction_coordinator(context.node, id)?;
    cluster.init_transaction(id, expected, timeout, now)
}
