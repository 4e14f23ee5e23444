//! InitProducerId: a new id for an idempotent producer.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::cluster::Cluster;
use crate::faults::Verdict;

pub(super) fn answer(
    cluster: &mut Cluster,
    request: &InitProducerIdRequest,
    verdict: &Verdict,
) -> InitProducerIdResponse {
    let refused = |code| {
        let response = InitProducerIdResponse::default().with_error_code(code);
        response.with_producer_id(ProducerId(-1)).with_producer_epoch(-1)
    };
    if let Some(code) = verdict.error() {
        return refused(code);
    }
    if request.transactional_id.is_some() {
        // Transactions aren't supported; this code ends the attempt in every client.
        return refused(ResponseError::InvalidRequest.code());
    }
    // Whatever id and epoch the producer had: without a transactional id Kafka always gives a new one.
    InitProducerIdResponse::default().with_producer_id(ProducerId(cluster.new_producer_id())).with_producer_epoch(0)
}
