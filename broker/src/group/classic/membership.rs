//! Heartbeat and LeaveGroup.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{Classic, State};

impl Classic {
    /// Keeps a member's session alive.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `ILLEGAL_GENERATION`, or `REBALANCE_IN_PROGRESS`, which keeps the
    /// session alive too.
    pub(crate) fn heartbeat(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Duration,
    ) -> Result<(), ResponseError> {
        self.check_generation(id, instance, generation)?;
        self.extend_session(id, now);
        if self.state == State::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Begins a member's session anew.
    pub(super) fn extend_session(&mut self, id: &str, now: Duration) {
        if let Some(member) = self.member_mut(id) {
            member.deadline = Some(now + member.session_timeout);
        }
    }

    /// Takes members out, by id or, with an empty id, by instance id. One result for each; the others rebalance.
    pub(crate) fn leave(
        &mut self,
        leaving: &[(String, Option<String>)],
        now: Duration,
    ) -> Vec<Result<(), ResponseError>> {
        let results: Vec<_> = leaving.iter().map(|(id, instance)| self.leave_one(id, instance.as_deref())).collect();
        if results.iter().any(Result::is_ok) {
            match self.state {
                State::Completing | State::Stable => self.prepare(now),
                State::Preparing => self.complete_if_all_joined(now),
                State::Empty => {}
            }
        }
        results
    }

    fn leave_one(&mut self, id: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let id = if id.is_empty() {
            let known = instance.and_then(|instance| self.static_member(instance));
            known.ok_or(ResponseError::UnknownMemberId)?.to_owned()
        } else {
            if !self.pending.contains_key(id) {
                self.check_member(id, instance)?;
            }
            id.to_owned()
        };
        self.remove(&id);
        Ok(())
    }
}
