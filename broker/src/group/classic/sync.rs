//! SyncGroup: the leader hands in the assignment, everyone gets theirs.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::member::Waiting;
use super::{Classic, Reply, State};

impl Classic {
    /// Lets a member sync; the answer comes out of [`Self::take_answers`], at once or later.
    pub(crate) fn sync(&mut self, waiting: Waiting, request: &SyncGroupRequest, now: Duration) {
        let id = request.member_id.as_str();
        let checked = self
            .check_generation(id, request.group_instance_id.as_deref(), request.generation_id)
            .and_then(|()| self.check_protocol(request));
        let refusal = match (checked, self.state) {
            (Err(code), _) => Some(code),
            (Ok(()), State::Empty) => Some(ResponseError::UnknownMemberId),
            (Ok(()), State::Preparing) => Some(ResponseError::RebalanceInProgress),
            (Ok(()), State::Completing | State::Stable) => None,
        };
        if let Some(code) = refusal {
            let reply = SyncGroupResponse::default().with_error_code(code.code());
            return self.answers.push((waiting.ticket, Reply::Synced(reply)));
        }
        self.unsynced.remove(id);
        if let Some(member) = self.member_mut(id) {
            member.syncing = Some(waiting);
        }
        if self.state == State::Completing {
            if !self.is_leader(id) {
                return;
            }
            for member in &mut self.members {
                let assigned = request.assignments.iter().find(|assigned| assigned.member_id.as_str() == member.id);
                member.assignment = assigned.map(|assigned| assigned.assignment.clone()).unwrap_or_default();
            }
            self.enter(State::Stable);
        }
        self.answer_syncs(now);
    }

    /// The time for syncs is over: whoever sent none is out.
    pub(super) fn end_sync(&mut self, now: Duration) {
        self.sync_end = None;
        let late = std::mem::take(&mut self.unsynced);
        if late.is_empty() || !matches!(self.state, State::Completing | State::Stable) {
            return;
        }
        for id in late {
            self.remove(&id);
        }
        self.prepare(now);
    }

    /// Takes all assignments back; whoever waits for one is told why.
    pub(super) fn reset_assignments(&mut self, code: ResponseError, now: Duration) {
        for member in &mut self.members {
            member.assignment = Bytes::new();
            if let Some(waiting) = member.syncing.take() {
                let reply = SyncGroupResponse::default().with_error_code(code.code());
                self.answers.push((waiting.ticket, Reply::Synced(reply)));
                member.deadline = Some(now + member.session_timeout);
            }
        }
    }

    fn answer_syncs(&mut self, now: Duration) {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        for member in &mut self.members {
            if let Some(waiting) = member.syncing.take() {
                member.deadline = Some(now + member.session_timeout);
                let reply = SyncGroupResponse::default()
                    .with_protocol_type(self.protocol_type.as_deref().map(text))
                    .with_protocol_name(self.protocol.as_deref().map(text))
                    .with_assignment(member.assignment.clone());
                self.answers.push((waiting.ticket, Reply::Synced(reply)));
            }
        }
    }

    /// From version 5 on a member says which protocol it thinks was chosen.
    fn check_protocol(&self, request: &SyncGroupRequest) -> Result<(), ResponseError> {
        let differs = |said: &Option<StrBytes>, is: &str| said.as_ref().is_some_and(|said| said.as_str() != is);
        if differs(&request.protocol_type, self.protocol_type()) || differs(&request.protocol_name, self.protocol()) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        Ok(())
    }
}
