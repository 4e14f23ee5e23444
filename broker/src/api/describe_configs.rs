//! DescribeConfigs and IncrementalAlterConfigs, of topics and of brokers.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::Cluster;
use crate::cluster::topic_config::{Kind, SETTINGS};
use crate::config::Config;
use crate::faults::Verdict;
use crate::log::batch::Refused;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// A group's configuration: here, that of a share group.
const GROUP: i8 = 32;

const DYNAMIC_TOPIC_CONFIG: i8 = 1;
const STATIC_BROKER_CONFIG: i8 = 4;
const DEFAULT_CONFIG: i8 = 5;

const SET: i8 = 0;
const DELETE: i8 = 1;

pub(super) fn targets(request: &DescribeConfigsRequest) -> Vec<(String, i32)> {
    let topics = request.resources.iter().filter(|resource| resource.resource_type == TOPIC);
    topics.map(|resource| (resource.resource_name.to_string(), -1)).collect()
}

pub(super) fn answer(cluster: &Cluster, request: DescribeConfigsRequest, verdict: &Verdict) -> DescribeConfigsResponse {
    let with_synonyms = request.include_synonyms;
    let describe = |resource: DescribeConfigsResource| {
        let injected = verdict.error_of_topic(&resource.resource_name).map(Refused::injected);
        let found = injected.map_or_else(|| values(cluster, resource.resource_type, &resource.resource_name), Err);
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        let values = match found {
            Ok(values) => values,
            Err(refused) => {
                let message = StrBytes::from_string(refused.message);
                return result.with_error_code(refused.code.code()).with_error_message(Some(message));
            }
        };
        let keys = resource.configuration_keys;
        let is_wanted =
            |value: &Value| keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == value.name));
        let configs = values.into_iter().filter(is_wanted).map(|value| value.describe(with_synonyms));
        result.with_configs(configs.collect())
    };
    DescribeConfigsResponse::default().with_results(request.resources.into_iter().map(describe).collect())
}

/// A setting and where its value comes from.
struct Value {
    name: &'static str,
    value: String,
    source: i8,
    kind: Kind,
    read_only: bool,
}

impl Value {
    fn describe(self, with_synonyms: bool) -> DescribeConfigsResourceResult {
        let (name, value) = (StrBytes::from_static_str(self.name), StrBytes::from_string(self.value));
        let synonym = DescribeConfigsSynonym::default()
            .with_name(name.clone())
            .with_value(Some(value.clone()))
            .with_source(self.source);
        DescribeConfigsResourceResult::default()
            .with_name(name)
            .with_value(Some(value))
            .with_config_source(self.source)
            .with_config_type(self.kind as i8)
            .with_read_only(self.read_only)
            .with_synonyms(if with_synonyms { vec![synonym] } else { Vec::new() })
    }
}

fn values(cluster: &Cluster, resource_type: i8, name: &str) -> Result<Vec<Value>, Refused> {
    match resource_type {
        TOPIC => {
            let unknown =
                || Refused::new(ResponseError::UnknownTopicOrPartition, format!("Topic {name} is not there."));
            let topic = cluster.topics.get(name).ok_or_else(unknown)?;
            let value = |setting: &crate::cluster::topic_config::Setting| {
                let set = topic.config.get(setting.name);
                Value {
                    name: setting.name,
                    value: set.unwrap_or(setting.default).to_owned(),
                    source: if set.is_some() { DYNAMIC_TOPIC_CONFIG } else { DEFAULT_CONFIG },
                    kind: setting.kind,
                    read_only: false,
                }
            };
            Ok(SETTINGS.iter().map(value).collect())
        }
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER => match name.parse().ok().and_then(|id| cluster.node(id)) {
            Some(node) => Ok(broker_values(&cluster.config, node.id)),
            None => Err(Refused::new(ResponseError::InvalidRequest, format!("There is no broker {name}."))),
        },
        _ => Err(Refused::new(ResponseError::InvalidRequest, "Only topics and brokers have configurations here.")),
    }
}

/// What of a broker's own settings this one has.
fn broker_values(config: &Config, node: i32) -> Vec<Value> {
    let value = |name, value: String, kind| Value { name, value, source: STATIC_BROKER_CONFIG, kind, read_only: true };
    vec![
        value("auto.create.topics.enable", config.auto_create_topics.to_string(), Kind::Boolean),
        value("default.replication.factor", config.replication_factor.to_string(), Kind::Int),
        value(
            "group.initial.rebalance.delay.ms",
            config.group_initial_rebalance_delay.as_millis().to_string(),
            Kind::Int,
        ),
        value("node.id", node.to_string(), Kind::Int),
        value("num.partitions", config.default_partitions.to_string(), Kind::Int),
    ]
}

/// The topics that IncrementalAlterConfigs is about.
pub(super) fn altered(request: &IncrementalAlterConfigsRequest) -> Vec<(String, i32)> {
    let topics = request.resources.iter().filter(|resource| resource.resource_type == TOPIC);
    topics.map(|resource| (resource.resource_name.to_string(), -1)).collect()
}

/// IncrementalAlterConfigs: sets or unsets a topic's settings, or a share group's.
pub(super) fn alter(
    cluster: &mut Cluster,
    request: IncrementalAlterConfigsRequest,
    verdict: &Verdict,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
    for resource in request.resources {
        let altered = match verdict.error_of_topic(&resource.resource_name) {
            Some(code) => Err(Refused::injected(code)),
            None => alter_one(cluster, &resource, request.validate_only),
        };
        let result = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        response.responses.push(match altered {
            Ok(()) => result,
            Err(refused) => {
                let message = StrBytes::from_string(refused.message);
                result.with_error_code(refused.code.code()).with_error_message(Some(message))
            }
        });
    }
    response
}

fn alter_one(cluster: &mut Cluster, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refused> {
    match resource.resource_type {
        TOPIC => {}
        GROUP => return alter_group(cluster, resource, validate_only),
        _ => {
            return Err(Refused::new(
                ResponseError::InvalidRequest,
                "Only topics and share groups can be configured here.",
            ));
        }
    }
    let unknown = || Refused::new(ResponseError::UnknownTopicOrPartition, "There is no such topic.");
    let topic = cluster.topics.get_mut(&resource.resource_name).ok_or_else(unknown)?;
    let mut config = topic.config.clone();
    for change in &resource.configs {
        match (change.config_operation, &change.value) {
            (SET, Some(value)) => config
                .set(&change.name, value)
                .map_err(|message| Refused::new(ResponseError::InvalidConfig, message))?,
            (DELETE, _) => config.unset(&change.name),
            _ => return Err(Refused::new(ResponseError::InvalidRequest, "Only SET and DELETE are supported.")),
        }
    }
    if !validate_only {
        topic.config = config;
    }
    Ok(())
}

fn alter_group(cluster: &mut Cluster, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refused> {
    let mut settings = cluster.shares.settings(&resource.resource_name);
    for change in &resource.configs {
        let (SET, Some(value)) = (change.config_operation, &change.value) else {
            return Err(Refused::new(ResponseError::InvalidRequest, "Only SET is supported for groups."));
        };
        let wrong = |message| Refused::new(ResponseError::InvalidConfig, message);
        settings.set(&change.name, value).map_err(wrong)?;
    }
    if !validate_only {
        cluster.shares.set_settings(&resource.resource_name, settings);
    }
    Ok(())
}
