//! Metadata: which nodes there are, and who leads what.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Context;
use crate::cluster::Cluster;
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::topics::{NO_LEADER, Partition, Topic, Topics};
use crate::faults::Verdict;

/// The first version in which null, not empty, asks for all topics.
const NULL_IS_ALL_FROM: i16 = 1;

/// The first version in which the client says whether to create what isn't there.
const AUTO_CREATION_FROM: i16 = 4;

/// The first version whose answer may leave out a name.
const NULL_NAMES_FROM: i16 = 12;

/// The first version with an error for the answer as a whole.
const TOP_LEVEL_ERROR_FROM: i16 = 13;

pub(super) fn targets(request: &MetadataRequest, topics: &Topics) -> Vec<(String, i32)> {
    match &request.topics {
        None => topics.iter().map(|topic| (topic.name.clone(), -1)).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|topic| match &topic.name {
                Some(name) => Some((name.to_string(), -1)),
                None => topics.name_of(topic.topic_id).map(|name| (name.to_owned(), -1)),
            })
            .collect(),
    }
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: MetadataRequest,
    verdict: &Verdict,
) -> MetadataResponse {
    let is_for_all =
        request.topics.as_ref().is_none_or(|topics| context.version < NULL_IS_ALL_FROM && topics.is_empty());
    let mut topics = Vec::new();
    if is_for_all {
        topics.extend(cluster.topics.iter().map(|topic| describe(cluster, topic, verdict)));
    } else {
        let may_create = context.version < AUTO_CREATION_FROM || request.allow_auto_topic_creation;
        for wanted in request.topics.into_iter().flatten() {
            topics.push(match wanted.name {
                Some(name) => by_name(cluster, name, may_create, verdict),
                None => by_id(cluster, wanted.topic_id, context.version, verdict),
            });
        }
    }
    let broker = |node: &crate::cluster::Node| {
        let broker = MetadataResponseBroker::default().with_node_id(BrokerId(node.id));
        broker.with_host(node.host.clone()).with_port(node.port).with_rack(node.rack.clone())
    };
    let response = MetadataResponse::default()
        .with_brokers(cluster.live_nodes().map(broker).collect())
        .with_cluster_id(Some(StrBytes::from_string(cluster.id.clone())))
        .with_controller_id(BrokerId(cluster.controller()))
        .with_topics(topics);
    match verdict.error().filter(|_| context.version >= TOP_LEVEL_ERROR_FROM) {
        Some(code) if code == ResponseError::RebootstrapRequired.code() => response.with_error_code(code),
        _ => response,
    }
}

fn by_name(cluster: &mut Cluster, name: TopicName, may_create: bool, verdict: &Verdict) -> MetadataResponseTopic {
    if verdict.error_of_topic(&name).is_none()
        && cluster.topics.get(&name).is_none()
        && may_create
        && cluster.config.auto_create_topics
    {
        let partitions = cluster.config.default_partitions;
        if let Err(refused) = cluster.create_topic(&name, partitions, None, TopicConfig::default()) {
            return missing(Some(name), Uuid::nil(), refused.code.code());
        }
    }
    match cluster.topics.get(&name) {
        Some(topic) => describe(cluster, topic, verdict),
        None => {
            let unknown = ResponseError::UnknownTopicOrPartition.code();
            let code = verdict.error_of_topic(&name).unwrap_or(unknown);
            missing(Some(name), Uuid::nil(), code)
        }
    }
}

fn by_id(cluster: &Cluster, id: Uuid, version: i16, verdict: &Verdict) -> MetadataResponseTopic {
    match cluster.topics.name_of(id).and_then(|name| cluster.topics.get(name)) {
        Some(topic) => describe(cluster, topic, verdict),
        None => {
            let name = (version < NULL_NAMES_FROM).then(TopicName::default);
            missing(name, id, ResponseError::UnknownTopicId.code())
        }
    }
}

fn missing(name: Option<TopicName>, id: Uuid, code: i16) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_name(name).with_topic_id(id).with_error_code(code)
}

fn describe(cluster: &Cluster, topic: &Topic, verdict: &Verdict) -> MetadataResponseTopic {
    let name = TopicName(StrBytes::from_string(topic.name.clone()));
    if let Some(code) = verdict.error_of_topic(&topic.name) {
        return missing(Some(name), topic.id, code);
    }
    let partitions = (0..).zip(&topic.partitions).map(|(index, partition)| {
        let answer = describe_partition(cluster, partition).with_partition_index(index);
        match verdict.error_at(&topic.name, index) {
            Some(code) => answer.with_error_code(code).with_leader_id(BrokerId(NO_LEADER)),
            None => answer,
        }
    });
    MetadataResponseTopic::default().with_name(Some(name)).with_topic_id(topic.id).with_partitions(partitions.collect())
}

fn describe_partition(cluster: &Cluster, partition: &Partition) -> MetadataResponsePartition {
    let ids = |nodes: &mut dyn Iterator<Item = i32>| nodes.map(BrokerId).collect::<Vec<_>>();
    let replicas = || partition.replicas.iter().copied();
    let code = if partition.leader == NO_LEADER { ResponseError::LeaderNotAvailable.code() } else { 0 };
    MetadataResponsePartition::default()
        .with_error_code(code)
        .with_leader_id(BrokerId(partition.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(ids(&mut replicas()))
        .with_isr_nodes(ids(&mut replicas().filter(|node| cluster.is_up(*node) && partition.is_in_sync(*node))))
        .with_offline_replicas(ids(&mut replicas().filter(|node| !cluster.is_up(*node))))
}
