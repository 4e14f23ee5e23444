//! The protocol in which the coordinator shares out the partitions (KIP-848): one request, ConsumerGroupHeartbeat.
//!
//! ```text
//!                                         fenced: lost
//!            ┌──────────────────────────────────────────────────────────────────────────┐
//!            ▼                                                                          │
//! Out ─► Joining ─► Reconciling ─┬─ gives up ─► Releasing ─► Committing ─► Acknowledging ┤
//!  ▲         ▲         ▲  ▲      └─ only gains ─────────────────────────────▲    │       │
//!  │         │         │  └─────────────────── there is more to do ──────────────┤       │
//!  │         │         └─ another target ─ Stable ◄──────────────────────────────┘ ──────┘
//!  └ leaves  └ next poll ─ Stale ◄─ nobody polled: lost
//! ```
//!
//! A plain value: time, metadata and answers come in, [`Step`]s and [`Change`]s come out. Each heartbeat says what changed
//! since the one before, or everything after a failure, since nobody knows what of it arrived. Each answer may bring a
//! *target*: the partitions that this member is to have. It gives up what it has beyond them, once that is done with
//! and committed, says so, takes what is new, and says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::ConsumerGroupHeartbeatRequest;
use ottla_wire::{Code, Str, Uuid};
use tokio::time::Instant;

use super::{Change, GroupMembershipOperation, Identity, Wanted};
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::ConsumerConfig;
use crate::connection::Backoff;
use crate::deadline::after;
use crate::error::Error;

mod answer;
pub(crate) mod driver;
mod heartbeat;
mod target;
#[cfg(test)]
mod tests;

use heartbeat::Said;
use target::{Held, Target};

/// The pace before the coordinator has said which, and where it says nonsense: its default.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// What a member goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) group: Str,
    pub(crate) instance_id: Option<Str>,
    /// `max.poll.interval.ms`: also how long the coordinator waits for this member to give up partitions.
    pub(crate) max_poll_interval: Duration,
    /// `group.remote.assignor`; none leaves the choice to the coordinator.
    pub(crate) assignor: Option<Str>,
    pub(crate) rack: Option<Str>,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

/// Membership of one group.
#[derive(Debug)]
pub(crate) struct Modern {
    pub(crate) settings: Settings,
    phase: Phase,
    /// Made by the client, and the same as long as it lives (KIP-1082): a join whose answer was lost leaves no other
    /// member behind.
    member_id: Str,
    /// Nobody's until the coordinator has taken the member in; its generation is the member's epoch.
    identity: Identity,
    topics: BTreeSet<Arc<str>>,
    /// A regular expression in the syntax of RE2, evaluated by the coordinator.
    pattern: Option<Str>,
    said: Said,
    target: Target,
    owned: Held,
    /// The number of the heartbeat in flight.
    in_flight: Option<u64>,
    number: u64,
    /// Commits before partitions are given up, by number: what came of one for an earlier release says nothing.
    commits: u64,
    /// When the last heartbeat was sent, and how long after it the next is due.
    sent_at: Instant,
    interval: Duration,
    /// When to send one again, if the last one failed.
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Leaves that are on their way: a join must not overtake them.
    leaves: usize,
    /// A heartbeat is to be sent before its time: it may tell what the member does not know yet.
    is_in_doubt: bool,
    /// What is wrong, and may pass: told once by a poll.
    warning: Option<Error>,
    polls: usize,
    /// Polls that call the listener.
    calls: usize,
    last_poll: Instant,
}

#[derive(Debug)]
enum Phase {
    /// What is owned changed: the next heartbeat says so, at once.
    Acknowledging,
    /// Nothing more is handed out of what `going` names; what was is being committed.
    Committing {
        going: BTreeSet<TopicPartition>,
        until: Option<Instant>,
        retry_at: Option<Instant>,
        /// The number of the commit in flight.
        in_flight: Option<u64>,
    },
    /// Cannot go on, until something else is subscribed to.
    Failed(Error),
    /// The next heartbeat asks to be taken in, or has asked.
    Joining,
    /// Not subscribed.
    Out,
    /// What is owned is not the target yet: metadata is awaited, or nobody has looked.
    Reconciling,
    /// Waits until what polls handed out of `going` is done with.
    Releasing {
        going: BTreeSet<TopicPartition>,
        until: Option<Instant>,
    },
    Stable,
    /// Left since nobody polled; the next poll joins again.
    Stale,
}

/// How far a member is on the way to what it was assigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    Done,
    /// The coordinator put it out, or it cannot go on.
    Failed,
    /// The member left.
    GivenUp,
    UnderWay,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Commit what was released, and tell [`Modern::on_released`]. The number goes back with the outcome.
    Commit(u64),
    /// The number goes back with the answer.
    Heartbeat(ConsumerGroupHeartbeatRequest, u64),
    /// Tell [`Modern::on_left`] how that ended, whatever way.
    Leave(ConsumerGroupHeartbeatRequest),
}

/// What is still to be said by a member that gave up all it had.
#[derive(Clone, Debug)]
pub(crate) struct Farewell {
    /// What tells the epoch anew, for the last commit (edge 62).
    pub(crate) heartbeat: ConsumerGroupHeartbeatRequest,
    /// None where the coordinator is not to hear of it.
    pub(crate) leave: Option<ConsumerGroupHeartbeatRequest>,
}

impl Settings {
    /// Those of a member of `group`.
    pub(crate) fn of(config: &ConsumerConfig, group: &str) -> Self {
        Self {
            group: group.into(),
            instance_id: config.instance_id().map(Str::from),
            max_poll_interval: config.max_poll_interval,
            assignor: Some(config.group_remote_assignor.as_str()).filter(|name| !name.is_empty()).map(Str::from),
            rack: Some(config.client_rack.as_str()).filter(|rack| !rack.is_empty()).map(Str::from),
            retry_backoff: config.client.retry_backoff,
            retry_backoff_max: config.client.retry_backoff_max,
        }
    }
}

/// An id that no other member has (KIP-1082).
pub(crate) fn member_id(random: &mut fastrand::Rng) -> Str {
    loop {
        let id = Uuid(random.u128(..).to_be_bytes()).to_string();
        // Tools would take it for an option.
        if !id.starts_with('-') {
            return id.into();
        }
    }
}

impl Modern {
    /// No member yet; it will go by `member_id`, which must be its own alone.
    pub(crate) fn new(settings: Settings, member_id: Str, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max),
            settings,
            phase: Phase::Out,
            member_id,
            identity: Identity::NOBODY,
            topics: BTreeSet::new(),
            pattern: None,
            said: Said::default(),
            target: Target::default(),
            owned: Held::default(),
            in_flight: None,
            number: 0,
            commits: 0,
            sent_at: now,
            interval: DEFAULT_INTERVAL,
            retry_at: None,
            leaves: 0,
            is_in_doubt: false,
            warning: None,
            polls: 0,
            calls: 0,
            last_poll: now,
        }
    }

    /// Wants these topics, or those that match the pattern, from now on. What is assigned stays until the coordinator has
    /// assigned anew.
    pub(crate) fn subscribe(&mut self, wanted: Wanted, now: Instant) {
        (self.topics, self.pattern) = match wanted {
            Wanted::Topics(topics) => (topics, None),
            Wanted::Pattern(pattern) => (BTreeSet::new(), Some(pattern.text().into())),
        };
        if matches!(self.phase, Phase::Out | Phase::Failed(_)) {
            self.last_poll = now;
            self.join();
        }
    }

    /// Leaves the group. What is still to be said, if anything, is returned; once that is done, whatever came of it,
    /// [`on_left`](Self::on_left) is to be told.
    pub(crate) fn unsubscribe(&mut self, operation: GroupMembershipOperation) -> Option<Farewell> {
        let farewell = self.is_known().then(|| Farewell { heartbeat: self.everything(), leave: self.leave(operation) });
        self.leaves += usize::from(farewell.is_some());
        self.reset();
        self.warning = None;
        self.phase = Phase::Out;
        self.topics.clear();
        self.pattern = None;
        farewell
    }

    /// The coordinator alone decides when to rebalance.
    pub(crate) fn enforce_rebalance(&self, reason: &str) {
        tracing::warn!(
            group = %self.settings.group,
            reason,
            "a rebalance was asked for, which has no effect with `group.protocol` = `consumer`"
        );
    }

    /// Whether this topic is wanted now, or may match the pattern, which the coordinator alone knows.
    pub(crate) fn is_wanted(&self, topic: &str) -> bool {
        self.pattern.is_some() || self.topics.contains(topic)
    }

    /// The topics wanted by name.
    pub(crate) fn topics(&self) -> &BTreeSet<Arc<str>> {
        &self.topics
    }

    /// A poll begins. It ends with [`poll_ended`](Self::poll_ended). True if the group waited for that.
    pub(crate) fn poll_began(&mut self) -> bool {
        self.polls += 1;
        match self.phase {
            Phase::Stale => self.join(),
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

    /// A poll calls the listener: as long as that takes, nothing is polled.
    pub(crate) fn call_began(&mut self, now: Instant) {
        self.calls += 1;
        self.last_poll = now;
    }

    /// The listener has run; the poll goes on.
    pub(crate) fn call_ended(&mut self, now: Instant) {
        self.calls = self.calls.saturating_sub(1);
        self.last_poll = now;
        if self.polls > 0 && matches!(self.phase, Phase::Stale) {
            self.join();
        }
    }

    /// Whether there is a [`failure`](Self::failure) to tell.
    pub(crate) fn has_failed(&self) -> bool {
        self.warning.is_some() || matches!(self.phase, Phase::Failed(_))
    }

    /// Why membership cannot go on, or does not for now, for the poll to say.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        match &self.phase {
            Phase::Failed(error) => Some(error.clone()),
            _ => self.warning.take(),
        }
    }

    /// The partitions that are to be given up, as long as what was handed out of them is not done with.
    pub(crate) fn releasing(&self) -> Option<&BTreeSet<TopicPartition>> {
        match &self.phase {
            Phase::Releasing { going, .. } => Some(going),
            _ => None,
        }
    }

    /// What polls handed out is done with: nothing more may be handed out of the partitions that are to be given up.
    pub(crate) fn released(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Stable) {
            Phase::Releasing { going, until } => {
                self.phase = Phase::Committing { going, until, retry_at: None, in_flight: None };
            }
            other => self.phase = other,
        }
    }

    /// As whom it speaks now.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// As whom to commit.
    ///
    /// # Errors
    /// When this consumer is no member, or not one yet.
    pub(crate) fn committer(&self) -> Result<Identity, Error> {
        match self.phase {
            Phase::Acknowledging
            | Phase::Committing { .. }
            | Phase::Reconciling
            | Phase::Releasing { .. }
            | Phase::Stable => Ok(self.identity.clone()),
            Phase::Joining => {
                Err(self
                    .error(Code::RebalanceInProgress, "commit; try again once `poll` has brought the next assignment"))
            }
            Phase::Failed(_) | Phase::Out | Phase::Stale => Err(self.error(
                Code::UnknownMemberId,
                "commit: this consumer is not a member; its partitions may be others' now",
            )),
        }
    }

    /// The next thing to do, and the change it brings for the assignment at once; one of them at least.
    pub(crate) fn next(&mut self, now: Instant, metadata: &Metadata) -> Option<(Option<Step>, Option<Change>)> {
        if self.poll_limit().is_some_and(|at| at <= now) {
            return Some(self.leave_unpolled());
        }
        if let Some(change) = self.reconcile(now, metadata) {
            return Some((None, Some(change)));
        }
        if let Phase::Committing { in_flight, retry_at, .. } = &mut self.phase
            && in_flight.is_none()
            && retry_at.is_none_or(|at| at <= now)
        {
            self.commits += 1;
            *in_flight = Some(self.commits);
            return Some((Some(Step::Commit(self.commits)), None));
        }
        if self.heartbeat_at().is_some_and(|at| at <= now) {
            let request = self.heartbeat();
            self.is_in_doubt = false;
            self.sent_at = now;
            self.number += 1;
            self.in_flight = Some(self.number);
            return Some((Some(Step::Heartbeat(request, self.number)), None));
        }
        None
    }

    /// How far the way to the target is.
    pub(crate) fn progress(&self) -> Progress {
        match self.phase {
            Phase::Committing { .. } | Phase::Reconciling | Phase::Releasing { .. } => Progress::UnderWay,
            // Some was given up; what comes instead is to be taken over yet.
            Phase::Acknowledging if self.target.awaits_more() => Progress::UnderWay,
            Phase::Acknowledging | Phase::Stable => Progress::Done,
            Phase::Failed(_) | Phase::Joining => Progress::Failed,
            Phase::Out | Phase::Stale => Progress::GivenUp,
        }
    }

    /// When [`next`](Self::next) is to be asked again, whatever else happens.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let retry = match self.phase {
            Phase::Committing { in_flight: None, retry_at, .. } => retry_at,
            _ => None,
        };
        [retry, self.heartbeat_at(), self.poll_limit()].into_iter().flatten().min()
    }

    /// Asks to be taken in, owning nothing.
    fn join(&mut self) {
        self.reset();
        self.phase = Phase::Joining;
    }

    /// Forgets all that membership brought.
    fn reset(&mut self) {
        self.identity = Identity::NOBODY;
        self.in_flight = None;
        self.is_in_doubt = false;
        self.said = Said::default();
        self.target = Target::default();
        self.owned = Held::default();
        self.backoff.reset();
        self.retry_at = None;
    }

    /// Cannot go on: what is owned is lost.
    fn fail(&mut self, error: Error) -> Option<Change> {
        tracing::error!(group = %self.settings.group, %error, "membership failed");
        let lost = self.lose();
        self.reset();
        self.phase = Phase::Failed(error);
        lost
    }

    /// What is owned is others' now.
    fn lose(&mut self) -> Option<Change> {
        let lost: Vec<_> = self.owned.partitions().into_iter().collect();
        self.owned = Held::default();
        (!lost.is_empty()).then_some(Change::Lost(lost))
    }

    /// When the member leaves for want of polls; never while one waits.
    fn poll_limit(&self) -> Option<Instant> {
        let is_active = !matches!(self.phase, Phase::Out | Phase::Stale | Phase::Failed(_));
        let is_polled = self.polls > self.calls;
        (is_active && !is_polled).then(|| self.last_poll.checked_add(self.settings.max_poll_interval)).flatten()
    }

    /// edge 59: a member that does not poll leaves, so that others read its partitions.
    fn leave_unpolled(&mut self) -> (Option<Step>, Option<Change>) {
        let limit = self.settings.max_poll_interval.as_millis();
        tracing::warn!(
            group = %self.settings.group,
            "left the group: nothing polled for max.poll.interval.ms, {limit} ms. The time between polls is too long: \
             raise it, or lower `max.poll.records`"
        );
        let leave = if self.is_known() { self.leave(GroupMembershipOperation::Default) } else { None };
        self.leaves += usize::from(leave.is_some());
        let lost = self.lose();
        self.reset();
        self.phase = Phase::Stale;
        (leave.map(Step::Leave), lost)
    }

    /// When the next heartbeat is due; none while there is nothing to say, or an answer is awaited.
    fn heartbeat_at(&self) -> Option<Instant> {
        let is_urgent = match self.phase {
            Phase::Failed(_) | Phase::Out | Phase::Stale => return None,
            Phase::Joining if self.leaves > 0 => return None,
            Phase::Acknowledging | Phase::Joining => true,
            _ => self.is_in_doubt || !self.said.is_subscribed_to(&self.topics, self.pattern.as_ref()),
        };
        if self.in_flight.is_some() {
            return None;
        }
        Some(self.retry_at.unwrap_or(if is_urgent { self.sent_at } else { after(self.sent_at, self.interval) }))
    }

    fn error(&self, code: Code, what: &str) -> Error {
        Error::broker(code, format!("group {}: {what}", self.settings.group))
    }
}
