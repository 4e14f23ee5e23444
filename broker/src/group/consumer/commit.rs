//! Who may commit offsets, and who may ask for them.

use kafka_protocol::ResponseError;
use uuid::Uuid;

use super::Consumer;
use super::member::Member;
use crate::group::Committer;

impl Consumer {
    /// Checks that offsets of these partitions may be committed: by anyone if the group is empty, by a member at its
    /// epoch, or at an earlier one since which the partitions have been its own (KIP-1251).
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `STALE_MEMBER_EPOCH`.
    pub(crate) fn check_commit(
        &self,
        committer: Committer<'_>,
        partitions: &[(Uuid, i32)],
    ) -> Result<(), ResponseError> {
        if committer.epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let member = self.member(committer.member_id)?;
        if committer.epoch == member.epoch {
            return Ok(());
        }
        let has_since = |partition: &(Uuid, i32)| {
            let since = member.assigned.get(partition).or_else(|| member.revoking.get(partition));
            since.is_some_and(|since| *since <= committer.epoch)
        };
        if committer.epoch < member.epoch && partitions.iter().all(has_since) {
            return Ok(());
        }
        Err(ResponseError::StaleMemberEpoch)
    }

    /// The same within a transaction, where a producer that names no member may always commit.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`.
    pub(crate) fn check_transactional_commit(
        &self,
        committer: Committer<'_>,
        partitions: &[(Uuid, i32)],
    ) -> Result<(), ResponseError> {
        if committer.epoch == -1 && committer.member_id.is_empty() && committer.instance.is_none() {
            return Ok(());
        }
        self.check_commit(committer, partitions).map_err(|error| match error {
            ResponseError::StaleMemberEpoch => ResponseError::IllegalGeneration,
            error => error,
        })
    }

    /// Checks that a client may ask for offsets: a member at its epoch, or one that names no member.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `STALE_MEMBER_EPOCH`.
    pub(crate) fn check_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ResponseError> {
        let Some(id) = member_id.or((epoch >= 0).then_some("")) else { return Ok(()) };
        if self.member(id)?.epoch == epoch { Ok(()) } else { Err(ResponseError::StaleMemberEpoch) }
    }

    /// True if there is a member of this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.index_of(id).is_some()
    }

    fn member(&self, id: &str) -> Result<&Member, ResponseError> {
        self.index_of(id).map(|index| &self.members[index]).ok_or(ResponseError::UnknownMemberId)
    }
}
