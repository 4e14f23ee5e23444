//! Where topics live: creation, deletion, leaders and what happens when nodes come and go.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::Cluster;
use super::topic_config::TopicConfig;
use super::topics::{Partition, Topic, is_legal_name};
use crate::api;
use crate::log::batch::Refused;

impl Cluster {
    /// Creates a topic; replicas of its partitions are spread over the nodes.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`, `TOPIC_ALREADY_EXISTS`, `INVALID_PARTITIONS`, `INVALID_REPLICATION_FACTOR`.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replication_factor: Option<i16>,
        config: TopicConfig,
    ) -> Result<(), Refused> {
        let replicas = self.spread(partitions, replication_factor)?;
        self.create_topic_on(name, replicas, config)
    }

    /// Creates a topic whose replicas are given for each partition.
    pub(crate) fn create_topic_on(
        &mut self,
        name: &str,
        replicas: Vec<Vec<i32>>,
        config: TopicConfig,
    ) -> Result<(), Refused> {
        self.check_new_topic(name)?;
        let id = self.new_uuid();
        let partitions = self.new_partitions(replicas);
        self.topics.insert(Topic { name: name.to_owned(), id, config, partitions });
        Ok(())
    }

    /// Adds partitions with these replicas to a topic.
    pub(crate) fn grow_topic(&mut self, name: &str, replicas: Vec<Vec<i32>>) {
        let partitions = self.new_partitions(replicas);
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(partitions);
        }
    }

    fn new_partitions(&self, replicas: Vec<Vec<i32>>) -> Vec<Partition> {
        let mut partitions: Vec<Partition> = replicas.into_iter().map(Partition::new).collect();
        for partition in &mut partitions {
            partition.elect(|node| self.is_up(node));
            partition.log.forgets_producers = self.config.unknown_producer_ids;
        }
        partitions
    }

    /// Checks that a topic of this name could be created.
    pub(crate) fn check_new_topic(&self, name: &str) -> Result<(), Refused> {
        if !is_legal_name(name) {
            let message = "A topic's name has 1 to 249 characters out of a-z A-Z 0-9 . _ - and isn't . or ..";
            return Err(Refused::new(ResponseError::InvalidTopicException, message));
        }
        if self.topics.get(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refused::new(ResponseError::TopicAlreadyExists, message));
        }
        Ok(())
    }

    /// The replicas of so many partitions, spread over the nodes; the factor defaults to the broker's.
    pub(crate) fn spread(&self, partitions: i32, replication_factor: Option<i16>) -> Result<Vec<Vec<i32>>, Refused> {
        self.spread_from(0, partitions, replication_factor)
    }

    /// The same for partitions that follow `first` others.
    pub(crate) fn spread_from(
        &self,
        first: i32,
        partitions: i32,
        replication_factor: Option<i16>,
    ) -> Result<Vec<Vec<i32>>, Refused> {
        if partitions <= 0 {
            let message = "Number of partitions must be larger than 0.";
            return Err(Refused::new(ResponseError::InvalidPartitions, message));
        }
        let nodes = self.config.nodes;
        let factor = replication_factor.map_or(i32::from(self.config.replication_factor).min(nodes), i32::from);
        if !(1..=nodes).contains(&factor) {
            let message = format!("Replication factor {factor} is not in 1 to {nodes}, the number of nodes.");
            return Err(Refused::new(ResponseError::InvalidReplicationFactor, message));
        }
        let replicas = |partition: i32| (0..factor).map(|replica| (partition + replica) % nodes).collect();
        Ok((first..first + partitions).map(replicas).collect())
    }

    /// Deletes a topic; whoever waits for its records is answered. Tells whether there was one.
    pub(crate) fn delete_topic(&mut self, name: &str, now: Duration) -> bool {
        let Some(topic) = self.topics.remove(name) else { return false };
        self.groups.forget_topic(name);
        self.shares.forget_topic(topic.id);
        for index in 0..topic.partitions.len() {
            api::fetch::wake(self, topic.id, index, now);
        }
        self.settle_transactions(now);
        true
    }

    /// Makes `node` lead a partition, under a new epoch; with `end`, though it has nothing from there on. Tells whether
    /// there is such a partition and such a node.
    pub(crate) fn move_leader(
        &mut self,
        topic: &str,
        partition: i32,
        node: i32,
        end: Option<i64>,
        now: Duration,
    ) -> bool {
        if !self.is_up(node) {
            return false;
        }
        let Some(id) = self.topics.get(topic).map(|topic| topic.id) else { return false };
        let Some(moved) = self.topics.partition_mut(topic, partition) else { return false };
        if !moved.replicas.contains(&node) {
            moved.replicas.push(node);
        }
        match end {
            Some(end) => moved.lead_with(node, end),
            None => moved.lead(node),
        }
        api::fetch::wake(self, id, usize::try_from(partition).unwrap_or(0), now);
        self.settle_transactions(now);
        true
    }

    /// The node an id falls to, of a group or a transaction (FNV-1a, so that it is the same everywhere).
    pub(super) fn home(&self, id: &str) -> i32 {
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        i32::try_from(hash % u32::try_from(self.config.nodes).unwrap_or(1).max(1)).unwrap_or(0)
    }

    /// `node`, or the next one that is up.
    pub(super) fn first_up(&self, node: i32) -> Option<i32> {
        let nodes = self.config.nodes;
        (0..nodes).map(|step| (node + step) % nodes).find(|node| self.is_up(*node))
    }

    /// Whether a node of this id is up.
    pub(crate) fn is_up(&self, node: i32) -> bool {
        self.node(node).is_some_and(|node| node.is_up)
    }

    pub(crate) fn node(&self, node: i32) -> Option<&super::Node> {
        self.nodes.get(usize::try_from(node).ok()?)
    }

    /// The nodes that are up, by id.
    pub(crate) fn live_nodes(&self) -> impl Iterator<Item = &super::Node> {
        self.nodes.iter().filter(|node| node.is_up)
    }

    /// The controller: the first node that is up.
    pub(crate) fn controller(&self) -> i32 {
        self.live_nodes().next().map_or(-1, |node| node.id)
    }

    /// Takes a node down or up; partitions without a live leader elect one.
    pub(crate) fn set_up(&mut self, node: i32, is_up: bool, now: Duration) {
        let coordinators = self.coordinators();
        let Some(node) = usize::try_from(node).ok().and_then(|node| self.nodes.get_mut(node)) else { return };
        node.is_up = is_up;
        node.is_paused = false;
        let id = node.id;
        if !is_up {
            self.shares.sessions(id).by_member.clear();
            if let Some(sessions) = usize::try_from(id).ok().and_then(|node| self.fetch_sessions.get_mut(node)) {
                sessions.clear();
            }
            self.paused_calls.retain(|(ticket, _)| ticket.node != id);
            self.answers.retain(|(ticket, _)| ticket.node != id);
        }
        let live: Vec<i32> = self.live_nodes().map(|node| node.id).collect();
        let mut moved = Vec::new();
        for topic in self.topics.iter_mut() {
            for (index, partition) in topic.partitions.iter_mut().enumerate() {
                if partition.elect(|node| live.contains(&node)) {
                    moved.push((topic.id, index));
                }
            }
        }
        for (topic, partition) in moved {
            api::fetch::wake(self, topic, partition, now);
        }
        for (group, before) in coordinators {
            if self.coordinator(&group) != before {
                self.coordinator_moved(&group, now);
            }
        }
        self.settle_transactions(now);
    }
}
