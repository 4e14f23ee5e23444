//! The types of settings, and how their text reads.

use std::time::Duration;

use ottla_wire::compression::Compression;

use super::Setting;

/// How many replicas must hold a batch before it is acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Acks {
    /// None: the broker does not answer, and offsets are unknown.
    None,
    /// The leader alone.
    Leader,
    /// Every replica in sync.
    All,
}

impl Acks {
    pub(crate) fn to_wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

impl Setting for Acks {
    const ALLOWED: &'static str = "`all`, `-1`, `0` or `1`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "0" => Self::None,
            "1" => Self::Leader,
            "all" | "-1" => Self::All,
            _ => return None,
        })
    }
}

/// Where a consumer starts in a partition without a committed offset, or whose offset is out of range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// At the first record that is no older than this, by its timestamp, or at the end where there is none (KIP-1106).
    ByDuration(Duration),
    /// At the first offset still there.
    Earliest,
    /// At the end: only records written from now on.
    Latest,
    /// Nowhere: `poll` reports the partition.
    None,
}

impl Setting for OffsetReset {
    const ALLOWED: &'static str =
        "`latest`, `earliest`, `none`, or `by_duration:` and a duration such as `P1D` or `PT2H30M`";
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if let Some(duration) = text.strip_prefix("by_duration:") {
            return super::iso_duration::parse(duration).map(Self::ByDuration);
        }
        Some(match text.as_str() {
            "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// Which records of transactions a consumer sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IsolationLevel {
    /// Those of transactions once they are committed, and those outside of transactions; in the order of their offsets,
    /// so that a partition stands still before the first transaction that is open.
    ReadCommitted,
    /// Every record, of open and of aborted transactions as well.
    ReadUncommitted,
}

impl IsolationLevel {
    pub(crate) fn to_wire(self) -> i8 {
        match self {
            Self::ReadCommitted => 1,
            Self::ReadUncommitted => 0,
        }
    }
}

impl Setting for IsolationLevel {
    const ALLOWED: &'static str = "`read_uncommitted` or `read_committed`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "read_committed" => Self::ReadCommitted,
            "read_uncommitted" => Self::ReadUncommitted,
            _ => return None,
        })
    }
}

/// How a group's partitions are shared out; the names of the Java classes work as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AssignmentStrategy {
    /// Equal shares that change as little as can be; members go on reading what they keep (KIP-429).
    CooperativeSticky,
    /// Consecutive partitions of each topic.
    Range,
    /// One partition after the other, to one member after the other.
    RoundRobin,
    /// Equal shares that change as little as can be (KIP-54).
    Sticky,
}

impl AssignmentStrategy {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cooperative-sticky"
            | "CooperativeStickyAssignor"
            | "org.apache.kafka.clients.consumer.CooperativeStickyAssignor" => Self::CooperativeSticky,
            "range" | "RangeAssignor" | "org.apache.kafka.clients.consumer.RangeAssignor" => Self::Range,
            "roundrobin" | "RoundRobinAssignor" | "org.apache.kafka.clients.consumer.RoundRobinAssignor" => {
                Self::RoundRobin
            }
            "sticky" | "StickyAssignor" | "org.apache.kafka.clients.consumer.StickyAssignor" => Self::Sticky,
            _ => return None,
        })
    }
}

impl Setting for Vec<AssignmentStrategy> {
    const ALLOWED: &'static str = "a list of `range`, `roundrobin`, `sticky` and `cooperative-sticky`, each once";
    fn parse(text: &str) -> Option<Self> {
        let names = list(text);
        (!names.is_empty()).then(|| names.iter().map(|name| AssignmentStrategy::named(name)).collect())?
    }
}

/// By which protocol a consumer is a member of its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GroupProtocol {
    /// A member leads the group, and shares out the partitions.
    Classic,
    /// The group's coordinator shares them out, and moves only what has to move (KIP-848). Needs Kafka 4.0.
    Consumer,
}

impl Setting for GroupProtocol {
    const ALLOWED: &'static str = "`classic` or `consumer`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "classic" => Self::Classic,
            "consumer" => Self::Consumer,
            _ => return None,
        })
    }
}

/// How a share consumer acknowledges what it was handed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShareAcknowledgementMode {
    /// Record by record, each before the next poll.
    Explicit,
    /// The next poll or commit accepts all of the last poll.
    Implicit,
}

impl Setting for ShareAcknowledgementMode {
    const ALLOWED: &'static str = "`implicit` or `explicit`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "explicit" => Self::Explicit,
            "implicit" => Self::Implicit,
            _ => return None,
        })
    }
}

/// How many records a broker delivers to a share consumer at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShareAcquireMode {
    /// Whole batches: `max.poll.records`, and what shares a batch with them.
    BatchOptimized,
    /// `max.poll.records` at most, of one broker at a time.
    RecordLimit,
}

impl ShareAcquireMode {
    pub(crate) fn to_wire(self) -> i8 {
        match self {
            Self::BatchOptimized => 0,
            Self::RecordLimit => 1,
        }
    }
}

impl Setting for ShareAcquireMode {
    const ALLOWED: &'static str = "`batch_optimized` or `record_limit`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "batch_optimized" => Self::BatchOptimized,
            "record_limit" => Self::RecordLimit,
            _ => return None,
        })
    }
}

/// How names of brokers are looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientDnsLookup {
    /// Every address of a name is tried.
    UseAllDnsIps,
}

impl Setting for ClientDnsLookup {
    const ALLOWED: &'static str = "`use_all_dns_ips`";
    fn parse(text: &str) -> Option<Self> {
        (text == "use_all_dns_ips").then_some(Self::UseAllDnsIps)
    }
}

/// What a client does when none of the brokers it knows can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecoveryStrategy {
    /// Goes on trying the brokers it knows.
    None,
    /// Starts again from the bootstrap servers (KIP-899, KIP-1102).
    Rebootstrap,
}

impl Setting for RecoveryStrategy {
    const ALLOWED: &'static str = "`rebootstrap` or `none`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "rebootstrap" => Self::Rebootstrap,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingLevel {
    /// What costs next to nothing.
    Info,
    /// More.
    Debug,
    /// All there is.
    Trace,
}

impl Setting for RecordingLevel {
    const ALLOWED: &'static str = "`INFO`, `DEBUG` or `TRACE`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "INFO" => Self::Info,
            "DEBUG" => Self::Debug,
            "TRACE" => Self::Trace,
            _ => return None,
        })
    }
}

impl Setting for Compression {
    const ALLOWED: &'static str = "`none`, `gzip`, `snappy`, `lz4` or `zstd`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "none" => Self::None,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

impl Setting for Duration {
    const ALLOWED: &'static str = "milliseconds, 0 or more";
    fn parse(text: &str) -> Option<Self> {
        // Java's largest long is its "for ever": a Duration holds it, sums with an Instant are checked.
        text.parse::<i64>().ok().and_then(|ms| u64::try_from(ms).ok()).map(Self::from_millis)
    }
}

impl Setting for usize {
    const ALLOWED: &'static str = "a whole number, 0 or more";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    const ALLOWED: &'static str = "a whole number from 0 to 2147483647";
    fn parse(text: &str) -> Option<Self> {
        text.parse::<i32>().ok().and_then(|number| Self::try_from(number).ok())
    }
}

impl Setting for i32 {
    const ALLOWED: &'static str = "a whole number";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for bool {
    const ALLOWED: &'static str = "`true` or `false`";
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl Setting for String {
    const ALLOWED: &'static str = "text";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Setting for Vec<String> {
    const ALLOWED: &'static str = "a comma-separated list";
    fn parse(text: &str) -> Option<Self> {
        Some(list(text))
    }
}

/// The parts of a comma-separated list, without the empty ones.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
