//! The rebalance listener: what it is told, when, and what it can do about it.

use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use ottla::{Called, Code, Consumer, Kind, RebalanceListener, Subscription, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::SOON;
use crate::consume::{partition, read};
use crate::groups::{append, committed, has, join, member, orders, poll_until};

/// Writes down what it is told, and does what a test wants.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    entries: Arc<Mutex<Vec<String>>>,
    commits: bool,
    fails: bool,
    /// Each call waits for a permit, if there is a semaphore.
    gate: Option<Arc<Semaphore>>,
    seeks_to: Option<i64>,
}

impl Diary {
    /// What was written since the last look.
    pub(crate) fn entries(&self) -> Vec<String> {
        std::mem::take(&mut *self.entries.lock())
    }

    fn call<'a>(&'a self, event: &'a str, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async move {
            let numbers: Vec<_> = partitions.iter().map(|partition| partition.partition).collect();
            self.entries.lock().push(format!("{event} {numbers:?}"));
            if let Some(gate) = &self.gate {
                gate.acquire().await?.forget();
                self.entries.lock().push(format!("{event} is over"));
            }
            if self.commits && event == "revoked" {
                consumer.commit().await?;
            }
            if let (Some(offset), "assigned") = (self.seeks_to, event) {
                for partition in partitions {
                    consumer.seek(partition, offset).await?;
                }
            }
            if self.fails { Err("the cupboard is bare".into()) } else { Ok(()) }
        })
    }
}

impl RebalanceListener for Diary {
    fn on_partitions_assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.call("assigned", consumer, partitions)
    }

    fn on_partitions_revoked<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.call("revoked", consumer, partitions)
    }

    fn on_partitions_lost<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.call("lost", consumer, partitions)
    }
}

/// A member that reads orders and keeps this diary.
async fn listened(broker: &Broker, name: &str, diary: &Diary) -> Consumer {
    let consumer = member(broker, name).enable_auto_commit(false).build().unwrap();
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(diary.clone())).await.unwrap();
    consumer
}

fn joins(broker: &Broker, name: &str) -> usize {
    let is_join = |request: &&ottla_broker::Request| request.api == ApiKey::JoinGroup && request.client_id == name;
    broker.requests().iter().filter(is_join).count()
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_comes_and_what_goes_and_can_commit_in_between() {
    let broker = orders(2).await;
    append(&broker, 0, 0..5);
    let diary = Diary { commits: true, ..Diary::default() };
    let first = listened(&broker, "first", &diary).await;
    assert_eq!(read(&first, 5).await[&0].len(), 5);
    assert_eq!(diary.entries(), ["assigned [0, 1]"]);
    assert_eq!(committed(&broker, 0), None);

    let second = join(member(&broker, "second")).await;
    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    assert_eq!(committed(&broker, 0), Some(5), "committed by the listener, as a member");
    first.poll(Duration::ZERO).await.unwrap();
    assert_eq!(diary.entries(), ["revoked [0, 1]", "assigned [0]"]);

    first.close(SOON).await.unwrap();
    assert_eq!(diary.entries(), ["revoked [0]"]);
}

/// Its order: the listener, then the commit, then the join.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_rebalance_goes_on_before_the_listener_is_done() {
    let broker = orders(2).await;
    let gate = Arc::new(Semaphore::new(1));
    let diary = Diary { gate: Some(gate.clone()), commits: true, ..Diary::default() };
    let first = listened(&broker, "first", &diary).await;
    append(&broker, 0, 0..5);
    read(&first, 5).await;
    let before = joins(&broker, "first");
    let second = join(member(&broker, "second")).await;

    let polling = tokio::spawn({
        let first = first.clone();
        async move { first.poll(SOON).await }
    });
    broker.until(|_| diary.entries.lock().last().is_some_and(|entry| entry.starts_with("revoked"))).await;
    // Heartbeats go on; nothing else does.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(joins(&broker, "first"), before);
    assert!(has(&first, 2) && has(&second, 0));
    assert_eq!(committed(&broker, 0), None);
    gate.add_permits(10);
    broker.until(|_| has(&first, 1)).await;
    assert_eq!(committed(&broker, 0), Some(5));
    polling.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_out_of_new_partitions_before_the_listener_has_heard_of_them() {
    let broker = orders(1).await;
    append(&broker, 0, 0..9);
    let diary = Diary { seeks_to: Some(7), ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    // Fetched meanwhile, and not handed out.
    broker.until(|_| has(&consumer, 1)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(diary.entries().is_empty(), "nobody polled");
    assert_eq!(read(&consumer, 2).await[&0], ["7", "8"], "from where it sought to");
    assert_eq!(diary.entries(), ["assigned [0]"]);
}

/// Dropping the future of a poll loses no call either.
#[tokio::test(start_paused = true)]
async fn a_call_whose_poll_is_dropped_is_made_again_by_the_next() {
    let broker = orders(1).await;
    append(&broker, 0, 0..3);
    let gate = Arc::new(Semaphore::new(0));
    let diary = Diary { gate: Some(gate.clone()), ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_secs(5), consumer.poll(SOON)).await.unwrap_err();
    }
    gate.add_permits(1);
    assert_eq!(read(&consumer, 3).await[&0].len(), 3);
    let called = "assigned [0]";
    assert_eq!(diary.entries(), [called, called, called, called, "assigned is over"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_tasks_that_poll_one_calls_the_listener_and_the_others_wait() {
    let broker = orders(1).await;
    append(&broker, 0, 0..3);
    let gate = Arc::new(Semaphore::new(0));
    let diary = Diary { gate: Some(gate.clone()), ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    let poll = || {
        let consumer = consumer.clone();
        tokio::spawn(async move { consumer.poll(Duration::from_secs(20)).await.unwrap().len() })
    };
    let polls = [poll(), poll(), poll()];
    broker.until(|_| !diary.entries.lock().is_empty()).await;
    assert!(consumer.poll(Duration::from_secs(5)).await.unwrap().is_empty(), "its time passed first");
    gate.add_permits(1);
    let mut count = 0;
    for poll in polls {
        count += poll.await.unwrap();
    }
    assert_eq!(count, 3);
    assert_eq!(diary.entries(), ["assigned [0]", "assigned is over"]);
}

/// edge 54: what was lost may be others' already: nothing can be committed for it.
#[tokio::test(start_paused = true)]
async fn an_expelled_member_hears_that_its_partitions_are_lost_not_revoked() {
    for code in [Code::UnknownMemberId, Code::IllegalGeneration] {
        let broker = orders(1).await;
        let diary = Diary::default();
        let consumer = listened(&broker, "m", &diary).await;
        append(&broker, 0, 0..3);
        read(&consumer, 3).await;
        broker.once(ApiKey::Heartbeat, code.to_wire());
        tokio::time::sleep(Duration::from_secs(5)).await;
        read(&consumer, 3).await;
        assert_eq!(diary.entries(), ["assigned [0]", "lost [0]", "assigned [0]"], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_listener_is_told_by_that_poll_and_the_rebalance_goes_on() {
    let broker = orders(1).await;
    append(&broker, 0, 0..3);
    let diary = Diary { fails: true, ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    let error = consumer.poll(SOON).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Listener);
    assert!(error.to_string().contains("the cupboard is bare"), "{error}");
    assert_eq!(read(&consumer, 3).await[&0].len(), 3);
    assert_eq!(diary.entries(), ["assigned [0]"], "once");
    assert_eq!(consumer.close(SOON).await.unwrap_err().kind(), Kind::Listener);
    assert!(broker.group("billing").unwrap().members.is_empty(), "it left all the same");
}

/// edge 59: as long as the listener runs, nobody polls.
#[tokio::test(start_paused = true)]
async fn a_listener_that_takes_longer_than_the_poll_interval_loses_the_partitions() {
    let broker = orders(1).await;
    append(&broker, 0, 0..3);
    let gate = Arc::new(Semaphore::new(0));
    let diary = Diary { gate: Some(gate.clone()), ..Diary::default() };
    let consumer = member(&broker, "m").max_poll_interval(Duration::from_secs(60)).build().unwrap();
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(diary.clone())).await.unwrap();
    let poll = tokio::time::timeout(Duration::from_secs(90), consumer.poll(SOON)).await;
    poll.unwrap_err();
    assert!(has(&consumer, 0));
    assert!(broker.group("billing").unwrap().members.is_empty());
    gate.add_permits(10);
    assert_eq!(read(&consumer, 3).await[&0].len(), 3);
    let entries = diary.entries();
    assert_eq!(entries, ["assigned [0]", "lost [0]", "lost is over", "assigned [0]", "assigned is over"]);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_stream_come_after_the_listener_too() {
    let broker = orders(1).await;
    append(&broker, 0, 0..9);
    let diary = Diary { seeks_to: Some(8), ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    let mut stream = std::pin::pin!(consumer.stream());
    let record = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await.unwrap().unwrap();
    assert_eq!((record.offset, diary.entries()), (8, vec!["assigned [0]".to_owned()]));
}

/// A listener that does what it must not, and what it may.
struct Meddler(Arc<Mutex<Vec<Option<Kind>>>>);

impl RebalanceListener for Meddler {
    fn on_partitions_assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async move {
            let polled = consumer.poll(SOON).await.err().map(|error| error.kind());
            let paused = consumer.pause(partitions).await.err().map(|error| error.kind());
            let positioned = consumer.position(&partitions[0]).await.err().map(|error| error.kind());
            let left = consumer.unsubscribe().await.err().map(|error| error.kind());
            self.0.lock().extend([polled, paused, positioned, left]);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_polls_is_refused_and_one_that_unsubscribes_does_not_hang() {
    let broker = orders(1).await;
    let outcomes = Arc::default();
    let consumer = member(&broker, "m").build().unwrap();
    let subscription = Subscription::topics(["orders"]).listener(Meddler(Arc::clone(&outcomes)));
    consumer.subscribe_to(subscription).await.unwrap();
    consumer.poll(Duration::from_secs(20)).await.unwrap();
    assert_eq!(*outcomes.lock(), [Some(Kind::State), None, None, None]);
    assert!(has(&consumer, 0));
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_tells_the_listener_and_a_dropped_close_still_closes() {
    let broker = orders(2).await;
    let diary = Diary::default();
    let consumer = listened(&broker, "m", &diary).await;
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    consumer.unsubscribe().await.unwrap();
    assert_eq!(diary.entries(), ["assigned [0, 1]", "revoked [0, 1]"]);
    assert!(broker.group("billing").unwrap().members.is_empty());

    let gate = Arc::new(Semaphore::new(1));
    let diary = Diary { gate: Some(gate), ..Diary::default() };
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(diary.clone())).await.unwrap();
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), consumer.close(SOON)).await.unwrap_err();
    assert_eq!(consumer.poll(SOON).await.unwrap_err().kind(), Kind::Closed);
    broker.until(|broker| broker.group("billing").unwrap().members.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_for_a_listener_than_it_may() {
    let broker = orders(1).await;
    let gate = Arc::new(Semaphore::new(1));
    let diary = Diary { gate: Some(gate), ..Diary::default() };
    let consumer = listened(&broker, "m", &diary).await;
    append(&broker, 0, 0..1);
    read(&consumer, 1).await;
    let start = tokio::time::Instant::now();
    let error = consumer.close(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (Kind::Timeout, 3));
    assert!(consumer.assignment().is_empty());
    assert!(consumer.seek(&partition(0), 0).await.is_err());
}
