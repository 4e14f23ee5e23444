//! Leaving: for good, for a while, or against a member's will.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::Consumer;
use super::heartbeat::unknown;
use super::member::{AWAY, State};
use crate::log::batch::Refused;

impl Consumer {
    /// A member's last heartbeat. A static one may say that it will be back: its partitions stay its own until its
    /// session ends.
    pub(super) fn leave(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let id = request.member_id.as_str();
        let index = match request.instance_id.as_deref() {
            Some(instance) => self.static_member(id, instance)?,
            None => self.index_of(id).ok_or_else(|| unknown(id))?,
        };
        if request.instance_id.is_some() && request.member_epoch == AWAY {
            let member = &mut self.members[index];
            member.epoch = AWAY;
            member.revoking.clear();
            member.revocation_end = None;
            member.assigned.values_mut().for_each(|epoch| *epoch = 0);
        } else {
            self.remove(index);
        }
        Ok(ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(request.member_id.clone()))
            .with_member_epoch(request.member_epoch))
    }

    /// Takes members out as an administrator would, by id or, with an empty id, by instance id. One result for each.
    pub(crate) fn remove_all(&mut self, leaving: &[(String, Option<String>)]) -> Vec<Result<(), ResponseError>> {
        let find = |(id, instance): &(String, Option<String>)| match instance.as_deref() {
            None => self.index_of(id).ok_or(ResponseError::UnknownMemberId),
            Some(instance) if id.is_empty() => self.index_of_instance(instance).ok_or(ResponseError::UnknownMemberId),
            Some(instance) => self.static_member(id, instance).map_err(|refused| refused.code),
        };
        let found: Vec<Result<usize, ResponseError>> = leaving.iter().map(find).collect();
        let ids: Vec<String> = found.iter().flatten().map(|index| self.members[*index].id.clone()).collect();
        for id in ids {
            self.expel(&id);
        }
        found.into_iter().map(|found| found.map(|_| ())).collect()
    }

    /// Ends a member's session. Tells whether there was such a member.
    pub(crate) fn expel(&mut self, id: &str) -> bool {
        let index = self.index_of(id);
        if let Some(index) = index {
            self.remove(index);
        }
        index.is_some()
    }

    /// Forgets how far a member is: its partitions are free, and whatever epoch it names is wrong. Tells whether there
    /// is such a member.
    pub(crate) fn fence(&mut self, id: &str, now: Duration) -> bool {
        let Some(index) = self.index_of(id) else { return false };
        let member = &mut self.members[index];
        (member.epoch, member.previous_epoch) = (0, 0);
        member.state = State::Stable;
        member.assigned.clear();
        member.revoking.clear();
        member.revocation_end = None;
        member.session_end = now.saturating_add(self.settings.session_timeout);
        true
    }
}
