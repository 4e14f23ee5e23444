//! What a consumer counts, by name.

use super::{Row, row};
use crate::consume::{CoordinatorSensors, Distances, FetchSensors, PollSensors, TopicFetchSensors};
use crate::telemetry::client::Client;

pub(crate) const CONSUMER_GROUP: &str = "consumer-metrics";
pub(crate) const FETCH_GROUP: &str = "consumer-fetch-manager-metrics";
pub(crate) const COORDINATOR_GROUP: &str = "consumer-coordinator-metrics";

/// Of a consumer: what its connections know of fetches.
pub(in crate::telemetry) static FETCH_CLIENT: &[Row<Client>] = &[
    row("fetch-latency-avg", "Average time in ms from a Fetch to its answer.", |it, now| it.latency.avg(now)),
    row("fetch-latency-max", "Longest time in ms from a Fetch to its answer.", |it, now| it.latency.max(now)),
    row("fetch-rate", "Fetches answered per second.", |it, now| it.latency.event_rate(now)),
    row("fetch-throttle-time-avg", "Average time in ms that a broker throttled an answer; mostly 0.", |it, now| {
        it.throttle.avg(now)
    }),
    row("fetch-throttle-time-max", "Longest time in ms that a broker throttled an answer.", |it, now| {
        it.throttle.max(now)
    }),
    row("fetch-total", "Fetches answered.", |it, _| it.latency.events()),
];

/// Of a consumer: what is fetched, and what polls hand out of it.
pub(crate) static FETCH: &[Row<FetchSensors>] = &[
    row("bytes-consumed-rate", "Bytes of records handed out per second, uncompressed.", |it, now| {
        it.consumed_bytes.rate(now)
    }),
    row("bytes-consumed-total", "Bytes of records handed out, uncompressed.", |it, _| it.consumed_bytes.total()),
    row("fetch-size-avg", "Average size in bytes of the batches in an answer that brought any.", |it, now| {
        it.fetched_bytes.avg(now)
    }),
    row("fetch-size-max", "Largest size in bytes of the batches in an answer.", |it, now| it.fetched_bytes.max(now)),
    row("records-consumed-rate", "Records handed out per second.", |it, now| it.consumed_records.rate(now)),
    row("records-consumed-total", "Records handed out.", |it, _| it.consumed_records.total()),
    row("records-lag-max", "Largest lag of any partition after a poll, in records.", |it, now| it.lag.max(now)),
    row("records-lead-min", "Smallest lead of any partition after a poll, in records.", |it, now| it.lead.min(now)),
    row("records-per-request-avg", "Average number of records in an answer that brought any.", |it, now| {
        it.fetched_records.avg(now)
    }),
];

/// Of a consumer, per topic.
pub(crate) static FETCH_TOPIC: &[Row<TopicFetchSensors>] = &[
    row("bytes-consumed-rate", "Bytes of records handed out per second, uncompressed.", |it, now| {
        it.consumed_bytes.rate(now)
    }),
    row("bytes-consumed-total", "Bytes of records handed out, uncompressed.", |it, _| it.consumed_bytes.total()),
    row("fetch-size-avg", "Average size in bytes of the batches in an answer that brought any.", |it, now| {
        it.fetched_bytes.avg(now)
    }),
    row("fetch-size-max", "Largest size in bytes of the batches in an answer.", |it, now| it.fetched_bytes.max(now)),
    row("records-consumed-rate", "Records handed out per second.", |it, now| it.consumed_records.rate(now)),
    row("records-consumed-total", "Records handed out.", |it, _| it.consumed_records.total()),
    row("records-per-request-avg", "Average number of records in an answer that brought any.", |it, now| {
        it.fetched_records.avg(now)
    }),
];

/// Of a consumer, per partition that it reads.
pub(crate) static FETCH_PARTITION: &[Row<Distances>] = &[
    row("records-lag", "Records between the position and the end that can be read.", |it, _| it.lag.latest),
    row("records-lag-avg", "Average lag after a poll.", |it, now| it.lag.seen.avg(now)),
    row("records-lag-max", "Largest lag after a poll.", |it, now| it.lag.seen.max(now)),
    row("records-lead", "Records between the beginning of the log and the position.", |it, _| it.lead.latest),
    row("records-lead-avg", "Average lead after a poll.", |it, now| it.lead.seen.avg(now)),
    row("records-lead-min", "Smallest lead after a poll.", |it, now| it.lead.seen.min(now)),
];

/// Of a consumer, per partition that it reads: where from.
pub(crate) static FETCH_REPLICA: &[Row<Option<i32>>] =
    &[row("preferred-read-replica", "The follower that is read from; -1 if it is the leader.", |follower, _| {
        f64::from(follower.unwrap_or(-1))
    })];

/// Of a consumer: its polls, and the calls that wait.
pub(crate) static POLL: &[Row<PollSensors>] = &[
    row("commit-sync-time-ns-total", "Time spent in commits that were waited for, in ns.", |it, _| it.commit.total()),
    row("committed-time-ns-total", "Time spent in asking what is committed, in ns.", |it, _| it.committed.total()),
    row(
        "last-poll-seconds-ago",
        "Whole seconds since the last poll began; -1 before the first.",
        PollSensors::seconds_since_poll,
    ),
    row(
        "poll-idle-ratio-avg",
        "Average over polls of the time in a poll over the time since the one before.",
        |it, now| it.idle.avg(now),
    ),
    row("time-between-poll-avg", "Average time in ms from the begin of a poll to that of the next.", |it, now| {
        it.between.avg(now)
    }),
    row("time-between-poll-max", "Longest time in ms from the begin of a poll to that of the next.", |it, now| {
        it.between.max(now)
    }),
];

/// Of a consumer in a group.
pub(crate) static COORDINATOR: &[Row<CoordinatorSensors>] = &[
    row("assigned-partitions", "Partitions assigned to this consumer now.", |it, _| it.assigned_partitions as f64),
    row("commit-latency-avg", "Average time in ms that a commit took.", |it, now| it.commit.avg(now)),
    row("commit-latency-max", "Longest time in ms that a commit took.", |it, now| it.commit.max(now)),
    row("commit-rate", "Commits per second that succeeded.", |it, now| it.commit.event_rate(now)),
    row("commit-total", "Commits that succeeded.", |it, _| it.commit.events()),
    row("failed-rebalance-rate-per-hour", "Attempts to join per hour that failed.", |it, now| {
        it.failed_rebalance.event_rate(now) * 3_600.0
    }),
    row("failed-rebalance-total", "Attempts to join that failed.", |it, _| it.failed_rebalance.events()),
    row("heartbeat-rate", "Heartbeats answered per second.", |it, now| it.heartbeat.event_rate(now)),
    row("heartbeat-response-time-max", "Longest time in ms from a heartbeat to its answer.", |it, now| {
        it.heartbeat.max(now)
    }),
    row("heartbeat-total", "Heartbeats answered.", |it, _| it.heartbeat.events()),
    row("join-rate", "Times per second that a group was joined.", |it, now| it.join.event_rate(now)),
    row("join-time-avg", "Average time in ms from a JoinGroup to its answer.", |it, now| it.join.avg(now)),
    row("join-time-max", "Longest time in ms from a JoinGroup to its answer.", |it, now| it.join.max(now)),
    row("join-total", "Times that a group was joined.", |it, _| it.join.events()),
    row(
        "last-heartbeat-seconds-ago",
        "Whole seconds since the last heartbeat was sent; -1 before the first.",
        CoordinatorSensors::seconds_since_heartbeat,
    ),
    row(
        "last-rebalance-seconds-ago",
        "Whole seconds since the last rebalance ended; -1 before the first.",
        CoordinatorSensors::seconds_since_rebalance,
    ),
    row(
        "partition-assigned-latency-avg",
        "Average time in ms that the listener took when told of assigned partitions.",
        |it, now| it.assigned.avg(now),
    ),
    row(
        "partition-assigned-latency-max",
        "Longest time in ms that the listener took when told of assigned partitions.",
        |it, now| it.assigned.max(now),
    ),
    row(
        "partition-lost-latency-avg",
        "Average time in ms that the listener took when told of lost partitions.",
        |it, now| it.lost.avg(now),
    ),
    row(
        "partition-lost-latency-max",
        "Longest time in ms that the listener took when told of lost partitions.",
        |it, now| it.lost.max(now),
    ),
    row(
        "partition-revoked-latency-avg",
        "Average time in ms that the listener took when told of revoked partitions.",
        |it, now| it.revoked.avg(now),
    ),
    row(
        "partition-revoked-latency-max",
        "Longest time in ms that the listener took when told of revoked partitions.",
        |it, now| it.revoked.max(now),
    ),
    row("rebalance-latency-avg", "Average time in ms of a rebalance, its failed attempts included.", |it, now| {
        it.rebalance.avg(now)
    }),
    row("rebalance-latency-max", "Longest time in ms of a rebalance, its failed attempts included.", |it, now| {
        it.rebalance.max(now)
    }),
    row("rebalance-latency-total", "Time in ms spent in rebalances.", |it, _| it.rebalance.total()),
    row("rebalance-rate-per-hour", "Rebalances per hour that succeeded.", |it, now| {
        it.rebalance.event_rate(now) * 3_600.0
    }),
    row("rebalance-total", "Rebalances that succeeded.", |it, _| it.rebalance.events()),
    row("sync-rate", "Assignments received per second.", |it, now| it.sync.event_rate(now)),
    row("sync-time-avg", "Average time in ms from a SyncGroup to its answer.", |it, now| it.sync.avg(now)),
    row("sync-time-max", "Longest time in ms from a SyncGroup to its answer.", |it, now| it.sync.max(now)),
    row("sync-total", "Assignments received.", |it, _| it.sync.events()),
];
