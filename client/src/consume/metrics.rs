//! What a consumer counts: what it fetches and hands out, its polls, and its group.
//!
//! A plain value within the [`State`](super::state::State): told per fetch, per poll or per run of a topic's batches, under
//! the lock that is held then anyway, and never per record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Core;
use super::listening::Event;
use super::position::{Assigned, Positions};
use crate::TopicPartition;
use crate::config::IsolationLevel;
use crate::group::modern::Progress;
use crate::telemetry::{
    CONSUMER_GROUP, COORDINATOR, COORDINATOR_GROUP, FETCH, FETCH_GROUP, FETCH_PARTITION, FETCH_REPLICA, FETCH_TOPIC,
    Metrics, POLL, Sensor, Windows, is_over,
};

/// What one consumer's work is counted in.
#[derive(Debug)]
pub(crate) struct ConsumerMetrics {
    windows: Windows,
    fetch: FetchSensors,
    topics: BTreeMap<Arc<str>, TopicFetchSensors>,
    pub(crate) polls: PollSensors,
    pub(crate) coordinator: CoordinatorSensors,
    /// What the answer being read has brought, by topic.
    answer: BTreeMap<Arc<str>, Brought>,
}

/// Batches of one topic in one answer.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    bytes: usize,
    records: usize,
}

/// Of all topics.
#[derive(Debug)]
pub(crate) struct FetchSensors {
    pub(crate) consumed_bytes: Sensor,
    pub(crate) consumed_records: Sensor,
    pub(crate) fetched_bytes: Sensor,
    pub(crate) fetched_records: Sensor,
    pub(crate) lag: Sensor,
    pub(crate) lead: Sensor,
}

/// Of one topic.
#[derive(Debug)]
pub(crate) struct TopicFetchSensors {
    pub(crate) consumed_bytes: Sensor,
    pub(crate) consumed_records: Sensor,
    pub(crate) fetched_bytes: Sensor,
    pub(crate) fetched_records: Sensor,
    used: Instant,
}

/// How far the position of a partition is from the ends of its log.
#[derive(Debug)]
pub(crate) struct Distances {
    pub(crate) lag: Distance,
    pub(crate) lead: Distance,
}

#[derive(Debug)]
pub(crate) struct Distance {
    /// NaN while it is not known.
    pub(crate) latest: f64,
    pub(crate) seen: Sensor,
}

/// Polls, and calls that wait.
#[derive(Debug)]
pub(crate) struct PollSensors {
    pub(crate) between: Sensor,
    pub(crate) idle: Sensor,
    pub(crate) commit: Sensor,
    pub(crate) committed: Sensor,
    /// When the last poll began, and how long after the one before.
    last: Option<Instant>,
    since_last: Duration,
}

/// Membership and commits.
#[derive(Debug)]
pub(crate) struct CoordinatorSensors {
    pub(crate) assigned_partitions: usize,
    pub(crate) commit: Sensor,
    pub(crate) failed_rebalance: Sensor,
    pub(crate) heartbeat: Sensor,
    pub(crate) join: Sensor,
    pub(crate) assigned: Sensor,
    pub(crate) lost: Sensor,
    pub(crate) revoked: Sensor,
    pub(crate) rebalance: Sensor,
    pub(crate) sync: Sensor,
    heartbeat_sent: Option<Instant>,
    rebalance_began: Option<Instant>,
    rebalance_ended: Option<Instant>,
}

impl ConsumerMetrics {
    pub(super) fn new(windows: Windows) -> Self {
        Self {
            windows,
            fetch: FetchSensors::new(windows),
            topics: BTreeMap::new(),
            polls: PollSensors::new(windows),
            coordinator: CoordinatorSensors::new(windows),
            answer: BTreeMap::new(),
        }
    }

    /// Reads all but what every client has. What is of a group is there if `has_group`.
    pub(super) fn read(
        &mut self,
        metrics: &mut Metrics,
        positions: &mut Positions,
        isolation: IsolationLevel,
        has_group: bool,
        now: Instant,
    ) {
        metrics.read(CONSUMER_GROUP, &[], POLL, &self.polls, now);
        metrics.read(FETCH_GROUP, &[], FETCH, &self.fetch, now);
        self.forget_idle(now);
        for (topic, sensors) in &self.topics {
            metrics.read(FETCH_GROUP, &[("topic", topic)], FETCH_TOPIC, sensors, now);
        }
        self.coordinator.assigned_partitions = positions.partitions.len();
        if has_group {
            metrics.read(COORDINATOR_GROUP, &[], COORDINATOR, &self.coordinator, now);
        }
        for (partition, assigned) in &mut positions.partitions {
            let (lag, lead) = (assigned.lag(isolation), assigned.lead());
            let number = partition.partition.to_string().into();
            let tags = [("topic", &partition.topic), ("partition", &number)];
            let follower = assigned.preferred.map(|preferred| preferred.broker);
            metrics.read(FETCH_GROUP, &tags, FETCH_REPLICA, &follower, now);
            let Some(distances) = &mut assigned.distances else { continue };
            distances.lag.latest = known(lag);
            distances.lead.latest = known(lead);
            metrics.read(FETCH_GROUP, &tags, FETCH_PARTITION, &**distances, now);
        }
    }

    /// An answer has brought batches of a partition.
    pub(super) fn brought(&mut self, partition: &TopicPartition, bytes: usize, records: usize) {
        if let Some(brought) = self.answer.get_mut(&partition.topic) {
            brought.bytes += bytes;
            brought.records += records;
        } else {
            self.answer.insert(partition.topic.clone(), Brought { bytes, records });
        }
    }

    /// The answer was read.
    pub(super) fn fetched(&mut self, now: Instant) {
        if self.answer.is_empty() {
            return;
        }
        let mut all = Brought::default();
        for (topic, brought) in std::mem::take(&mut self.answer) {
            let sensors = self.topic(&topic, now);
            sensors.fetched_bytes.record(brought.bytes as f64, now);
            sensors.fetched_records.record(brought.records as f64, now);
            all.bytes += brought.bytes;
            all.records += brought.records;
        }
        self.fetch.fetched_bytes.record(all.bytes as f64, now);
        self.fetch.fetched_records.record(all.records as f64, now);
    }

    /// Records of one topic are handed out.
    pub(super) fn consumed(&mut self, topic: &Arc<str>, records: usize, bytes: usize, now: Instant) {
        let (records, bytes) = (records as f64, bytes as f64);
        self.fetch.consumed_records.record(records, now);
        self.fetch.consumed_bytes.record(bytes, now);
        let topic = self.topic(topic, now);
        topic.consumed_records.record(records, now);
        topic.consumed_bytes.record(bytes, now);
    }

    /// The position of a partition moved: how far it is from the ends of the log now, as far as they are known.
    pub(super) fn moved(&mut self, assigned: &mut Assigned, isolation: IsolationLevel, now: Instant) {
        let (lag, lead) = (assigned.lag(isolation), assigned.lead());
        let distances = assigned.distances.get_or_insert_with(|| Box::new(Distances::new(self.windows)));
        if let Some(lag) = lag {
            distances.lag.seen.record(lag as f64, now);
            self.fetch.lag.record(lag as f64, now);
        }
        if let Some(lead) = lead {
            distances.lead.seen.record(lead as f64, now);
            self.fetch.lead.record(lead as f64, now);
        }
    }

    fn topic(&mut self, name: &Arc<str>, now: Instant) -> &mut TopicFetchSensors {
        if !self.topics.contains_key(name) {
            self.forget_idle(now);
        }
        let windows = self.windows;
        let topic = self.topics.entry(name.clone()).or_insert_with(|| TopicFetchSensors::new(windows, now));
        topic.used = now;
        topic
    }

    fn forget_idle(&mut self, now: Instant) {
        self.topics.retain(|_, topic| !is_over(topic.used, now));
    }
}

impl PollSensors {
    pub(crate) fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            between: sensor(),
            idle: sensor(),
            commit: sensor(),
            committed: sensor(),
            last: None,
            since_last: Duration::ZERO,
        }
    }

    /// A poll begins.
    pub(crate) fn began(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.since_last = now.saturating_duration_since(last);
            self.between.record(milliseconds(self.since_last), now);
        }
    }

    /// It ends.
    pub(crate) fn ended(&mut self, now: Instant) {
        let polled = self.last.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let all = polled + self.since_last;
        if !all.is_zero() {
            self.idle.record(polled.as_secs_f64() / all.as_secs_f64(), now);
        }
    }

    pub(crate) fn seconds_since_poll(&self, now: Instant) -> f64 {
        seconds_since(self.last, now)
    }
}

impl CoordinatorSensors {
    pub(crate) fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            assigned_partitions: 0,
            commit: sensor(),
            failed_rebalance: sensor(),
            heartbeat: sensor(),
            join: sensor(),
            assigned: sensor(),
            lost: sensor(),
            revoked: sensor(),
            rebalance: sensor(),
            sync: sensor(),
            heartbeat_sent: None,
            rebalance_began: None,
            rebalance_ended: None,
        }
    }

    /// A heartbeat is sent.
    pub(crate) fn heartbeat_sent(&mut self, now: Instant) {
        self.heartbeat_sent = Some(now);
    }

    /// A rebalance begins, or is tried again.
    pub(crate) fn rebalance_began(&mut self, now: Instant) {
        self.rebalance_began.get_or_insert(now);
    }

    /// A rebalance has brought an assignment.
    pub(crate) fn rebalanced(&mut self, now: Instant) {
        if let Some(began) = self.rebalance_began.take() {
            self.rebalance.record(milliseconds(now.saturating_duration_since(began)), now);
            self.rebalance_ended = Some(now);
        }
    }

    /// A member of the newer protocol is so far.
    pub(super) fn progressed(&mut self, progress: Progress, now: Instant) {
        match progress {
            Progress::UnderWay => self.rebalance_began(now),
            Progress::Done => self.rebalanced(now),
            Progress::Failed if self.rebalance_began.take().is_some() => self.rebalance_failed(now),
            Progress::Failed | Progress::GivenUp => self.rebalance_began = None,
        }
    }

    /// An attempt to join has failed; there may be another.
    pub(crate) fn rebalance_failed(&mut self, now: Instant) {
        self.failed_rebalance.record(1.0, now);
    }

    /// The listener was told.
    pub(super) fn listened(&mut self, event: Event, took: Duration, now: Instant) {
        let sensor = match event {
            Event::Assigned => &mut self.assigned,
            Event::Lost => &mut self.lost,
            Event::Revoked => &mut self.revoked,
        };
        sensor.record(milliseconds(took), now);
    }

    pub(crate) fn seconds_since_heartbeat(&self, now: Instant) -> f64 {
        seconds_since(self.heartbeat_sent, now)
    }

    pub(crate) fn seconds_since_rebalance(&self, now: Instant) -> f64 {
        seconds_since(self.rebalance_ended, now)
    }
}

impl FetchSensors {
    fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            consumed_bytes: sensor(),
            consumed_records: sensor(),
            fetched_bytes: sensor(),
            fetched_records: sensor(),
            lag: sensor(),
            lead: sensor(),
        }
    }
}

impl TopicFetchSensors {
    fn new(windows: Windows, now: Instant) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            consumed_bytes: sensor(),
            consumed_records: sensor(),
            fetched_bytes: sensor(),
            fetched_records: sensor(),
            used: now,
        }
    }
}

impl Distances {
    fn new(windows: Windows) -> Self {
        let distance = || Distance { latest: f64::NAN, seen: Sensor::new(windows) };
        Self { lag: distance(), lead: distance() }
    }
}

/// Counts the time until it is dropped, however the call ends.
pub(super) struct Timed {
    core: Arc<Core>,
    sensor: fn(&mut PollSensors) -> &mut Sensor,
    start: Instant,
}

impl Timed {
    pub(super) fn start(core: &Arc<Core>, sensor: fn(&mut PollSensors) -> &mut Sensor) -> Self {
        Self { core: core.clone(), sensor, start: core.cluster.runtime().now() }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let now = self.core.cluster.runtime().now();
        let waited = now.saturating_duration_since(self.start).as_nanos() as f64;
        (self.sensor)(&mut self.core.state.lock().metrics.polls).record(waited, now);
    }
}

/// As the sensors of latencies want it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn known(distance: Option<i64>) -> f64 {
    distance.map_or(f64::NAN, |distance| distance as f64)
}

/// Whole seconds, as Java's; -1 if it never was.
fn seconds_since(at: Option<Instant>, now: Instant) -> f64 {
    at.map_or(-1.0, |at| now.saturating_duration_since(at).as_secs() as f64)
}
