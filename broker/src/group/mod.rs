//! A group: its members, under one protocol or the other, and its offsets.
//!
//! While a group has no members, whoever comes first says which protocol it is to have; its offsets stay.

pub(crate) mod classic;
pub(crate) mod consumer;
pub(crate) mod offsets;

use std::time::Duration;

use kafka_protocol::ResponseError;
use uuid::Uuid;

use crate::cluster::Ticket;
use classic::{Classic, Reply};
use consumer::{Consumer, Settings};
use offsets::Offsets;

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) members: Membership,
    pub(crate) offsets: Offsets,
}

/// Who is in a group, by the protocol they speak.
#[derive(Debug)]
pub(crate) enum Membership {
    /// JoinGroup, SyncGroup, Heartbeat: members agree on an assignment of their leader's.
    Classic(Classic),
    /// ConsumerGroupHeartbeat: the coordinator assigns (KIP-848).
    Consumer(Consumer),
}

/// A client that commits offsets, as it names itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committer<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance: Option<&'a str>,
    /// The generation in the classic protocol, the member epoch in the consumers'; negative for an outsider.
    pub(crate) epoch: i32,
}

impl Group {
    /// A group without members, of the classic protocol until a member says otherwise.
    pub(crate) fn new(initial_delay: Duration) -> Self {
        Self { members: Membership::Classic(Classic::new(initial_delay)), offsets: Offsets::default() }
    }

    /// The name of its protocol: `classic` or `consumer`.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.members {
            Membership::Classic(_) => "classic",
            Membership::Consumer(_) => "consumer",
        }
    }

    /// The name of its state; which ones there are hangs on its protocol.
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.members {
            Membership::Classic(group) => group.state().name(),
            Membership::Consumer(group) => group.state_name(),
        }
    }

    /// `consumer` for consumers; `connect` and others exist in the classic protocol.
    pub(crate) fn protocol_type(&self) -> &str {
        match &self.members {
            Membership::Classic(group) => group.protocol_type(),
            Membership::Consumer(_) => "consumer",
        }
    }

    /// True if it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.members {
            Membership::Classic(group) => group.state() == classic::State::Empty,
            Membership::Consumer(group) => group.members().is_empty(),
        }
    }

    pub(crate) fn classic(&self) -> Option<&Classic> {
        match &self.members {
            Membership::Classic(group) => Some(group),
            Membership::Consumer(_) => None,
        }
    }

    pub(crate) fn classic_mut(&mut self) -> Option<&mut Classic> {
        match &mut self.members {
            Membership::Classic(group) => Some(group),
            Membership::Consumer(_) => None,
        }
    }

    pub(crate) fn consumer(&self) -> Option<&Consumer> {
        match &self.members {
            Membership::Classic(_) => None,
            Membership::Consumer(group) => Some(group),
        }
    }

    pub(crate) fn consumer_mut(&mut self) -> Option<&mut Consumer> {
        match &mut self.members {
            Membership::Classic(_) => None,
            Membership::Consumer(group) => Some(group),
        }
    }

    /// The members under the classic protocol, which an empty group takes over; `None` if it has members of another.
    pub(crate) fn as_classic(&mut self, initial_delay: Duration) -> Option<&mut Classic> {
        if self.classic().is_none() && self.is_empty() {
            self.members = Membership::Classic(Classic::new(initial_delay));
        }
        self.classic_mut()
    }

    /// The members under the consumers' protocol, which an empty group takes over; `None` if it has members of another.
    pub(crate) fn as_consumer(&mut self, settings: Settings) -> Option<&mut Consumer> {
        if self.consumer().is_none() && self.is_empty() {
            self.members = Membership::Consumer(Consumer::new(settings));
        }
        self.consumer_mut()
    }

    /// Answers to joins and syncs that have come to an end.
    pub(crate) fn take_answers(&mut self) -> Vec<(Ticket, Reply)> {
        self.classic_mut().map(Classic::take_answers).unwrap_or_default()
    }

    /// The answer to one request, if it is there.
    pub(crate) fn take_answer(&mut self, ticket: Ticket) -> Option<Reply> {
        self.classic_mut()?.take_answer(ticket)
    }

    /// When [`Self::on_time`] is due next.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        match &self.members {
            Membership::Classic(group) => group.wake_at(),
            Membership::Consumer(group) => group.wake_at(),
        }
    }

    /// Ends what time has ended.
    pub(crate) fn on_time(&mut self, now: Duration) {
        match &mut self.members {
            Membership::Classic(group) => group.on_time(now),
            Membership::Consumer(group) => group.on_time(now),
        }
    }

    /// The coordinator is another node now.
    pub(crate) fn moved(&mut self, now: Duration) {
        match &mut self.members {
            Membership::Classic(group) => group.moved(now),
            Membership::Consumer(group) => group.moved(now),
        }
    }

    /// Takes members out, by id or, with an empty id, by instance id. One result for each.
    pub(crate) fn leave(
        &mut self,
        leaving: &[(String, Option<String>)],
        now: Duration,
    ) -> Vec<Result<(), ResponseError>> {
        match &mut self.members {
            Membership::Classic(group) => group.leave(leaving, now),
            Membership::Consumer(group) => group.remove_all(leaving),
        }
    }

    /// Checks that offsets of these partitions may be committed.
    ///
    /// # Errors
    /// Those of the group's protocol.
    pub(crate) fn check_commit(
        &mut self,
        committer: Committer<'_>,
        partitions: &[(Uuid, i32)],
        now: Duration,
    ) -> Result<(), ResponseError> {
        match &mut self.members {
            Membership::Classic(group) => {
                group.check_commit(committer.member_id, committer.instance, committer.epoch, now)
            }
            Membership::Consumer(group) => group.check_commit(committer, partitions),
        }
    }

    /// Checks that offsets of these partitions may be committed within a transaction.
    ///
    /// # Errors
    /// Those of the group's protocol.
    pub(crate) fn check_transactional_commit(
        &self,
        committer: Committer<'_>,
        partitions: &[(Uuid, i32)],
    ) -> Result<(), ResponseError> {
        match &self.members {
            Membership::Classic(group) => {
                group.check_transactional_commit(committer.member_id, committer.instance, committer.epoch)
            }
            Membership::Consumer(group) => group.check_transactional_commit(committer, partitions),
        }
    }

    /// Checks that a client that calls itself this may ask for offsets. In the classic protocol anyone may.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `STALE_MEMBER_EPOCH`.
    pub(crate) fn check_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ResponseError> {
        self.consumer().map_or(Ok(()), |group| group.check_fetch(member_id, epoch))
    }
}
