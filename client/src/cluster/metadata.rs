//! What a client knows of the cluster: brokers, topics, and who leads which partition since when.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ottla_wire::messages::MetadataResponse;
use ottla_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_wire::{Code, Str, Uuid};

use crate::net::Address;

/// One state of the cluster. Never changed: a newer answer gives a newer state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) controller: Option<i32>,
    pub(crate) brokers: BTreeMap<i32, Broker>,
    pub(crate) topics: HashMap<Str, Arc<Topic>>,
    /// Names by id, of the topics that have one.
    pub(crate) ids: HashMap<Uuid, Str>,
    /// How many answers led here; 0 before the first.
    pub(crate) version: u64,
    /// Whether the last answer was about all topics: those that it did not name are gone.
    pub(crate) is_complete: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Broker {
    pub(crate) address: Address,
    pub(crate) rack: Option<Str>,
}

/// What is known of one topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Topic {
    pub(crate) name: Str,
    /// Zero where the brokers are older than topic ids (Kafka 2.8).
    pub(crate) id: Uuid,
    pub(crate) is_internal: bool,
    /// Index = partition.
    pub(crate) partitions: Vec<Partition>,
    /// Why the last answer about it was an error; the partitions are then those known before.
    pub(crate) error: Code,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Partition {
    /// None while the partition has no leader, or one that is not among the brokers.
    pub(crate) leader: Option<i32>,
    /// -1 where the broker does not say.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    pub(crate) offline: Vec<i32>,
}

impl Metadata {
    /// The state after an answer about all topics: those that it does not name are gone.
    pub(crate) fn completed(&self, response: &MetadataResponse) -> Self {
        let mut metadata = self.merged(response);
        let named: HashSet<_> = response.topics.iter().filter_map(|topic| topic.name.as_ref()).collect();
        metadata.topics.retain(|name, _| named.contains(name));
        metadata.ids.retain(|_, name| named.contains(name));
        metadata.is_complete = true;
        metadata
    }

    /// The state after an answer about some topics; the others stay as they were.
    pub(crate) fn merged(&self, response: &MetadataResponse) -> Self {
        let brokers: BTreeMap<_, _> = response
            .brokers
            .iter()
            .filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                let address = Address { host: broker.host.to_string(), port };
                Some((broker.node_id, Broker { address, rack: broker.rack.as_ref().map(Str::unshared) }))
            })
            .collect();
        let mut topics = self.topics.clone();
        for answer in &response.topics {
            let Some(name) = self.name_of(answer) else { continue };
            let known = self.topics.get(&name);
            match merge_topic(&name, answer, known, &brokers) {
                Some(topic) => topics.insert(name, Arc::new(topic)),
                None => topics.remove(&name),
            };
        }
        let ids =
            topics.values().filter(|topic| !topic.id.is_zero()).map(|topic| (topic.id, topic.name.clone())).collect();
        Self {
            controller: Some(response.controller_id).filter(|id| brokers.contains_key(id)),
            brokers,
            topics,
            ids,
            version: self.version + 1,
            is_complete: false,
        }
    }

    fn name_of(&self, answer: &MetadataResponseTopic) -> Option<Str> {
        match &answer.name {
            Some(name) => {
                Some(self.topics.get_key_value(name).map_or_else(|| name.unshared(), |(name, _)| name.clone()))
            }
            None => self.ids.get(&answer.topic_id).cloned(),
        }
    }

    /// The partition, if it is known.
    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?)
    }

    /// Whether the broker is there and has a replica of the partition to read from.
    pub(crate) fn is_replica(&self, topic: &str, partition: i32, broker: i32) -> bool {
        self.brokers.contains_key(&broker)
            && self
                .partition(topic, partition)
                .is_some_and(|known| known.replicas.contains(&broker) && !known.offline.contains(&broker))
    }

    /// Takes a broker that no answer to Metadata has named yet. None if it is known.
    pub(crate) fn with_broker(&self, id: i32, broker: &Broker) -> Option<Self> {
        if self.brokers.contains_key(&id) {
            return None;
        }
        let mut metadata = self.clone();
        metadata.brokers.insert(id, broker.clone());
        metadata.version += 1;
        Some(metadata)
    }

    /// Takes leaders that an answer of another API named (KIP-951): topic, partition, leader and its epoch. None if none
    /// of them is newer. All at once, since each topic that changes is copied.
    pub(crate) fn with_leaders<'a>(&self, leaders: impl IntoIterator<Item = (&'a str, i32, i32, i32)>) -> Option<Self> {
        let mut newer: Option<Self> = None;
        for (topic, partition, leader, epoch) in leaders {
            let known = newer.as_ref().unwrap_or(self).partition(topic, partition);
            if known.is_none_or(|known| epoch <= known.leader_epoch) || !self.brokers.contains_key(&leader) {
                continue;
            }
            let topic = newer.get_or_insert_with(|| self.clone()).topics.get_mut(topic);
            if let (Some(topic), Ok(index)) = (topic, usize::try_from(partition)) {
                let known = &mut Arc::make_mut(topic).partitions[index];
                (known.leader, known.leader_epoch) = (Some(leader), epoch);
            }
        }
        newer.map(|newer| Self { version: newer.version + 1, ..newer })
    }
}

impl Topic {
    /// Whether the last answer about it leaves nothing to wait for.
    pub(crate) fn is_usable(&self) -> bool {
        !self.partitions.is_empty()
    }
}

/// The topic after an answer about it; None where it is gone.
fn merge_topic(
    name: &Str,
    answer: &MetadataResponseTopic,
    known: Option<&Arc<Topic>>,
    brokers: &BTreeMap<i32, Broker>,
) -> Option<Topic> {
    let error = answer.error_code;
    if error.is_none() || error == Code::LeaderNotAvailable && !answer.partitions.is_empty() {
        let known = known.filter(|known| known.id == answer.topic_id);
        let count = answer
            .partitions
            .iter()
            .map(|partition| partition.partition_index)
            .max()
            .map_or(0, |last| last.saturating_add(1));
        // A count that was not sent is not believed: indices come without gaps.
        if usize::try_from(count).ok() != Some(answer.partitions.len()) {
            return known.map(|known| Topic { error: Code::UnknownServerError, ..Topic::clone(known) });
        }
        let mut partitions: Vec<_> = answer.partitions.iter().collect();
        partitions.sort_by_key(|partition| partition.partition_index);
        let partitions = partitions
            .into_iter()
            .enumerate()
            .map(|(index, answer)| {
                merge_partition(answer, known.and_then(|known| known.partitions.get(index)), brokers)
            })
            .collect();
        return Some(Topic {
            name: name.clone(),
            id: answer.topic_id,
            is_internal: answer.is_internal,
            partitions,
            error,
        });
    }
    // An error says nothing about where the leaders are: they stay as they were known. Only a topic that is not there,
    // and one that must not be seen, lose theirs.
    let keeps = !matches!(
        error,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopicId
            | Code::TopicAuthorizationFailed
            | Code::InvalidTopicException
    );
    let known = known.filter(|_| keeps);
    Some(Topic {
        name: name.clone(),
        id: known.map_or(answer.topic_id, |known| known.id),
        is_internal: answer.is_internal,
        partitions: known.map_or_else(Vec::new, |known| known.partitions.clone()),
        error,
    })
}

fn merge_partition(
    answer: &MetadataResponsePartition,
    known: Option<&Partition>,
    brokers: &BTreeMap<i32, Broker>,
) -> Partition {
    // A broker that lags behind may answer with an older epoch than another did before; an equal epoch, or none,
    // may still bring news.
    match known {
        Some(known) if answer.leader_epoch >= 0 && answer.leader_epoch < known.leader_epoch => known.clone(),
        _ => Partition {
            leader: Some(answer.leader_id).filter(|leader| brokers.contains_key(leader)),
            leader_epoch: answer.leader_epoch,
            replicas: answer.replica_nodes.clone(),
            isr: answer.isr_nodes.clone(),
            offline: answer.offline_replicas.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::metadata_response::MetadataResponseBroker;

    use super::*;

    const ID: Uuid = Uuid([7; 16]);

    fn partition(index: i32, leader: i32, epoch: i32) -> MetadataResponsePartition {
        MetadataResponsePartition {
            partition_index: index,
            leader_id: leader,
            leader_epoch: epoch,
            replica_nodes: vec![1, 2],
            isr_nodes: vec![1, 2],
            ..MetadataResponsePartition::default()
        }
    }

    fn answer(id: Uuid, error: Code, partitions: Vec<MetadataResponsePartition>) -> MetadataResponse {
        MetadataResponse {
            brokers: [1, 2]
                .map(|id| MetadataResponseBroker {
                    node_id: id,
                    host: "localhost".into(),
                    port: 9000 + id,
                    ..MetadataResponseBroker::default()
                })
                .to_vec(),
            controller_id: 1,
            topics: vec![MetadataResponseTopic {
                error_code: error,
                name: Some("orders".into()),
                topic_id: id,
                partitions,
                ..MetadataResponseTopic::default()
            }],
            ..MetadataResponse::default()
        }
    }

    fn with_leader_1_at_epoch_5() -> Metadata {
        Metadata::default().merged(&answer(ID, Code::None, vec![partition(0, 1, 5)]))
    }

    fn leader(metadata: &Metadata) -> Option<i32> {
        metadata.partition("orders", 0)?.leader
    }

    /// edge 44: an older epoch is ignored; an equal one, or none, is news.
    #[test]
    fn an_older_epoch_does_not_move_the_leader_back() {
        let known = with_leader_1_at_epoch_5();
        for (epoch, expected) in [(4, 1), (5, 2), (-1, 2), (6, 2)] {
            let after = known.merged(&answer(ID, Code::None, vec![partition(0, 2, epoch)]));
            assert_eq!(leader(&after), Some(expected), "epoch {epoch}");
        }
    }

    /// edge 44, 50: epochs are compared within one topic; one created anew starts over.
    #[test]
    fn a_recreated_topic_starts_its_epochs_over() {
        let after = with_leader_1_at_epoch_5().merged(&answer(Uuid([8; 16]), Code::None, vec![partition(0, 2, 0)]));
        assert_eq!(leader(&after), Some(2));
        assert_eq!(after.ids.get(&Uuid([8; 16])).map(Str::as_str), Some("orders"));
        assert_eq!(after.ids.get(&ID), None);
    }

    /// edge 75: an error in an answer leaves the leaders where they were.
    #[test]
    fn an_error_keeps_the_leaders_and_is_remembered() {
        let after = with_leader_1_at_epoch_5().merged(&answer(ID, Code::LeaderNotAvailable, vec![]));
        assert_eq!(leader(&after), Some(1));
        assert_eq!(after.topics["orders"].error, Code::LeaderNotAvailable);
    }

    #[test]
    fn a_topic_that_is_gone_loses_its_partitions() {
        let after = with_leader_1_at_epoch_5().merged(&answer(Uuid::ZERO, Code::UnknownTopicOrPartition, vec![]));
        assert!(!after.topics["orders"].is_usable());
        let none = MetadataResponse { topics: vec![], ..answer(ID, Code::None, vec![]) };
        assert!(with_leader_1_at_epoch_5().merged(&none).topics.contains_key("orders"), "it was not asked for");
    }

    /// edge 76: no leader, or one that is not among the brokers.
    #[test]
    fn a_leader_that_is_not_there_is_no_leader() {
        for nobody in [-1, 9] {
            let after = Metadata::default().merged(&answer(ID, Code::None, vec![partition(0, nobody, 1)]));
            assert_eq!(leader(&after), None);
        }
    }

    /// edge 74: brokers are known by their id; one that an answer does not name is gone, one that moved has moved.
    #[test]
    fn brokers_are_those_of_the_last_answer() {
        let mut moved = answer(ID, Code::None, vec![partition(0, 1, 5)]);
        moved.brokers.remove(1);
        moved.brokers[0].port = 9999;
        let after = with_leader_1_at_epoch_5().merged(&moved);
        assert_eq!(after.brokers.keys().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(after.brokers[&1].address.port, 9999);
    }

    #[test]
    fn a_topic_that_an_answer_about_all_does_not_name_is_gone() {
        let known = with_leader_1_at_epoch_5();
        let mut bills = answer(Uuid([8; 16]), Code::None, vec![partition(0, 1, 0)]);
        bills.topics[0].name = Some("bills".into());
        let after = known.completed(&bills);
        assert!(after.is_complete && !after.topics.contains_key("orders") && !after.ids.contains_key(&ID));
        assert!(after.topics.contains_key("bills"));
        assert!(!after.merged(&answer(ID, Code::None, vec![])).is_complete);
    }

    #[test]
    fn partitions_with_gaps_are_not_believed() {
        let after = with_leader_1_at_epoch_5().merged(&answer(ID, Code::None, vec![partition(2_000_000_000, 1, 6)]));
        assert_eq!(after.topics["orders"].partitions.len(), 1);
        assert_eq!(after.topics["orders"].error, Code::UnknownServerError);
    }

    #[test]
    fn a_leader_named_by_another_answer_must_be_newer() {
        let known = with_leader_1_at_epoch_5();
        let with = |leader, epoch| known.with_leaders([("orders", 0, leader, epoch)]);
        assert!(with(2, 5).is_none());
        assert!(with(9, 6).is_none(), "no such broker");
        assert_eq!(leader(&with(2, 6).unwrap()), Some(2));
        assert_eq!(known.partition("orders", 0).unwrap().leader, Some(1), "who has the metadata of before keeps it");
        let several = [("orders", 0, 2, 6), ("orders", 7, 2, 6), ("bills", 0, 2, 6), ("orders", 0, 1, 7)];
        let newer = known.with_leaders(several).unwrap();
        assert_eq!((leader(&newer), newer.version), (Some(1), known.version + 1));
    }
}
