//! Share sessions: which partitions a member reads from a node.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use uuid::Uuid;

/// Sessions of a node at most, unless it is told otherwise.
const SLOTS: usize = 2_000;

/// A partition of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedPartition {
    pub(crate) topic: Uuid,
    pub(crate) index: i32,
    pub(crate) max_bytes: i32,
    /// Its last answer was an error: the next is told, whatever it is.
    pub(crate) must_be_told: bool,
}

/// What a member reads from a node.
#[derive(Debug)]
pub(crate) struct ShareSession {
    /// The epoch that the next request must have.
    pub(crate) epoch: i32,
    /// In the order in which they are read: those that had records come last.
    pub(crate) partitions: Vec<SharedPartition>,
    /// The connection with which it ends.
    pub(crate) connection: u64,
}

impl ShareSession {
    /// Adds a partition at the end, unless it is there.
    pub(crate) fn want(&mut self, partition: SharedPartition) {
        match self.find(partition.topic, partition.index) {
            Some(place) => self.partitions[place].max_bytes = partition.max_bytes,
            None => self.partitions.push(partition),
        }
    }

    pub(crate) fn forget(&mut self, topic: Uuid, index: i32) {
        self.partitions.retain(|known| (known.topic, known.index) != (topic, index));
    }

    /// Whether an answer is to be told; a partition with records goes to the end.
    pub(crate) fn tell(&mut self, topic: Uuid, index: i32, is_error: bool, has_records: bool) -> bool {
        let Some(place) = self.find(topic, index) else { return is_error || has_records };
        let mut known = self.partitions.remove(place);
        let is_told = is_error || has_records || known.must_be_told;
        known.must_be_told = is_error;
        let place = if has_records { self.partitions.len() } else { place };
        self.partitions.insert(place, known);
        is_told
    }

    fn find(&self, topic: Uuid, index: i32) -> Option<usize> {
        self.partitions.iter().position(|known| (known.topic, known.index) == (topic, index))
    }
}

/// The share sessions of one node, by group and member.
#[derive(Debug)]
pub(crate) struct ShareSessions {
    pub(crate) by_member: BTreeMap<(String, String), ShareSession>,
    /// The greatest number of sessions.
    pub(crate) slots: usize,
}

impl Default for ShareSessions {
    fn default() -> Self {
        Self { by_member: BTreeMap::new(), slots: SLOTS }
    }
}

impl ShareSessions {
    /// Begins a session on a connection, in place of the member's last one.
    ///
    /// # Errors
    /// `SHARE_SESSION_LIMIT_REACHED`.
    pub(crate) fn begin(
        &mut self,
        group: &str,
        member: &str,
        connection: u64,
    ) -> Result<&mut ShareSession, ResponseError> {
        let key = (group.to_owned(), member.to_owned());
        self.by_member.remove(&key);
        if self.by_member.len() >= self.slots {
            return Err(ResponseError::ShareSessionLimitReached);
        }
        Ok(self.by_member.entry(key).or_insert(ShareSession { epoch: 1, partitions: Vec::new(), connection }))
    }

    /// A member's session.
    ///
    /// # Errors
    /// `SHARE_SESSION_NOT_FOUND`.
    pub(crate) fn get(&mut self, group: &str, member: &str) -> Result<&mut ShareSession, ResponseError> {
        let key = (group.to_owned(), member.to_owned());
        self.by_member.get_mut(&key).ok_or(ResponseError::ShareSessionNotFound)
    }

    /// A member's session, which this epoch must be the turn of; it then has the next.
    ///
    /// # Errors
    /// `SHARE_SESSION_NOT_FOUND`, `INVALID_SHARE_SESSION_EPOCH`.
    pub(crate) fn advance(
        &mut self,
        group: &str,
        member: &str,
        epoch: i32,
    ) -> Result<&mut ShareSession, ResponseError> {
        let session = self.get(group, member)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidShareSessionEpoch);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        Ok(session)
    }

    pub(crate) fn remove(&mut self, group: &str, member: &str) -> Option<ShareSession> {
        self.by_member.remove(&(group.to_owned(), member.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_must_follow_one_another() {
        let mut sessions = ShareSessions::default();
        assert_eq!(sessions.advance("g", "m", 1).unwrap_err(), ResponseError::ShareSessionNotFound);
        sessions.begin("g", "m", 0).unwrap();
        assert_eq!(sessions.advance("g", "m", 2).unwrap_err(), ResponseError::InvalidShareSessionEpoch);
        assert_eq!(sessions.advance("g", "m", 1).unwrap().epoch, 2);
        assert_eq!(sessions.begin("g", "m", 0).unwrap().epoch, 1);
    }

    #[test]
    fn there_are_only_so_many_sessions() {
        let mut sessions = ShareSessions { slots: 1, ..ShareSessions::default() };
        sessions.begin("g", "m", 0).unwrap();
        assert_eq!(sessions.begin("g", "n", 0).unwrap_err(), ResponseError::ShareSessionLimitReached);
        assert!(sessions.begin("g", "m", 0).is_ok(), "it takes its own place");
    }

    #[test]
    fn records_errors_and_the_end_of_errors_are_told() {
        let mut session = ShareSession { epoch: 1, partitions: Vec::new(), connection: 0 };
        let topic = Uuid::from_u128(1);
        let partition = |index| SharedPartition { topic, index, max_bytes: 1, must_be_told: false };
        (0..2).for_each(|index| session.want(partition(index)));
        assert!(!session.tell(topic, 0, false, false));
        assert!(session.tell(topic, 0, true, false));
        assert!(session.tell(topic, 0, false, false), "the error is over");
        assert!(session.tell(topic, 0, false, true));
        assert_eq!(session.partitions[1].index, 0, "it is read last next time");
    }
}
