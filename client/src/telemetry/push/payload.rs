//! What is pushed: metrics by the names that brokers' plugins know them by, in OpenTelemetry's bytes.

use std::collections::BTreeMap;

use prost::Message;

use super::otlp::{Gauge, KeyValue, MetricsData, NumberDataPoint, Resource, ResourceMetrics, ScopeMetrics, Sum};
use super::otlp::{Metric as Pushed, Temporality};
use crate::telemetry::snapshot::{Metric, MetricValue, Metrics};

/// Before each name.
const DOMAIN: &str = "org.apache.kafka";

/// What brokers know from the request, or by its name (KIP-714).
const LEFT_OUT: &str = "client-id";

/// Which metrics a broker wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Selection {
    All,
    Beginning(Vec<String>),
    None,
}

/// The totals as they were pushed last, for pushes that tell what was added since.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Totals {
    /// When they were read, or counting began, in milliseconds since 1970.
    at_ms: i64,
    values: BTreeMap<Series, f64>,
}

/// A metric of one topic, broker or client.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Series {
    name: String,
    tags: Vec<(&'static str, String)>,
}

/// Metrics on their way to a broker.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) bytes: Vec<u8>,
    /// To be kept if the broker does not refuse them.
    pub(super) totals: Totals,
}

impl Selection {
    pub(super) fn of<'a>(requested: impl IntoIterator<Item = &'a str>) -> Self {
        let prefixes: Vec<_> = requested.into_iter().map(str::to_owned).collect();
        match prefixes.as_slice() {
            [] => Self::None,
            [all] if all == "*" => Self::All,
            _ => Self::Beginning(prefixes),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
            Self::None => false,
        }
    }
}

impl Totals {
    /// Of a client that began to count then.
    pub(super) fn since(at_ms: i64) -> Self {
        Self { at_ms, values: BTreeMap::new() }
    }
}

/// The name of a metric as it is pushed: `producer-topic-metrics` and `byte-rate` are
/// `org.apache.kafka.producer.topic.byte.rate`.
pub(super) fn name(group: &str, name: &str) -> String {
    let group = group.to_lowercase().replace('-', ".").replace(".metrics", "");
    format!("{DOMAIN}.{group}.{}", name.to_lowercase().replace('-', "."))
}

/// The metrics that `selection` names, read at `now_ms`. With `is_delta`, totals are those since `before`; else since
/// `began_ms`.
pub(super) fn payload(
    metrics: &Metrics,
    labels: &[(&'static str, String)],
    selection: &Selection,
    is_delta: bool,
    before: &Totals,
    (began_ms, now_ms): (i64, i64),
) -> Payload {
    let mut totals = Totals::since(now_ms);
    let mut pushed = Vec::new();
    for metric in metrics {
        let (name, number) = (name(metric.group(), metric.name()), metric.as_f64());
        // Nothing is said where there is nothing to say: an average of nothing.
        if matches!(metric.value(), MetricValue::Text(_)) || number.is_nan() || !selection.has(&name) {
            continue;
        }
        let attributes = metric.tags().filter(|(key, _)| *key != LEFT_OUT);
        let attributes = attributes.map(|(key, value)| KeyValue::new(key.replace('-', "_"), value)).collect();
        let mut point = NumberDataPoint {
            start_time_unix_nano: 0,
            time_unix_nano: nanoseconds(now_ms),
            as_double: Some(number),
            attributes,
        };
        let (gauge, sum) = if is_total(metric) {
            let tags = metric.tags().map(|(key, value)| (key, value.to_owned())).collect();
            let key = Series { name: name.clone(), tags };
            let last = before.values.get(&key).copied();
            totals.values.insert(key, number);
            point.start_time_unix_nano = nanoseconds(if is_delta { before.at_ms } else { began_ms });
            // What was forgotten meanwhile began anew, below where it was.
            if is_delta && let Some(last) = last.filter(|last| *last <= number) {
                point.as_double = Some(number - last);
            }
            let temporality = if is_delta { Temporality::Delta } else { Temporality::Cumulative };
            let sum = Sum { data_points: vec![point], aggregation_temporality: temporality.into(), is_monotonic: true };
            (None, Some(sum))
        } else {
            (Some(Gauge { data_points: vec![point] }), None)
        };
        pushed.push(Pushed { name, gauge, sum });
    }
    if pushed.is_empty() {
        // edge 85: empty, which is not the same as null.
        return Payload { bytes: Vec::new(), totals };
    }
    let attributes = labels.iter().map(|(key, value)| KeyValue::new(*key, value)).collect();
    let resource = Some(Resource { attributes });
    let data = MetricsData {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics: vec![ScopeMetrics { metrics: pushed }] }],
    };
    Payload { bytes: data.encode_to_vec(), totals }
}

/// Whether it only grows.
fn is_total(metric: &Metric) -> bool {
    metric.name().ends_with("-total")
}

fn nanoseconds(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a moment to read at")]
    use std::time::Duration;

    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::{self as official, metric::Data, number_data_point};
    use tokio::time::Instant;

    use super::*;
    use crate::telemetry::{ClientMetrics, Role, Windows};

    const BEGAN: i64 = 1_000;

    fn client() -> ClientMetrics {
        let windows = Windows { samples: 2, window: Duration::from_secs(30) };
        ClientMetrics::new(Role::Producer, "shop", windows, BEGAN)
    }

    /// As OpenTelemetry's own definitions read it.
    fn read(payload: &Payload) -> BTreeMap<String, official::Metric> {
        let data: official::MetricsData = Message::decode(payload.bytes.as_slice()).unwrap();
        let metrics = data.resource_metrics.into_iter().flat_map(|all| all.scope_metrics).flat_map(|all| all.metrics);
        metrics.map(|metric| (metric.name.clone(), metric)).collect()
    }

    fn sum(metric: &official::Metric) -> (f64, u64, i32) {
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
        let point = &sum.data_points[0];
        assert!(sum.is_monotonic);
        let Some(number_data_point::Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
        (value, point.start_time_unix_nano / 1_000_000, sum.aggregation_temporality)
    }

    #[test]
    fn names_are_made_as_java_makes_them() {
        let expected = [
            (
                "consumer-fetch-manager-metrics",
                "records-lag-max",
                "org.apache.kafka.consumer.fetch.manager.records.lag.max",
            ),
            ("producer-metrics", "request-latency-avg", "org.apache.kafka.producer.request.latency.avg"),
            ("producer-topic-metrics", "byte-rate", "org.apache.kafka.producer.topic.byte.rate"),
            ("app-info", "start-time-ms", "org.apache.kafka.app.info.start.time.ms"),
            ("kafka-metrics-count", "count", "org.apache.kafka.kafka.count.count"),
        ];
        for (group, metric, pushed) in expected {
            assert_eq!(name(group, metric), pushed);
        }
    }

    #[test]
    fn gauges_and_sums_are_read_by_the_official_definitions_with_tags_and_labels() {
        let now = Instant::now();
        let client = client();
        client.opened(now);
        client.written(1, 100, now);
        let labels = [("transactional_id", "till".to_owned())];
        let payload =
            payload(&client.read(now), &labels, &Selection::All, false, &Totals::since(BEGAN), (BEGAN, 61_000));

        let metrics = read(&payload);
        assert_eq!(sum(&metrics["org.apache.kafka.producer.request.total"]), (1.0, 1_000, 2));
        let node = &metrics["org.apache.kafka.producer.node.outgoing.byte.total"];
        let Some(Data::Sum(sums)) = &node.data else { panic!("{node:?}") };
        let point = &sums.data_points[0];
        assert_eq!(point.time_unix_nano, 61_000_000_000);
        let tag = &point.attributes[0];
        assert_eq!((point.attributes.len(), tag.key.as_str()), (1, "node_id"), "without the client's id");
        assert_eq!(tag.value.as_ref().unwrap().value, Some(Value::StringValue("node-1".into())));
        let gauge = &metrics["org.apache.kafka.producer.connection.count"];
        let Some(Data::Gauge(gauge)) = &gauge.data else { panic!("{gauge:?}") };
        assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(1.0)));
        assert!(!metrics.contains_key("org.apache.kafka.app.info.version"), "text cannot be pushed");
        assert!(!metrics.contains_key("org.apache.kafka.producer.request.latency.avg"), "of no request");

        let data: official::MetricsData = Message::decode(payload.bytes.as_slice()).unwrap();
        let resource = data.resource_metrics[0].resource.as_ref().unwrap();
        assert_eq!(resource.attributes[0].key, "transactional_id");
    }

    #[test]
    fn deltas_are_what_was_added_since_the_last_push_that_was_taken() {
        let now = Instant::now();
        let client = client();
        let push = |before: &Totals, at| payload(&client.read(now), &[], &Selection::All, true, before, (BEGAN, at));
        let requests = |payload: &Payload| sum(&read(payload)["org.apache.kafka.producer.request.total"]);
        client.written(1, 100, now);
        client.written(1, 100, now);
        let first = push(&Totals::since(BEGAN), 10_000);
        assert_eq!(requests(&first), (2.0, 1_000, 1), "since the client began");
        client.written(1, 100, now);
        let second = push(&first.totals, 20_000);
        assert_eq!(requests(&second), (1.0, 10_000, 1));
        let again = push(&first.totals, 30_000);
        assert_eq!(requests(&again), (1.0, 10_000, 1), "the second was refused");
        assert_eq!(requests(&push(&again.totals, 40_000)), (0.0, 30_000, 1), "0 is said as well");
    }

    #[test]
    fn a_total_that_began_anew_is_all_new() {
        let now = Instant::now();
        let before = client();
        (0..5).for_each(|_| before.written(1, 100, now));
        let first = payload(&before.read(now), &[], &Selection::All, true, &Totals::since(BEGAN), (BEGAN, 2_000));
        let anew = client();
        anew.written(1, 100, now);
        let second = payload(&anew.read(now), &[], &Selection::All, true, &first.totals, (BEGAN, 3_000));
        assert_eq!(sum(&read(&second)["org.apache.kafka.producer.request.total"]).0, 1.0);
    }

    #[test]
    fn only_what_was_asked_for_is_pushed() {
        let now = Instant::now();
        let client = client();
        let push = |requested: &[&str]| {
            let selection = Selection::of(requested.iter().copied());
            payload(&client.read(now), &[], &selection, true, &Totals::since(BEGAN), (BEGAN, BEGAN))
        };
        let names: Vec<_> = read(&push(&["org.apache.kafka.producer.connection.c"])).into_keys().collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(names.iter().all(|name| name.starts_with("org.apache.kafka.producer.connection.c")));
        // edge 85
        assert!(push(&["no.such.metric"]).bytes.is_empty());
        assert!(push(&[]).bytes.is_empty());
        assert!(push(&["*"]).bytes.len() > 500);
    }
}
