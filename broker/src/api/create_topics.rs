//! CreateTopics.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::cluster::topic_config::{SETTINGS, TopicConfig};
use crate::faults::Verdict;
use crate::log::batch::Refused;

/// The first version whose answer describes the topic.
const DESCRIBED_FROM: i16 = 5;

const DEFAULT_CONFIG: i8 = 5;
const DYNAMIC_TOPIC_CONFIG: i8 = 1;

pub(super) fn targets(request: &CreateTopicsRequest) -> Vec<(String, i32)> {
    request.topics.iter().map(|topic| (topic.name.to_string(), -1)).collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: CreateTopicsRequest,
    verdict: &Verdict,
) -> CreateTopicsResponse {
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.to_string()).or_default() += 1;
    }
    let mut response = CreateTopicsResponse::default();
    for topic in request.topics {
        let created = match verdict.error_of_topic(&topic.name) {
            Some(code) => Err(Refused::injected(code)),
            None if named.get(topic.name.as_str()).is_some_and(|times| *times > 1) => {
                let message = "The topic is named more than once in the request.";
                Err(Refused::new(ResponseError::InvalidRequest, message))
            }
            None => create(cluster, &topic, request.validate_only),
        };
        response.topics.push(match created {
            Ok(created) => describe(cluster, context.version, &topic, &created),
            Err(refused) => refusal(context.version, &topic, refused),
        });
    }
    response
}

/// What a topic was, or would be, created with.
struct Created {
    partitions: usize,
    replication_factor: usize,
    config: TopicConfig,
}

fn create(cluster: &mut Cluster, topic: &CreatableTopic, validate_only: bool) -> Result<Created, Refused> {
    cluster.check_new_topic(&topic.name)?;
    let mut config = TopicConfig::default();
    for setting in &topic.configs {
        if let Some(value) = &setting.value {
            config.set(&setting.name, value).map_err(|message| Refused::new(ResponseError::InvalidConfig, message))?;
        }
    }
    let replicas = if topic.assignments.is_empty() {
        let partitions =
            if topic.num_partitions == -1 { cluster.config.default_partitions } else { topic.num_partitions };
        cluster.spread(partitions, Some(topic.replication_factor).filter(|factor| *factor != -1))?
    } else {
        assigned(cluster, topic)?
    };
    let created = Created {
        partitions: replicas.len(),
        replication_factor: replicas.first().map_or(0, Vec::len),
        config: config.clone(),
    };
    if !validate_only {
        cluster.create_topic_on(&topic.name, replicas, config)?;
    }
    Ok(created)
}

/// The replicas the request itself assigns, for partitions 0, 1, 2, ….
fn assigned(cluster: &Cluster, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, Refused> {
    let refused = |message: &str| Refused::new(ResponseError::InvalidReplicaAssignment, message);
    let mut assigned = BTreeMap::new();
    for assignment in &topic.assignments {
        let replicas: Vec<i32> = assignment.broker_ids.iter().map(|id| id.0).collect();
        if replicas.is_empty() || replicas.iter().any(|id| cluster.node(*id).is_none()) {
            return Err(refused("A replica is assigned to a node that is not there."));
        }
        assigned.insert(assignment.partition_index, replicas);
    }
    let expected = 0..i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
    if !assigned.keys().copied().eq(expected) {
        return Err(refused("Partitions must be numbered from 0 without gaps."));
    }
    Ok(assigned.into_values().collect())
}

fn describe(cluster: &Cluster, version: i16, topic: &CreatableTopic, created: &Created) -> CreatableTopicResult {
    let id = cluster.topics.get(&topic.name).map(|topic| topic.id).unwrap_or_default();
    let result = CreatableTopicResult::default().with_name(topic.name.clone()).with_topic_id(id);
    if version < DESCRIBED_FROM {
        return result;
    }
    let configs = SETTINGS.iter().map(|setting| {
        let set = created.config.get(setting.name);
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(setting.name))
            .with_value(Some(StrBytes::from_string(set.unwrap_or(setting.default).to_owned())))
            .with_config_source(if set.is_some() { DYNAMIC_TOPIC_CONFIG } else { DEFAULT_CONFIG })
    });
    result
        .with_num_partitions(i32::try_from(created.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(i16::try_from(created.replication_factor).unwrap_or(i16::MAX))
        .with_configs(Some(configs.collect()))
}

fn refusal(version: i16, topic: &CreatableTopic, refused: Refused) -> CreatableTopicResult {
    let result = CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(refused.code.code())
        .with_error_message(Some(StrBytes::from_string(refused.message)));
    if version < DESCRIBED_FROM { result } else { result.with_configs(None) }
}
