//! All groups, which node coordinates each, and their timers.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::timers::TimerKey;
use super::{Cluster, Ticket, Timer};
use crate::api::Outcome;
use crate::group::Group;
use crate::group::classic::Reply;

/// All groups, by id.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: BTreeMap<String, Entry>,
    /// Coordinators that were moved from where the group's id puts them.
    moved: BTreeMap<String, i32>,
}

#[derive(Debug)]
struct Entry {
    group: Group,
    timer: Option<(Duration, TimerKey)>,
}

impl Groups {
    pub(crate) fn get(&self, id: &str) -> Option<&Group> {
        self.by_id.get(id).map(|entry| &entry.group)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.by_id.get_mut(id).map(|entry| &mut entry.group)
    }

    /// In order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.by_id.iter().map(|(id, entry)| (id.as_str(), &entry.group))
    }

    /// Forgets the offsets of a topic that was deleted.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.by_id.values_mut().for_each(|entry| entry.group.offsets.delete_topic(topic));
    }
}

impl Cluster {
    /// The group with this id, new and empty if there was none.
    pub(crate) fn group_or_new(&mut self, id: &str) -> &mut Group {
        let delay = self.config.group_initial_rebalance_delay;
        let new = || Entry { group: Group::new(delay), timer: None };
        &mut self.groups.by_id.entry(id.to_owned()).or_insert_with(new).group
    }

    pub(crate) fn remove_group(&mut self, id: &str) {
        if let Some((_, timer)) = self.groups.by_id.remove(id).and_then(|entry| entry.timer) {
            self.timers.stop(timer);
        }
    }

    /// The node that coordinates a group: the one its id falls to or it was moved to, or the next that is up.
    pub(crate) fn coordinator(&self, group: &str) -> Option<i32> {
        self.first_up(self.groups.moved.get(group).copied().unwrap_or_else(|| self.home(group)))
    }

    /// Checks that `node` coordinates a group, and that its id is one.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID`, `NOT_COORDINATOR`.
    pub(crate) fn check_coordinator(&self, node: i32, group: &str) -> Result<(), ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if self.coordinator(group) == Some(node) { Ok(()) } else { Err(ResponseError::NotCoordinator) }
    }

    /// Makes `node` coordinate a group. Tells whether it is up.
    pub(crate) fn move_coordinator(&mut self, group: &str, node: i32, now: Duration) -> bool {
        if !self.is_up(node) {
            return false;
        }
        let before = self.coordinator(group);
        self.groups.moved.insert(group.to_owned(), node);
        if before != Some(node) {
            self.coordinator_moved(group, now);
        }
        true
    }

    /// The coordinators of all groups.
    pub(super) fn coordinators(&self) -> Vec<(String, Option<i32>)> {
        self.groups.iter().map(|(id, _)| (id.to_owned(), self.coordinator(id))).collect()
    }

    pub(super) fn coordinator_moved(&mut self, group: &str, now: Duration) {
        if let Some(moved) = self.groups.get_mut(group) {
            moved.moved(now);
        }
        self.settle_group(group, now);
    }

    /// Hands out a group's answers and sets its timer. To be called after anything was done to it.
    pub(crate) fn settle_group(&mut self, id: &str, now: Duration) {
        let Some(entry) = self.groups.by_id.get_mut(id) else { return };
        let answers = entry.group.take_answers();
        let wake_at = entry.group.wake_at();
        if entry.timer.map(|(at, _)| at) != wake_at {
            if let Some((_, timer)) = entry.timer {
                self.timers.stop(timer);
            }
            entry.timer = wake_at.map(|at| (at, self.timers.set(at, Timer::Group(id.to_owned()))));
        }
        for (ticket, reply) in answers {
            self.answer(ticket, outcome(reply), now);
        }
    }

    /// The same, for a request that may have its answer among the group's: it is returned, not handed out.
    pub(crate) fn settle_group_for(&mut self, ticket: Ticket, id: &str, now: Duration) -> Outcome {
        let Some(entry) = self.groups.by_id.get_mut(id) else { return Outcome::Later };
        let mine = entry.group.take_answer(ticket);
        self.settle_group(id, now);
        mine.map_or(Outcome::Later, outcome)
    }

    /// A group's timer fired.
    pub(super) fn group_on_time(&mut self, id: &str, now: Duration) {
        if let Some(entry) = self.groups.by_id.get_mut(id) {
            entry.timer = None;
            entry.group.on_time(now);
        }
        self.settle_group(id, now);
    }
}

fn outcome(reply: Reply) -> Outcome {
    match reply {
        Reply::Joined(response) => response.into(),
        Reply::Synced(response) => response.into(),
    }
}
