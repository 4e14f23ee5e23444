//! Metrics as a user reads them: the numbers of one moment.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::Instant;

use super::names::{Row, Value};

/// The metrics of one client at one moment.
///
/// Names, groups and tags are those of Kafka's Java client, so that its dashboards fit; `docs/metrics.md` lists them all.
/// Reading them costs some microseconds, and nothing between two readings.
///
/// ```no_run
/// # fn example(producer: ottla::Producer) {
/// let metrics = producer.metrics();
/// for metric in &metrics {
///     println!("{} {} {}", metric.group(), metric.name(), metric.value());
/// }
/// let errors = metrics.find("producer-topic-metrics", "record-error-total", &[("topic", "orders")]);
/// # let _ = errors; }
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    client_id: Arc<str>,
    metrics: Vec<Metric>,
}

/// One number, or text, with its name.
#[derive(Clone, Debug)]
pub struct Metric {
    group: &'static str,
    name: &'static str,
    description: &'static str,
    client_id: Arc<str>,
    /// The tags beside `client-id`.
    tags: [Option<(&'static str, Arc<str>)>; 2],
    value: MetricValue,
}

/// What a metric says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A number; NaN where there is nothing to say: the average of no values, say.
    Number(f64),
    /// Text: the version of the client.
    Text(Cow<'static, str>),
}

impl Metrics {
    pub(crate) fn new(client_id: Arc<str>) -> Self {
        Self { client_id, metrics: Vec::new() }
    }

    /// Those of a client that is closed.
    pub(crate) fn none() -> Self {
        Self::new("".into())
    }

    /// Reads one table of metrics from what they are kept in; at most two tags tell them from others.
    pub(crate) fn read<S>(
        &mut self,
        group: &'static str,
        tags: &[(&'static str, &Arc<str>)],
        rows: &'static [Row<S>],
        from: &S,
        now: Instant,
    ) {
        let client_id = &self.client_id;
        let tags = [0, 1].map(|nth| tags.get(nth).map(|(key, value)| (*key, (*value).clone())));
        self.metrics.extend(rows.iter().map(|row| Metric {
            group,
            name: row.name,
            description: row.about,
            client_id: client_id.clone(),
            tags: tags.clone(),
            value: match row.value {
                Value::Number(read) => MetricValue::Number(read(from, now)),
                Value::Text(read) => MetricValue::Text(read(from).into()),
            },
        }));
    }

    /// Every metric.
    pub fn iter(&self) -> std::slice::Iter<'_, Metric> {
        self.metrics.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Whether there is none: those of a closed admin client.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The metric of this group and name that has all of these tags.
    pub fn find(&self, group: &str, name: &str, tags: &[(&str, &str)]) -> Option<&Metric> {
        self.iter().find(|metric| {
            metric.group == group
                && metric.name == name
                && tags.iter().all(|(key, value)| metric.tag(key).is_some_and(|tag| tag == *value))
        })
    }
}

impl<'a> IntoIterator for &'a Metrics {
    type Item = &'a Metric;
    type IntoIter = std::slice::Iter<'a, Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Metrics {
    type Item = Metric;
    type IntoIter = std::vec::IntoIter<Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.metrics.into_iter()
    }
}

impl Metric {
    /// What it belongs to: `producer-metrics`, say.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Its name: `record-send-total`, say. One that ends so only grows; averages, maxima and rates are of the last
    /// `metrics.num.samples` windows of `metrics.sample.window.ms`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it says, in a sentence.
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// What tells it from others of its name: `client-id`, and `topic`, `partition` or `node-id` where it is of one.
    pub fn tags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("client-id", &*self.client_id)]
            .into_iter()
            .chain(self.tags.iter().flatten().map(|(key, value)| (*key, &**value)))
    }

    /// The tag called `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// What it says.
    pub fn value(&self) -> &MetricValue {
        &self.value
    }

    /// Its number; NaN if it is text.
    pub fn as_f64(&self) -> f64 {
        match self.value {
            MetricValue::Number(number) => number,
            MetricValue::Text(_) => f64::NAN,
        }
    }
}

impl std::fmt::Display for MetricValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
