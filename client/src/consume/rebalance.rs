//! What the group's rebalances do to the partitions.

use std::collections::BTreeSet;

use ottla_wire::Code;
use ottla_wire::messages::{ConsumerGroupHeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use tokio::time::Instant;

use super::commit::Which;
use super::position::Place;
use super::state::State;
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::error::Error;
use crate::group::classic::{self, Classic, Reaction};
use crate::group::offsets::Offsets;
use crate::group::{Change, Identity, Membership, Step};
use crate::planted::{self, Bug};

/// What the group's task is to do next.
#[derive(Debug)]
pub(crate) enum GroupWork {
    /// Commit these, and tell [`State::on_released`], with the number.
    Commit(u64, Identity, Offsets),
    Send(Step),
}

impl State {
    /// The next thing that membership wants done, if there is one.
    pub(crate) fn group_work(&mut self, now: Instant, metadata: &Metadata) -> Option<GroupWork> {
        loop {
            self.freeze_for_rebalance();
            if let Some(progress) = self.group.as_ref().and_then(Membership::progress) {
                self.metrics.coordinator.progressed(progress, now);
            }
            let (step, change) = self.group.as_mut()?.next(now, metadata)?;
            self.apply(change);
            match step {
                None => {}
                Some(Step::Commit(number)) => {
                    let due = if self.commits.is_automatic() { self.to_commit(Which::Released, now) } else { None };
                    match due {
                        Some((identity, offsets)) => return Some(GroupWork::Commit(number, identity, offsets)),
                        None => self.on_released(number, Ok(()), now),
                    }
                }
                Some(step) => return Some(GroupWork::Send(step)),
            }
        }
    }

    /// When to ask for work again, whatever else happens.
    pub(crate) fn group_wake_at(&self) -> Option<Instant> {
        self.group.as_ref()?.wake_at()
    }

    /// What came of the commit of that number, before a rebalance.
    pub(crate) fn on_released(&mut self, number: u64, outcome: Result<(), Error>, now: Instant) {
        let change = self.group.as_mut().and_then(|group| group.on_released(number, outcome, now, &mut self.random));
        self.apply(change);
    }

    /// The answer to a JoinGroup. What it asks to be sent goes out at once.
    pub(crate) fn on_joined(
        &mut self,
        attempt: u64,
        answer: Result<JoinGroupResponse, Error>,
        now: Instant,
    ) -> Option<classic::Step> {
        self.react(|group, random| group.on_joined(attempt, answer, now, random))
    }

    /// The answer to a SyncGroup.
    pub(crate) fn on_synced(&mut self, attempt: u64, answer: Result<SyncGroupResponse, Error>, now: Instant) {
        self.react(|group, random| group.on_synced(attempt, answer, now, random));
    }

    /// The answer to a heartbeat.
    pub(crate) fn on_heartbeat(&mut self, sender: &Identity, answer: Result<Code, Error>, now: Instant) {
        self.react(|group, _| group.on_heartbeat(sender, answer, now));
    }

    /// The answer to a heartbeat of the newer protocol.
    pub(crate) fn on_modern_heartbeat(
        &mut self,
        number: u64,
        answer: Result<ConsumerGroupHeartbeatResponse, Error>,
        now: Instant,
    ) {
        let Some(Membership::Modern(group)) = &mut self.group else { return };
        let change = group.on_heartbeat(number, answer, now, &mut self.random);
        let identity = group.identity().clone();
        self.apply(change);
        // The epoch rises while the partitions stay: what was handed out of them is committed in the new one.
        if identity != Identity::NOBODY && !self.positions.partitions.is_empty() {
            self.assigned_in(identity);
        }
    }

    /// The newer protocol's coordinator was told that the member leaves, or could not be.
    pub(crate) fn on_left(&mut self) {
        if let Some(Membership::Modern(group)) = &mut self.group {
            group.on_left();
        }
    }

    fn assigned_in(&mut self, identity: Identity) {
        let before = std::mem::replace(&mut self.assigned_as, identity);
        // What was handed out of partitions that were never given up is committed in the new generation.
        if self.handed_out_as.as_ref() == Some(&before) && !self.positions.partitions.is_empty() {
            self.handed_out_as = Some(self.assigned_as.clone());
        }
    }

    /// The answer to a commit, where it tells something about membership.
    pub(crate) fn on_commit_code(&mut self, sender: &Identity, code: Code, now: Instant) {
        let change = self.group.as_mut().and_then(|group| group.on_commit(sender, code, now));
        self.apply(change);
    }

    fn react(&mut self, react: impl FnOnce(&mut Classic, &mut fastrand::Rng) -> Reaction) -> Option<classic::Step> {
        let Some(Membership::Classic(group)) = self.group.as_mut() else { return None };
        let (step, change) = react(group, &mut self.random);
        self.apply(change);
        step
    }

    /// What stays assigned stays as it is: position, what is buffered, what is on its way.
    fn apply(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Assigned(partitions)) => self.assigned(partitions.into_iter().collect()),
            Some(Change::Lost(partitions)) => {
                self.drop_partitions(&partitions);
                self.listening.lost(&partitions);
            }
            Some(Change::Revoked(partitions)) => {
                self.drop_partitions(&partitions);
                self.listening.revoked(&partitions);
            }
            None => {}
        }
    }

    fn assigned(&mut self, assignment: BTreeSet<TopicPartition>) {
        let gone: Vec<_> =
            self.positions.partitions.keys().filter(|held| !assignment.contains(*held)).cloned().collect();
        self.drop_partitions(&gone);
        self.listening.lost(&gone);
        let Some(group) = &self.group else { return };
        self.assigned_in(group.identity().clone());
        if planted::has(Bug::KeptGoesBack) {
            for kept in self.positions.partitions.keys().cloned().collect::<Vec<_>>() {
                self.positions.start_over(&kept, Place::Committed);
            }
        }
        let added: BTreeSet<_> =
            assignment.into_iter().filter(|partition| self.positions.get(partition).is_none()).collect();
        for partition in &added {
            self.positions.add(partition.clone(), Place::Committed);
        }
        self.listening.assigned(added);
    }

    /// Partitions that go are handed out no more, as soon as what was handed out is done with. Then the listener hears
    /// of it, in a poll, and what is done with is committed.
    pub(super) fn freeze_for_rebalance(&mut self) {
        let Some(group) = &mut self.group else { return };
        let Some(going) = group.releasing() else {
            self.listening.keep();
            return;
        };
        if !self.listening.is_revoking() {
            if self.commits.outstanding {
                return;
            }
            self.positions.freeze(going);
            self.listening.revoke(going);
            // The others have their room.
            self.fetchers.values().for_each(|wake| wake.notify_one());
        }
        if !self.listening.must_revoke() {
            group.released();
        }
    }

    /// Whether nothing is to be handed out before the group's coordinator has said that this is still a member.
    pub(crate) fn is_in_doubt(&self, now: Instant) -> bool {
        self.group.as_ref().is_some_and(|group| group.is_in_doubt(now))
    }

    /// Whether a poll has something to say or to do, beside handing out records.
    pub(crate) fn wakes_polls(&self) -> bool {
        !self.faults.is_empty() || self.listening.is_due() || self.group.as_ref().is_some_and(Membership::has_failed)
    }
}
