//! What can go wrong.

use std::fmt;
use std::time::Duration;

use crate::{ApiKey, Code};

/// One thing that goes wrong in a simulated cluster or with one of its processes.
///
/// Those with a time of their own last as long as the [`Event`](super::Event) says, the others are done at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// All that is sent to a node and by it takes longer. Lasts.
    Slow {
        /// The node.
        node: i32,
        /// So much longer, each way.
        by: Duration,
    },
    /// What is sent to a node does not arrive before the end. Lasts.
    CutRequests {
        /// The node.
        node: i32,
    },
    /// What a node sends does not arrive before the end. Lasts.
    CutAnswers {
        /// The node.
        node: i32,
    },
    /// The next request to a node breaks its connection and is not seen by it.
    ResetBefore {
        /// The node.
        node: i32,
    },
    /// The next answer of a node breaks its connection and is not seen by the process.
    ResetAfter {
        /// The node.
        node: i32,
    },
    /// A node's connections break.
    Disconnect {
        /// The node.
        node: i32,
    },
    /// A node hangs: it takes requests and does nothing about them. Lasts.
    Pause {
        /// The node.
        node: i32,
    },
    /// A node is stopped, then started. Lasts.
    Stop {
        /// The node.
        node: i32,
    },
    /// The name by which processes find the cluster leads to another node.
    Repoint {
        /// That node.
        node: i32,
    },
    /// A partition gets another leader.
    MoveLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The node that leads it from now on.
        node: i32,
    },
    /// A partition gets a leader that lacks the newest records: they are lost, acknowledged or not.
    ElectUnclean {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The node that leads it from now on.
        node: i32,
        /// So many of the newest offsets are lost, if there are as many.
        records: i64,
    },
    /// A group gets another coordinator.
    MoveCoordinator {
        /// The group.
        group: String,
        /// The node that coordinates it from now on.
        node: i32,
    },
    /// A transactional id gets another coordinator.
    MoveTransactionCoordinator {
        /// The transactional id.
        id: String,
        /// The node that coordinates it from now on.
        node: i32,
    },
    /// A topic is deleted and created again under the same name: its records are lost.
    Recreate {
        /// The topic.
        topic: String,
    },
    /// The next requests of an API are answered with an error, and nothing is done.
    Refuse {
        /// The API.
        api: ApiKey,
        /// The error.
        code: Code,
        /// So many requests.
        times: u32,
    },
    /// The next request of an API is acted on; its connection closes instead of an answer.
    LoseAnswer {
        /// The API.
        api: ApiKey,
    },
    /// The next request of an API is neither acted on nor answered, nor is anything later on its connection.
    Ignore {
        /// The API.
        api: ApiKey,
    },
    /// The next answer of an API is damaged in a way that can be seen.
    Damage {
        /// The API.
        api: ApiKey,
    },
    /// The next answer of an API breaks off in the middle.
    Truncate {
        /// The API.
        api: ApiKey,
    },
    /// All requests of an API are acted on, and answered at the end. Lasts.
    Hold {
        /// The API.
        api: ApiKey,
    },
    /// The next requests of an API are answered with a throttle time.
    Throttle {
        /// The API.
        api: ApiKey,
        /// That time.
        by: Duration,
        /// So many requests.
        times: u32,
    },
    /// A process stands still, as by SIGSTOP or while its machine sleeps. Lasts.
    PauseProcess {
        /// The name it lives under.
        process: String,
    },
    /// A process dies as by `kill -9`. It may start again at the end. Lasts.
    KillProcess {
        /// The name it lives under.
        process: String,
    },
    /// The wall clock of a process is set.
    ShiftClock {
        /// The name it lives under.
        process: String,
        /// Forward by so many milliseconds; back, if negative.
        milliseconds: i64,
    },
}

impl Fault {
    /// Whether it has an end.
    pub(super) fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Slow { .. }
                | Self::CutRequests { .. }
                | Self::CutAnswers { .. }
                | Self::Pause { .. }
                | Self::Stop { .. }
                | Self::Hold { .. }
                | Self::PauseProcess { .. }
                | Self::KillProcess { .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { node, by } => write!(f, "node {node} is slow by {by:?}"),
            Self::CutRequests { node } => write!(f, "nothing reaches node {node}"),
            Self::CutAnswers { node } => write!(f, "nothing comes from node {node}"),
            Self::ResetBefore { node } => write!(f, "the next request to node {node} breaks its connection"),
            Self::ResetAfter { node } => write!(f, "the next answer of node {node} breaks its connection"),
            Self::Disconnect { node } => write!(f, "the connections of node {node} break"),
            Self::Pause { node } => write!(f, "node {node} hangs"),
            Self::Stop { node } => write!(f, "node {node} is stopped"),
            Self::Repoint { node } => write!(f, "the bootstrap name leads to node {node}"),
            Self::MoveLeader { topic, partition, node } => write!(f, "node {node} leads {topic}-{partition}"),
            Self::ElectUnclean { topic, partition, node, records } => {
                write!(f, "node {node} leads {topic}-{partition} without its last {records} records")
            }
            Self::MoveCoordinator { group, node } => write!(f, "node {node} coordinates group {group}"),
            Self::MoveTransactionCoordinator { id, node } => write!(f, "node {node} coordinates transactions of {id}"),
            Self::Recreate { topic } => write!(f, "topic {topic} is deleted and created"),
            Self::Refuse { api, code, times } => write!(f, "{code:?} to the next {times} {api:?}"),
            Self::LoseAnswer { api } => write!(f, "the next {api:?} is done, its answer lost"),
            Self::Ignore { api } => write!(f, "the next {api:?} is ignored"),
            Self::Damage { api } => write!(f, "the next answer to {api:?} is damaged"),
            Self::Truncate { api } => write!(f, "the next answer to {api:?} breaks off"),
            Self::Hold { api } => write!(f, "answers to {api:?} are held back"),
            Self::Throttle { api, by, times } => write!(f, "the next {times} {api:?} are throttled by {by:?}"),
            Self::PauseProcess { process } => write!(f, "process {process} stands still"),
            Self::KillProcess { process } => write!(f, "process {process} is killed"),
            Self::ShiftClock { process, milliseconds } => {
                write!(f, "the clock of process {process} jumps by {milliseconds} ms")
            }
        }
    }
}
