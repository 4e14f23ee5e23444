//! What clients are to tell of their metrics, and what they told (KIP-714).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use uuid::Uuid;

use crate::log::codec;

/// Which metrics clients are to push, how often and how, as if a broker had a metrics reporter and the cluster a
/// subscription that matches every client.
///
/// By default: every five minutes, at most 1 MiB, as deltas, in any of Kafka's codecs, as Kafka does it.
///
/// ```
/// use std::time::Duration;
/// use ottla_broker::Telemetry;
///
/// let all = Telemetry::new([""]);
/// let some = Telemetry::new(["org.apache.kafka.producer."]).interval(Duration::from_secs(1)).delta(false);
/// assert_ne!(all, some);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nobody is told of it until the broker is"]
pub struct Telemetry {
    pub(crate) metrics: Vec<String>,
    pub(crate) interval: Duration,
    pub(crate) compression_types: Vec<i8>,
    pub(crate) max_bytes: usize,
    pub(crate) is_delta: bool,
}

/// zstd, lz4, gzip and snappy, as Kafka prefers them.
const COMPRESSION_TYPES: [i8; 4] = [4, 3, 1, 2];

impl Telemetry {
    /// Asks for metrics whose names begin with one of these; for all if one of them is empty or `*`, for none if there
    /// are none.
    pub fn new<M: Into<String>>(metrics: impl IntoIterator<Item = M>) -> Self {
        Self {
            metrics: metrics.into_iter().map(Into::into).collect(),
            interval: Duration::from_secs(5 * 60),
            compression_types: COMPRESSION_TYPES.to_vec(),
            max_bytes: 1024 * 1024,
            is_delta: true,
        }
    }

    /// Asks for a push this often; default five minutes. Whoever comes sooner is told `THROTTLING_QUOTA_EXCEEDED`.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Takes pushes in these codecs, by Kafka's numbers for them (1 gzip, 2 snappy, 3 lz4, 4 zstd), the best first;
    /// default 4, 3, 1, 2. None at all is always taken.
    pub fn compression_types(mut self, types: impl IntoIterator<Item = i8>) -> Self {
        self.compression_types = types.into_iter().collect();
        self
    }

    /// Takes pushes of at most so many bytes, as they come; default 1 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Asks for what has been added since the last push; else for what there is in all. Default true.
    pub fn delta(mut self, delta: bool) -> Self {
        self.is_delta = delta;
        self
    }

    /// What names this subscription to one client. It changes with what is asked for.
    pub(crate) fn id_for(&self, client: Uuid) -> i32 {
        let asked = format!("{:?}{}", self.metrics, self.interval.as_millis());
        let folded = client.as_u128().to_be_bytes();
        (crc32c::crc32c(asked.as_bytes()) ^ crc32c::crc32c(&folded)).cast_signed()
    }
}

/// Metrics that a client pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// The id of the client's own, which a broker gave it.
    pub client_instance_id: u128,
    /// The node that got it.
    pub node: i32,
    /// When it came: the time since the broker started.
    pub at: Duration,
    /// Whether the client said that it is its last.
    pub is_terminating: bool,
    /// Kafka's number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression_type: i8,
    /// The metrics as they came.
    pub bytes: Bytes,
}

impl Push {
    /// The metrics, decompressed: `MetricsData` of OpenTelemetry, in protocol buffers.
    ///
    /// # Errors
    /// If they can't be decompressed.
    pub fn metrics(&self) -> io::Result<Bytes> {
        codec::decompress(i16::from(self.compression_type), &self.bytes)
    }
}

/// What a node knows of a client that pushes.
#[derive(Debug, Default)]
struct Client {
    asked_at: Option<Duration>,
    pushed_at: Option<Duration>,
    /// It may ask again at once: it was told that what it knows is wrong.
    may_ask: bool,
    has_ended: bool,
}

/// All pushes, and what clients are to push.
#[derive(Debug)]
pub(crate) struct Pushes {
    pub(crate) subscription: Telemetry,
    /// By node and id.
    clients: BTreeMap<(i32, Uuid), Client>,
    kept: VecDeque<Push>,
    capacity: usize,
}

impl Pushes {
    /// None so far; the newest `capacity` will be kept.
    pub(crate) fn new(subscription: Telemetry, capacity: usize) -> Self {
        Self { subscription, clients: BTreeMap::new(), kept: VecDeque::new(), capacity }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Push> {
        self.kept.iter()
    }

    /// Asks clients for other metrics from now on. They may ask at once what for.
    pub(crate) fn set(&mut self, subscription: Telemetry) {
        self.subscription = subscription;
        self.clients
            .values_mut()
            .for_each(|client| *client = Client { has_ended: client.has_ended, ..Client::default() });
    }

    /// A client asks a node what to push.
    ///
    /// # Errors
    /// `THROTTLING_QUOTA_EXCEEDED` before its interval is over.
    pub(crate) fn ask(&mut self, node: i32, client: Uuid, now: Duration) -> Result<(), ResponseError> {
        let interval = self.subscription.interval;
        let client = self.clients.entry((node, client)).or_default();
        let last = client.asked_at.max(client.pushed_at);
        if last.is_none_or(|last| now >= last.saturating_add(interval)) {
            client.asked_at = Some(now);
        } else if !client.may_ask {
            return Err(ResponseError::ThrottlingQuotaExceeded);
        }
        client.may_ask = false;
        Ok(())
    }

    /// Takes a push under a subscription.
    ///
    /// # Errors
    /// `INVALID_REQUEST` without a client id or after its last push, `THROTTLING_QUOTA_EXCEEDED`,
    /// `UNKNOWN_SUBSCRIPTION_ID`, `UNSUPPORTED_COMPRESSION_TYPE`, `TELEMETRY_TOO_LARGE`.
    pub(crate) fn push(&mut self, push: Push, subscription_id: i32) -> Result<(), ResponseError> {
        let id = Uuid::from_u128(push.client_instance_id);
        if id.is_nil() {
            return Err(ResponseError::InvalidRequest);
        }
        let client = self.clients.entry((push.node, id)).or_default();
        let checked = check(client, &push, subscription_id == self.subscription.id_for(id), &self.subscription);
        client.has_ended |= push.is_terminating;
        client.may_ask =
            matches!(checked, Err(ResponseError::UnknownSubscriptionId | ResponseError::UnsupportedCompressionType));
        checked?;
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        if self.capacity > 0 {
            self.kept.push_back(push);
        }
        Ok(())
    }
}

fn check(client: &mut Client, push: &Push, is_subscribed: bool, asked: &Telemetry) -> Result<(), ResponseError> {
    if client.has_ended {
        return Err(ResponseError::InvalidRequest);
    }
    // The first push after a question may come early: clients spread them.
    let may_push = client.asked_at > client.pushed_at
        || client.pushed_at.is_none_or(|pushed_at| push.at >= pushed_at.saturating_add(asked.interval));
    if may_push {
        client.pushed_at = Some(push.at);
    } else if !push.is_terminating {
        return Err(ResponseError::ThrottlingQuotaExceeded);
    }
    if !is_subscribed {
        return Err(ResponseError::UnknownSubscriptionId);
    }
    if push.compression_type != 0 && !asked.compression_types.contains(&push.compression_type) {
        return Err(ResponseError::UnsupportedCompressionType);
    }
    if push.bytes.len() > asked.max_bytes {
        return Err(ResponseError::TelemetryTooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn push(at: Duration) -> Push {
        Push {
            client_instance_id: 7,
            node: 0,
            at,
            is_terminating: false,
            compression_type: 0,
            bytes: Bytes::from_static(b"metrics"),
        }
    }

    fn pushes(subscription: Telemetry) -> (Pushes, i32) {
        let id = subscription.id_for(Uuid::from_u128(7));
        (Pushes::new(subscription.interval(SECOND), 2), id)
    }

    /// A subscription with an interval of a second, and what names it to client 7.
    fn every_second() -> (Pushes, i32) {
        pushes(Telemetry::new(["org.apache.kafka."]).interval(SECOND))
    }

    #[test]
    fn who_comes_too_soon_is_throttled() {
        let (mut pushes, id) = every_second();
        let client = Uuid::from_u128(7);
        assert_eq!(pushes.ask(0, client, SECOND), Ok(()));
        assert_eq!(pushes.ask(0, client, SECOND), Err(ResponseError::ThrottlingQuotaExceeded));
        assert_eq!(pushes.ask(1, client, SECOND), Ok(()), "another node knows nothing of it");
        assert_eq!(pushes.push(push(SECOND * 3 / 2), id), Ok(()), "the first may come early");
        assert_eq!(pushes.push(push(SECOND * 2), id), Err(ResponseError::ThrottlingQuotaExceeded));
        assert_eq!(pushes.push(push(SECOND * 5 / 2), id), Ok(()));
        let last = Push { is_terminating: true, ..push(SECOND * 5 / 2) };
        assert_eq!(pushes.push(last.clone(), id), Ok(()), "the last may always come");
        assert_eq!(pushes.push(last, id), Err(ResponseError::InvalidRequest));
        assert_eq!(pushes.iter().count(), 2, "the oldest is forgotten");
    }

    #[test]
    fn a_push_that_is_not_what_was_asked_for_is_refused() {
        let (mut pushes, id) = every_second();
        pushes.subscription = pushes.subscription.clone().max_bytes(7).compression_types([4]);
        let client = Uuid::from_u128(7);
        assert_eq!(pushes.push(push(SECOND), id + 1), Err(ResponseError::UnknownSubscriptionId));
        assert_eq!(pushes.ask(0, client, SECOND), Ok(()), "so it may ask at once");
        assert_eq!(pushes.ask(0, client, SECOND), Err(ResponseError::ThrottlingQuotaExceeded));
        let gzip = Push { compression_type: 1, ..push(SECOND * 2) };
        assert_eq!(pushes.push(gzip, id), Err(ResponseError::UnsupportedCompressionType));
        let large = Push { bytes: Bytes::from_static(b"too much"), ..push(SECOND * 3) };
        assert_eq!(pushes.push(large, id), Err(ResponseError::TelemetryTooLarge));
        let nobody = Push { client_instance_id: 0, ..push(SECOND * 4) };
        assert_eq!(pushes.push(nobody, id), Err(ResponseError::InvalidRequest));
        assert_eq!(pushes.iter().count(), 0);
    }

    #[test]
    fn what_is_asked_for_may_change() {
        let (mut pushes, id) = every_second();
        let client = Uuid::from_u128(7);
        pushes.ask(0, client, SECOND).unwrap();
        pushes.set(Telemetry::new([""]));
        assert_eq!(pushes.push(push(SECOND), id), Err(ResponseError::UnknownSubscriptionId));
        assert_eq!(pushes.ask(0, client, SECOND), Ok(()));
        let id = pushes.subscription.id_for(client);
        assert_eq!(pushes.push(push(SECOND), id), Err(ResponseError::ThrottlingQuotaExceeded));
    }
}
