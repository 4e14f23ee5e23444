//! Who may commit offsets.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{Classic, State};

impl Classic {
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

    /// Checks that a commit within a transaction may be taken. A producer that names no member may always commit: so
    /// did those before KIP-447.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `ILLEGAL_GENERATION`.
    pub(crate) fn check_transactional_commit(
        &self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let is_outsider = generation < 0 && (self.state == State::Empty || (id.is_empty() && instance.is_none()));
        if is_outsider { Ok(()) } else { self.check_generation(id, instance, generation) }
    }
}
