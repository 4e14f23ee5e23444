//! Topics, their partitions and who leads them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::log::Log;

use super::replicas::Held;
use super::topic_config::TopicConfig;

/// A node id no broker has: nobody leads.
pub(crate) const NO_LEADER: i32 = -1;

/// All topics, by name and by id.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<String, Topic>,
    names: BTreeMap<Uuid, String>,
    created: u64,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Partition>,
}

/// One partition: a log that all its replicas share, and the replica that leads.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    /// Followers that tests hold back, by node.
    pub(crate) held: BTreeMap<i32, Held>,
    pub(crate) log: Log,
}

impl Topics {
    pub(crate) fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_name.get_mut(name)
    }

    /// The name of the topic with this id.
    pub(crate) fn name_of(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// In order of name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_name.values()
    }

    /// In order of name.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Topic> {
        self.by_name.values_mut()
    }

    /// How many topics there ever were.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    pub(crate) fn insert(&mut self, topic: Topic) {
        self.created += 1;
        self.names.insert(topic.id, topic.name.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Topic> {
        let topic = self.by_name.remove(name)?;
        self.names.remove(&topic.id);
        Some(topic)
    }

    /// A partition, by topic name and index.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.get(topic)?.partition(index)
    }

    /// A partition, by topic name and index.
    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.get_mut(topic)?.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

impl Partition {
    /// A partition led by its first replica.
    pub(crate) fn new(replicas: Vec<i32>) -> Self {
        let held = BTreeMap::new();
        let mut partition = Self { leader: NO_LEADER, leader_epoch: -1, replicas, held, log: Log::default() };
        let first = partition.replicas.first().copied().unwrap_or(NO_LEADER);
        partition.lead(first);
        partition
    }

    /// Makes `leader` the leader, under a new epoch.
    pub(crate) fn lead(&mut self, leader: i32) {
        self.leader = leader;
        self.leader_epoch += 1;
        self.held.remove(&leader);
        if leader != NO_LEADER {
            self.log.epochs.assign(self.leader_epoch, self.log.end_offset());
        }
    }

    /// Makes `leader` the leader, under a new epoch, though it has nothing from `offset` on: an unclean election. The
    /// others then have what it has.
    pub(crate) fn lead_with(&mut self, leader: i32, offset: i64) {
        self.log.truncate(offset);
        self.held.clear();
        self.lead(leader);
    }

    /// Elects a live replica that is in sync if the leader is gone; nobody, if none lives. Tells whether anything changed.
    pub(crate) fn elect(&mut self, is_live: impl Fn(i32) -> bool) -> bool {
        if self.leader != NO_LEADER && is_live(self.leader) {
            return false;
        }
        let can_lead = |replica: &i32| is_live(*replica) && self.is_in_sync(*replica);
        let next = self.replicas.iter().copied().find(can_lead).unwrap_or(NO_LEADER);
        let changed = next != self.leader;
        if changed {
            self.lead(next);
        }
        changed
    }
}

/// Whether Kafka allows a topic of this name: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_rises_with_every_leader() {
        let mut partition = Partition::new(vec![1, 2]);
        assert_eq!((partition.leader, partition.leader_epoch), (1, 0));
        assert!(!partition.elect(|_| true), "the leader lives");
        assert!(partition.elect(|node| node != 1));
        assert_eq!((partition.leader, partition.leader_epoch), (2, 1));
        assert!(partition.elect(|_| false));
        assert_eq!((partition.leader, partition.leader_epoch), (NO_LEADER, 2));
        assert!(!partition.elect(|_| false), "nobody follows nobody");
    }

    #[test]
    fn illegal_names_are_refused() {
        assert!(is_legal_name("orders.v1_new-2"));
        for name in ["", ".", "..", "a b", "naïve", &"x".repeat(250)] {
            assert!(!is_legal_name(name), "{name}");
        }
    }
}
