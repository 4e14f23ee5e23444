//! Every span there is, for the crate `tracing`.
//!
//! Fields have OpenTelemetry's names where it has one. None holds what is in a record. All are of level debug: disabled,
//! they cost one branch per request or batch.

use tracing::field::Empty;
use tracing::{Span, debug_span};

use crate::error::Error;
use crate::net::Address;

/// A request, from its writing to its answer, or to the error in `error`.
pub(crate) fn request(client_id: &str, broker: i32, address: &Address, api: &'static str, correlation: i32) -> Span {
    debug_span!(
        target: "ottla::request",
        parent: None,
        "kafka.request",
        otel.kind = "client",
        messaging.system = "kafka",
        messaging.client.id = client_id,
        server.id = broker,
        server.address = address.host.as_str(),
        server.port = address.port,
        kafka.api = api,
        kafka.correlation = correlation,
        error = Empty,
    )
}

/// A batch, from its first record to its acknowledgement, or to the error in `error`.
pub(crate) fn produce(topic: &str, partition: i32) -> Span {
    debug_span!(
        target: "ottla::produce",
        parent: None,
        "kafka.produce",
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.type = "send",
        messaging.operation.name = "produce",
        messaging.destination.name = topic,
        messaging.destination.partition.id = partition,
        messaging.batch.message_count = Empty,
        messaging.kafka.offset = Empty,
        error = Empty,
    )
}

/// What a batch came to.
pub(crate) fn produced(span: &Span, records: usize, result: Result<i64, &Error>) {
    span.record("messaging.batch.message_count", records);
    match result {
        Ok(offset) => span.record("messaging.kafka.offset", offset),
        Err(error) => failed(span, error),
    };
}

/// A poll, within the caller's span, from its begin to what it hands out, or to the error in `error`.
pub(crate) fn poll(client_id: &str, group: &str) -> Span {
    debug_span!(
        target: "ottla::poll",
        "kafka.poll",
        otel.kind = "client",
        messaging.system = "kafka",
        messaging.operation.type = "receive",
        messaging.operation.name = "poll",
        messaging.client.id = client_id,
        messaging.consumer.group.name = group,
        messaging.batch.message_count = Empty,
        error = Empty,
    )
}

/// What a poll came to.
pub(crate) fn polled(span: &Span, outcome: Result<usize, &Error>) {
    match outcome {
        Ok(records) => span.record("messaging.batch.message_count", records),
        Err(error) => failed(span, error),
    };
}

/// A commit of the offsets of so many partitions, from its request to its answer, or to the error in `error`.
pub(crate) fn commit(client_id: &str, group: &str, partitions: usize) -> Span {
    debug_span!(
        target: "ottla::commit",
        parent: None,
        "kafka.commit",
        otel.kind = "client",
        messaging.system = "kafka",
        messaging.operation.type = "settle",
        messaging.operation.name = "commit",
        messaging.client.id = client_id,
        messaging.consumer.group.name = group,
        kafka.partitions = partitions,
        error = Empty,
    )
}

/// Why it did not come to its end.
pub(crate) fn failed<'a>(span: &'a Span, error: &Error) -> &'a Span {
    span.record("error", tracing::field::display(error))
}
