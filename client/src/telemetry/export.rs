//! Metrics for the crate `metrics`, behind the feature of that name.

use metrics::{Key, KeyName, Label, Level, Metadata, SharedString, Unit, with_recorder};

use super::snapshot::{Metric, MetricValue, Metrics};

static METADATA: Metadata<'static> = Metadata::new("ottla", Level::INFO, Some("ottla"));

impl Metrics {
    /// Hands every number to the recorder of the crate `metrics`: to the one of this thread, else to the global one.
    ///
    /// Call it whenever the exporter is about to be read, or every few seconds; there is no thread that does. A metric is
    /// called `kafka.GROUP.NAME` and labelled with its tags: those whose name ends in `-total` are counters, the others
    /// gauges. Text becomes a label of a gauge of 1: `kafka.app-info.version{version="0.1.0"}`.
    ///
    /// ```no_run
    /// # fn example(producer: ottla::Producer) {
    /// producer.metrics().record();
    /// # }
    /// ```
    pub fn record(&self) {
        with_recorder(|recorder| {
            for metric in self {
                let name = format!("kafka.{}.{}", metric.group(), metric.name());
                let (key_name, about) = (KeyName::from(name.clone()), SharedString::from(metric.description()));
                let key = Key::from_parts(name, labels(metric));
                let number = metric.as_f64();
                if metric.name().ends_with("-total") {
                    recorder.describe_counter(key_name, unit(metric.name()), about);
                    recorder.register_counter(&key, &METADATA).absolute(number as u64);
                } else {
                    recorder.describe_gauge(key_name, unit(metric.name()), about);
                    let number = if matches!(metric.value(), MetricValue::Text(_)) { 1.0 } else { number };
                    recorder.register_gauge(&key, &METADATA).set(number);
                }
            }
        });
    }
}

fn labels(metric: &Metric) -> Vec<Label> {
    let mut labels: Vec<_> = metric.tags().map(|(key, value)| Label::new(key, value.to_owned())).collect();
    if let MetricValue::Text(text) = metric.value() {
        labels.push(Label::new(metric.name(), text.clone()));
    }
    labels
}

fn unit(name: &str) -> Option<Unit> {
    let ends = [("-ns-total", Unit::Nanoseconds), ("-bytes", Unit::Bytes), ("byte-total", Unit::Bytes)];
    ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a moment to read at")]
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Recorder, with_local_recorder};
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;
    use crate::telemetry::{ClientMetrics, Role, Windows};

    type Numbers = Arc<Mutex<BTreeMap<String, f64>>>;

    /// Remembers what it was told last.
    #[derive(Default)]
    struct Memory {
        counters: Numbers,
        gauges: Numbers,
    }

    struct Cell(Numbers, String);

    impl CounterFn for Cell {
        fn increment(&self, _: u64) {
            panic!("totals are absolute: {}", self.1);
        }
        fn absolute(&self, value: u64) {
            self.0.lock().insert(self.1.clone(), value as f64);
        }
    }

    impl GaugeFn for Cell {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            self.0.lock().insert(self.1.clone(), value);
        }
    }

    impl Recorder for Memory {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(Cell(self.counters.clone(), key.to_string())))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::new(Cell(self.gauges.clone(), key.to_string())))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn totals_become_counters_and_the_rest_gauges_with_their_tags() {
        let now = Instant::now();
        let client =
            ClientMetrics::new(Role::Producer, "shop", Windows { samples: 2, window: Duration::from_secs(30) }, 1_000);
        client.opened(now);
        for _ in 0..3 {
            client.written(1, 100, now);
        }
        let memory = Memory::default();
        with_local_recorder(&memory, || {
            client.read(now).record();
            client.read(now).record();
        });

        let (counters, gauges) = (memory.counters.lock(), memory.gauges.lock());
        let counter = |key: &str| counters.get(key).copied();
        let gauge = |key: &str| gauges.get(key).copied();
        let of = |name: &str| format!("Key(kafka.producer-metrics.{name}, [client-id = shop])");
        assert_eq!(counter(&of("request-total")), Some(3.0), "{counters:?}");
        assert_eq!(gauge(&of("connection-count")), Some(1.0));
        assert_eq!(gauge(&of("request-rate")), Some(0.1));
        let node = "Key(kafka.producer-node-metrics.outgoing-byte-total, [client-id = shop, node-id = node-1])";
        assert_eq!(counter(node), Some(300.0));
        let version =
            format!("Key(kafka.app-info.version, [client-id = shop, version = {}])", env!("CARGO_PKG_VERSION"));
        assert_eq!(gauge(&version), Some(1.0), "{gauges:?}");
    }
}
