//! What may go wrong in a simulation: the faults that fit the cluster, its clients and what is asked of them.

use std::time::Duration;

use super::fault::Fault;
use crate::{ApiKey, Code};

/// What a schedule's faults are drawn from.
#[derive(Clone, Debug)]
pub(super) struct Menu {
    pub(super) nodes: i32,
    pub(super) topics: Vec<(String, i32)>,
    pub(super) groups: Vec<String>,
    pub(super) transactional_ids: Vec<String>,
    pub(super) processes: Vec<String>,
    pub(super) apis: Vec<ApiKey>,
    /// Whether records may be lost by the cluster itself.
    pub(super) loses_records: bool,
    /// Whether processes may be killed.
    pub(super) kills: bool,
}

/// What any client asks for.
const OF_ALL: [ApiKey; 3] = [ApiKey::ApiVersions, ApiKey::Metadata, ApiKey::FindCoordinator];

const OF_TOPICS: [ApiKey; 4] = [ApiKey::Produce, ApiKey::InitProducerId, ApiKey::Fetch, ApiKey::ListOffsets];

const OF_GROUPS: [ApiKey; 6] = [
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::Heartbeat,
    ApiKey::JoinGroup,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::SyncGroup,
];

const OF_TRANSACTIONS: [ApiKey; 4] =
    [ApiKey::AddOffsetsToTxn, ApiKey::AddPartitionsToTxn, ApiKey::EndTxn, ApiKey::TxnOffsetCommit];

impl Menu {
    pub(super) fn new(nodes: i32) -> Self {
        Self {
            nodes,
            topics: Vec::new(),
            groups: Vec::new(),
            transactional_ids: Vec::new(),
            processes: Vec::new(),
            apis: Vec::new(),
            loses_records: false,
            kills: true,
        }
    }

    /// One fault. None if the kind that was drawn fits nothing here.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        let node = random.i32(0..self.nodes);
        Some(match random.u8(..27) {
            0 => Fault::Slow { node, by: Duration::from_millis(random.u64(5..=800)) },
            1 => Fault::CutRequests { node },
            2 => Fault::CutAnswers { node },
            3 => Fault::ResetBefore { node },
            4 | 5 => Fault::ResetAfter { node },
            6 => Fault::Disconnect { node },
            7 => Fault::Pause { node },
            8 | 9 => Fault::Stop { node },
            10 => Fault::Repoint { node },
            11 | 12 => {
                let (topic, partition) = self.partition(random)?;
                Fault::MoveLeader { topic, partition, node }
            }
            13 => {
                let (topic, partition) = self.partition(random).filter(|_| self.loses_records)?;
                Fault::ElectUnclean { topic, partition, node, records: random.i64(1..=20) }
            }
            14 => {
                let (topic, _) = self.partition(random).filter(|_| self.loses_records)?;
                Fault::Recreate { topic }
            }
            15 => Fault::MoveCoordinator { group: pick(&self.groups, random)?, node },
            16 => Fault::MoveTransactionCoordinator { id: pick(&self.transactional_ids, random)?, node },
            17 | 18 => {
                let api = self.api(random)?;
                let code = *random.choice(errors(api))?;
                Fault::Refuse { api, code, times: random.u32(1..=3) }
            }
            19 | 20 => Fault::LoseAnswer { api: self.api(random)? },
            21 => Fault::Ignore { api: self.api(random)? },
            22 if random.bool() => Fault::Damage { api: self.api(random)? },
            22 => Fault::Truncate { api: self.api(random)? },
            23 => Fault::Hold { api: self.api(random)? },
            24 => {
                let by = Duration::from_millis(random.u64(1..=1_500));
                Fault::Throttle { api: self.api(random)?, by, times: random.u32(1..=5) }
            }
            25 if self.kills && random.bool() => Fault::KillProcess { process: pick(&self.processes, random)? },
            25 => Fault::PauseProcess { process: pick(&self.processes, random)? },
            _ => {
                let milliseconds = random.i64(-3_600_000..=3_600_000);
                Fault::ShiftClock { process: pick(&self.processes, random)?, milliseconds }
            }
        })
    }

    fn partition(&self, random: &mut fastrand::Rng) -> Option<(String, i32)> {
        let (topic, partitions) = random.choice(&self.topics)?;
        (*partitions > 0).then(|| (topic.clone(), random.i32(0..*partitions)))
    }

    fn api(&self, random: &mut fastrand::Rng) -> Option<ApiKey> {
        if !self.apis.is_empty() {
            return random.choice(&self.apis).copied();
        }
        let groups = OF_GROUPS.iter().filter(|_| !self.groups.is_empty());
        let transactions = OF_TRANSACTIONS.iter().filter(|_| !self.transactional_ids.is_empty());
        let all: Vec<&ApiKey> = OF_ALL.iter().chain(&OF_TOPICS).chain(groups).chain(transactions).collect();
        random.choice(all).copied()
    }
}

fn pick(of: &[String], random: &mut fastrand::Rng) -> Option<String> {
    random.choice(of).cloned()
}

/// Errors that a cluster answers with though nobody did anything wrong.
fn errors(api: ApiKey) -> &'static [Code] {
    match api {
        ApiKey::Produce => &[
            Code::NotLeaderOrFollower,
            Code::UnknownTopicOrPartition,
            Code::NotEnoughReplicas,
            Code::NotEnoughReplicasAfterAppend,
            Code::RequestTimedOut,
            Code::KafkaStorageError,
        ],
        ApiKey::Fetch | ApiKey::ShareFetch => &[
            Code::NotLeaderOrFollower,
            Code::UnknownTopicOrPartition,
            Code::FencedLeaderEpoch,
            Code::UnknownLeaderEpoch,
            Code::OffsetNotAvailable,
            Code::KafkaStorageError,
        ],
        ApiKey::ListOffsets | ApiKey::OffsetForLeaderEpoch => {
            &[Code::NotLeaderOrFollower, Code::LeaderNotAvailable, Code::UnknownLeaderEpoch, Code::OffsetNotAvailable]
        }
        ApiKey::FindCoordinator => &[Code::CoordinatorNotAvailable, Code::CoordinatorLoadInProgress],
        ApiKey::InitProducerId | ApiKey::AddPartitionsToTxn | ApiKey::EndTxn | ApiKey::AddOffsetsToTxn => &[
            Code::NotCoordinator,
            Code::CoordinatorLoadInProgress,
            Code::CoordinatorNotAvailable,
            Code::ConcurrentTransactions,
        ],
        ApiKey::Heartbeat | ApiKey::JoinGroup | ApiKey::OffsetCommit | ApiKey::OffsetFetch | ApiKey::SyncGroup => {
            &[Code::NotCoordinator, Code::CoordinatorLoadInProgress, Code::CoordinatorNotAvailable]
        }
        ApiKey::ConsumerGroupHeartbeat | ApiKey::ShareGroupHeartbeat | ApiKey::TxnOffsetCommit => {
            &[Code::NotCoordinator, Code::CoordinatorLoadInProgress, Code::CoordinatorNotAvailable]
        }
        ApiKey::ShareAcknowledge => &[Code::NotLeaderOrFollower],
        _ => &[],
    }
}
