//! What a subscriber of `tracing` sees: a span per request and per batch, and nothing of what records hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::{Code, Consumer, Producer, Record, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use crate::{SOON, pipes};

/// A span or an event, as it was told.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    target: String,
    /// All that the span may have.
    names: BTreeSet<String>,
    fields: BTreeMap<String, String>,
    /// It is closed when there is none any more.
    handles: usize,
}

/// Writes down what is told.
#[derive(Clone, Default)]
struct Witness {
    next: Arc<AtomicU64>,
    spans: Arc<Mutex<BTreeMap<u64, Seen>>>,
    events: Arc<Mutex<Vec<Seen>>>,
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ottla")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let names = span.metadata().fields().iter().map(|field| field.name().to_owned()).collect();
        let target = span.metadata().target().to_owned();
        let mut seen = Seen { name: span.metadata().name(), target, names, handles: 1, ..Seen::default() };
        span.record(&mut Fields(&mut seen.fields));
        self.spans.lock().unwrap().insert(id, seen);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Values<'_>) {
        if let Some(seen) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Fields(&mut seen.fields));
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen { target: event.metadata().target().to_owned(), ..Seen::default() };
        event.record(&mut Fields(&mut seen.fields));
        self.events.lock().unwrap().push(seen);
    }

    fn clone_span(&self, id: &Id) -> Id {
        if let Some(seen) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            seen.handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.spans.lock().unwrap();
        spans.get_mut(&id.into_u64()).is_some_and(|seen| {
            seen.handles -= 1;
            seen.handles == 0
        })
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Witness {
    fn named(&self, name: &str) -> Vec<Seen> {
        self.spans.lock().unwrap().values().filter(|seen| seen.name == name).cloned().collect()
    }
}

/// A witness of what happens on this thread.
async fn witness() -> (Witness, DefaultGuard) {
    let witness = Witness::default();
    let watching = tracing::subscriber::set_default(witness.clone());
    // Whether anybody wants a span is asked once, when it comes up first: maybe on the thread of another test, where nobody
    // does. So it comes up now, and is asked again.
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    producer(&broker).send(Record::to("orders").value("x")).await.unwrap();
    read_and_commit(&broker).await;
    tracing::callsite::rebuild_interest_cache();
    (witness, watching)
}

fn producer(broker: &Broker) -> Producer {
    let runtime = tokio::runtime::Handle::current();
    let builder = Producer::builder(broker.address()).connector(pipes(broker)).runtime(runtime).seed(7);
    builder.client_id("shop").delivery_timeout(Duration::from_secs(40)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_batch_and_its_request_are_spans_that_end_with_the_answer() {
    let (witness, _watching) = witness().await;
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = producer(&broker);
    producer.send(Record::to("orders").value("warm")).await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.push(producer.enqueue(Record::to("orders").key("secret-key").value("secret-value")).await.unwrap());
    }
    producer.flush().await.unwrap();

    let batch = witness.named("kafka.produce").pop().unwrap();
    assert_eq!(batch.handles, 0, "closed, though deliveries are kept");
    for (field, value) in [
        ("messaging.system", "kafka"),
        ("messaging.destination.name", "orders"),
        ("messaging.destination.partition.id", "0"),
        ("messaging.batch.message_count", "3"),
        ("messaging.kafka.offset", "1"),
    ] {
        assert_eq!(batch.fields[field], value, "{field}");
    }
    let requests = witness.named("kafka.request");
    let request = requests.iter().rfind(|request| request.fields["kafka.api"] == "Produce").unwrap();
    assert_eq!(request.handles, 0);
    assert_eq!(request.fields["messaging.client.id"], "shop");
    assert_eq!(request.fields["server.id"], broker.node(0).id().to_string());
    assert!(request.fields.contains_key("kafka.correlation") && !request.fields.contains_key("error"));

    let everything = format!("{:?} {:?}", witness.spans.lock().unwrap(), witness.events.lock().unwrap());
    assert!(!everything.contains("secret"), "what is in a record is nobody's business");
    let events = witness.events.lock().unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| event.target.starts_with("ottla::")), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_says_why() {
    let (witness, _watching) = witness().await;
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = producer(&broker);
    broker.once(ApiKey::Produce, Code::InvalidTimestamp.to_wire());
    producer.send(Record::to("orders").value("x")).await.unwrap_err();
    let batch = witness.named("kafka.produce").pop().unwrap();
    assert!(batch.fields["error"].contains("INVALID_TIMESTAMP"), "{batch:?}");

    broker.refuse(ApiKey::Produce);
    producer.send(Record::to("orders").value("x")).await.unwrap();
    let requests = witness.named("kafka.request");
    let lost = requests.iter().find(|request| request.fields.contains_key("error")).unwrap();
    assert_eq!(lost.fields["kafka.api"], "Produce");
    assert!(lost.handles == 0 && lost.fields["error"].contains("closed by the broker"), "{lost:?}");
}

async fn read_and_commit(broker: &Broker) -> Consumer {
    let consumer = crate::consume::builder(broker).group("billing").client_id("till").build().unwrap();
    consumer.assign([TopicPartition::new("orders", 0)]).await.unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 1);
    consumer.commit().await.unwrap();
    consumer
}

#[tokio::test(start_paused = true)]
async fn a_poll_and_a_commit_are_spans_that_say_how_they_ended() {
    let (witness, _watching) = witness().await;
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let consumer = read_and_commit(&broker).await;
    let poll = witness.named("kafka.poll").pop().unwrap();
    assert_eq!((poll.handles, poll.fields["messaging.batch.message_count"].as_str()), (0, "1"));
    let commit = witness.named("kafka.commit").pop().unwrap();
    assert_eq!((commit.handles, commit.fields["kafka.partitions"].as_str()), (0, "1"));
    for span in [poll, commit] {
        let of = |field: &str| span.fields[field].clone();
        assert_eq!((of("messaging.client.id"), of("messaging.consumer.group.name")), ("till".into(), "billing".into()));
        assert!(!span.fields.contains_key("error"));
    }

    consumer.unsubscribe().await.unwrap();
    consumer.poll(SOON).await.unwrap_err();
    let poll = witness.named("kafka.poll").pop();
    assert!(poll.is_some_and(|poll| poll.fields.contains_key("messaging.batch.message_count")), "none began");
    broker.always(ApiKey::OffsetCommit, Code::GroupAuthorizationFailed.to_wire());
    consumer.commit_offsets([(TopicPartition::new("orders", 0), 1)]).await.unwrap_err();
    let commit = witness.named("kafka.commit").pop().unwrap();
    assert!(commit.fields["error"].contains("GROUP_AUTHORIZATION_FAILED"), "{commit:?}");
}

#[tokio::test(start_paused = true)]
async fn the_documented_spans_are_the_spans() {
    let (witness, _watching) = witness().await;
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    producer(&broker).send(Record::to("orders").value("x")).await.unwrap();
    read_and_commit(&broker).await;

    let mut documented = BTreeSet::new();
    let page = include_str!("../../docs/metrics.md");
    for row in page.lines().filter(|line| line.starts_with("| `kafka.")) {
        let mut names = row.split('`').skip(1).step_by(2).map(str::to_owned);
        documented.insert((names.next().unwrap(), names.next().unwrap(), names.collect::<BTreeSet<_>>()));
    }
    let spans = witness.spans.lock().unwrap();
    let seen = spans.values().map(|seen| (seen.name.to_owned(), seen.target.clone(), seen.names.clone()));
    assert_eq!(seen.collect::<BTreeSet<_>>(), documented);
}
