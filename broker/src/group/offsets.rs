//! Committed offsets, and who may commit.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{Group, State};

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// The next offset to be read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 if the client doesn't say.
    pub leader_epoch: i32,
    /// What the client noted with it.
    pub metadata: String,
}

/// A group's offsets, by topic and partition.
#[derive(Debug, Default)]
pub(crate) struct Offsets(BTreeMap<String, BTreeMap<i32, CommittedOffset>>);

impl Offsets {
    pub(crate) fn commit(&mut self, topic: &str, partition: i32, committed: CommittedOffset) {
        self.0.entry(topic.to_owned()).or_default().insert(partition, committed);
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.0.get(topic)?.get(&partition)
    }

    pub(crate) fn delete(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(topic);
            }
        }
    }

    pub(crate) fn delete_topic(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    /// In order of topic and partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, CommittedOffset>)> {
        self.0.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }
}

impl Group {
    /// Checks that a commit may be taken, and keeps its member's session alive.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `ILLEGAL_GENERATION`, or `REBALANCE_IN_PROGRESS` between the join and
    /// the assignment.
    pub(crate) fn check_commit(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Duration,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.state == State::Empty {
            // A client that assigns its partitions itself.
            return Ok(());
        }
        if generation < 0 && id.is_empty() && instance.is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.check_generation(id, instance, generation)?;
        if self.state == State::Completing {
            return Err(ResponseError::RebalanceInProgress);
        }
        self.extend_session(id, now);
        Ok(())
    }
}
