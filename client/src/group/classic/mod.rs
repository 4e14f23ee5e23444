//! The protocol in which the members' leader shares out the partitions (JoinGroup, SyncGroup, Heartbeat, LeaveGroup).
//!
//! A plain value: time and answers come in, [`Step`]s come out. Rebalancing eagerly, a member gives up all of its
//! partitions before it joins again; cooperatively (KIP-429) it keeps them, and then gives up those that it was not
//! assigned again, and joins once more. What goes does so only once what polls handed out is done with, the listener
//! has run, and the offsets are committed; heartbeats go on until then.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use ottla_wire::{Code, Str};
use tokio::time::Instant;

use super::assign::{Assignor, Assignors, GroupMember, GroupTopics, RebalanceProtocol};
use super::metadata::GroupMetadata;
use super::{Change, GroupMembershipOperation, Identity, Reason, Wanted};
use crate::TopicPartition;
use crate::cluster::{Metadata, Topic};
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
    /// A pattern does not find the topics that Kafka keeps for itself.
    pub(crate) exclude_internal_topics: bool,
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
    wanted: Wanted,
    /// The version of the metadata in which the topics were last looked for that match a pattern; None if in none yet.
    searched: Option<u64>,
    /// The topics that are wanted now, and as they were told at the last join.
    topics: BTreeSet<Arc<str>>,
    joined: BTreeSet<Arc<str>>,
    /// The partitions that are assigned, until they are told to be gone.
    held: BTreeSet<TopicPartition>,
    reason: Reason,
    /// What the leader assigned by, and the version of the metadata last compared with it; others have none.
    assigned_by: Option<(GroupTopics, u64)>,
    /// The topics of all members, as long as this one is their leader.
    group_topics: BTreeSet<Arc<str>>,
    /// Those of them that other members want.
    others_topics: BTreeSet<Arc<str>>,
    heartbeat_at: Instant,
    heartbeat_in_flight: bool,
    /// The last heartbeat went out too late, and is not answered.
    has_slept: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Joins and syncs by number: an answer to an earlier one is stale.
    attempt: u64,
    /// Commits before partitions are given up, by number: what came of one for an earlier release says nothing.
    commits: u64,
    polls: usize,
    /// How many of these polls call the listener.
    calls: usize,
    last_poll: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Waits, as the leader, for the metadata of all topics.
    Assigning {
        members: Vec<GroupMember>,
        skip: bool,
    },
    /// Nothing more is handed out of the partitions that go; what was is being committed.
    Committing {
        going: BTreeSet<TopicPartition>,
        until: Option<Instant>,
        /// The number of the commit in flight.
        in_flight: Option<u64>,
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
    /// The group rebalances, or has taken partitions away; waits until what polls handed out is done with.
    Releasing {
        going: BTreeSet<TopicPartition>,
        until: Option<Instant>,
    },
    Stable,
    Syncing,
    Unjoined,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Commit what was released, and tell [`Classic::on_released`]. The number goes back with the outcome.
    Commit(u64),
    Heartbeat(HeartbeatRequest),
    /// The number goes back with the answer.
    Join(JoinGroupRequest, u64),
    /// The partitions are lost; tell the coordinator, if there is something to tell.
    Leave(Option<LeaveGroupRequest>),
    Sync(SyncGroupRequest, u64),
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
            exclude_internal_topics: config.exclude_internal_topics,
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
            wanted: Wanted::Topics(BTreeSet::new()),
            searched: None,
            topics: BTreeSet::new(),
            joined: BTreeSet::new(),
            held: BTreeSet::new(),
            reason: Reason::Borrowed(""),
            assigned_by: None,
            group_topics: BTreeSet::new(),
            others_topics: BTreeSet::new(),
            heartbeat_at: now,
            heartbeat_in_flight: false,
            has_slept: false,
            retry_at: None,
            attempt: 0,
            commits: 0,
            polls: 0,
            calls: 0,
            last_poll: now,
        }
    }

    /// Wants this from now on. What is assigned stays until the group has rebalanced.
    pub(crate) fn subscribe(&mut self, wanted: Wanted, now: Instant) {
        if self.wanted != wanted {
            self.searched = None;
        }
        if let Wanted::Topics(topics) = &wanted {
            self.topics.clone_from(topics);
        }
        self.wanted = wanted;
        match self.phase {
            Phase::Out | Phase::Failed { .. } => {
                self.last_poll = now;
                self.unjoined("subscribed");
            }
            _ => self.topics_changed(now),
        }
    }

    /// Leaves the group. The request is for the coordinator, if it has something to hear.
    pub(crate) fn unsubscribe(
        &mut self,
        reason: &'static str,
        operation: GroupMembershipOperation,
    ) -> Option<LeaveGroupRequest> {
        let leave = self.leave_request(reason, operation);
        self.reset(true);
        self.phase = Phase::Out;
        self.wanted = Wanted::Topics(BTreeSet::new());
        self.searched = None;
        self.topics.clear();
        self.held.clear();
        leave
    }

    /// The topics wanted, by name or since they match; empty when not subscribed.
    pub(crate) fn topics(&self) -> &BTreeSet<Arc<str>> {
        &self.topics
    }

    /// The topics of other members that the leader needs metadata of.
    pub(crate) fn group_topics(&self) -> &BTreeSet<Arc<str>> {
        &self.group_topics
    }

    /// Whether somebody wants this topic now: this member, or, as far as the leader knows, another.
    pub(crate) fn is_wanted(&self, topic: &str) -> bool {
        self.topics.contains(topic) || self.others_topics.contains(topic)
    }

    /// Whether the metadata of all topics is needed, to see which match.
    pub(crate) fn wants_all_topics(&self) -> bool {
        matches!(self.wanted, Wanted::Pattern(_))
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

    /// A poll waits, and whoever began it need not come back: it counts as one until now, and again once it goes on, which
    /// [`poll_began`](Self::poll_began) is told. False while a poll calls the listener: that counts by itself.
    pub(crate) fn poll_rests(&mut self, now: Instant) -> bool {
        if self.calls > 0 {
            return false;
        }
        self.poll_ended(now);
        true
    }

    /// A poll calls the listener: as long as that takes, nothing is polled, as with the Java client.
    pub(crate) fn call_began(&mut self, now: Instant) {
        self.calls += 1;
        self.last_poll = now;
    }

    /// The listener has run; the poll goes on.
    pub(crate) fn call_ended(&mut self, now: Instant) {
        self.calls = self.calls.saturating_sub(1);
        self.last_poll = now;
        if self.polls > 0 && matches!(self.phase, Phase::Left) {
            self.unjoined("polled again");
        }
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

    /// The partitions that go as soon as what polls handed out is done with.
    pub(crate) fn releasing(&self) -> Option<&BTreeSet<TopicPartition>> {
        match &self.phase {
            Phase::Releasing { going, .. } => Some(going),
            _ => None,
        }
    }

    /// What polls handed out is done with, and nothing more is handed out of the partitions that go.
    pub(crate) fn released(&mut self) {
        if let Phase::Releasing { going, until } = &mut self.phase {
            self.phase = Phase::Committing { going: std::mem::take(going), until: *until, in_flight: None };
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
            // What is held meanwhile goes on being read, and committed (edge 56).
            Phase::Joining | Phase::Assigning { .. } | Phase::Syncing | Phase::Unjoined if !self.held.is_empty() => {
                Ok(self.identity.clone())
            }
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

    /// Whether it keeps its partitions as it joins a rebalance.
    pub(crate) fn is_cooperative(&self) -> bool {
        self.settings.assignors.protocol() == RebalanceProtocol::Cooperative
    }

    /// The next thing to do, and the change it brings for the assignment at once.
    pub(crate) fn next(&mut self, now: Instant, metadata: &Metadata) -> Option<(Step, Option<Change>)> {
        if self.poll_limit().is_some_and(|at| at <= now) {
            return Some(self.leave_unpolled());
        }
        self.search(metadata, now);
        let is_searching = self.is_searching();
        match &mut self.phase {
            Phase::Unjoined if is_searching => {}
            Phase::Unjoined if self.retry_at.is_none_or(|at| at <= now) => return Some(self.join()),
            Phase::Committing { in_flight, .. } if in_flight.is_none() && self.retry_at.is_none_or(|at| at <= now) => {
                self.commits += 1;
                *in_flight = Some(self.commits);
                self.retry_at = None;
                return Some((Step::Commit(self.commits), None));
            }
            Phase::Assigning { .. } => {
                if let Some(step) = self.assign(metadata) {
                    return Some(step);
                }
            }
            Phase::Stable => self.check_partition_counts(metadata, now),
            _ => {}
        }
        if self.sends_heartbeats() && !self.heartbeat_in_flight && self.heartbeat_at <= now {
            self.has_slept = self.is_late(now);
            self.heartbeat_in_flight = true;
            self.heartbeat_at = after(now, self.settings.heartbeat_interval);
            return Some((Step::Heartbeat(self.heartbeat()), None));
        }
        None
    }

    /// Whether the process did not run for as long as a session lasts, stopped or starved: the partitions may be others' by
    /// now, which the answer to the next heartbeat tells, or its failure leaves open. A coordinator that does not answer
    /// is no such reason: heartbeats go out in time all the same.
    pub(crate) fn is_in_doubt(&self, now: Instant) -> bool {
        self.sends_heartbeats() && (self.has_slept || self.is_late(now))
    }

    /// Whether the heartbeat that is due should have gone out before the session ended that the last one renewed.
    fn is_late(&self, now: Instant) -> bool {
        let patience = self.settings.session_timeout.saturating_sub(self.settings.heartbeat_interval);
        !self.heartbeat_in_flight && after(self.heartbeat_at, patience) <= now
    }

    /// Whether it is to be known first which topics match a pattern.
    fn is_searching(&self) -> bool {
        self.wants_all_topics() && self.searched.is_none()
    }

    /// When [`next`](Self::next) is to be asked again, whatever else happens.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let retry = match self.phase {
            // Metadata ends that wait, not time: a moment that has passed would be one to wake at without end.
            Phase::Unjoined if self.is_searching() => None,
            Phase::Unjoined | Phase::Committing { in_flight: None, .. } => self.retry_at,
            _ => None,
        };
        let heartbeat = (self.sends_heartbeats() && !self.heartbeat_in_flight).then_some(self.heartbeat_at);
        [retry, heartbeat, self.poll_limit()].into_iter().flatten().min()
    }

    /// The group shall rebalance: this member joins again, once it has given up what it cannot keep meanwhile.
    pub(crate) fn rebalance(&mut self, reason: impl Into<Reason>, now: Instant) {
        if !matches!(self.phase, Phase::Stable) {
            return;
        }
        let reason = reason.into();
        tracing::info!(group = %self.settings.group, %reason, "rebalance");
        let going = match self.settings.assignors.protocol() {
            RebalanceProtocol::Eager => self.held.clone(),
            RebalanceProtocol::Cooperative => {
                let is_unwanted = |held: &&TopicPartition| !self.topics.contains(&held.topic);
                self.held.iter().filter(is_unwanted).cloned().collect()
            }
        };
        if going.is_empty() && self.is_cooperative() {
            self.unjoined(reason);
            return;
        }
        let until = now.checked_add(self.settings.max_poll_interval);
        self.give_up(going, reason, until);
    }

    /// Joins again once these partitions are given up.
    fn give_up(&mut self, going: BTreeSet<TopicPartition>, reason: impl Into<Reason>, until: Option<Instant>) {
        self.reason = reason.into();
        self.retry_at = None;
        self.phase = Phase::Releasing { going, until };
    }

    /// The topics that are wanted may be others than those it joined with.
    fn topics_changed(&mut self, now: Instant) {
        if self.joined != self.topics {
            self.rebalance("the subscription changed", now);
        }
    }

    /// Looks for the topics that match, in metadata that is new.
    fn search(&mut self, metadata: &Metadata, now: Instant) {
        let Wanted::Pattern(pattern) = &self.wanted else { return };
        if !metadata.is_complete || self.searched == Some(metadata.version) {
            return;
        }
        self.searched = Some(metadata.version);
        let is_wanted = |topic: &&Arc<Topic>| {
            topic.is_usable()
                && !(topic.is_internal && self.settings.exclude_internal_topics)
                && pattern.matches(&topic.name)
        };
        let matching = metadata.topics.values().filter(is_wanted).map(|topic| Arc::from(&*topic.name)).collect();
        if self.topics != matching {
            self.topics = matching;
            self.topics_changed(now);
        }
    }

    fn unjoined(&mut self, reason: impl Into<Reason>) {
        self.reason = reason.into();
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
        self.others_topics.clear();
        self.heartbeat_in_flight = false;
        self.has_slept = false;
        self.backoff.reset();
        self.retry_at = None;
    }

    /// Cannot go on; what was held is lost.
    fn fail(&mut self, error: Error, is_final: bool) -> Option<Change> {
        tracing::error!(group = %self.settings.group, %error, "membership failed");
        // The coordinator may still know the member: under a new id it would have to wait for the old one.
        self.reset(is_final);
        self.phase = Phase::Failed { error, is_final, was_told: false };
        self.lose()
    }

    /// What was held is, perhaps, others' already.
    fn lose(&mut self) -> Option<Change> {
        let lost = std::mem::take(&mut self.held);
        (!lost.is_empty()).then(|| Change::Lost(lost.into_iter().collect()))
    }

    /// When the member leaves for want of polls; never while one waits for records.
    fn poll_limit(&self) -> Option<Instant> {
        let is_active = !matches!(self.phase, Phase::Out | Phase::Left | Phase::Failed { .. });
        let is_polled = self.polls > self.calls;
        (is_active && !is_polled).then(|| self.last_poll.checked_add(self.settings.max_poll_interval)).flatten()
    }

    /// edge 59: a member that does not poll leaves, so that others read its partitions.
    fn leave_unpolled(&mut self) -> (Step, Option<Change>) {
        let limit = self.settings.max_poll_interval.as_millis();
        tracing::warn!(
            group = %self.settings.group,
            "left the group: nothing polled for max.poll.interval.ms, {limit} ms. The time between polls is too long: \
             raise it, or lower `max.poll.records`"
        );
        let leave = self.leave_request("max.poll.interval.ms passed without a poll", GroupMembershipOperation::Default);
        self.reset(true);
        self.phase = Phase::Left;
        (Step::Leave(leave), self.lose())
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
