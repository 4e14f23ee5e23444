//! What each replica of a partition has. All share the leader's log; a test may hold a follower back.

use kafka_protocol::ResponseError;

use super::topics::Partition;

/// A follower that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It has the records before this offset alone, and is not in sync.
    End(i64),
    /// It has all records, but believes that only those before this offset are on all replicas in sync.
    HighWatermark(i64),
}

impl Partition {
    /// Holds a follower back. Offsets are taken as those of batches' ends at or before them.
    pub(crate) fn hold(&mut self, node: i32, held: Held) {
        let held = match held {
            Held::End(offset) => Held::End(self.log.batch_end_before(offset)),
            Held::HighWatermark(offset) => Held::HighWatermark(self.log.batch_end_before(offset)),
        };
        self.held.insert(node, held);
    }

    /// The offset after the last record that a replica has.
    pub(crate) fn end_offset_on(&self, node: i32) -> i64 {
        let end = self.log.end_offset();
        match self.held.get(&node) {
            Some(Held::End(held)) if node != self.leader => end.min(*held),
            _ => end,
        }
    }

    /// The offset up to which a replica lets consumers read.
    pub(crate) fn high_watermark_on(&self, node: i32) -> i64 {
        let end = self.log.end_offset();
        match self.held.get(&node) {
            Some(Held::End(held) | Held::HighWatermark(held)) if node != self.leader => end.min(*held),
            _ => end,
        }
    }

    /// Whether a replica has all that it must have to lead.
    pub(crate) fn is_in_sync(&self, node: i32) -> bool {
        node == self.leader || !matches!(self.held.get(&node), Some(Held::End(_)))
    }

    /// Checks that `node` has a replica, and that the client's idea of the leader epoch (-1: none) is the right one.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`, `FENCED_LEADER_EPOCH`, `UNKNOWN_LEADER_EPOCH`.
    pub(crate) fn check_replica(&self, node: i32, client_epoch: i32) -> Result<(), ResponseError> {
        if !self.replicas.contains(&node) {
            return Err(ResponseError::NotLeaderOrFollower);
        }
        if client_epoch >= 0 && client_epoch < self.leader_epoch {
            return Err(ResponseError::FencedLeaderEpoch);
        }
        if client_epoch > self.leader_epoch {
            return Err(ResponseError::UnknownLeaderEpoch);
        }
        Ok(())
    }

    /// Checks that `node` leads, and that the client's idea of the leader epoch (-1: none) is the right one.
    ///
    /// # Errors
    /// `FENCED_LEADER_EPOCH`, `UNKNOWN_LEADER_EPOCH`, `NOT_LEADER_OR_FOLLOWER`.
    pub(crate) fn check_leader(&self, node: i32, client_epoch: i32) -> Result<(), ResponseError> {
        self.check_replica(node, client_epoch)?;
        if self.leader == node { Ok(()) } else { Err(ResponseError::NotLeaderOrFollower) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::tests::batch;

    /// Led by 1, followed by 2, with batches of two records.
    fn partition(batches: i32) -> Partition {
        let mut partition = Partition::new(vec![1, 2]);
        for _ in 0..batches {
            partition.log.append(batch(2), 0, true);
        }
        partition
    }

    #[test]
    fn a_stale_client_is_fenced_before_it_is_sent_elsewhere() {
        let mut partition = partition(0);
        partition.lead(2);
        assert_eq!(partition.check_leader(1, 0), Err(ResponseError::FencedLeaderEpoch));
        assert_eq!(partition.check_leader(2, 2), Err(ResponseError::UnknownLeaderEpoch));
        assert_eq!(partition.check_leader(1, 1), Err(ResponseError::NotLeaderOrFollower));
        assert_eq!(partition.check_leader(2, -1), Ok(()));
        assert_eq!(partition.check_replica(1, 1), Ok(()));
    }

    #[test]
    fn a_node_without_a_replica_knows_nothing_of_epochs() {
        assert_eq!(partition(0).check_leader(3, 7), Err(ResponseError::NotLeaderOrFollower));
    }

    #[test]
    fn a_follower_that_is_held_back_stays_where_it_is_between_batches() {
        let mut partition = partition(2);
        partition.hold(2, Held::End(3));
        partition.log.append(batch(2), 0, true);
        assert_eq!((partition.end_offset_on(2), partition.high_watermark_on(2)), (2, 2));
        assert_eq!((partition.end_offset_on(1), partition.high_watermark_on(1)), (6, 6));
        assert!(partition.is_in_sync(1) && !partition.is_in_sync(2));
    }

    #[test]
    fn a_follower_may_have_more_than_it_shows() {
        let mut partition = partition(2);
        partition.hold(2, Held::HighWatermark(2));
        assert_eq!((partition.end_offset_on(2), partition.high_watermark_on(2)), (4, 2));
        assert!(partition.is_in_sync(2));
    }

    #[test]
    fn a_follower_out_of_sync_is_not_elected() {
        let mut partition = partition(2);
        partition.hold(2, Held::End(0));
        assert!(partition.elect(|node| node != 1));
        assert_eq!(partition.leader, -1);
        assert!(partition.elect(|_| true));
        assert_eq!(partition.leader, 1);
    }

    #[test]
    fn an_unclean_leader_has_what_it_had() {
        let mut partition = partition(2);
        partition.hold(2, Held::End(2));
        partition.lead_with(2, 2);
        assert_eq!((partition.leader, partition.leader_epoch, partition.log.end_offset()), (2, 1, 2));
        assert_eq!(partition.log.epochs.end_of(0, 2), Some((0, 2)));
        assert!(partition.is_in_sync(1));
    }
}
