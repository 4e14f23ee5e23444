//! Who owns what as a group rebalances, going by what its members say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{GroupMember, GroupTopics, as_java};
use super::racks::Racks;
use crate::TopicPartition;

/// A group's members and partitions, all by index.
pub(super) struct Group<'a> {
    /// By member id.
    pub(super) members: Vec<&'a GroupMember>,
    /// The topics that a member wants, by name.
    pub(super) topics: Vec<Topic<'a>>,
    /// The topic of each partition, by topic and number.
    topic_of: Vec<usize>,
}

pub(super) struct Topic<'a> {
    pub(super) name: &'a Arc<str>,
    /// The index of its partition 0.
    first: usize,
    pub(super) partitions: usize,
}

/// What a member says it owns, and since which generation.
pub(super) struct Claim {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) generation: i32,
}

/// What is to be believed of all claims.
pub(super) struct Claims {
    /// What each member owns.
    pub(super) owned: Vec<Vec<usize>>,
    /// For each partition, whether members claim it for the same generation: then none of them owns it.
    pub(super) contested: Vec<bool>,
    /// For each partition, who says to have owned it last before the current generation.
    pub(super) earlier: Vec<Option<usize>>,
}

impl<'a> Group<'a> {
    pub(super) fn new(members: &'a [GroupMember], topics: &'a GroupTopics) -> Self {
        let mut members: Vec<_> = members.iter().collect();
        members.sort_by(|a, b| as_java(&a.member_id, &b.member_id));
        let wanted: BTreeSet<_> = members.iter().flat_map(|member| &member.topics).collect();
        let mut group = Self { members, topics: Vec::new(), topic_of: Vec::new() };
        for (name, partitions) in topics.0.iter().filter(|(name, _)| wanted.contains(*name)) {
            let (first, partitions) = (group.topic_of.len(), partitions.len());
            group.topic_of.resize(first + partitions, group.topics.len());
            group.topics.push(Topic { name, first, partitions });
        }
        group
    }

    /// How many partitions there are.
    pub(super) fn partitions(&self) -> usize {
        self.topic_of.len()
    }

    pub(super) fn topic_of(&self, partition: usize) -> usize {
        self.topic_of[partition]
    }

    /// The partition's number within its topic.
    pub(super) fn number(&self, partition: usize) -> usize {
        partition - self.topics[self.topic_of[partition]].first
    }

    pub(super) fn partition(&self, partition: usize) -> TopicPartition {
        let topic = &self.topics[self.topic_of[partition]];
        // The numbers came as `i32`.
        TopicPartition { topic: topic.name.clone(), partition: (partition - topic.first) as i32 }
    }

    /// The partitions of a topic.
    pub(super) fn partitions_of(&self, topic: usize) -> std::ops::Range<usize> {
        let topic = &self.topics[topic];
        topic.first..topic.first + topic.partitions
    }

    /// Whether all members want the same topics, existing or not.
    pub(super) fn wants_are_equal(&self) -> bool {
        self.members.windows(2).all(|pair| pair[0].topics == pair[1].topics)
    }

    /// Where members and replicas are.
    pub(super) fn racks(&self, topics: &GroupTopics) -> Racks {
        let racks: Vec<_> = self.topics.iter().filter_map(|topic| topics.0.get(topic.name)).flatten().collect();
        Racks::new(&self.members, &racks)
    }

    /// Weighs the members' claims, which come in the order of the members.
    pub(super) fn weigh(&self, claims: &[Claim]) -> Claims {
        let current = claims.iter().map(|claim| claim.generation).max().unwrap_or_default();
        let by_name: BTreeMap<&str, usize> =
            self.topics.iter().enumerate().map(|(index, topic)| (&**topic.name, index)).collect();
        // The latest claim on each partition, and that before the current generation: generation and member.
        let mut latest: Vec<Option<(i32, usize)>> = vec![None; self.partitions()];
        let mut earlier: Vec<Option<(i32, usize)>> = vec![None; self.partitions()];
        let mut contested = vec![false; self.partitions()];
        for (member, claim) in claims.iter().enumerate() {
            for claimed in &claim.partitions {
                // Topics come and go, and come again with fewer partitions.
                let Some(topic) = by_name.get(&*claimed.topic).map(|topic| &self.topics[*topic]) else { continue };
                let number = usize::try_from(claimed.partition).ok().filter(|number| *number < topic.partitions);
                let Some(partition) = number.map(|number| topic.first + number) else { continue };
                let generation = claim.generation;
                if generation < current && earlier[partition].is_none_or(|(other, _)| generation > other) {
                    earlier[partition] = Some((generation, member));
                }
                match latest[partition] {
                    Some((_, other)) if other == member => {}
                    Some((other, _)) if other > generation => {}
                    Some((other, _)) if other == generation => contested[partition] = true,
                    _ => {
                        latest[partition] = Some((generation, member));
                        contested[partition] = false;
                    }
                }
            }
        }
        let mut owned = vec![Vec::new(); self.members.len()];
        for (partition, latest) in latest.iter().enumerate() {
            if let Some((_, owner)) = latest.filter(|_| !contested[partition]) {
                owned[owner].push(partition);
            }
        }
        Claims { owned, contested, earlier: earlier.into_iter().map(|claim| Some(claim?.1)).collect() }
    }
}
