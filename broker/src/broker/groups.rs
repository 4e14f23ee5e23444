//! Groups: what they committed, who is in them, who coordinates them.

use std::io;

use bytes::Bytes;

use super::Broker;
use crate::group::Group;
use crate::group::offsets::CommittedOffset;

/// A group at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupView {
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`.
    pub state: &'static str,
    /// Counts the rebalances.
    pub generation: i32,
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
    /// What the leader assigned to it, as the leader encoded it.
    pub assignment: Bytes,
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
        self.shared().with(|cluster, _| cluster.groups.get(id).map(GroupView::new))
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
    fn new(group: &Group) -> Self {
        let member = |member: &crate::group::Member| GroupMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            assignment: member.assignment.clone(),
        };
        Self {
            state: group.state().name(),
            generation: group.generation(),
            protocol: group.protocol().to_owned(),
            members: group.members().iter().map(member).collect(),
        }
    }
}
