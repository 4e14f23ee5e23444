//! Committed offsets, and those that wait for their transaction's end.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

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
pub(crate) struct Offsets {
    committed: ByPartition<Entry>,
    /// Those of transactions that haven't ended, by producer id.
    pending: BTreeMap<i64, ByPartition<Entry>>,
    /// The newest epoch of each producer that committed within a transaction, or whose transaction ended.
    epochs: BTreeMap<i64, i16>,
    /// Counts commits, to tell which of two is newer.
    commits: u64,
}

type ByPartition<T> = BTreeMap<String, BTreeMap<i32, T>>;

#[derive(Debug)]
struct Entry {
    offset: CommittedOffset,
    /// The how-manieth commit it was.
    commit: u64,
}

impl Offsets {
    pub(crate) fn commit(&mut self, topic: &str, partition: i32, offset: CommittedOffset) {
        let entry = self.entry(offset);
        insert(&mut self.committed, topic, partition, entry);
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(topic)?.get(&partition).map(|entry| &entry.offset)
    }

    pub(crate) fn delete(&mut self, topic: &str, partition: i32) {
        for offsets in self.all() {
            if let Some(partitions) = offsets.get_mut(topic) {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    offsets.remove(topic);
                }
            }
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }

    pub(crate) fn delete_topic(&mut self, topic: &str) {
        for offsets in self.all() {
            offsets.remove(topic);
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }

    /// In order of topic and partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (i32, &CommittedOffset)>)> {
        self.committed.iter().map(|(topic, partitions)| {
            (topic.as_str(), partitions.iter().map(|(partition, entry)| (*partition, &entry.offset)))
        })
    }

    /// True if a transaction that hasn't ended has committed an offset for this partition.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        let of_topic = self.pending.values().filter_map(|offsets| offsets.get(topic));
        of_topic.into_iter().any(|partitions| partitions.contains_key(&partition))
    }

    /// Begins the check of a commit within a transaction. Tells whether the transaction's coordinator is to be asked:
    /// it isn't, once the transaction has committed here.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` if a newer epoch has committed or ended a transaction.
    pub(crate) fn verify(&self, (producer_id, epoch): (i64, i16)) -> Result<bool, ResponseError> {
        match self.epochs.get(&producer_id) {
            Some(known) if epoch < *known => Err(ResponseError::InvalidProducerEpoch),
            Some(known) => Ok(epoch != *known || !self.pending.contains_key(&producer_id)),
            None => Ok(true),
        }
    }

    /// Keeps an offset until the producer's transaction ends.
    pub(crate) fn commit_pending(
        &mut self,
        (producer_id, epoch): (i64, i16),
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
    ) {
        let entry = self.entry(offset);
        self.epochs.insert(producer_id, epoch);
        insert(self.pending.entry(producer_id).or_default(), topic, partition, entry);
    }

    /// Ends a producer's transaction: its offsets count from now on, unless newer ones were committed since; or they
    /// never will.
    pub(crate) fn end(&mut self, (producer_id, epoch): (i64, i16), is_commit: bool) {
        self.epochs.insert(producer_id, epoch);
        let pending = self.pending.remove(&producer_id).filter(|_| is_commit).unwrap_or_default();
        for (topic, partitions) in pending {
            let committed = self.committed.entry(topic).or_default();
            for (partition, entry) in partitions {
                if committed.get(&partition).is_none_or(|known| known.commit < entry.commit) {
                    committed.insert(partition, entry);
                }
            }
        }
    }

    fn entry(&mut self, offset: CommittedOffset) -> Entry {
        self.commits += 1;
        Entry { offset, commit: self.commits }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut ByPartition<Entry>> {
        self.pending.values_mut().chain([&mut self.committed])
    }
}

fn insert(offsets: &mut ByPartition<Entry>, topic: &str, partition: i32, entry: Entry) {
    offsets.entry(topic.to_owned()).or_default().insert(partition, entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: (i64, i16) = (7, 0);

    fn offset(offset: i64) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: -1, metadata: String::new() }
    }

    fn committed(offsets: &Offsets) -> Option<i64> {
        offsets.get("orders", 0).map(|committed| committed.offset)
    }

    #[test]
    fn an_offset_in_a_transaction_counts_from_its_commit_on() {
        let mut offsets = Offsets::default();
        offsets.commit("orders", 0, offset(3));
        offsets.commit_pending(PRODUCER, "orders", 0, offset(5));
        assert_eq!((committed(&offsets), offsets.is_unstable("orders", 0)), (Some(3), true));
        assert!(!offsets.is_unstable("orders", 1));
        offsets.end(PRODUCER, true);
        assert_eq!((committed(&offsets), offsets.is_unstable("orders", 0)), (Some(5), false));
    }

    #[test]
    fn an_offset_in_an_aborted_transaction_never_counts() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(PRODUCER, "orders", 0, offset(5));
        offsets.end(PRODUCER, false);
        assert_eq!((committed(&offsets), offsets.is_unstable("orders", 0)), (None, false));
    }

    #[test]
    fn an_offset_committed_since_is_newer_than_the_transactions() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(PRODUCER, "orders", 0, offset(5));
        offsets.commit("orders", 0, offset(9));
        offsets.end(PRODUCER, true);
        assert_eq!(committed(&offsets), Some(9));
    }

    #[test]
    fn a_deleted_offset_is_gone_from_transactions_too() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(PRODUCER, "orders", 0, offset(5));
        offsets.delete("orders", 0);
        offsets.end(PRODUCER, true);
        assert_eq!(committed(&offsets), None);
    }

    #[test]
    fn the_coordinator_is_asked_until_the_transaction_has_committed_here() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.verify((7, 1)), Ok(true));
        offsets.commit_pending((7, 1), "orders", 0, offset(5));
        assert_eq!(offsets.verify((7, 1)), Ok(false));
        assert_eq!(offsets.verify((7, 0)), Err(ResponseError::InvalidProducerEpoch));
        offsets.end((7, 2), true);
        assert_eq!(offsets.verify((7, 1)), Err(ResponseError::InvalidProducerEpoch));
        assert_eq!(offsets.verify((7, 2)), Ok(true));
    }
}
