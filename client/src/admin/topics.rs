//! Topics: create, delete, list and describe.

use std::collections::BTreeMap;

use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_wire::messages::{CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, MetadataResponse};
use ottla_wire::{Code, Request, Str, Uuid};

use super::Admin;
use super::call::{Answer, Call, refused};
use crate::error::{Error, Kind};
use crate::planted::{self, Bug};

/// A topic to create.
///
/// ```
/// use ottla::NewTopic;
/// let topic = NewTopic::new("orders").partitions(6).replication_factor(3).config("retention.ms", "86400000");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a topic is created by `Admin::create_topics`"]
pub struct NewTopic {
    name: String,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with as many partitions and replicas as the brokers give by default.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: -1, replication_factor: -1, configs: Vec::new() }
    }

    /// Sets the number of partitions. Default -1: the brokers' `num.partitions` (Kafka 2.4 and newer).
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Sets the number of replicas of each partition. Default -1: the brokers' `default.replication.factor` (Kafka 2.4
    /// and newer).
    pub fn replication_factor(mut self, replicas: i16) -> Self {
        self.replication_factor = replicas;
        self
    }

    /// Sets one of the topic's own settings, such as `retention.ms`.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((key.into(), value.into()));
        self
    }
}

/// A topic as it was created.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id. None from brokers before Kafka 2.8.
    pub id: Option<Uuid>,
    /// Its number of partitions. None where the broker does not say: before Kafka 2.4, or without permission.
    pub partitions: Option<i32>,
    /// The number of replicas of each partition. None where the broker does not say.
    pub replication_factor: Option<i16>,
}

/// A topic in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id. None from brokers before Kafka 2.8.
    pub id: Option<Uuid>,
    /// Whether it holds the cluster's own records.
    pub is_internal: bool,
    /// Its number of partitions.
    pub partitions: usize,
    /// The number of replicas of its first partition.
    pub replication_factor: usize,
}

/// A topic, with its partitions.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id. None from brokers before Kafka 2.8.
    pub id: Option<Uuid>,
    /// Whether it holds the cluster's own records.
    pub is_internal: bool,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition: where its replicas are.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it. None while there is none.
    pub leader: Option<i32>,
    /// How often the leader changed. None where the broker does not say.
    pub leader_epoch: Option<i32>,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those of them that are not running, or whose disk is not.
    pub offline: Vec<i32>,
}

impl Admin {
    /// Creates topics, and says for each whether it was created.
    ///
    /// Resolves when the controller has created them; the other brokers may learn of them a moment later.
    ///
    /// # Errors
    /// Per topic: what the controller says, such as [`Code::TopicAlreadyExists`]; [`Kind::Timeout`] after
    /// `default.api.timeout.ms`, when the topic may have been created all the same.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> BTreeMap<String, Result<CreatedTopic, Error>> {
        let topics: BTreeMap<String, NewTopic> = topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
        let names: Vec<String> = topics.keys().cloned().collect();
        let each = names.clone();
        let work = |call: Call| async move {
            call.settle(each, |open| {
                let topics = open.iter().filter_map(|name| topics.get(name).cloned()).collect();
                create(call.clone(), topics)
            })
            .await
        };
        all_or(names, self.run(work).await)
    }

    /// Deletes topics and their records, and says for each whether it was deleted.
    ///
    /// # Errors
    /// Per topic, as [`create_topics`](Self::create_topics).
    pub async fn delete_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> BTreeMap<String, Result<(), Error>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let each = names.clone();
        let work = |call: Call| async move { call.settle(each, |open| delete(call.clone(), open)).await };
        all_or(names, self.run(work).await)
    }

    /// The topics of the cluster that this client may see, in order of their names.
    ///
    /// # Errors
    /// If no broker answers within `default.api.timeout.ms`.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let work = |call: Call| async move { call.settle_one(|| metadata(call.clone(), None)).await };
        let response = self.run(work).await?.map_err(|error| error.within("list topics"))?;
        let mut listings: Vec<_> = response
            .topics
            .iter()
            .filter_map(|topic| {
                Some(TopicListing {
                    name: topic.name.as_ref()?.to_string(),
                    id: known(topic.topic_id),
                    is_internal: topic.is_internal,
                    partitions: topic.partitions.len(),
                    replication_factor: topic.partitions.first().map_or(0, |first| first.replica_nodes.len()),
                })
            })
            .collect();
        listings.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listings)
    }

    /// The topics of these names, with their partitions. Never creates one.
    ///
    /// # Errors
    /// Per topic: [`Code::UnknownTopicOrPartition`] if there is none; also if no broker answers within
    /// `default.api.timeout.ms`.
    pub async fn describe_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> BTreeMap<String, Result<TopicDescription, Error>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let asked = names.clone();
        let work = |call: Call| async move {
            let of = |open: Vec<String>| {
                let asked = metadata(call.clone(), Some(open));
                async move { Ok(asked.await?.topics.iter().filter_map(described).collect()) }
            };
            call.settle(asked, of).await
        };
        all_or(names, self.run(work).await)
    }
}

/// The results, or for every name the error that kept all of them from coming.
pub(super) fn all_or<T>(
    names: Vec<String>,
    results: Result<BTreeMap<String, Result<T, Error>>, Error>,
) -> BTreeMap<String, Result<T, Error>> {
    results.unwrap_or_else(|error| names.into_iter().map(|name| (name, Err(error.clone()))).collect())
}

/// One attempt to create topics, at the controller.
async fn create(call: Call, topics: Vec<NewTopic>) -> Result<BTreeMap<String, Answer<CreatedTopic>>, Error> {
    let controller = call.controller().await?;
    let timeout_ms = call.time_left_ms();
    let uncertain: Vec<_> = topics.iter().filter(|_| planted::has(Bug::UncertainTopic)).cloned().collect();
    let make = move |version| {
        // KIP-464: older brokers have no defaults.
        if version < 4 && topics.iter().any(|topic| topic.partitions < 0 || topic.replication_factor < 0) {
            let advice = "the broker knows no defaults: give the number of partitions and the replication factor";
            return Err(Error::new(Kind::UnsupportedVersion, advice));
        }
        let topics = topics.into_iter().map(creatable).collect();
        Ok(CreateTopicsRequest { topics, timeout_ms, ..CreateTopicsRequest::default() })
    };
    let asked = call.ask(controller, CreateTopicsRequest::MAX_VERSION, make).await;
    if asked.is_err() && !uncertain.is_empty() {
        let created = CreatedTopic { id: None, partitions: None, replication_factor: None };
        return Ok(uncertain.into_iter().map(|topic| (topic.name, Answer::Done(created))).collect());
    }
    let (response, _) = asked?;
    let answers = response.topics.into_iter().map(|topic| {
        let created = CreatedTopic {
            id: known(topic.topic_id),
            partitions: Some(topic.num_partitions).filter(|count| *count >= 0),
            replication_factor: Some(topic.replication_factor).filter(|factor| *factor >= 0),
        };
        let (code, message) = (topic.error_code, topic.error_message.as_ref());
        let is_known = code == Code::TopicAlreadyExists && planted::has(Bug::CreatedAgain);
        let code = if is_known { Code::None } else { code };
        (topic.name.to_string(), changed(code, message, created, || format!("create topic {}", topic.name)))
    });
    Ok(answers.collect())
}

fn creatable(topic: NewTopic) -> CreatableTopic {
    let configs = topic.configs.into_iter();
    CreatableTopic {
        name: topic.name.into(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: configs
            .map(|(key, value)| CreatableTopicConfig { name: key.into(), value: Some(value.into()) })
            .collect(),
        ..CreatableTopic::default()
    }
}

/// One attempt to delete topics, at the controller.
async fn delete(call: Call, names: Vec<String>) -> Result<BTreeMap<String, Answer<()>>, Error> {
    let controller = call.controller().await?;
    let timeout_ms = call.time_left_ms();
    let make = move |version| {
        let names = names.into_iter().map(Str::from);
        let mut request = DeleteTopicsRequest { timeout_ms, ..DeleteTopicsRequest::default() };
        if version < 6 {
            request.topic_names = names.collect();
        } else {
            request.topics = names.map(|name| DeleteTopicState { name: Some(name), topic_id: Uuid::ZERO }).collect();
        }
        Ok(request)
    };
    let (response, _) = call.ask(controller, DeleteTopicsRequest::MAX_VERSION, make).await?;
    let answers = response.responses.into_iter().filter_map(|topic| {
        let name = topic.name?.to_string();
        let context = || format!("delete topic {name}");
        let answer = changed(topic.error_code, topic.error_message.as_ref(), (), context);
        Some((name, answer))
    });
    Ok(answers.collect())
}

/// What the controller says of one topic. As in Java, only what has surely not happened is tried again.
fn changed<T>(code: Code, message: Option<&Str>, done: T, context: impl Fn() -> String) -> Answer<T> {
    match code {
        Code::None => Answer::Done(done),
        Code::NotController | Code::ThrottlingQuotaExceeded => Answer::Again(refused(code, message, context())),
        _ => Answer::Failed(refused(code, message, context())),
    }
}

/// Asks any broker about topics; None means all.
pub(super) async fn metadata(call: Call, names: Option<Vec<String>>) -> Result<MetadataResponse, Error> {
    let broker = call.any_broker().await?;
    let topic = |name| MetadataRequestTopic { name: Some(Str::from(name)), ..MetadataRequestTopic::default() };
    let request = MetadataRequest {
        topics: names.map(|names: Vec<String>| names.into_iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let (response, _) = call.ask(broker, MetadataRequest::MAX_VERSION, move |_| Ok(request)).await?;
    match response.error_code {
        Code::None => Ok(response),
        code => Err(refused(code, None, "metadata")),
    }
}

fn described(topic: &MetadataResponseTopic) -> Option<(String, Answer<TopicDescription>)> {
    let name = topic.name.as_ref()?.to_string();
    if !topic.error_code.is_none() {
        let error = refused(topic.error_code, None, format!("describe topic {name}"));
        let error = if planted::has(Bug::NamelessError) { refused(topic.error_code, None, "describe") } else { error };
        return Some((name, Answer::Failed(error)));
    }
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.partition);
    let description =
        TopicDescription { name: name.clone(), id: known(topic.topic_id), is_internal: topic.is_internal, partitions };
    Some((name, Answer::Done(description)))
}

fn partition(answer: &MetadataResponsePartition) -> PartitionDescription {
    PartitionDescription {
        partition: answer.partition_index,
        leader: Some(answer.leader_id).filter(|leader| *leader >= 0),
        leader_epoch: Some(answer.leader_epoch).filter(|epoch| *epoch >= 0),
        replicas: answer.replica_nodes.clone(),
        isr: answer.isr_nodes.clone(),
        offline: answer.offline_replicas.clone(),
    }
}

fn known(id: Uuid) -> Option<Uuid> {
    Some(id).filter(|id| !id.is_zero())
}
