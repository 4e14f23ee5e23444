//! What a producer counts: its buffer, its batches, and the calls that wait.
//!
//! Everything here is told per request, per settled batch or per call that waited, never per record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::records::HEADER_LEN;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Core;
use super::delivery::{Outcome, Settlement};
use super::queue::{Batch, State as BatchState};
use super::sender::Sender;
use crate::telemetry::{Metrics, PRODUCER, PRODUCER_GROUP, PRODUCER_TOPIC, Sensor, TOPIC_GROUP, Windows, is_over};

/// What one producer's records are counted in.
#[derive(Debug)]
pub(super) struct ProducerMetrics {
    windows: Windows,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    all: Sensors,
    topics: BTreeMap<Arc<str>, TopicSensors>,
}

/// A call, or a part of one, that waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Call {
    Flush,
    /// For `buffer.memory`, in `enqueue`.
    Memory,
    /// For a topic's metadata, in `enqueue`.
    Metadata,
    TxnAbort,
    TxnBegin,
    TxnCommit,
    TxnInit,
    TxnSendOffsets,
}

/// Of all topics.
#[derive(Debug)]
pub(crate) struct Sensors {
    pub(crate) batch_size: Sensor,
    pub(crate) compression: Sensor,
    pub(crate) errors: Sensor,
    pub(crate) exhausted: Sensor,
    pub(crate) flush: Sensor,
    pub(crate) memory_wait: Sensor,
    pub(crate) metadata_wait: Sensor,
    pub(crate) queue_time: Sensor,
    pub(crate) record_size: Sensor,
    /// An event per request.
    pub(crate) records: Sensor,
    pub(crate) retries: Sensor,
    pub(crate) splits: Sensor,
    pub(crate) txn_abort: Sensor,
    pub(crate) txn_begin: Sensor,
    pub(crate) txn_commit: Sensor,
    pub(crate) txn_init: Sensor,
    pub(crate) txn_send_offsets: Sensor,
    /// As it was when the metrics were read last.
    pub(crate) buffer: Buffer,
}

/// Of one topic.
#[derive(Debug)]
pub(crate) struct TopicSensors {
    pub(crate) bytes: Sensor,
    pub(crate) compression: Sensor,
    pub(crate) errors: Sensor,
    pub(crate) records: Sensor,
    pub(crate) retries: Sensor,
    used: Instant,
}

/// `buffer.memory` at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Buffer {
    pub(crate) total: usize,
    /// Bytes that no batch holds.
    pub(crate) available: usize,
    /// How many callers wait for some.
    pub(crate) waiting: usize,
}

impl ProducerMetrics {
    pub(super) fn new(windows: Windows) -> Self {
        Self { windows, state: Mutex::new(State { all: Sensors::new(windows), topics: BTreeMap::new() }) }
    }

    pub(super) fn read(&self, metrics: &mut Metrics, buffer: Buffer, now: Instant) {
        let mut state = self.state.lock();
        state.all.buffer = buffer;
        metrics.read(PRODUCER_GROUP, &[], PRODUCER, &state.all, now);
        state.forget_idle(now);
        for (topic, sensors) in &state.topics {
            metrics.read(TOPIC_GROUP, &[("topic", topic)], PRODUCER_TOPIC, sensors, now);
        }
    }

    /// A request was handed to its connection.
    pub(super) fn sent(&self, sender: &Sender, request: u64, now: Instant) {
        let Some(sent) = sender.in_flight.get(&request) else { return };
        let mut state = self.state.lock();
        let mut records = 0;
        for (index, id, _) in &sent.batches {
            if let Some(queue) = sender.queues.get(index)
                && let Some(place) = queue.place_of(*id)
            {
                let batch = &queue.batches[place];
                records += batch.records();
                let waits = batch.expires.map(|at| at.saturating_duration_since(now));
                // It was given its time when its first record came.
                let queued = waits.map(|left| sender.policy.delivery_timeout.saturating_sub(left));
                state.sent(&queue.slot.topic, batch, queued, self.windows, now);
            }
        }
        state.all.records.record(records as f64, now);
    }

    /// A batch of so many records came to its end.
    pub(super) fn settled(&self, outcome: &Outcome, settlement: &Settlement, records: usize, now: Instant) {
        let failed = settlement.failed(records);
        if failed > 0 {
            let mut state = self.state.lock();
            state.all.errors.record(failed as f64, now);
            state.topic(&outcome.slot().topic, self.windows, now).errors.record(failed as f64, now);
        }
    }

    /// A batch was too large for its broker, and is split.
    pub(super) fn split(&self, now: Instant) {
        self.state.lock().all.splits.record(1.0, now);
    }

    fn refused(&self, now: Instant) {
        self.state.lock().all.errors.record(1.0, now);
    }

    /// A record waited for `buffer.memory` in vain.
    pub(super) fn exhausted(&self, now: Instant) {
        self.state.lock().all.exhausted.record(1.0, now);
    }

    /// A call has waited.
    pub(super) fn waited(&self, call: Call, wait: Duration, now: Instant) {
        let mut state = self.state.lock();
        let all = &mut state.all;
        let sensor = match call {
            Call::Flush => &mut all.flush,
            Call::Memory => &mut all.memory_wait,
            Call::Metadata => &mut all.metadata_wait,
            Call::TxnAbort => &mut all.txn_abort,
            Call::TxnBegin => &mut all.txn_begin,
            Call::TxnCommit => &mut all.txn_commit,
            Call::TxnInit => &mut all.txn_init,
            Call::TxnSendOffsets => &mut all.txn_send_offsets,
        };
        sensor.record(wait.as_nanos() as f64, now);
    }
}

impl State {
    fn sent(&mut self, topic: &Arc<str>, batch: &Batch, queued: Option<Duration>, windows: Windows, now: Instant) {
        let BatchState::InFlight(sealed, _) = &batch.state else { return };
        let records = batch.records() as f64;
        let (body, uncompressed) = (sealed.body.len() as f64, sealed.uncompressed as f64);
        let size = HEADER_LEN as f64 + body;
        let ratio = body / uncompressed;
        let is_again = batch.sends > 1;
        let all = &mut self.all;
        all.batch_size.record(size, now);
        all.compression.record(ratio, now);
        all.record_size.record(uncompressed / records, now);
        if let Some(queued) = queued {
            all.queue_time.record(queued.as_secs_f64() * 1e3, now);
        }
        if is_again {
            all.retries.record(records, now);
        }
        let topic = self.topic(topic, windows, now);
        topic.records.record(records, now);
        topic.bytes.record(size, now);
        topic.compression.record(ratio, now);
        if is_again {
            topic.retries.record(records, now);
        }
    }

    fn topic(&mut self, name: &Arc<str>, windows: Windows, now: Instant) -> &mut TopicSensors {
        if !self.topics.contains_key(name) {
            self.forget_idle(now);
        }
        let topic = self.topics.entry(name.clone()).or_insert_with(|| TopicSensors::new(windows, now));
        topic.used = now;
        topic
    }

    fn forget_idle(&mut self, now: Instant) {
        self.topics.retain(|_, topic| !is_over(topic.used, now));
    }
}

impl Sensors {
    fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            batch_size: sensor(),
            compression: sensor(),
            errors: sensor(),
            exhausted: sensor(),
            flush: sensor(),
            memory_wait: sensor(),
            metadata_wait: sensor(),
            queue_time: sensor(),
            record_size: sensor(),
            records: sensor(),
            retries: sensor(),
            splits: sensor(),
            txn_abort: sensor(),
            txn_begin: sensor(),
            txn_commit: sensor(),
            txn_init: sensor(),
            txn_send_offsets: sensor(),
            buffer: Buffer::default(),
        }
    }
}

impl TopicSensors {
    fn new(windows: Windows, now: Instant) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            bytes: sensor(),
            compression: sensor(),
            errors: sensor(),
            records: sensor(),
            retries: sensor(),
            used: now,
        }
    }
}

/// Counts the time until it is dropped, however the call ends.
pub(super) struct Timed<'a> {
    core: &'a Core,
    call: Call,
    start: Instant,
}

impl Core {
    /// A record was refused before it was in a batch.
    pub(super) fn refused(&self) {
        self.metrics.refused(self.cluster.runtime().now());
    }

    /// Counts the time that a call takes from now on.
    pub(super) fn timed(&self, call: Call) -> Timed<'_> {
        Timed { core: self, call, start: self.cluster.runtime().now() }
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let now = self.core.cluster.runtime().now();
        self.core.metrics.waited(self.call, now.saturating_duration_since(self.start), now);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a moment to read at")]
    use super::*;

    #[test]
    fn each_call_that_waits_has_a_total_of_its_own() {
        let now = Instant::now();
        let metrics = ProducerMetrics::new(Windows { samples: 2, window: Duration::from_secs(30) });
        let calls = [
            (Call::Flush, "flush-time-ns-total"),
            (Call::Memory, "bufferpool-wait-time-ns-total"),
            (Call::Metadata, "metadata-wait-time-ns-total"),
            (Call::TxnAbort, "txn-abort-time-ns-total"),
            (Call::TxnBegin, "txn-begin-time-ns-total"),
            (Call::TxnCommit, "txn-commit-time-ns-total"),
            (Call::TxnInit, "txn-init-time-ns-total"),
            (Call::TxnSendOffsets, "txn-send-offsets-time-ns-total"),
        ];
        for (nth, (call, _)) in (1..).zip(calls) {
            metrics.waited(call, Duration::from_micros(nth), now);
        }
        let mut read = Metrics::new("shop".into());
        metrics.read(&mut read, Buffer::default(), now);
        for (nth, (call, name)) in (1..).zip(calls) {
            let metric = read.find("producer-metrics", name, &[]).unwrap();
            assert_eq!(metric.as_f64(), f64::from(nth * 1_000), "{call:?}");
        }
    }
}
