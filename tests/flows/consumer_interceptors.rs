//! Interceptors of a consumer: they see what is handed out, and hear what was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::{Code, ConsumerInterceptor, OffsetAndMetadata, Records, TopicPartition};
use ottla_broker::{ApiKey, Broker};

use crate::SOON;
use crate::consume::{builder, partition, read};
use crate::groups::{join, member};

async fn orders() -> Broker {
    let broker =
        Broker::start().topic("orders", 1).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await;
    broker.append("orders", 0, (0..10).map(|n| n.to_string())).unwrap();
    broker
}

/// Writes down what it is told, and leaves out what it is to.
#[derive(Clone, Default)]
struct Notes {
    name: &'static str,
    heard: Arc<Mutex<Vec<String>>>,
    leaves_out: Option<fn(i64) -> bool>,
    panics: bool,
}

impl Notes {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Another that writes into the same notes.
    fn and(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl ConsumerInterceptor for Notes {
    fn on_consume(&self, records: &mut Records) {
        let offsets: Vec<_> = records.iter().map(|record| record.offset()).collect();
        self.heard.lock().unwrap().push(format!("{} sees {offsets:?}", self.name));
        if let Some(leaves_out) = self.leaves_out {
            records.retain(|record| !leaves_out(record.offset()));
        }
        assert!(!self.panics, "as it was told");
    }

    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let offsets: Vec<_> = offsets.iter().map(|(partition, next)| format!("{partition}@{}", next.offset)).collect();
        self.heard.lock().unwrap().push(format!("{} hears of {}", self.name, offsets.join(" ")));
        assert!(!self.panics, "as it was told");
    }
}

#[tokio::test(start_paused = true)]
async fn each_sees_in_order_what_the_one_before_left_and_hears_what_was_committed() {
    let broker = orders().await;
    let notes = Notes::named("first");
    let first = Notes { leaves_out: Some(|offset| offset % 2 == 1), ..notes.clone() };
    let consumer = join(
        member(&broker, "one")
            .enable_auto_commit(false)
            .max_poll_records(4_usize)
            .interceptor(first)
            .interceptor(notes.and("second")),
    )
    .await;

    let records = consumer.poll(SOON).await.unwrap();
    let offsets: Vec<_> = records.iter().map(|record| record.offset()).collect();
    assert_eq!(offsets, [0, 2]);
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 4, "what was left out is moved past");
    consumer.commit().await.unwrap();
    assert_eq!(
        notes.heard(),
        ["first sees [0, 1, 2, 3]", "second sees [0, 2]", "first hears of orders[0]@4", "second hears of orders[0]@4"]
    );
}

#[tokio::test(start_paused = true)]
async fn commits_of_the_interval_and_of_the_close_are_heard_and_failed_ones_are_not() {
    let broker = orders().await;
    let notes = Notes::named("notes");
    let consumer = join(member(&broker, "one").interceptor(notes.clone())).await;
    read(&consumer, 10).await;
    broker.once(ApiKey::OffsetCommit, Code::CoordinatorLoadInProgress.to_wire());
    tokio::time::sleep(Duration::from_secs(6)).await;
    consumer.poll(Duration::from_millis(10)).await.unwrap();
    let heard = |what: &str| notes.heard().iter().filter(|note| note.as_str() == what).count();
    assert_eq!(heard("notes hears of orders[0]@10"), 0, "{:?}", notes.heard());
    tokio::time::sleep(Duration::from_secs(6)).await;
    consumer.poll(Duration::from_millis(10)).await.unwrap();
    assert_eq!(heard("notes hears of orders[0]@10"), 1, "{:?}", notes.heard());

    broker.append("orders", 0, ["last"]).unwrap();
    read(&consumer, 1).await;
    consumer.close(SOON).await.unwrap();
    assert_eq!(heard("notes hears of orders[0]@11"), 1, "{:?}", notes.heard());
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_changes_nothing_and_does_not_keep_the_others_from_being_called() {
    let broker = orders().await;
    let notes = Notes::named("second");
    let broken = Notes { name: "broken", panics: true, leaves_out: Some(|_| true), ..notes.clone() };
    let consumer = join(member(&broker, "one").interceptor(broken).interceptor(notes.clone())).await;
    assert_eq!(read(&consumer, 10).await[&0].len(), 10, "as they were before");
    consumer.commit().await.unwrap();
    let heard = notes.heard();
    assert!(heard.contains(&"second sees [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]".to_owned()), "{heard:?}");
    assert!(heard.contains(&"second hears of orders[0]@10".to_owned()), "{heard:?}");
    consumer.close(SOON).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_records_tells_nothing_and_a_stream_is_seen_record_by_record() {
    use futures_core::Stream;
    let broker = orders().await;
    let notes = Notes::named("notes");
    let left_out = Notes { leaves_out: Some(|offset| offset == 1), ..notes.clone() };
    let consumer = builder(&broker).interceptor(left_out).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let mut stream = std::pin::pin!(consumer.stream());
    for offset in [0, 2, 3] {
        let next = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await;
        assert_eq!(next.unwrap().unwrap().offset, offset);
    }
    assert_eq!(notes.heard(), [0, 1, 2, 3].map(|offset| format!("notes sees [{offset}]")));

    let quiet = builder(&broker).interceptor(notes.and("quiet")).build().unwrap();
    quiet.assign([partition(0)]).await.unwrap();
    quiet.seek_to_end([&partition(0)]).await.unwrap();
    quiet.poll(Duration::from_secs(5)).await.unwrap();
    assert_eq!(notes.heard().len(), 4);
}
