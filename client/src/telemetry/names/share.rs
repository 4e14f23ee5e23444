//! What a share consumer counts, by name.

use super::{Row, row};
use crate::consume::{CoordinatorSensors, PollSensors};
use crate::share::{AcknowledgementSensors, ShareSensors};

pub(crate) const SHARE_GROUP: &str = "consumer-share-metrics";
pub(crate) const SHARE_FETCH_GROUP: &str = "consumer-share-fetch-manager-metrics";
pub(crate) const SHARE_COORDINATOR_GROUP: &str = "consumer-share-coordinator-metrics";

/// Of a share consumer: what is fetched, and what polls hand out of it.
pub(crate) static SHARE_FETCH: &[Row<ShareSensors>] = &[
    row("bytes-consumed-rate", "Bytes of batches fetched per second, as they came.", |it, now| {
        it.fetched_bytes.rate(now)
    }),
    row("bytes-consumed-total", "Bytes of batches fetched, as they came.", |it, _| it.fetched_bytes.total()),
    row("fetch-size-avg", "Average size in bytes of the batches in an answer that brought any.", |it, now| {
        it.fetched_bytes.avg(now)
    }),
    row("fetch-size-max", "Largest size in bytes of the batches in an answer.", |it, now| it.fetched_bytes.max(now)),
    row("records-consumed-rate", "Records handed out per second.", |it, now| it.consumed_records.rate(now)),
    row("records-consumed-total", "Records handed out.", |it, _| it.consumed_records.total()),
    row("records-per-request-avg", "Average number of offsets acquired with an answer that brought any.", |it, now| {
        it.acquired_records.avg(now)
    }),
    row("records-per-request-max", "Largest number of offsets acquired with an answer.", |it, now| {
        it.acquired_records.max(now)
    }),
];

/// Of a share consumer: what it tells of records.
pub(crate) static SHARE_ACKNOWLEDGEMENT: &[Row<AcknowledgementSensors>] = &[
    row("acknowledgements-error-rate", "Offsets per second whose acknowledgement failed.", |it, now| {
        it.failed.rate(now)
    }),
    row("acknowledgements-error-total", "Offsets whose acknowledgement failed.", |it, _| it.failed.total()),
    row("acknowledgements-send-rate", "Offsets per second that were acknowledged.", |it, now| it.sent.rate(now)),
    row("acknowledgements-send-total", "Offsets that were acknowledged.", |it, _| it.sent.total()),
];

/// Of a share consumer: its polls.
pub(crate) static SHARE_POLL: &[Row<PollSensors>] = &[
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

/// Of a share consumer: its group.
pub(crate) static SHARE_COORDINATOR: &[Row<CoordinatorSensors>] = &[
    row("heartbeat-rate", "Heartbeats answered per second.", |it, now| it.heartbeat.event_rate(now)),
    row("heartbeat-response-time-max", "Longest time in ms from a heartbeat to its answer.", |it, now| {
        it.heartbeat.max(now)
    }),
    row("heartbeat-total", "Heartbeats answered.", |it, _| it.heartbeat.events()),
    row(
        "last-heartbeat-seconds-ago",
        "Whole seconds since the last heartbeat was sent; -1 before the first.",
        CoordinatorSensors::seconds_since_heartbeat,
    ),
    row("rebalance-rate-per-hour", "Assignments per hour that differed from the one before.", |it, now| {
        it.rebalance.event_rate(now) * 3_600.0
    }),
    row("rebalance-total", "Assignments that differed from the one before.", |it, _| it.rebalance.events()),
];
