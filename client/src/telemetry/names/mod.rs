//! Every metric there is: its name, what it says, and where its number comes from.
//!
//! Names, groups and tags are the Java client's. `docs/metrics.md` is held to these tables by a test.

use tokio::time::Instant;

mod consumer;
mod share;

pub(super) use consumer::FETCH_CLIENT;
pub(crate) use consumer::{
    CONSUMER_GROUP, COORDINATOR, COORDINATOR_GROUP, FETCH, FETCH_GROUP, FETCH_PARTITION, FETCH_REPLICA, FETCH_TOPIC,
    POLL,
};
pub(crate) use share::{
    SHARE_ACKNOWLEDGEMENT, SHARE_COORDINATOR, SHARE_COORDINATOR_GROUP, SHARE_FETCH, SHARE_FETCH_GROUP, SHARE_GROUP,
    SHARE_POLL,
};

use super::client::{App, Client, Node};
use crate::produce::{Sensors, TopicSensors};

/// One metric of what is kept in an `S`.
pub(crate) struct Row<S> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) value: Value<S>,
}

/// Where it comes from.
pub(crate) enum Value<S> {
    Number(fn(&S, Instant) -> f64),
    Text(fn(&S) -> &'static str),
}

const fn row<S>(name: &'static str, about: &'static str, value: fn(&S, Instant) -> f64) -> Row<S> {
    Row { name, about, value: Value::Number(value) }
}

/// Whose metrics they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Admin,
    Consumer,
    Producer,
    ShareConsumer,
}

impl Role {
    /// As the client's own thread is called.
    pub(crate) fn thread(self) -> &'static str {
        match self {
            Self::Admin => "ottla-admin",
            Self::Consumer => "ottla-consumer",
            Self::Producer => "ottla-producer",
            Self::ShareConsumer => "ottla-share",
        }
    }

    /// As a client without a `client.id` is called, before its number.
    pub(super) fn anonymous(self) -> &'static str {
        match self {
            Self::Admin => "adminclient",
            Self::Consumer | Self::ShareConsumer => "consumer",
            Self::Producer => "producer",
        }
    }

    /// The group of what the whole client does.
    pub(super) fn group(self) -> &'static str {
        match self {
            Self::Admin => "admin-client-metrics",
            Self::Consumer | Self::ShareConsumer => CONSUMER_GROUP,
            Self::Producer => PRODUCER_GROUP,
        }
    }

    /// The group of what it does with one broker.
    pub(super) fn node_group(self) -> &'static str {
        match self {
            Self::Admin => "admin-client-node-metrics",
            Self::Consumer | Self::ShareConsumer => "consumer-node-metrics",
            Self::Producer => "producer-node-metrics",
        }
    }
}

pub(super) const APP_GROUP: &str = "app-info";
pub(super) const COUNT_GROUP: &str = "kafka-metrics-count";
pub(crate) const PRODUCER_GROUP: &str = "producer-metrics";
pub(crate) const TOPIC_GROUP: &str = "producer-topic-metrics";

/// Of the program.
pub(super) static APP: &[Row<App>] = &[
    row("start-time-ms", "When the client was built, in milliseconds since 1970.", |app, _| app.start_ms as f64),
    Row { name: "version", about: "The version of this client.", value: Value::Text(|_| env!("CARGO_PKG_VERSION")) },
];

/// Of the metrics themselves.
pub(super) static COUNT: &[Row<usize>] =
    &[row("count", "How many metrics the client has, this one included.", |count, _| *count as f64)];

/// Of every client: its connections.
pub(super) static CLIENT: &[Row<Client>] = &[
    row("connection-close-rate", "Connections closed per second.", |it, now| it.closed.event_rate(now)),
    row("connection-close-total", "Connections closed.", |it, _| it.closed.events()),
    row("connection-count", "Connections open now.", |it, _| it.created.events() - it.closed.events()),
    row("connection-creation-rate", "Connections made per second.", |it, now| it.created.event_rate(now)),
    row("connection-creation-total", "Connections made.", |it, _| it.created.events()),
    row("incoming-byte-rate", "Bytes read per second.", |it, now| it.traffic.incoming.rate(now)),
    row("incoming-byte-total", "Bytes read.", |it, _| it.traffic.incoming.total()),
    row("network-io-rate", "Reads from sockets and requests written to them, per second.", |it, now| {
        it.io.event_rate(now)
    }),
    row("network-io-total", "Reads from sockets and requests written to them.", |it, _| it.io.events()),
    row("outgoing-byte-rate", "Bytes written per second.", |it, now| it.traffic.outgoing.rate(now)),
    row("outgoing-byte-total", "Bytes written.", |it, _| it.traffic.outgoing.total()),
    row("request-rate", "Requests written per second.", |it, now| it.traffic.outgoing.event_rate(now)),
    row("request-size-avg", "Average size of a request in bytes.", |it, now| it.traffic.outgoing.avg(now)),
    row("request-size-max", "Size of the largest request in bytes.", |it, now| it.traffic.outgoing.max(now)),
    row("request-total", "Requests written.", |it, _| it.traffic.outgoing.events()),
    row("response-rate", "Answers read per second.", |it, now| it.traffic.answers.event_rate(now)),
    row("response-total", "Answers read.", |it, _| it.traffic.answers.events()),
];

/// Of every client, per broker: its connections to that broker, all of them together.
pub(super) static NODE: &[Row<Node>] = &[
    row("incoming-byte-rate", "Bytes read per second.", |it, now| it.traffic.incoming.rate(now)),
    row("incoming-byte-total", "Bytes read.", |it, _| it.traffic.incoming.total()),
    row("outgoing-byte-rate", "Bytes written per second.", |it, now| it.traffic.outgoing.rate(now)),
    row("outgoing-byte-total", "Bytes written.", |it, _| it.traffic.outgoing.total()),
    row("request-latency-avg", "Average time in ms from a Produce or Fetch to its answer.", |it, now| {
        it.latency.avg(now)
    }),
    row("request-latency-max", "Longest time in ms from a Produce or Fetch to its answer.", |it, now| {
        it.latency.max(now)
    }),
    row("request-rate", "Requests written per second.", |it, now| it.traffic.outgoing.event_rate(now)),
    row("request-size-avg", "Average size of a request in bytes.", |it, now| it.traffic.outgoing.avg(now)),
    row("request-size-max", "Size of the largest request in bytes.", |it, now| it.traffic.outgoing.max(now)),
    row("request-total", "Requests written.", |it, _| it.traffic.outgoing.events()),
    row("response-rate", "Answers read per second.", |it, now| it.traffic.answers.event_rate(now)),
    row("response-total", "Answers read.", |it, _| it.traffic.answers.events()),
];

/// Of a producer: what its connections know.
pub(super) static PRODUCER_CLIENT: &[Row<Client>] = &[
    row("metadata-age", "Seconds since metadata last came; NaN before it first did.", Client::metadata_age),
    row("produce-throttle-time-avg", "Average time in ms that a broker throttled an answer; mostly 0.", |it, now| {
        it.throttle.avg(now)
    }),
    row("produce-throttle-time-max", "Longest time in ms that a broker throttled an answer.", |it, now| {
        it.throttle.max(now)
    }),
    row("request-latency-avg", "Average time in ms from a Produce to its answer.", |it, now| it.latency.avg(now)),
    row("request-latency-max", "Longest time in ms from a Produce to its answer.", |it, now| it.latency.max(now)),
    row("requests-in-flight", "Requests written, or being written, and not answered.", |it, _| it.in_flight as f64),
];

/// Of a producer: its buffer, its batches, and the calls that wait.
pub(crate) static PRODUCER: &[Row<Sensors>] = &[
    row("batch-size-avg", "Average size of a batch as sent, its header included, in bytes.", |it, now| {
        it.batch_size.avg(now)
    }),
    row("batch-size-max", "Size of the largest batch as sent, its header included, in bytes.", |it, now| {
        it.batch_size.max(now)
    }),
    row("batch-split-rate", "Batches per second that were too large for a broker and were split.", |it, now| {
        it.splits.event_rate(now)
    }),
    row("batch-split-total", "Batches that were too large for a broker and were split.", |it, _| it.splits.events()),
    row("buffer-available-bytes", "Bytes of `buffer.memory` that no batch holds.", |it, _| it.buffer.available as f64),
    row("buffer-exhausted-rate", "Records per second that waited in vain for `buffer.memory`.", |it, now| {
        it.exhausted.event_rate(now)
    }),
    row("buffer-exhausted-total", "Records that waited in vain for `buffer.memory`.", |it, _| it.exhausted.events()),
    row("buffer-total-bytes", "`buffer.memory`.", |it, _| it.buffer.total as f64),
    row(
        "bufferpool-wait-ratio",
        "Time that callers waited for `buffer.memory`, as a fraction; over 1 if several did.",
        |it, now| it.memory_wait.rate(now) / 1e9,
    ),
    row("bufferpool-wait-time-ns-total", "Time that callers waited for `buffer.memory`, in ns.", |it, _| {
        it.memory_wait.total()
    }),
    row("compression-rate-avg", "Average of a batch's size compressed over its size uncompressed.", |it, now| {
        it.compression.avg(now)
    }),
    row("flush-time-ns-total", "Time spent in `flush`, in ns.", |it, _| it.flush.total()),
    row("metadata-wait-time-ns-total", "Time that callers waited for a topic's metadata, in ns.", |it, _| {
        it.metadata_wait.total()
    }),
    row("record-error-rate", "Records per second that failed, or were refused by `enqueue`.", |it, now| {
        it.errors.rate(now)
    }),
    row("record-error-total", "Records that failed, or were refused by `enqueue`.", |it, _| it.errors.total()),
    row("record-queue-time-avg", "Average time in ms from a batch's first record to its sending.", |it, now| {
        it.queue_time.avg(now)
    }),
    row("record-queue-time-max", "Longest time in ms from a batch's first record to its sending.", |it, now| {
        it.queue_time.max(now)
    }),
    row("record-retry-rate", "Records per second that were sent again.", |it, now| it.retries.rate(now)),
    row("record-retry-total", "Records that were sent again.", |it, _| it.retries.total()),
    row("record-send-rate", "Records sent per second, repetitions included.", |it, now| it.records.rate(now)),
    row("record-send-total", "Records sent, repetitions included.", |it, _| it.records.total()),
    row("record-size-avg", "Average over batches of their records' average size in bytes, uncompressed.", |it, now| {
        it.record_size.avg(now)
    }),
    row("record-size-max", "Largest of the batches' average record sizes in bytes, uncompressed.", |it, now| {
        it.record_size.max(now)
    }),
    row("records-per-request-avg", "Average number of records in a Produce.", |it, now| it.records.avg(now)),
    row("txn-abort-time-ns-total", "Time spent in aborting transactions, in ns.", |it, _| it.txn_abort.total()),
    row("txn-begin-time-ns-total", "Time spent in beginning transactions, in ns.", |it, _| it.txn_begin.total()),
    row("txn-commit-time-ns-total", "Time spent in committing transactions, in ns.", |it, _| it.txn_commit.total()),
    row("txn-init-time-ns-total", "Time spent in initializing transactions, in ns.", |it, _| it.txn_init.total()),
    row("txn-send-offsets-time-ns-total", "Time spent in adding offsets to transactions, in ns.", |it, _| {
        it.txn_send_offsets.total()
    }),
    row("waiting-threads", "Callers that wait for `buffer.memory` now.", |it, _| it.buffer.waiting as f64),
];

/// Of a producer, per topic.
pub(crate) static PRODUCER_TOPIC: &[Row<TopicSensors>] = &[
    row("byte-rate", "Bytes of batches sent per second, headers included.", |it, now| it.bytes.rate(now)),
    row("byte-total", "Bytes of batches sent, headers included.", |it, _| it.bytes.total()),
    row("compression-rate", "Average of a batch's size compressed over its size uncompressed.", |it, now| {
        it.compression.avg(now)
    }),
    row("record-error-rate", "Records per second that failed.", |it, now| it.errors.rate(now)),
    row("record-error-total", "Records that failed.", |it, _| it.errors.total()),
    row("record-retry-rate", "Records per second that were sent again.", |it, now| it.retries.rate(now)),
    row("record-retry-total", "Records that were sent again.", |it, _| it.retries.total()),
    row("record-send-rate", "Records sent per second, repetitions included.", |it, now| it.records.rate(now)),
    row("record-send-total", "Records sent, repetitions included.", |it, _| it.records.total()),
];
