//! The protocol in which the members' leader shares out the partitions (JoinGroup, SyncGroup, Heartbeat, LeaveGroup).
//!
//! A plain value: time and answers come in, [`Step`]s come out. Rebalancing is eager: a member gives up all of its
//! partitions before it joins again. It does so only once what polls handed out is done with, and committed; heartbeats
//! go on until then.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use ottla_wire::{Code, Str};
use tokio::time::Instant;

use super::Identity;
use super::assign::{Assignor, Assignors, GroupMember, GroupTopics};
use super::metadata::GroupMetadata;
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::ConsumerConfig;
use crate::connection::Backoff;
use crate::deadline::after;
use crate::error::{Error, Kind};

mod reply;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use reply::Reaction;

/// What a member goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) group: Str,
    pub(crate) instance_id: Option<Str>,
    pub(crate) session_timeout: Duration,
    /// `max.poll.interval.ms`: also how long a rebalance waits for this member.
    pub(crate) max_poll_interval: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) assignors: Assignors,
    pub(crate) rack: String,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

/// Membership of one group.
#[derive(Debug)]
pub(crate) struct Classic {
    pub(crate) settings: Settings,
    phase: Phase,
    identity: Identity,
    /// The one that the coordinator chose.
    assignor: Option<Arc<dyn Assignor>>,
    /// The topics that are wanted now, and as they were told at the last join.
    topics: BTreeSet<Arc<str>>,
    joined: BTreeSet<Arc<str>>,
    reason: &'static str,
    /// What the leader assigned by, and the version of the metadata last compared with it; others have none.
    assigned_by: Option<(GroupTopics, u64)>,
    /// The topics of all members, as long as this one is their leader.
    group_topics: BTreeSet<Arc<str>>,
    heartbeat_at: Instant,
    heartbeat_in_flight: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Joins and syncs by number: an answer to an earlier one is stale.
    attempt: u64,
    polls: usize,
    last_poll: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Waits, as the leader, for the metadata of all topics.
    Assigning {
        members: Vec<GroupMember>,
        skip: bool,
    },
    /// Nothing more is handed out; what was is being committed.
    Committing {
        until: Option<Instant>,
        in_flight: bool,
    },
    /// Cannot go on; if not for ever, the poll after the one that says so tries again.
    Failed {
        error: Error,
        is_final: bool,
        was_told: bool,
    },
    Joining,
    /// Left since nobody polled; the next poll joins again.
    Left,
    /// Not subscribed.
    Out,
    /// The group rebalances; waits until what polls handed out is done with.
    Releasing {
        until: Option<Instant>,
    },
    Stable,
    Syncing,
    Unjoined,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Commit what was released, and tell [`Classic::on_released`].
    Commit,
    Heartbeat(HeartbeatRequest),
    /// The number goes back with the answer.
    Join(JoinGroupRequest, u64),
    /// The partitions are lost; tell the coordinator, if there is something to tell.
    Leave(Option<LeaveGroupRequest>),
    Sync(SyncGroupRequest, u64),
}

/// What became of the assignment.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// These, and no others.
    Assigned(Vec<TopicPartition>),
    /// All are gone, perhaps to other members already: nothing may be committed for them.
    Lost,
    /// All were given up in good order.
    Revoked,
}

impl Settings {
    /// Those of a member of `group`.
    pub(crate) fn of(config: &ConsumerConfig, group: &str, assignors: Assignors) -> Self {
        Self {
            group: group.into(),
            instance_id: config.instance_id().map(Str::from),
            session_timeout: config.session_timeout,
            max_poll_interval: config.max_poll_interval,
            heartbeat_interval: config.heartbeat_interval,
            assignors,
            rack: config.client_rack.clone(),
            retry_backoff: config.client.retry_backoff,
            retry_backoff_max: config.client.retry_backoff_max,
        }
    }
}

impl Classic {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max),
            settings,
            phase: Phase::Out,
            identity: Identity::NOBODY,
            assignor: None,
            topics: BTreeSet::new(),
            joined: BTreeSet::new(),
            reason: "",
            assigned_by: None,
            group_topics: BTreeSet::new(),
            heartbeat_at: now,
            heartbeat_in_flight: false,
            retry_at: None,
            attempt: 0,
            polls: 0,
            last_poll: now,
        }
    }

    /// Wants these topics from now on. What is assigned stays until the group has rebalanced.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        self.topics = topics;
        match self.phase {
            Phase::Out | Phase::Failed { .. } => {
                self.last_poll = now;
                self.unjoined("subscribed");
            }
            Phase::Stable if self.joined != self.topics => self.rebalance("the subscription changed", now),
            _ => {}
        }
    }

    /// Leaves the group. The request is for the coordinator, if it has something to hear.
    pub(crate) fn unsubscribe(&mut self, reason: &'static str) -> Option<LeaveGroupRequest> {
        let leave = self.leave_request(reason);
        self.reset(true);
        self.phase = Phase::Out;
        self.topics.clear();
        leave
    }

    /// The topics wanted; empty when not subscribed.
    pub(crate) fn topics(&self) -> &BTreeSet<Arc<str>> {
        &self.topics
    }

    /// The topics of other members that the leader needs metadata of.
    pub(crate) fn group_topics(&self) -> &BTreeSet<Arc<str>> {
        &self.group_topics
    }

    /// A poll begins. It ends with [`poll_ended`](Self::poll_ended). True if the group waited for that.
    pub(crate) fn poll_began(&mut self) -> bool {
        self.polls += 1;
        match self.phase {
            Phase::Left => self.unjoined("polled again"),
            Phase::Failed { is_final: false, was_told: true, .. } => self.unjoined("tries again after a failure"),
            Phase::Releasing { .. } => {}
            _ => return false,
        }
        true
    }

    pub(crate) fn poll_ended(&mut self, now: Instant) {
        self.polls = self.polls.saturating_sub(1);
        self.last_poll = now;
    }

    /// Whether there is a [`failure`](Self::failure) to tell.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&self.phase, Phase::Failed { is_final, was_told, .. } if *is_final || !*was_told)
    }

    /// Why membership cannot go on, for the poll to say.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        match &mut self.phase {
            Phase::Failed { error, is_final, was_told } if *is_final || !*was_told => {
                *was_told = true;
                Some(error.clone())
            }
            _ => None,
        }
    }

    /// What polls handed out is done with. True if nothing more may be handed out: the partitions are to be revoked.
    pub(crate) fn release(&mut self) -> bool {
        match self.phase {
            Phase::Releasing { until } => {
                self.phase = Phase::Committing { until, in_flight: false };
                true
            }
            _ => matches!(self.phase, Phase::Committing { .. }),
        }
    }

    /// As whom it speaks now.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same, for a user.
    fn metadata(&self) -> GroupMetadata {
        GroupMetadata {
            group_id: self.settings.group.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
        }
    }

    /// As whom to commit.
    ///
    /// # Errors
    /// While the group rebalances, and when this consumer is no member.
    pub(crate) fn committer(&self) -> Result<Identity, Error> {
        match self.phase {
            Phase::Stable | Phase::Releasing { .. } | Phase::Committing { .. } => Ok(self.identity.clone()),
            Phase::Joining | Phase::Assigning { .. } | Phase::Syncing | Phase::Unjoined => {
                Err(self
                    .error(Code::RebalanceInProgress, "commit; try again once `poll` has brought the next assignment"))
            }
            Phase::Failed { .. } | Phase::Left | Phase::Out => Err(self.error(
                Code::UnknownMemberId,
                "commit: this consumer is not a member; its partitions may be others' now",
            )),
        }
    }

    /// The next thing to do, and the change it brings for the assignment at once.
    pub(crate) fn next(&mut self, now: Instant, metadata: &Metadata) -> Option<(Step, Option<Change>)> {
        if self.poll_limit().is_some_and(|at| at <= now) {
            return Some(self.leave_unpolled());
        }
        match &mut self.phase {
            Phase::Unjoined if self.retry_at.is_none_or(|at| at <= now) => {
                return self.join().map(|join| (join, None));
            }
            Phase::Committing { in_flight, .. } if !*in_flight && self.retry_at.is_none_or(|at| at <= now) => {
                *in_flight = true;
                self.retry_at = None;
                return Some((Step::Commit, None));
            }
            Phase::Assigning { .. } => {
                if let Some(sync) = self.assign(metadata) {
                    return Some((sync, None));
                }
            }
            Phase::Stable => self.check_partition_counts(metadata, now),
            _ => {}
        }
        if self.sends_heartbeats() && !self.heartbeat_in_flight && self.heartbeat_at <= now {
            self.heartbeat_in_flight = true;
            self.heartbeat_at = after(now, self.settings.heartbeat_interval);
            return Some((Step::Heartbeat(self.heartbeat()), None));
        }
        None
    }

    /// When [`next`](Self::next) is to be asked again, whatever else happens.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let retry = match self.phase {
            Phase::Unjoined | Phase::Committing { in_flight: false, .. } => self.retry_at,
            _ => None,
        };
        let heartbeat = (self.sends_heartbeats() && !self.heartbeat_in_flight).then_some(self.heartbeat_at);
        [retry, heartbeat, self.poll_limit()].into_iter().flatten().min()
    }

    /// The group shall rebalance: this member joins again once it has given up what it has.
    fn rebalance(&mut self, reason: &'static str, now: Instant) {
        if matches!(self.phase, Phase::Stable) {
            tracing::info!(group = %self.settings.group, reason, "rebalance");
            self.reason = reason;
            self.retry_at = None;
            self.phase = Phase::Releasing { until: now.checked_add(self.settings.max_poll_interval) };
        }
    }

    fn unjoined(&mut self, reason: &'static str) {
        self.reason = reason;
        self.retry_at = None;
        self.phase = Phase::Unjoined;
    }

    /// Forgets the generation, and, if the coordinator does not know it any more, the member's id.
    fn reset(&mut self, forget_member: bool) {
        self.attempt += 1;
        self.identity.generation = -1;
        if forget_member {
            self.identity.member_id = Str::default();
        }
        self.assigned_by = None;
        self.group_topics.clear();
        self.heartbeat_in_flight = false;
        self.backoff.reset();
        self.retry_at = None;
    }

    fn fail(&mut self, error: Error, is_final: bool) {
        tracing::error!(group = %self.settings.group, %error, "membership failed");
        // The coordinator may still know the member: under a new id it would have to wait for the old one.
        self.reset(is_final);
        self.phase = Phase::Failed { error, is_final, was_told: false };
    }

    /// When the member leaves for want of polls; never while one waits.
    fn poll_limit(&self) -> Option<Instant> {
        let is_active = !matches!(self.phase, Phase::Out | Phase::Left | Phase::Failed { .. });
        (is_active && self.polls == 0).then(|| self.last_poll.checked_add(self.settings.max_poll_interval)).flatten()
    }

    /// edge 59: a member that does not poll leaves, so that others read its partitions.
    fn leave_unpolled(&mut self) -> (Step, Option<Change>) {
        let limit = self.settings.max_poll_interval.as_millis();
        tracing::warn!(
            group = %self.settings.group,
            "left the group: nothing polled for max.poll.interval.ms, {limit} ms. The time between polls is too long: \
             raise it, or lower `max.poll.records`"
        );
        let leave = self.leave_request("max.poll.interval.ms passed without a poll");
        self.reset(true);
        self.phase = Phase::Left;
        (Step::Leave(leave), Some(Change::Lost))
    }

    fn sends_heartbeats(&self) -> bool {
        matches!(
            self.phase,
            // Not while a join or a sync waits at the coordinator: that counts as much, and would hold them up.
            Phase::Stable | Phase::Releasing { .. } | Phase::Committing { .. } | Phase::Assigning { .. }
        )
    }

    fn error(&self, code: Code, what: &str) -> Error {
        Error::broker(code, format!("group {}: {what}", self.settings.group))
    }

    fn protocol_error(&self, what: fmt::Arguments<'_>) -> Error {
        Error::new(Kind::Protocol, format!("group {}: {what}", self.settings.group))
    }
}
