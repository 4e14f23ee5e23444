//! Share groups: who is in them, who has acquired what, and their settings (KIP-932).

use std::io;

use super::Broker;
use crate::share::partition::{SharePartition, State};

/// A share group at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupView {
    /// `Empty` or `Stable`.
    pub state: &'static str,
    /// Rises with each assignment.
    pub epoch: i32,
    /// In order of their ids.
    pub members: Vec<ShareGroupMember>,
}

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupMember {
    /// The id it gave itself.
    pub id: String,
    /// The group's epoch, as far as it knows.
    pub epoch: i32,
    /// Topics and partitions it is to read.
    pub assigned: Vec<(String, i32)>,
}

/// A record that a share group has under way, at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// How often it was delivered.
    pub deliveries: i16,
    /// What may happen to it next.
    pub state: SharedState,
}

/// What may happen to a record of a share group next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedState {
    /// The member of this id has it.
    Acquired(String),
    /// It waits to be delivered again.
    Available,
    /// Nothing: it was accepted, rejected or delivered too often, or is no record.
    Done,
}

/// A share session at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareSession {
    /// The node that keeps it.
    pub node: i32,
    /// The group.
    pub group: String,
    /// The member's id.
    pub member: String,
    /// The epoch that the member's next request must have.
    pub epoch: i32,
    /// The number of its partitions.
    pub partitions: usize,
}

impl Broker {
    /// A share group; `None` if there is none of this id.
    pub fn share_group(&self, id: &str) -> Option<ShareGroupView> {
        self.shared().with(|cluster, _| {
            let group = cluster.shares.groups.get(id)?;
            let name = |topic| cluster.topics.name_of(topic).unwrap_or_default().to_owned();
            let members = group.members.iter().map(|(id, member)| ShareGroupMember {
                id: id.clone(),
                epoch: member.epoch,
                assigned: member.assigned.iter().map(|(topic, index)| (name(*topic), *index)).collect(),
            });
            Some(ShareGroupView { state: group.state(), epoch: group.epoch, members: members.collect() })
        })
    }

    /// The records of a partition that a share group has under way, in order: from [`Self::share_start_offset`] on, those
    /// that were delivered at least once.
    pub fn shared_records(&self, group: &str, topic: &str, partition: i32) -> Vec<SharedRecord> {
        self.shared().with(|cluster, _| {
            let Some(id) = cluster.topics.get(topic).map(|topic| topic.id) else { return Vec::new() };
            let shared = cluster.shares.partitions.get(&(group.to_owned(), id, partition));
            let records = shared.into_iter().flat_map(SharePartition::in_flight);
            records
                .map(|(offset, record)| SharedRecord {
                    offset: *offset,
                    deliveries: record.deliveries,
                    state: match &record.state {
                        State::Acquired { member, .. } => SharedState::Acquired(member.clone()),
                        State::Available => SharedState::Available,
                        State::Done => SharedState::Done,
                    },
                })
                .collect()
        })
    }

    /// The offset before which a share group is done with all records of a partition; `None` if it never read there.
    pub fn share_start_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.shared().with(|cluster, _| {
            let id = cluster.topics.get(topic)?.id;
            cluster.shares.partitions.get(&(group.to_owned(), id, partition)).map(SharePartition::start)
        })
    }

    /// All share sessions, by node, group and member.
    pub fn share_sessions(&self) -> Vec<ShareSession> {
        self.shared().with(|cluster, _| {
            let mut all = Vec::new();
            for (node, sessions) in &cluster.shares.sessions {
                all.extend(sessions.by_member.iter().map(|((group, member), session)| ShareSession {
                    node: *node,
                    group: group.clone(),
                    member: member.clone(),
                    epoch: session.epoch,
                    partitions: session.partitions.len(),
                }));
            }
            all
        })
    }

    /// Forgets all share sessions: the next request of each is answered with `SHARE_SESSION_NOT_FOUND`. What members have
    /// acquired stays with them until its time is over.
    pub fn drop_share_sessions(&self) {
        self.shared().change(|cluster, _| {
            cluster.shares.sessions.values_mut().for_each(|sessions| sessions.by_member.clear());
        });
    }

    /// Lets each node keep at most so many share sessions; 2000 until it is told, as Kafka. Further ones are refused with
    /// `SHARE_SESSION_LIMIT_REACHED`; those there are stay.
    pub fn set_share_session_slots(&self, slots: usize) {
        self.shared().change(|cluster, _| {
            for node in 0..cluster.config.nodes {
                cluster.shares.sessions(node).slots = slots;
            }
        });
    }

    /// Sets one of a share group's settings, by Kafka's name for it: `share.auto.offset.reset`,
    /// `share.record.lock.duration.ms`, `share.delivery.count.limit`, `share.partition.max.record.locks`,
    /// `share.session.timeout.ms` or `share.heartbeat.interval.ms`. The group need not be there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let broker = ottla_broker::Broker::start().topic("orders", 1).await;
    /// broker.configure_share_group("packers", "share.auto.offset.reset", "earliest")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is no such setting, or the value isn't one.
    pub fn configure_share_group(&self, group: &str, key: &str, value: &str) -> io::Result<()> {
        let configured = self.shared().change(|cluster, _| cluster.shares.configure(group, key, value));
        configured.map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}
