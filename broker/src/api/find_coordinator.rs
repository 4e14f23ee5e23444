//! FindCoordinator: which node a group's members talk to, or a transactional producer.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;

/// The first version that asks for many at once.
const BATCHED_FROM: i16 = 4;

pub(super) const GROUP: i8 = 0;
pub(super) const TRANSACTION: i8 = 1;

/// The first group or transactional id asked for; `None` if it is the other kind that is.
pub(super) fn key(request: &FindCoordinatorRequest, kind: i8) -> Option<&str> {
    let key = request.coordinator_keys.first().unwrap_or(&request.key);
    (request.key_type == kind).then_some(key.as_str())
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: &FindCoordinatorRequest,
    verdict: &Verdict,
) -> FindCoordinatorResponse {
    let find = |key: StrBytes| {
        let found = match verdict.error() {
            Some(code) => Err(code),
            None => find(cluster, request.key_type, &key).map_err(|error| error.code()),
        };
        let answer = Coordinator::default().with_key(key);
        match found {
            Ok(node) => answer
                .with_node_id(BrokerId(node.id))
                .with_host(node.host.clone())
                .with_port(node.port)
                .with_error_message(Some(StrBytes::default())),
            Err(code) => answer.with_error_code(code).with_node_id(BrokerId(-1)).with_port(-1),
        }
    };
    if context.version >= BATCHED_FROM {
        let coordinators = request.coordinator_keys.iter().cloned().map(find).collect();
        return FindCoordinatorResponse::default().with_coordinators(coordinators);
    }
    let found = find(request.key.clone());
    FindCoordinatorResponse::default()
        .with_error_code(found.error_code)
        .with_error_message(found.error_message)
        .with_node_id(found.node_id)
        .with_host(found.host)
        .with_port(found.port)
}

fn find<'a>(cluster: &'a Cluster, key_type: i8, key: &str) -> Result<&'a crate::cluster::Node, ResponseError> {
    let found = match key_type {
        GROUP if key.is_empty() => return Err(ResponseError::InvalidGroupId),
        GROUP => cluster.coordinator(key),
        TRANSACTION => cluster.transaction_coordinator(key),
        // Share groups have a coordinator that this broker lacks.
        _ => return Err(ResponseError::InvalidRequest),
    };
    found.and_then(|node| cluster.node(node)).ok_or(ResponseError::CoordinatorNotAvailable)
}
