//! The members of a consumer group whose coordinator assigns (KIP-848).
//!
//! ```text
//!  subscriptions, topics ──► group epoch ──► target assignment ──► members, one by one
//!                            rises when        computed for         each revokes first what it is to lose,
//!                            either changes    that epoch           then is given what others have released
//! ```
//!
//! A member's epoch is that of the target assignment it has reached. Everything happens in a member's heartbeat; only
//! sessions and the time for revoking end by themselves.

mod assign;
mod commit;
mod heartbeat;
mod leave;
mod member;
mod patterns;
mod reconcile;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use crate::cluster::topics::Topics;
pub(crate) use assign::{Assignor, DEFAULT_ASSIGNOR};
pub(crate) use heartbeat::Heartbeat;
pub(crate) use member::Member;
use patterns::Patterns;

/// What the broker says about groups of this protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long a member may be silent.
    pub(crate) session_timeout: Duration,
    /// How often members are to send heartbeats.
    pub(crate) heartbeat_interval: Duration,
    /// Members beyond so many are refused.
    pub(crate) max_size: usize,
    /// The least time between two target assignments.
    pub(crate) assignment_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
            max_size: usize::MAX,
            assignment_interval: Duration::ZERO,
        }
    }
}

/// The members of a group and what is to become of its partitions.
#[derive(Debug)]
pub(crate) struct Consumer {
    settings: Settings,
    epoch: i32,
    /// The group epoch of the target assignment.
    assignment_epoch: i32,
    /// When the target assignment was computed.
    assigned_at: Option<Duration>,
    /// In the order they joined.
    members: Vec<Member>,
    /// The topics subscribed to that there were at the present epoch, with their numbers of partitions.
    topics: BTreeMap<String, (Uuid, usize)>,
    patterns: Patterns,
}

impl Consumer {
    /// A group without members.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            epoch: 1,
            assignment_epoch: 0,
            assigned_at: None,
            members: Vec::new(),
            topics: BTreeMap::new(),
            patterns: Patterns::default(),
        }
    }

    /// Rises with each change of subscriptions, members or topics.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The group epoch for which the target assignment was computed.
    pub(crate) fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    /// In the order they joined.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The name that ListGroups and ConsumerGroupDescribe use.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.iter().all(|member| member.is_reconciled(self.assignment_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The assignor most members ask for; the default if none does.
    pub(crate) fn assignor(&self) -> Assignor {
        let votes =
            |assignor: &Assignor| self.members.iter().filter(|member| member.assignor == Some(*assignor)).count();
        let asked_for = Assignor::ALL.into_iter().filter(|assignor| votes(assignor) > 0);
        // The first of those with the most votes.
        asked_for.rev().max_by_key(votes).unwrap_or(DEFAULT_ASSIGNOR)
    }

    /// True if a member subscribes to the topic.
    pub(crate) fn subscribes_to(&self, topic: &str) -> bool {
        self.members.iter().any(|member| member.names.contains(topic) || self.patterns.topics(member).contains(topic))
    }

    /// When [`Self::on_time`] is due next.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.members.iter().flat_map(|member| [Some(member.session_end), member.revocation_end]).flatten().min()
    }

    /// Takes out whoever was silent, or held on to what it was to revoke, for too long.
    pub(crate) fn on_time(&mut self, now: Duration) {
        let is_late = |member: &Member| {
            member.session_end <= now || member.revocation_end.is_some_and(|revocation_end| revocation_end <= now)
        };
        while let Some(index) = self.members.iter().position(is_late) {
            self.remove(index);
        }
    }

    /// The coordinator is another node now: all times begin anew.
    pub(crate) fn moved(&mut self, now: Duration) {
        for member in &mut self.members {
            member.session_end = now.saturating_add(self.settings.session_timeout);
            member.revocation_end = member.revocation_end.map(|_| now + member.rebalance_timeout);
        }
    }

    fn index_of(&self, id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    fn index_of_instance(&self, instance: &str) -> Option<usize> {
        self.members.iter().position(|member| member.instance.as_deref() == Some(instance))
    }

    /// The ids of the topics a member subscribes to, by name or pattern.
    fn subscribed_ids(&self, member: &Member, topics: &Topics) -> BTreeSet<Uuid> {
        let names = member.names.iter().chain(self.patterns.topics(member));
        names.filter_map(|name| topics.get(name)).map(|topic| topic.id).collect()
    }

    /// Topics that are subscribed to and are there.
    fn subscribed_topics(&self, topics: &Topics) -> BTreeMap<String, (Uuid, usize)> {
        let names = self.members.iter().flat_map(|member| member.names.iter().chain(self.patterns.topics(member)));
        let found = names.filter_map(|name| topics.get(name));
        found.map(|topic| (topic.name.clone(), (topic.id, topic.partitions.len()))).collect()
    }

    /// Raises the epoch if topics subscribed to have come, gone or grown since, or if `is_due` anyway.
    fn notice_topics(&mut self, is_due: bool, topics: &Topics) {
        let seen = self.subscribed_topics(topics);
        if is_due || seen != self.topics {
            self.epoch += 1;
            self.topics = seen;
        }
    }

    /// Takes a member out; the others get its partitions with their next heartbeats.
    fn remove(&mut self, index: usize) {
        self.members.remove(index);
        self.patterns.forget_unused(&self.members);
        let mut topics = std::mem::take(&mut self.topics);
        topics.retain(|name, _| self.subscribes_to(name));
        self.topics = topics;
        self.epoch += 1;
    }
}
