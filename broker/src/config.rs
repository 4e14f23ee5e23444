//! What a broker was built with.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::group::consumer::Settings;
use crate::telemetry::Telemetry;
use kafka_protocol::protocol::StrBytes;

/// The greatest level of the feature `transaction.version` there is: transactions after KIP-890.
pub(crate) const LATEST_TRANSACTION_VERSION: i16 = 2;

/// A topic that is there from the start.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    /// Names and values.
    pub(crate) settings: Vec<(String, String)>,
}

/// Settings of a cluster, fixed once it runs.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) nodes: i32,
    pub(crate) replication_factor: i16,
    /// The nodes' racks, by id; those without one are in none.
    pub(crate) racks: Vec<StrBytes>,
    /// Leaders send clients to replicas in their racks.
    pub(crate) rack_aware_reads: bool,
    /// Fetch sessions of each node, at most.
    pub(crate) fetch_session_slots: usize,
    pub(crate) topics: Vec<Topic>,
    pub(crate) auto_create_topics: bool,
    pub(crate) default_partitions: i32,
    /// Keep nothing of what is produced.
    pub(crate) discard: bool,
    /// Check CRCs and records before an append.
    pub(crate) check_records: bool,
    pub(crate) seed: Option<u64>,
    /// Versions offered, where they aren't all: least and greatest, by API key. `None` hides the API.
    pub(crate) versions: BTreeMap<i16, Option<(i16, i16)>>,
    pub(crate) group_initial_rebalance_delay: Duration,
    /// The least and the greatest session timeout a member may ask for.
    pub(crate) group_session_timeouts: (Duration, Duration),
    /// Of groups whose coordinator assigns.
    pub(crate) consumer_groups: Settings,
    /// What clients are to push of their metrics at first; `None` if it isn't offered to them.
    pub(crate) telemetry: Option<Telemetry>,
    /// The level of the feature `transaction.version` at the start.
    pub(crate) transaction_version: i16,
    /// The longest timeout a transactional producer may ask for.
    pub(crate) transaction_max_timeout: Duration,
    /// Forget producers with their records, and refuse their next batch, as brokers did before KIP-360.
    pub(crate) unknown_producer_ids: bool,
    /// Wall-clock time at the start, in milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// Requests remembered for observation.
    pub(crate) requests_kept: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nodes: 1,
            replication_factor: 3,
            racks: Vec::new(),
            rack_aware_reads: false,
            fetch_session_slots: 1_000,
            topics: Vec::new(),
            auto_create_topics: true,
            default_partitions: 1,
            discard: false,
            check_records: true,
            seed: None,
            versions: BTreeMap::new(),
            group_initial_rebalance_delay: Duration::ZERO,
            group_session_timeouts: (Duration::from_secs(6), Duration::from_secs(30 * 60)),
            consumer_groups: Settings::default(),
            telemetry: None,
            transaction_version: LATEST_TRANSACTION_VERSION,
            transaction_max_timeout: Duration::from_secs(15 * 60),
            unknown_producer_ids: false,
            started_ms: 0,
            requests_kept: 100_000,
        }
    }
}

impl Config {
    /// The rack of a node.
    pub(crate) fn rack(&self, node: i32) -> Option<StrBytes> {
        self.racks.get(usize::try_from(node).ok()?).filter(|rack| !rack.is_empty()).cloned()
    }

    /// Wall-clock time in milliseconds since 1970, `now` after the start.
    pub(crate) fn wall_ms(&self, now: Duration) -> i64 {
        self.started_ms + i64::try_from(now.as_millis()).unwrap_or(i64::MAX / 2)
    }
}
