//! What the group's rebalances do to the partitions.

use ottla_wire::Code;
use ottla_wire::messages::{JoinGroupResponse, SyncGroupResponse};
use tokio::time::Instant;

use super::commit::Which;
use super::position::Place;
use super::state::State;
use crate::cluster::Metadata;
use crate::error::Error;
use crate::group::Identity;
use crate::group::classic::{Change, Classic, Reaction, Step};
use crate::group::offsets::Offsets;

/// What the group's task is to do next.
#[derive(Debug)]
pub(crate) enum GroupWork {
    /// Commit these, and tell [`State::on_released`].
    Commit(Identity, Offsets),
    Send(Step),
}

impl State {
    /// The next thing that membership wants done, if there is one.
    pub(crate) fn group_work(&mut self, now: Instant, metadata: &Metadata) -> Option<GroupWork> {
        loop {
            self.freeze_for_rebalance();
            let (step, change) = self.group.as_mut()?.next(now, metadata)?;
            self.apply(change);
            match step {
                Step::Leave(None) => {}
                Step::Commit => {
                    let due = if self.commits.is_automatic() { self.to_commit(Which::Released, now) } else { None };
                    match due {
                        Some((identity, offsets)) => return Some(GroupWork::Commit(identity, offsets)),
                        None => self.on_released(Ok(()), now),
                    }
                }
                step => return Some(GroupWork::Send(step)),
            }
        }
    }

    /// When to ask for work again, whatever else happens.
    pub(crate) fn group_wake_at(&self) -> Option<Instant> {
        self.group.as_ref()?.wake_at()
    }

    /// What came of the commit before a rebalance.
    pub(crate) fn on_released(&mut self, outcome: Result<(), Error>, now: Instant) {
        self.react(|group, random| group.on_released(outcome, now, random));
    }

    /// The answer to a JoinGroup. What it asks to be sent goes out at once.
    pub(crate) fn on_joined(
        &mut self,
        attempt: u64,
        answer: Result<JoinGroupResponse, Error>,
        now: Instant,
    ) -> Option<Step> {
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

    /// The answer to a commit, where it tells something about membership.
    pub(crate) fn on_commit_code(&mut self, sender: &Identity, code: Code, now: Instant) {
        self.react(|group, _| group.on_commit(sender, code, now));
    }

    fn react(&mut self, react: impl FnOnce(&mut Classic, &mut fastrand::Rng) -> Reaction) -> Option<Step> {
        let (step, change) = react(self.group.as_mut()?, &mut self.random);
        self.apply(change);
        step
    }

    fn apply(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Assigned(partitions)) => {
                self.give_up();
                if let Some(group) = &self.group {
                    self.assigned_as = group.identity().clone();
                }
                for partition in partitions {
                    self.positions.add(partition, Place::Committed);
                }
            }
            Some(Change::Lost | Change::Revoked) => self.give_up(),
            None => {}
        }
    }

    /// Hands out nothing more of partitions that are to be revoked, as soon as what was handed out is done with.
    pub(super) fn freeze_for_rebalance(&mut self) {
        if let Some(group) = &mut self.group
            && !self.commits.outstanding
            && group.release()
        {
            self.positions.freeze();
        }
    }

    /// Whether a poll has something to say, beside records.
    pub(crate) fn wakes_polls(&self) -> bool {
        !self.faults.is_empty() || self.group.as_ref().is_some_and(Classic::has_failed)
    }
}
