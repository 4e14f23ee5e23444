//! What the coordinator wants this member to read, and the way there from what it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::Uuid;
use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::consumer_group_heartbeat_response::Assignment;
use tokio::time::Instant;

use super::{Change, Modern, Phase};
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::error::{Error, Kind};

/// Partitions of topics that are known by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Held(BTreeMap<Uuid, Topic>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Topic {
    name: Arc<str>,
    partitions: BTreeSet<i32>,
}

/// The assignment as it was last answered.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// None before the first since the member joined.
    partitions: Option<BTreeMap<Uuid, BTreeSet<i32>>>,
    /// What could be taken over of it, and has been.
    applied: Option<Held>,
    /// What the coordinator was told, since this target came, that the member owns.
    acknowledged: Option<Held>,
    /// The version of the metadata that topics were last looked up in.
    looked_up: Option<u64>,
}

impl Held {
    /// The partitions by name.
    pub(super) fn partitions(&self) -> BTreeSet<TopicPartition> {
        let of = |topic: &Topic| {
            let name = topic.name.clone();
            topic.partitions.clone().into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        self.0.values().flat_map(of).collect()
    }

    /// As a heartbeat has them.
    pub(super) fn as_told(&self) -> Vec<TopicPartitions> {
        let told = |(id, topic): (&Uuid, &Topic)| TopicPartitions {
            topic_id: *id,
            partitions: topic.partitions.iter().copied().collect(),
        };
        self.0.iter().map(told).collect()
    }

    fn without(mut self, going: &BTreeSet<TopicPartition>) -> Self {
        for partition in going {
            for topic in self.0.values_mut().filter(|topic| topic.name == partition.topic) {
                topic.partitions.remove(&partition.partition);
            }
        }
        self.0.retain(|_, topic| !topic.partitions.is_empty());
        self
    }
}

impl Target {
    /// Whether nothing of it was taken over yet.
    pub(super) fn awaits_more(&self) -> bool {
        self.partitions.is_some() && self.applied.is_none()
    }

    /// The coordinator was told that the member owns this.
    pub(super) fn acknowledged(&mut self, owned: &Held) {
        self.acknowledged = Some(owned.clone());
    }
}

impl Modern {
    /// The topics of the assignment whose names are not known (edge 61).
    pub(crate) fn unknown_topics(&self, metadata: &Metadata) -> BTreeSet<Uuid> {
        let target = self.target.partitions.iter().flatten();
        target.map(|(id, _)| *id).filter(|id| self.name_of(*id, metadata).is_none()).collect()
    }

    /// Takes an assignment in; the same as before is none.
    ///
    /// # Errors
    /// [`Kind::Protocol`] for a partition that cannot be.
    pub(super) fn on_assignment(&mut self, assignment: Assignment) -> Result<(), Error> {
        let mut partitions: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for topic in assignment.topic_partitions {
            if topic.topic_id.is_zero() || topic.partitions.iter().any(|partition| *partition < 0) {
                let what = format!("partitions {:?} of topic id {}", topic.partitions, topic.topic_id);
                return Err(Error::new(
                    Kind::Protocol,
                    format!("group {}: the coordinator assigned {what}", self.settings.group),
                ));
            }
            if !topic.partitions.is_empty() {
                partitions.entry(topic.topic_id).or_default().extend(topic.partitions);
            }
        }
        if self.target.partitions.as_ref() != Some(&partitions) {
            self.target = Target { partitions: Some(partitions), ..Target::default() };
            // What is to be given up already goes first, whatever the newer assignment says of it.
            if matches!(self.phase, Phase::Joining | Phase::Stable) {
                self.phase = Phase::Reconciling;
            }
        }
        Ok(())
    }

    /// Goes on towards the target.
    pub(super) fn reconcile(&mut self, now: Instant, metadata: &Metadata) -> Option<Change> {
        if !matches!(self.phase, Phase::Reconciling) || self.target.looked_up == Some(metadata.version) {
            return None;
        }
        let next = self.within_reach(metadata);
        if self.target.applied.as_ref() == Some(&next) {
            self.target.looked_up = Some(metadata.version);
            return None;
        }
        let (owned, wanted) = (self.owned.partitions(), next.partitions());
        let going: BTreeSet<_> = owned.difference(&wanted).cloned().collect();
        if !going.is_empty() {
            tracing::info!(group = %self.settings.group, ?going, "gives up partitions");
            self.phase = Phase::Releasing { going, until: now.checked_add(self.settings.max_poll_interval) };
            return None;
        }
        let is_whole = self.target.partitions.as_ref().is_some_and(|target| target.len() == next.0.len());
        self.target.looked_up = Some(metadata.version);
        self.target.applied = Some(next.clone());
        self.owned = next;
        tracing::info!(group = %self.settings.group, epoch = self.identity.generation, partitions = wanted.len(), "assigned");
        self.phase = match self.target.acknowledged.as_ref() == Some(&self.owned) {
            // Giving up was all there was to do, and has been said.
            true if is_whole => Phase::Stable,
            true => Phase::Reconciling,
            false => Phase::Acknowledging,
        };
        Some(Change::Assigned(wanted.into_iter().collect()))
    }

    /// The coordinator is being told what is owned.
    pub(super) fn acknowledging(&mut self) {
        if matches!(self.phase, Phase::Acknowledging) {
            let is_done = match (&self.target.partitions, &self.target.applied) {
                (Some(target), Some(applied)) => target.len() == applied.0.len(),
                (None, _) => true,
                (Some(_), None) => false,
            };
            self.phase = if is_done { Phase::Stable } else { Phase::Reconciling };
        }
    }

    /// The partitions that were to be given up have been.
    pub(super) fn gave_up(&mut self, going: &BTreeSet<TopicPartition>) {
        self.owned = std::mem::take(&mut self.owned).without(going);
        self.phase = Phase::Acknowledging;
    }

    /// As much of the target as there are names for.
    fn within_reach(&self, metadata: &Metadata) -> Held {
        let target = self.target.partitions.iter().flatten();
        Held(
            target
                .filter_map(|(id, partitions)| {
                    Some((*id, Topic { name: self.name_of(*id, metadata)?, partitions: partitions.clone() }))
                })
                .collect(),
        )
    }

    /// The name of a topic; of one that is owned also when metadata knows it no more.
    fn name_of(&self, id: Uuid, metadata: &Metadata) -> Option<Arc<str>> {
        match self.owned.0.get(&id) {
            Some(topic) => Some(topic.name.clone()),
            None => metadata.ids.get(&id).map(|name| Arc::from(&**name)),
        }
    }
}
