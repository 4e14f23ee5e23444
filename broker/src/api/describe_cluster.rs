//! DescribeCluster: the nodes, without topics.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::{Cluster, Node};
use crate::faults::Verdict;

const BROKERS: i8 = 1;

/// The first version with endpoint types.
const ENDPOINT_TYPES_FROM: i16 = 1;

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: &DescribeClusterRequest,
    verdict: &Verdict,
) -> DescribeClusterResponse {
    let asks_for_others = context.version >= ENDPOINT_TYPES_FROM && request.endpoint_type != BROKERS;
    let mismatched = asks_for_others.then_some(ResponseError::MismatchedEndpointType.code());
    if let Some(code) = verdict.error().or(mismatched) {
        return DescribeClusterResponse::default().with_error_code(code);
    }
    let broker = |node: &Node| {
        let broker = DescribeClusterBroker::default().with_broker_id(BrokerId(node.id));
        broker.with_host(node.host.clone()).with_port(node.port).with_rack(node.rack.clone())
    };
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(cluster.id.clone()))
        .with_controller_id(BrokerId(cluster.controller()))
        .with_brokers(cluster.live_nodes().map(broker).collect())
}
