//! Topics and leaders, by messages to the brokers: milliseconds, where a Java tool takes a JVM's start.
//!
//! Each message has the highest version that both Kafka 3.9 and 4.3 speak and that needs no topic id.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateTopicsRequest, ElectLeadersRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::cluster::{Cluster, State};
use crate::message::{ANSWER, call, check};
use crate::node::Node;
use crate::sharing::unique;
use crate::wait::until;

/// Time that a change of leaders or replicas is given, on a machine that does much else.
const CHANGE: Duration = Duration::from_secs(60);

/// An election that the preferred replica wins if it is in sync.
const PREFERRED: i8 = 0;

/// An election that may lose records.
const UNCLEAN: i8 = 1;

/// No leader, in metadata.
const NOBODY: BrokerId = BrokerId(-1);

impl Cluster {
    /// Creates a topic that no other test has, named after `purpose`, with a replica on each of at most three brokers, and
    /// returns its name once every broker knows a leader of every partition.
    ///
    /// # Errors
    /// If no running broker creates it.
    pub fn topic(&self, purpose: &str, partitions: u16) -> Result<String> {
        self.topic_with(purpose, partitions, &[])
    }

    /// [`Cluster::topic`] with properties of its own, such as `max.message.bytes`.
    ///
    /// # Errors
    /// As [`Cluster::topic`].
    pub fn topic_with(&self, purpose: &str, partitions: u16, properties: &[(&str, &str)]) -> Result<String> {
        let name = unique(purpose);
        let topic = CreatableTopic::default().with_num_partitions(partitions.into()).with_replication_factor(-1);
        self.create(name, topic, partitions, properties)
    }

    /// A topic with one partition, like those of [`Cluster::topic_with`], whose replicas are on these brokers: the first
    /// leads.
    ///
    /// # Errors
    /// As [`Cluster::topic`].
    pub fn topic_on(&self, purpose: &str, brokers: &[u16], properties: &[(&str, &str)]) -> Result<String> {
        let brokers = brokers.iter().map(|broker| BrokerId((*broker).into())).collect();
        let replicas = CreatableReplicaAssignment::default().with_partition_index(0).with_broker_ids(brokers);
        let topic = CreatableTopic::default()
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![replicas]);
        self.create(unique(purpose), topic, 1, properties)
    }

    fn create(
        &self,
        name: String,
        topic: CreatableTopic,
        partitions: u16,
        properties: &[(&str, &str)],
    ) -> Result<String> {
        let property = |&(key, value): &(&str, &str)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(key.to_owned()))
                .with_value(Some(StrBytes::from_string(value.to_owned())))
        };
        let topic = topic.with_name(topic_name(&name)).with_configs(properties.iter().map(property).collect());
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(ANSWER.as_millis() as i32);
        eventually(&format!("topic {name}"), || {
            for result in self.ask(7, &request)?.topics {
                match check(result.error_code) {
                    // The name is ours alone: an attempt that seemed to fail has created it.
                    Ok(()) | Err(ResponseError::TopicAlreadyExists) => {}
                    Err(error) => return Err(error).with_context(|| format!("{:?}", result.error_message)),
                }
            }
            Ok(Some(()))
        })?;
        // Every broker knows its leaders: a client may ask any.
        eventually(&format!("leaders of {name}"), || {
            let led = |view: &Vec<MetadataResponseTopic>| {
                let found: Vec<_> = view.iter().flat_map(|topic| &topic.partitions).collect();
                found.len() == usize::from(partitions) && found.iter().all(|partition| partition.leader_id != NOBODY)
            };
            let views = self.views(Some(&name))?;
            Ok((views.len() == self.running()?.count() && views.iter().all(led)).then_some(()))
        })?;
        Ok(name)
    }

    /// The broker that leads a partition, as the best informed broker knows it; none if there is no leader.
    ///
    /// # Errors
    /// If there is no such partition, or no broker answers.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<Option<u16>> {
        let leader = self.partition(topic, partition)?.leader_id;
        Ok(if leader == NOBODY { None } else { Some(leader.0.try_into()?) })
    }

    /// The brokers whose replicas of a partition are in sync, as the best informed broker knows it.
    ///
    /// # Errors
    /// As [`Cluster::leader`].
    pub fn in_sync(&self, topic: &str, partition: i32) -> Result<Vec<u16>> {
        let brokers = self.partition(topic, partition)?.isr_nodes;
        Ok(brokers.into_iter().map(|broker| broker.0.try_into()).collect::<Result<_, _>>()?)
    }

    /// Makes `broker` the leader of a partition, giving it a replica if it has none, and returns once it leads.
    ///
    /// # Errors
    /// If there is no such partition or broker, or it does not lead within a minute.
    pub fn move_leader(&self, topic: &str, partition: i32, broker: u16) -> Result<()> {
        let wanted = BrokerId(broker.into());
        eventually(&format!("broker {broker} to lead {topic}-{partition}"), || {
            let now = self.partition(topic, partition)?;
            if now.replica_nodes.first() != Some(&wanted) {
                self.prefer(topic, partition, wanted, &now.replica_nodes)?;
            } else if now.leader_id == wanted {
                return Ok(Some(()));
            } else {
                // A new replica has to catch up first; until then an election changes nothing.
                self.elect(PREFERRED, topic, partition)?;
            }
            Ok(None)
        })
    }

    /// Makes whichever replica runs the leader of a partition without one, though it lacks what the last leader
    /// acknowledged, and returns once a broker leads.
    ///
    /// # Errors
    /// If no replica runs within a minute.
    pub fn elect_uncleanly(&self, topic: &str, partition: i32) -> Result<u16> {
        eventually(&format!("any replica to lead {topic}-{partition}"), || {
            self.elect(UNCLEAN, topic, partition)?;
            // One that just died leads by all accounts until its session ends.
            let leader = self.leader(topic, partition)?;
            match leader {
                Some(leader) if self.node(leader)?.state()? == State::Running => Ok(Some(leader)),
                _ => Ok(None),
            }
        })
    }

    /// The files of a topic's log, on every broker that has a replica.
    ///
    /// # Errors
    /// If a broker's folder cannot be read.
    pub fn segments(&self, topic: &str) -> Result<Vec<String>> {
        let mut segments = Vec::new();
        for broker in self.brokers() {
            for partition in std::fs::read_dir(crate::node::folder(&self.folder, broker).join("data"))? {
                let partition = partition?.path();
                let name = partition.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.rsplit_once('-').is_none_or(|(name, _)| name != topic) {
                    continue;
                }
                for file in std::fs::read_dir(&partition)? {
                    let file = file?.path();
                    if file.extension().is_some_and(|extension| extension == "log") {
                        segments.push(file.display().to_string());
                    }
                }
            }
        }
        segments.sort();
        Ok(segments)
    }

    /// Waits until every replica of every partition is in sync, as it is before anything breaks.
    ///
    /// # Errors
    /// If that takes more than a minute; if a broker died: with the last lines of its log.
    pub fn wait_until_in_sync(&self) -> Result<()> {
        eventually("every replica to be in sync", || {
            self.nodes.iter().try_for_each(Node::check_alive)?;
            let in_sync = |partition: &MetadataResponsePartition| {
                partition.leader_id != NOBODY && partition.isr_nodes.len() == partition.replica_nodes.len()
            };
            // By every broker's word: one that stood still may not know yet what it missed.
            let views = self.views(None)?;
            let all = views.iter().flatten().flat_map(|topic| &topic.partitions).all(in_sync);
            Ok((all && views.len() == self.nodes.len()).then_some(()))
        })
    }

    /// Makes a broker the first replica, and so the preferred leader.
    fn prefer(&self, topic: &str, partition: i32, broker: BrokerId, replicas: &[BrokerId]) -> Result<()> {
        let mut wanted = vec![broker];
        wanted.extend(replicas.iter().filter(|&&replica| replica != broker));
        wanted.truncate(replicas.len());
        let reassigned = ReassignablePartition::default().with_partition_index(partition).with_replicas(Some(wanted));
        let topics = vec![ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![reassigned])];
        let response = self.ask(0, &AlterPartitionReassignmentsRequest::default().with_topics(topics))?;
        check(response.error_code).with_context(|| format!("{:?}", response.error_message))?;
        for result in response.responses.iter().flat_map(|topic| &topic.partitions) {
            check(result.error_code).with_context(|| format!("{:?}", result.error_message))?;
        }
        Ok(())
    }

    fn elect(&self, kind: i8, topic: &str, partition: i32) -> Result<()> {
        let partitions = TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
        let request = ElectLeadersRequest::default()
            .with_election_type(kind)
            .with_topic_partitions(Some(vec![partitions]))
            .with_timeout_ms(ANSWER.as_millis() as i32);
        let response = self.ask(2, &request)?;
        check(response.error_code)?;
        for result in response.replica_election_results.iter().flat_map(|topic| &topic.partition_result) {
            match check(result.error_code) {
                // The caller looks what came of it.
                Ok(())
                | Err(
                    ResponseError::ElectionNotNeeded
                    | ResponseError::EligibleLeadersNotAvailable
                    | ResponseError::PreferredLeaderNotAvailable,
                ) => {}
                Err(error) => return Err(error).with_context(|| format!("elect a leader of {topic}-{partition}")),
            }
        }
        Ok(())
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<MetadataResponsePartition> {
        let views = self.views(Some(topic))?;
        let partitions = views.into_iter().flatten().flat_map(|topic| topic.partitions);
        partitions
            .filter(|found| found.partition_index == partition)
            .max_by_key(|found| found.leader_epoch)
            .with_context(|| format!("no running broker knows a partition {topic}-{partition}"))
    }

    /// What each running broker that answers knows of one topic, or of all.
    fn views(&self, name: Option<&str>) -> Result<Vec<Vec<MetadataResponseTopic>>> {
        let topics = name.map(|name| vec![MetadataRequestTopic::default().with_name(Some(topic_name(name)))]);
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        Ok(self
            .running()?
            .filter_map(|broker| call(broker, 12, &request).ok())
            .map(|response| response.topics)
            .collect())
    }

    /// Asks the first broker that runs; it hands on what only the controller can do.
    fn ask<R: Request>(&self, version: i16, request: &R) -> Result<R::Response> {
        call(self.running()?.next().context("no broker runs")?, version, request)
    }

    pub(crate) fn running(&self) -> Result<impl Iterator<Item = SocketAddr>> {
        let mut running = Vec::new();
        for node in &self.nodes {
            if node.state()? == State::Running {
                running.push(self.address(node.id)?);
            }
        }
        Ok(running.into_iter())
    }
}

/// Tries until there is something; an error that another attempt may not meet is no end.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut passing = None;
    let found = until(what, CHANGE, || match attempt() {
        Err(error) if is_passing(&error) => {
            passing = Some(error);
            Ok(None)
        }
        other => other,
    });
    found.map_err(|error| match &passing {
        Some(passing) => error.context(format!("{passing:#}")),
        None => error,
    })
}

/// Whether a broker that starts, ends or changes its controller may fail so.
fn is_passing(error: &Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref() {
        // Too few brokers are up just now.
        Some(ResponseError::InvalidReplicationFactor) => true,
        Some(code) => code.is_retriable(),
        None => cause.is::<io::Error>(),
    })
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
