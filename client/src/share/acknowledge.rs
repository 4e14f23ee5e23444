//! What becomes of a record that a share group handed out, and who hears whether that was taken down.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use ottla_wire::Uuid;

use super::runs::Runs;
use crate::TopicPartition;
use crate::error::Error;

/// What is to become of a record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AcknowledgeType {
    /// It was processed: it is delivered to nobody again.
    Accept,
    /// It could not be processed now: it is delivered again, to whomever.
    Release,
    /// It cannot be processed: it is delivered to nobody again.
    Reject,
    /// It is still being processed: its lock starts over, and the poll after that hands it out again (KIP-1222). Takes
    /// Kafka 4.2.
    Renew,
}

/// As a gap is acknowledged: an offset that was acquired, and at which there is no record.
pub(super) const GAP: i8 = 0;

impl AcknowledgeType {
    pub(super) fn to_wire(self) -> i8 {
        match self {
            Self::Accept => 1,
            Self::Release => 2,
            Self::Reject => 3,
            Self::Renew => 4,
        }
    }
}

/// A partition of one topic, by name and by id: a topic that was deleted and created anew has another id.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicIdPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's name, and the partition's number.
    pub topic_partition: TopicPartition,
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.topic_partition, self.topic_id)
    }
}

/// Hears what became of acknowledgements, those of [`commit`](crate::ShareConsumer::commit) as well: see
/// [`set_acknowledgement_commit_callback`](crate::ShareConsumer::set_acknowledgement_commit_callback).
///
/// Closures of the same arguments are callbacks.
pub trait AcknowledgementCommitCallback: Send + Sync + 'static {
    /// Some offsets of `partition` were acknowledged with this outcome, offsets without a record among them.
    ///
    /// After an error the broker has not taken them down: what was to be accepted may be delivered again.
    fn on_complete(&self, partition: &TopicIdPartition, offsets: &[RangeInclusive<i64>], outcome: &Result<(), Error>);
}

impl<F> AcknowledgementCommitCallback for F
where
    F: Fn(&TopicIdPartition, &[RangeInclusive<i64>], &Result<(), Error>) + Send + Sync + 'static,
{
    fn on_complete(&self, partition: &TopicIdPartition, offsets: &[RangeInclusive<i64>], outcome: &Result<(), Error>) {
        self(partition, offsets, outcome);
    }
}

/// What is to become of the records of several partitions, each offset with the wire's number of its type.
pub(super) type Acknowledgements = BTreeMap<TopicIdPartition, Runs<i8>>;

/// Runs up to this long are listed, a byte for each offset: a batch of their own would be longer.
const LISTED: i64 = 16;

/// First and last offset, and one type for all of them or one for each: as requests carry acknowledgements.
pub(super) fn batches(acks: &Runs<i8>) -> Vec<(i64, i64, Vec<i8>)> {
    let mut batches: Vec<(i64, i64, Vec<i8>)> = Vec::new();
    let mut ends_listed = false;
    for (first, last, kind) in acks.iter() {
        let count = last.checked_sub(first).and_then(|more| more.checked_add(1)).filter(|count| *count <= LISTED);
        let kinds = vec![kind; count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)];
        let is_listed = count.is_some();
        match batches.last_mut() {
            Some((_, end, listed)) if is_listed && ends_listed && end.checked_add(1) == Some(first) => {
                listed.extend(kinds);
                *end = last;
            }
            _ => batches.push((first, last, kinds)),
        }
        ends_listed = is_listed;
    }
    for (_, _, kinds) in &mut batches {
        if kinds.iter().all(|kind| *kind == kinds[0]) {
            kinds.truncate(1);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_one_type_and_short_ones_are_listed() {
        let mut acks = Runs::default();
        acks.insert(0, 0, 1);
        acks.insert(1, 2, 2);
        acks.insert(3, 99, 1);
        acks.insert(100, 100, 3);
        acks.insert(200, 203, 1);
        let expected = [(0, 2, vec![1, 2, 2]), (3, 99, vec![1]), (100, 100, vec![3]), (200, 203, vec![1])];
        assert_eq!(batches(&acks), expected);
    }

    #[test]
    fn the_longest_run_there_is_takes_one_byte() {
        let mut acks = Runs::default();
        acks.insert(i64::MIN, i64::MAX, 2);
        assert_eq!(batches(&acks), [(i64::MIN, i64::MAX, vec![2])]);
    }
}
