//! Groups: what they committed, who is in them, who coordinates them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::Broker;
use crate::cluster::topics::Topics;
use crate::group::classic::{self, Classic};
use crate::group::consumer::{self, Consumer};
use crate::group::offsets::CommittedOffset;
use crate::group::{Group, Membership};

/// A group at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupView {
    /// `classic`, or `consumer` if the coordinator assigns (KIP-848).
    pub group_type: &'static str,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`; of type `consumer`: `Empty`, `Assigning`,
    /// `Reconciling` or `Stable`.
    pub state: &'static str,
    /// Counts the rebalances: the generation, or the group epoch.
    pub generation: i32,
    /// The group epoch for which the coordinator assigned last; of type `classic`: the generation.
    pub assignment_epoch: i32,
    /// The assignor chosen; empty if there is none.
    pub protocol: String,
    /// In the order they joined.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMember {
    /// The id the coordinator gave it.
    pub id: String,
    /// The id a static member gave itself.
    pub instance: Option<String>,
    /// The client's name for itself.
    pub client_id: String,
    /// What the leader assigned to it, as the leader encoded it; empty if the coordinator assigns.
    pub assignment: Bytes,
    /// The member epoch; in the classic protocol the generation.
    pub epoch: i32,
    /// The partitions the coordinator has given it, in order; empty in the classic protocol, as the next two.
    pub assigned: Vec<(String, i32)>,
    /// Those it is to let go of and hasn't.
    pub revoking: Vec<(String, i32)>,
    /// Those it is to have in the end.
    pub target: Vec<(String, i32)>,
}

impl Broker {
    /// What a group has committed for a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<CommittedOffset> {
        self.shared().with(|cluster, _| cluster.groups.get(group)?.offsets.get(topic, partition).cloned())
    }

    /// Commits an offset for a group, as an administrator would. The group need not be there.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let committed = CommittedOffset { offset, leader_epoch: -1, metadata: String::new() };
        self.shared().change(|cluster, _| cluster.group_or_new(group).offsets.commit(topic, partition, committed));
    }

    /// A group; `None` if there is none of this id.
    pub fn group(&self, id: &str) -> Option<GroupView> {
        self.shared().with(|cluster, _| cluster.groups.get(id).map(|group| GroupView::new(group, &cluster.topics)))
    }

    /// Ends the session of a member whose coordinator assigns (KIP-848), as if it had been silent for too long: it is
    /// told `UNKNOWN_MEMBER_ID`, its partitions go to others.
    ///
    /// # Errors
    /// If the group has no such member.
    pub fn expel_member(&self, group: &str, member: &str) -> io::Result<()> {
        self.change_member(group, member, |group, _| group.expel(member))
    }

    /// Forgets the epoch and the partitions of a member whose coordinator assigns (KIP-848): it is told
    /// `FENCED_MEMBER_EPOCH` until it joins again.
    ///
    /// # Errors
    /// If the group has no such member.
    pub fn fence_member(&self, group: &str, member: &str) -> io::Result<()> {
        self.change_member(group, member, |group, now| group.fence(member, now))
    }

    fn change_member(
        &self,
        group: &str,
        member: &str,
        change: impl FnOnce(&mut Consumer, Duration) -> bool,
    ) -> io::Result<()> {
        let is_done = self.shared().change(|cluster, now| {
            let is_done =
                cluster.groups.get_mut(group).and_then(Group::consumer_mut).is_some_and(|group| change(group, now));
            cluster.settle_group(group, now);
            is_done
        });
        if is_done {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("group {group} has no member {member} to whom it assigns"),
        ))
    }

    /// The node that coordinates a group; `None` if no node is up.
    pub fn coordinator(&self, group: &str) -> Option<i32> {
        self.shared().with(|cluster, _| cluster.coordinator(group))
    }

    /// Makes another node coordinate a group; the old one then answers `NOT_COORDINATOR`. The group's state moves too.
    ///
    /// # Errors
    /// If the node is not up.
    pub fn move_coordinator(&self, group: &str, node: i32) -> io::Result<()> {
        if self.shared().change(|cluster, now| cluster.move_coordinator(group, node, now)) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("node {node} is not up")))
    }
}

impl GroupView {
    fn new(group: &Group, topics: &Topics) -> Self {
        match &group.members {
            Membership::Classic(group) => Self::of_classic(group),
            Membership::Consumer(group) => Self::of_consumer(group, topics),
        }
    }

    fn of_classic(group: &Classic) -> Self {
        let member = |member: &classic::Member| GroupMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            assignment: member.assignment.clone(),
            epoch: group.generation(),
            assigned: Vec::new(),
            revoking: Vec::new(),
            target: Vec::new(),
        };
        Self {
            group_type: "classic",
            state: group.state().name(),
            generation: group.generation(),
            assignment_epoch: group.generation(),
            protocol: group.protocol().to_owned(),
            members: group.members().iter().map(member).collect(),
        }
    }

    fn of_consumer(group: &Consumer, topics: &Topics) -> Self {
        let member = |member: &consumer::Member| GroupMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            assignment: Bytes::new(),
            epoch: member.epoch,
            assigned: named(member.assigned.keys(), topics),
            revoking: named(member.revoking.keys(), topics),
            target: named(member.target.iter(), topics),
        };
        Self {
            group_type: "consumer",
            state: group.state_name(),
            generation: group.epoch(),
            assignment_epoch: group.assignment_epoch(),
            protocol: group.assignor().name().to_owned(),
            members: group.members().iter().map(member).collect(),
        }
    }
}

/// Partitions by the names of their topics, in order; without those of topics that are gone.
fn named<'a>(partitions: impl Iterator<Item = &'a (Uuid, i32)>, topics: &Topics) -> Vec<(String, i32)> {
    let mut named: Vec<(String, i32)> =
        partitions.filter_map(|(id, index)| Some((topics.name_of(*id)?.to_owned(), *index))).collect();
    named.sort();
    named
}
