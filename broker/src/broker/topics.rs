//! Topics and records, without a client.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::{Broker, refusal};
use crate::api;
use crate::cluster::Cluster;
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::topics::Partition;
use crate::log::batch::{Batch, Refused};
use crate::log::encode;

impl Broker {
    /// Creates a topic.
    ///
    /// # Errors
    /// If its name is illegal or taken, or `partitions` is 0.
    pub fn create_topic(&self, name: &str, partitions: u16) -> io::Result<()> {
        let create =
            |cluster: &mut Cluster| cluster.create_topic(name, i32::from(partitions), None, TopicConfig::default());
        self.shared().change(|cluster, _| create(cluster)).map_err(|refused| refusal(name, &refused))
    }

    /// Deletes a topic, its records and what groups have committed of it. Tells whether there was one.
    pub fn delete_topic(&self, name: &str) -> bool {
        self.shared().change(|cluster, now| cluster.delete_topic(name, now))
    }

    /// Deletes a topic and creates it anew, empty, with as many partitions and another id.
    ///
    /// # Errors
    /// If there is no such topic.
    pub fn recreate_topic(&self, name: &str) -> io::Result<()> {
        self.on_topic(name, |cluster, now| {
            let topic = cluster.topics.get(name).ok_or_else(unknown)?;
            let replicas = topic.partitions.iter().map(|partition| partition.replicas.clone()).collect();
            let config = topic.config.clone();

            cluster.delete_topic(name, now);
            cluster.create_topic_on(name, replicas, config)
        })
    }

    /// Adds partitions, until there are so many.
    ///
    /// # Errors
    /// If there is no such topic, or it has as many already.
    pub fn add_partitions(&self, name: &str, partitions: u16) -> io::Result<()> {
        self.on_topic(name, |cluster, _| {
            let before = cluster.topics.get(name).ok_or_else(unknown)?.partitions.len();
            let before = i32::try_from(before).unwrap_or(i32::MAX);
            let replicas = cluster.spread_from(before, i32::from(partitions) - before, None)?;
            cluster.grow_topic(name, replicas);
            Ok(())
        })
    }

    /// Sets one of a topic's settings, such as `max.message.bytes` or `message.timestamp.type`.
    ///
    /// # Errors
    /// If there is no such topic or setting, or the value isn't one.
    pub fn configure_topic(&self, name: &str, key: &str, value: &str) -> io::Result<()> {
        self.on_topic(name, |cluster, _| {
            let topic = cluster.topics.get_mut(name).ok_or_else(unknown)?;
            topic.config.set(key, value).map_err(|message| Refused::new(ResponseError::InvalidConfig, message))
        })
    }

    /// A topic's id; `None` if there is no such topic.
    pub fn topic_id(&self, name: &str) -> Option<u128> {
        self.shared().with(|cluster, _| cluster.topics.get(name).map(|topic| topic.id.as_u128()))
    }

    /// The node that leads a partition; `None` if nobody does.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let leader = |partition: &Partition| partition.leader;
        self.shared()
            .with(|cluster, _| cluster.topics.partition(topic, partition).map(leader))
            .filter(|leader| *leader >= 0)
    }

    /// A partition's leader epoch, which rises with every new leader from 0; `None` if there is no such partition.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<i32> {
        let epoch = |partition: &Partition| partition.leader_epoch;
        self.shared().with(|cluster, _| cluster.topics.partition(topic, partition).map(epoch))
    }

    /// Makes another node lead a partition, under a new leader epoch; the old leader then answers
    /// `NOT_LEADER_OR_FOLLOWER`.
    ///
    /// # Errors
    /// If there is no such partition, or the node is not up.
    pub fn move_leader(&self, topic: &str, partition: i32, node: i32) -> io::Result<()> {
        self.on_topic(topic, |cluster, now| {
            if cluster.move_leader(topic, partition, node, None, now) { Ok(()) } else { Err(unknown()) }
        })
    }

    /// Appends records with these values, in one batch, and returns the first one's offset.
    ///
    /// # Errors
    /// If there is no such partition or there are no values.
    pub fn append<V: Into<Bytes>>(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = V>,
    ) -> io::Result<i64> {
        let values: Vec<Bytes> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a batch has at least one record"));
        }
        self.append_as_is(topic, partition, |now_ms| encode::batch(&values, now_ms))
    }

    fn append_as_is(&self, topic: &str, index: i32, batch: impl FnOnce(i64) -> Batch) -> io::Result<i64> {
        self.on_topic(topic, |cluster, now| {
            let now_ms = cluster.config.wall_ms(now);
            let id = cluster.topics.get(topic).ok_or_else(unknown)?.id;
            let partition = cluster.topics.partition_mut(topic, index).ok_or_else(unknown)?;
            let offset = partition.log.append(batch(now_ms), partition.leader_epoch, true);
            api::fetch::wake(cluster, id, usize::try_from(index).unwrap_or(0), now);
            Ok(offset)
        })
    }

    /// Deletes a partition's records before `offset`, as retention or DeleteRecords does.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) -> io::Result<()> {
        self.on_topic(topic, |cluster, _| {
            cluster.topics.partition_mut(topic, partition).ok_or_else(unknown)?.log.delete_before(offset);
            Ok(())
        })
    }

    /// Cuts a partition's log so that nothing at or after `offset` is left, as an unclean election does: whole batches
    /// go. The leader stays, under a new epoch.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn truncate(&self, topic: &str, partition: i32, offset: i64) -> io::Result<()> {
        self.on_topic(topic, |cluster, now| {
            let id = cluster.topics.get(topic).ok_or_else(unknown)?.id;
            let truncated = cluster.topics.partition_mut(topic, partition).ok_or_else(unknown)?;
            truncated.log.truncate(offset);
            truncated.lead(truncated.leader);
            api::fetch::wake(cluster, id, usize::try_from(partition).unwrap_or(0), now);
            Ok(())
        })
    }

    pub(super) fn on_topic<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Cluster, Duration) -> Result<T, Refused>,
    ) -> io::Result<T> {
        self.shared().change(|cluster, now| act(cluster, now)).map_err(|refused| refusal(name, &refused))
    }
}

pub(super) fn unknown() -> Refused {
    Refused::new(ResponseError::UnknownTopicOrPartition, "there is no such topic, partition or live node")
}
