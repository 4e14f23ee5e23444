//! Metrics of clients, pushed to brokers that ask for them (KIP-714).

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{MetricsData, metric::Data, number_data_point};
use ottla::{Admin, Code, Kind, Producer, ProducerBuilder, Record};
use ottla_broker::{ApiKey, Broker, Push, Telemetry};
use ottla_wire::compression::{Compression, Decompressor};
use prost::Message;
use tokio::time::Instant;

use crate::consume::partition;
use crate::{SOON, pipes};

const MINUTE: Duration = Duration::from_secs(60);

async fn asking(telemetry: Telemetry) -> Broker {
    Broker::start().topic("orders", 1).telemetry(telemetry).in_memory_only().await
}

fn all() -> Telemetry {
    Telemetry::new(["*"]).interval(MINUTE)
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .client_id("shop")
}

async fn send(producer: &Producer, records: usize) {
    for _ in 0..records {
        producer.send(Record::to("orders").value("tea")).await.unwrap();
    }
}

/// The pushes, once there are so many.
async fn pushes(broker: &Broker, count: usize) -> Vec<Push> {
    let deadline = Instant::now() + 10 * MINUTE;
    while broker.pushed().len() < count {
        assert!(Instant::now() < deadline, "{} pushes: {}", broker.pushed().len(), asked(broker));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    broker.pushed()
}

fn asked(broker: &Broker) -> String {
    broker.seen([ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry])
}

fn data(push: &Push) -> MetricsData {
    let codec = Compression::from_code(push.compression_type.try_into().unwrap()).unwrap();
    let bytes = Decompressor::new(1 << 20).decompress(codec, &push.bytes).unwrap();
    MetricsData::decode(bytes).unwrap()
}

/// Numbers by name, of those that are of the whole client.
fn numbers(push: &Push) -> BTreeMap<String, f64> {
    let metrics = data(push).resource_metrics.into_iter().flat_map(|all| all.scope_metrics);
    let metrics = metrics.flat_map(|all| all.metrics).map(|metric| {
        let points = match metric.data.unwrap() {
            Data::Gauge(gauge) => gauge.data_points,
            Data::Sum(sum) => sum.data_points,
            other => panic!("{other:?}"),
        };
        let Some(number_data_point::Value::AsDouble(value)) = points[0].value else { panic!("{points:?}") };
        (metric.name, value)
    });
    metrics.collect()
}

fn sent(push: &Push) -> f64 {
    numbers(push)["org.apache.kafka.producer.record.send.total"]
}

#[tokio::test(start_paused = true)]
async fn a_producer_pushes_what_was_added_since_its_last_push_at_the_interval_and_once_more_when_it_closes() {
    let broker = asking(all()).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 3).await;
    let first = pushes(&broker, 1).await.remove(0);
    assert!(first.at >= MINUTE / 2 && first.at <= MINUTE * 8 / 5, "half to one and a half intervals: {:?}", first.at);
    assert_eq!(
        (sent(&first), first.compression_type, first.is_terminating),
        (3.0, 4, false),
        "zstd is the first that Kafka offers"
    );
    send(&producer, 2).await;
    let second = pushes(&broker, 2).await.remove(1);
    assert_eq!(sent(&second), 2.0);
    assert!((second.at - first.at).abs_diff(MINUTE) < Duration::from_secs(1), "{:?}", second.at);
    send(&producer, 1).await;

    let id = producer.client_instance_id(SOON).await.unwrap();
    let before = Instant::now();
    producer.close(SOON).await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(100), "{:?}", before.elapsed());
    let all = broker.pushed();
    assert_eq!((all.len(), all[2].is_terminating, sent(&all[2])), (3, true, 1.0));
    assert!(all.iter().all(|push| push.client_instance_id == u128::from_be_bytes(id.0)));
}

#[tokio::test(start_paused = true)]
async fn totals_are_those_since_the_beginning_where_brokers_want_them_so() {
    let broker = asking(all().delta(false).compression_types([])).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 3).await;
    pushes(&broker, 1).await;
    send(&producer, 2).await;
    let pushes = pushes(&broker, 2).await;
    assert_eq!(pushes.iter().map(sent).collect::<Vec<_>>(), [3.0, 5.0]);
    assert_eq!(pushes[0].compression_type, 0, "no codec is taken");
}

#[tokio::test(start_paused = true)]
async fn every_codec_that_a_broker_takes_is_used_as_it_prefers() {
    for codec in [1, 2, 3, 4] {
        let broker = asking(all().compression_types([codec])).await;
        let producer = builder(&broker).build().unwrap();
        send(&producer, 1).await;
        let push = pushes(&broker, 1).await.remove(0);
        assert_eq!((push.compression_type, sent(&push)), (codec, 1.0));
    }
}

/// edge 85: the empty payload is empty, not null.
#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_pushed_and_nothing_of_it_is_an_empty_push() {
    let broker = asking(Telemetry::new(["org.apache.kafka.producer.connection"]).interval(MINUTE)).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 1).await;
    let push = pushes(&broker, 1).await.remove(0);
    let names = numbers(&push);
    assert!(names.len() == 5 && names.keys().all(|name| name.starts_with("org.apache.kafka.producer.connection")));
    broker.set_telemetry(Telemetry::new(["org.apache.kafka.nothing.begins.so"]).interval(MINUTE));
    let push = pushes(&broker, 2).await.remove(1);
    assert!(push.bytes.is_empty());
}

/// edge 85: no metrics are wanted, which is asked again at the interval.
#[tokio::test(start_paused = true)]
async fn where_nothing_is_wanted_nothing_is_pushed_until_something_is() {
    let broker = asking(Telemetry::new([""; 0]).interval(MINUTE)).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 1).await;
    tokio::time::sleep(MINUTE * 5 / 2).await;
    assert_eq!(asked(&broker), ["GetTelemetrySubscriptions"; 3].join(" "));
    broker.set_telemetry(all());
    assert_eq!(sent(&pushes(&broker, 1).await[0]), 1.0);
    producer.close(SOON).await.unwrap();
}

/// edge 85
#[tokio::test(start_paused = true)]
async fn a_subscription_that_has_changed_is_asked_for_at_once_and_nothing_is_lost() {
    let broker = asking(all()).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 3).await;
    broker.set_telemetry(all().interval(2 * MINUTE));
    tokio::time::sleep(MINUTE * 3 / 2).await;
    let expected = "GetTelemetrySubscriptions PushTelemetry GetTelemetrySubscriptions";
    assert_eq!(asked(&broker), expected);
    assert_eq!(sent(&pushes(&broker, 1).await[0]), 3.0, "what was refused comes with the next");
}

/// edge 85
#[tokio::test(start_paused = true)]
async fn metrics_that_are_too_large_and_pushes_that_are_throttled_wait_for_the_interval() {
    for code in [Code::TelemetryTooLarge, Code::ThrottlingQuotaExceeded] {
        let broker = asking(all()).await;
        let producer = builder(&broker).build().unwrap();
        send(&producer, 2).await;
        broker.once(ApiKey::PushTelemetry, code.to_wire());
        let push = pushes(&broker, 1).await.remove(0);
        assert_eq!(asked(&broker), "GetTelemetrySubscriptions PushTelemetry GetTelemetrySubscriptions PushTelemetry");
        assert!(push.at > 2 * MINUTE, "{code}: {:?}", push.at);
        assert_eq!(sent(&push), 2.0);
    }
}

#[tokio::test(start_paused = true)]
async fn consumers_and_admin_clients_push_as_well_with_what_tells_who_they_are() {
    let broker = asking(all()).await;
    let consumer =
        crate::consume::builder(&broker).group("billing").group_instance_id("till-1").client_rack("a").build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let push = pushes(&broker, 1).await.remove(0);
    assert!(numbers(&push)["org.apache.kafka.consumer.request.total"] > 0.0);
    let resource = data(&push).resource_metrics.remove(0).resource.unwrap();
    let labels: BTreeMap<_, _> =
        resource.attributes.into_iter().map(|label| (label.key, label.value.unwrap().value.unwrap())).collect();
    let expected = [("client_rack", "a"), ("group_id", "billing"), ("group_instance_id", "till-1")];
    let expected = expected.map(|(key, value)| (key.to_owned(), Value::StringValue(value.to_owned())));
    assert_eq!(labels, BTreeMap::from(expected));
    consumer.close(SOON).await.unwrap();
    let last = broker.pushed();
    assert!(last[last.len() - 1].is_terminating);

    let admin = Admin::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();
    let id = admin.client_instance_id(SOON).await.unwrap();
    let before = last.len();
    let push = pushes(&broker, before + 1).await.remove(before);
    assert_eq!(push.client_instance_id, u128::from_be_bytes(id.0));
    assert!(numbers(&push)["org.apache.kafka.admin.client.request.total"] > 0.0);
    admin.close();
    assert!(pushes(&broker, before + 2).await[before + 1].is_terminating, "though `close` does not wait");
}

#[tokio::test(start_paused = true)]
async fn where_brokers_take_no_metrics_nothing_is_sent_and_there_is_no_id() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 1).await;
    let error = producer.client_instance_id(SOON).await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnsupportedVersion, "{error}");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(asked(&broker), "");
    producer.close(SOON).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_it_is_turned_off_nothing_is_sent() {
    let broker = asking(all()).await;
    let producer = builder(&broker).enable_metrics_push(false).build().unwrap();
    send(&producer, 1).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(asked(&broker), "");
    let error = producer.client_instance_id(SOON).await.unwrap_err();
    assert!(error.kind() == Kind::State && error.to_string().contains("`enable.metrics.push`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_id_comes_to_a_client_that_has_done_nothing_yet_and_waiting_for_it_ends() {
    let broker = asking(all()).await;
    let producer = builder(&broker).build().unwrap();
    let id = producer.client_instance_id(SOON).await.unwrap();
    assert_eq!(producer.client_instance_id(Duration::ZERO).await.unwrap(), id, "it is known now");

    broker.node(0).pause();
    let late = builder(&broker).build().unwrap();
    let before = Instant::now();
    let error = late.client_instance_id(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed().as_secs()), (Kind::Timeout, 3), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_delays_closing_by_half_a_second_at_most() {
    let broker = asking(all()).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, 1).await;
    producer.client_instance_id(SOON).await.unwrap();
    broker.node(0).pause();
    let before = Instant::now();
    producer.close(SOON).await.unwrap();
    assert!(before.elapsed() <= Duration::from_millis(501), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_ends_without_a_last_push() {
    let broker = asking(all()).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let producer = builder(&broker).build().unwrap();
    send(&producer, 1).await;
    producer.client_instance_id(SOON).await.unwrap();
    drop(producer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks(), before, "nothing waits for the next push");
    tokio::time::sleep(10 * MINUTE).await;
    assert!(broker.pushed().is_empty());
}
