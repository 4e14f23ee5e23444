//! What a member says to its coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::Str;
use ottla_wire::messages::ConsumerGroupHeartbeatRequest;

use super::{GroupMembershipOperation, Modern, Phase};

/// The epoch of a member that leaves, and of a static one that is to come back.
const LEAVES: i32 = -1;
const LEAVES_FOR_NOW: i32 = -2;

/// What earlier heartbeats said, as far as they are known to have arrived.
#[derive(Debug, Default)]
pub(super) struct Said {
    subscription: Option<(BTreeSet<Arc<str>>, Option<Str>)>,
}

impl Said {
    /// Whether the coordinator knows this to be subscribed to.
    pub(super) fn is_subscribed_to(&self, topics: &BTreeSet<Arc<str>>, pattern: Option<&Str>) -> bool {
        self.subscription
            .as_ref()
            .is_some_and(|(said, said_pattern)| said == topics && said_pattern.as_ref() == pattern)
    }
}

impl Modern {
    /// Says that the member lives, and what is news to the coordinator; everything after a failure.
    pub(super) fn heartbeat(&mut self) -> ConsumerGroupHeartbeatRequest {
        let mut request = self.minimal(self.epoch());
        let is_full = self.said.subscription.is_none();
        if is_full {
            request = self.everything();
        } else {
            if let Some((topics, pattern)) = &self.said.subscription {
                if *topics != self.topics {
                    request.subscribed_topic_names =
                        Some(self.topics.iter().map(|topic| Str::from(&**topic)).collect());
                }
                if *pattern != self.pattern {
                    // The empty text takes back the one before.
                    request.subscribed_topic_regex = Some(self.pattern.clone().unwrap_or_default());
                }
            }
            if matches!(self.phase, Phase::Acknowledging) {
                request.topic_partitions = Some(self.owned.as_told());
            }
        }
        if request.topic_partitions.is_some() {
            self.target.acknowledged(&self.owned);
        }
        self.said.subscription = Some((self.topics.clone(), self.pattern.clone()));
        self.acknowledging();
        request
    }

    /// All that the coordinator is to know.
    pub(crate) fn everything(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            rack_id: self.settings.rack.clone(),
            rebalance_timeout_ms: i32::try_from(self.settings.max_poll_interval.as_millis()).unwrap_or(i32::MAX),
            subscribed_topic_names: Some(self.topics.iter().map(|topic| Str::from(&**topic)).collect()),
            subscribed_topic_regex: self.pattern.clone(),
            server_assignor: self.settings.assignor.clone(),
            topic_partitions: Some(self.owned.as_told()),
            ..self.minimal(self.epoch())
        }
    }

    /// What to tell the coordinator on leaving; nothing if it is not to hear of it.
    pub(super) fn leave(&self, operation: GroupMembershipOperation) -> Option<ConsumerGroupHeartbeatRequest> {
        let epoch = match (operation, &self.settings.instance_id) {
            (GroupMembershipOperation::LeaveGroup, _) | (GroupMembershipOperation::Default, None) => LEAVES,
            (GroupMembershipOperation::Default | GroupMembershipOperation::RemainInGroup, Some(_)) => LEAVES_FOR_NOW,
            (GroupMembershipOperation::RemainInGroup, None) => return None,
        };
        Some(self.minimal(epoch))
    }

    /// Whether the coordinator may know the member.
    pub(super) fn is_known(&self) -> bool {
        match self.phase {
            Phase::Failed(_) | Phase::Out | Phase::Stale => false,
            // The join may have arrived, whatever became of the answer.
            Phase::Joining => self.said.subscription.is_some() || self.retry_at.is_some(),
            _ => true,
        }
    }

    fn epoch(&self) -> i32 {
        self.identity.generation.max(0)
    }

    fn minimal(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: self.settings.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: epoch,
            instance_id: self.settings.instance_id.clone(),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }
}
