//! Interceptors of a producer: they change what is sent, and hear what became of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::{Acknowledgement, Code, Kind, Producer, ProducerBuilder, ProducerInterceptor, Record};
use ottla_broker::{ApiKey, Broker};

use crate::{SOON, pipes};

async fn orders() -> Broker {
    Broker::start().topic("orders", 1).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

/// Adds its name to every record as a header, and writes down all it is told.
#[derive(Clone)]
struct Notes {
    name: &'static str,
    heard: Arc<Mutex<Vec<Heard>>>,
    panics: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Heard {
    by: &'static str,
    partition: Option<i32>,
    result: Result<(Option<i64>, i64), (Kind, String)>,
    headers: Vec<String>,
}

impl Notes {
    fn new(name: &'static str) -> Self {
        Self { name, heard: Arc::default(), panics: false }
    }

    /// Another that writes into the same notes.
    fn and(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn offsets(&self) -> Vec<i64> {
        self.heard().into_iter().map(|heard| heard.result.unwrap().0.unwrap()).collect()
    }
}

impl ProducerInterceptor for Notes {
    fn on_send(&self, record: &mut Record<'_>) {
        record.update(|record| record.header("seen by", self.name));
        assert!(!self.panics, "as it was told");
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        assert!(!self.panics, "as it was told");
        assert_eq!(acknowledgement.topic(), "orders");
        let result = acknowledgement.result();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.heard.lock().unwrap().push(Heard {
            by: self.name,
            partition: acknowledgement.partition(),
            result: result
                .map(|ack| (ack.offset(), ack.timestamp()))
                .map_err(|error| (error.kind(), error.to_string())),
            headers: acknowledgement.headers().map(|(_, value)| text(value.unwrap_or_default())).collect(),
        });
    }
}

fn headers(broker: &Broker, at: usize) -> Vec<String> {
    let record = &broker.log("orders", 0).records()[at];
    let values = record.headers.iter().map(|(_, value)| value.clone().unwrap_or_default());
    values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_is_called_in_order_and_hears_of_every_record_before_its_delivery_resolves() {
    let broker = orders().await;
    let notes = Notes::new("first");
    let producer = builder(&broker).interceptor(notes.clone()).interceptor(notes.and("second")).build().unwrap();

    let ack = producer.send(Record::to("orders").value("tea").timestamp(7)).await.unwrap();

    assert_eq!(ack.offset(), Some(0));
    assert_eq!(headers(&broker, 0), ["first", "second"]);
    let expected = |by| Heard {
        by,
        partition: Some(0),
        result: Ok((Some(0), 7)),
        headers: vec!["first".to_owned(), "second".to_owned()],
    };
    assert_eq!(notes.heard(), [expected("first"), expected("second")]);
}

#[tokio::test(start_paused = true)]
async fn every_record_of_many_batches_is_told_with_its_own_offset() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker)
        .interceptor(notes.clone())
        .batch_size(700_usize)
        .set("compression.type", "lz4")
        .build()
        .unwrap();
    for n in 0..500 {
        producer.enqueue(Record::to("orders").value(n.to_string()).timestamp(n)).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(notes.offsets(), (0..500).collect::<Vec<_>>());
    assert!(notes.heard().iter().zip(0..).all(|(heard, n)| heard.result.as_ref().unwrap().1 == n), "its timestamp");
}

/// edge 10: the parts of a batch that was split stand where the broker put them.
#[tokio::test(start_paused = true)]
async fn every_record_of_a_batch_that_was_split_is_told_with_its_own_offset() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker).interceptor(notes.clone()).build().unwrap();
    broker.times(3, ApiKey::Produce, Code::MessageTooLarge.to_wire());
    for n in 0..100 {
        producer.enqueue(Record::to("orders").value(vec![b'x'; 100]).timestamp(n)).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert!(broker.log("orders", 0).batches().len() > 1, "it was split");
    assert_eq!(notes.offsets(), (0..100).collect::<Vec<_>>());
    assert!(notes.heard().iter().zip(0..).all(|(heard, n)| heard.result.as_ref().unwrap().1 == n), "its timestamp");
}

/// Makes every key upper case.
struct Upper;

impl ProducerInterceptor for Upper {
    fn on_send(&self, record: &mut Record<'_>) {
        let key = record.key_bytes().map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
        record.update(|record| record.key(key));
    }
}

#[tokio::test(start_paused = true)]
async fn the_partition_is_chosen_by_the_key_that_the_interceptors_left() {
    let broker = Broker::start().topic("orders", 6).in_memory_only().await;
    let plain = builder(&broker).build().unwrap();
    let upper = builder(&broker).interceptor(Upper).build().unwrap();
    for key in ["a", "b", "c", "d"] {
        let expected = plain.send(Record::to("orders").key(key.to_uppercase())).await.unwrap();
        let actual = upper.send(Record::to("orders").key(key)).await.unwrap();
        assert_eq!(actual.partition(), expected.partition(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_is_skipped_and_what_it_changed_is_undone() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let broken = Notes { panics: true, ..notes.and("broken") };
    let producer = builder(&broker).interceptor(broken).interceptor(notes.clone()).build().unwrap();
    producer.send(Record::to("orders").value("tea")).await.unwrap();
    producer.send(Record::to("orders").value("milk")).await.unwrap();
    assert_eq!(headers(&broker, 0), ["notes"]);
    assert_eq!(notes.offsets(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_told_record_by_record() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker).interceptor(notes.clone()).build().unwrap();
    broker.always(ApiKey::Produce, Code::TopicAuthorizationFailed.to_wire());
    for _ in 0..3 {
        producer.enqueue(Record::to("orders").value("tea")).await.unwrap();
    }
    producer.flush().await.unwrap_err();
    let heard = notes.heard();
    assert_eq!(heard.len(), 3);
    for heard in heard {
        assert_eq!(
            (heard.partition, heard.result.unwrap_err().0),
            (Some(0), Kind::Broker(Code::TopicAuthorizationFailed))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_came_into_no_batch_is_told_without_a_partition() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker).interceptor(notes.clone()).max_request_size(1_000_usize).build().unwrap();
    producer.send(Record::to("orders").value(vec![0; 1_000])).await.unwrap_err();
    producer.send(Record::to("orders").value(vec![0; 1_000]).partition(0)).await.unwrap_err();
    producer.close(SOON).await.unwrap();
    producer.send(Record::to("orders").value("too late")).await.unwrap_err();
    let heard: Vec<_> =
        notes.heard().into_iter().map(|heard| (heard.partition, heard.result.unwrap_err().0, heard.headers)).collect();
    let seen = || vec!["notes".to_owned()];
    let expected = [(None, Kind::TooLarge, seen()), (Some(0), Kind::TooLarge, seen()), (None, Kind::Closed, seen())];
    assert_eq!(heard, expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_given_back_or_given_up_is_told_as_one_that_would_have_waited() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker).interceptor(notes.clone()).build().unwrap();
    // Its topic is not known yet.
    let refused = producer.try_enqueue(Record::to("orders").value("tea").header("h", "1")).unwrap_err();
    assert_eq!(refused.record, Record::to("orders").value("tea").header("h", "1"), "untouched");
    broker.hold(ApiKey::Metadata);
    let waiting = tokio::time::timeout(Duration::from_secs(1), producer.enqueue(refused.record));
    waiting.await.unwrap_err();
    let kinds: Vec<_> = notes.heard().into_iter().map(|heard| heard.result.unwrap_err().0).collect();
    assert_eq!(kinds, [Kind::WouldBlock, Kind::WouldBlock]);
    broker.release();
    broker.clear();
    producer.send(Record::to("orders").value("tea")).await.unwrap();
    assert_eq!(notes.heard().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn records_left_at_the_close_are_told() {
    let broker = orders().await;
    let notes = Notes::new("notes");
    let producer = builder(&broker).interceptor(notes.clone()).build().unwrap();
    producer.send(Record::to("orders").value("tea")).await.unwrap();
    broker.hold(ApiKey::Produce);
    producer.enqueue(Record::to("orders").value("milk")).await.unwrap();
    producer.close(Duration::from_secs(1)).await.unwrap_err();
    let heard = notes.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[1].result.as_ref().unwrap_err().0, Kind::Closed);
}
