//! What a share consumer counts: per fetch, per poll and per request, under the state's lock, which is held then anyway.

use ottla_wire::messages::share_fetch_response::AcquiredRecords;
use tokio::time::Instant;

use super::acknowledge::Acknowledgements;
use super::runs::Runs;
use crate::consume::{CoordinatorSensors, PollSensors};
use crate::telemetry::{
    Metrics, SHARE_ACKNOWLEDGEMENT, SHARE_COORDINATOR, SHARE_COORDINATOR_GROUP, SHARE_FETCH, SHARE_FETCH_GROUP,
    SHARE_GROUP, SHARE_POLL, Sensor, Windows,
};

/// What one share consumer's work is counted in.
#[derive(Debug)]
pub(super) struct ShareMetrics {
    pub(super) polls: PollSensors,
    pub(super) coordinator: CoordinatorSensors,
    fetch: ShareSensors,
    acknowledgements: AcknowledgementSensors,
}

/// What is fetched and handed out.
#[derive(Debug)]
pub(crate) struct ShareSensors {
    pub(crate) fetched_bytes: Sensor,
    pub(crate) acquired_records: Sensor,
    pub(crate) consumed_records: Sensor,
}

/// What brokers are told, in offsets.
#[derive(Debug)]
pub(crate) struct AcknowledgementSensors {
    pub(crate) sent: Sensor,
    pub(crate) failed: Sensor,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    bytes: usize,
    /// Not a whole number of anything: a broker may claim as many as it likes.
    records: f64,
}

impl Brought {
    pub(super) fn add(&mut self, bytes: usize, acquired: &[AcquiredRecords]) {
        self.bytes += bytes;
        self.records += acquired.iter().map(|range| length(range.first_offset, range.last_offset)).sum::<f64>();
    }
}

impl ShareMetrics {
    pub(super) fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            polls: PollSensors::new(windows),
            coordinator: CoordinatorSensors::new(windows),
            fetch: ShareSensors { fetched_bytes: sensor(), acquired_records: sensor(), consumed_records: sensor() },
            acknowledgements: AcknowledgementSensors { sent: sensor(), failed: sensor() },
        }
    }

    /// Reads all but what every client has.
    pub(super) fn read(&self, metrics: &mut Metrics, now: Instant) {
        metrics.read(SHARE_GROUP, &[], SHARE_POLL, &self.polls, now);
        metrics.read(SHARE_FETCH_GROUP, &[], SHARE_FETCH, &self.fetch, now);
        metrics.read(SHARE_FETCH_GROUP, &[], SHARE_ACKNOWLEDGEMENT, &self.acknowledgements, now);
        metrics.read(SHARE_COORDINATOR_GROUP, &[], SHARE_COORDINATOR, &self.coordinator, now);
    }

    /// An answer was read.
    pub(super) fn fetched(&mut self, brought: Brought, now: Instant) {
        if brought.records > 0.0 {
            self.fetch.fetched_bytes.record(brought.bytes as f64, now);
            self.fetch.acquired_records.record(brought.records, now);
        }
    }

    /// Records are handed out.
    pub(super) fn consumed(&mut self, records: usize, now: Instant) {
        self.fetch.consumed_records.record(records as f64, now);
    }

    /// A request acknowledges this.
    pub(super) fn acknowledging<'a>(&mut self, all: impl Iterator<Item = &'a Acknowledgements>, now: Instant) {
        let count = all.flat_map(|acks| acks.values()).map(count).sum::<f64>();
        if count > 0.0 {
            self.acknowledgements.sent.record(count, now);
        }
    }

    /// It failed.
    pub(super) fn not_acknowledged(&mut self, acks: &Runs<i8>, now: Instant) {
        self.acknowledgements.failed.record(count(acks), now);
    }
}

fn count(acks: &Runs<i8>) -> f64 {
    acks.iter().map(|(first, last, _)| length(first, last)).sum()
}

fn length(first: i64, last: i64) -> f64 {
    (last as f64 - first as f64 + 1.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_and_none_are_counted() {
        assert!(length(i64::MIN, i64::MAX) > 1e19);
        assert_eq!((length(3, 3), length(4, 3)), (1.0, 0.0));
    }
}
