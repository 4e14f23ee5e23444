//! Every call of a transactional producer is given up: at each of its await points in turn, and after each millisecond it
//! takes. Then what the docs promise holds, by both protocols.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends a test")]

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla::{
    Consumer, GroupMetadata, OffsetAndMetadata, Producer, Record, TopicPartition, Transaction, TransactionalProducer,
};
use ottla_broker::Broker;
use ottla_broker::simulation::{Schedule, Simulation};
use simulation::cancel::dropped_at;
use simulation::ledger::Ledger;
use simulation::stage::{Life, Stage};
use tokio::time::timeout;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";

/// No call takes so many wake-ups, or milliseconds.
const MANY: usize = 500;

/// Where a call is given up.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The await point of this number.
    Await(usize),
    /// So many milliseconds after it began.
    After(usize),
}

impl Moment {
    async fn of<F: Future>(self, call: F) -> Option<F::Output> {
        match self {
            Self::Await(number) => dropped_at(number, call).await,
            Self::After(milliseconds) => timeout(Duration::from_millis(milliseconds as u64), call).await.ok(),
        }
    }
}

/// A producer, and the cluster it writes to.
#[derive(Clone)]
struct Scene {
    life: Life,
    producer: Arc<TransactionalProducer>,
    moment: Moment,
}

impl Scene {
    fn broker(&self) -> Broker {
        self.life.stage().world().broker().clone()
    }

    async fn begin(&self) -> Transaction {
        self.producer.begin().await.unwrap()
    }

    /// Waits until no transaction is open any more.
    async fn settled(&self) {
        let is_settled = |partition| {
            let log = self.broker().log(TOPIC, partition);
            log.last_stable_offset() == log.end_offset()
        };
        while !(is_settled(0) && is_settled(1)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What is committed, each once.
    fn committed(&self) -> BTreeSet<String> {
        let all: Vec<_> =
            [0, 1].into_iter().flat_map(|place| self.broker().log(TOPIC, place).committed_values()).collect();
        let set: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(set.len(), all.len(), "nothing is there twice: {all:?}");
        set
    }

    /// A transaction of its own goes through.
    async fn goes_on(&self) {
        let transaction = self.begin().await;
        transaction.send(to(1, "after")).await.unwrap();
        transaction.commit().await.unwrap();
        self.settled().await;
        assert!(self.committed().contains("after"));
    }

    async fn group(&self) -> GroupMetadata {
        let consumer = Consumer::builder(self.life.stage().world().bootstrap())
            .process(self.life.process())
            .group(GROUP)
            .build()
            .unwrap();
        consumer.group_metadata().unwrap()
    }

    fn offset(&self) -> Option<i64> {
        self.broker().committed(GROUP, TOPIC, 0).map(|committed| committed.offset)
    }
}

fn to(partition: i32, value: &'static str) -> Record<'static> {
    Record::to(TOPIC).partition(partition).value(value)
}

fn offsets() -> [(TopicPartition, OffsetAndMetadata); 1] {
    [(TopicPartition { topic: TOPIC.into(), partition: 0 }, 7.into())]
}

fn set<const N: usize>(values: [&str; N]) -> BTreeSet<String> {
    values.map(str::to_owned).into()
}

/// Runs the scenario with its call given up sooner and later, until it comes to its end: then it tells so.
fn given_up<S, F>(scenario: S)
where
    S: Fn(Scene) -> F + Copy,
    F: Future<Output = bool> + Send + 'static,
{
    for transaction_version in [1, 2] {
        for moments in [Moment::Await, Moment::After] {
            let given_up = (0..MANY).take_while(|number| !run(transaction_version, moments(*number), scenario)).count();
            assert!(given_up > 0, "it waited nowhere");
            assert!(given_up < MANY, "it never came to its end");
        }
    }
}

fn run<S, F>(transaction_version: u16, moment: Moment, scenario: S) -> bool
where
    S: Fn(Scene) -> F + Copy,
    F: Future<Output = bool> + Send + 'static,
{
    let simulation = Simulation::new()
        .topic(TOPIC, 2)
        .processes(["client"])
        .broker(|builder| builder.transaction_version(transaction_version));
    let has_ended = Arc::new(AtomicBool::new(false));
    let history = simulation.run(7, &Schedule::default(), async |world| {
        let ended = has_ended.clone();
        let main = move |life: Life| {
            let ended = ended.clone();
            let producer = Producer::builder(life.stage().world().bootstrap())
                .process(life.process())
                .transactional_id("shop")
                .build_transactional()
                .unwrap();
            let ends = scenario(Scene { life, producer: Arc::new(producer), moment });
            async move { ended.store(ends.await, Ordering::Relaxed) }
        };
        Stage::new(world, Ledger::default()).live("client", main).await;
        Ok::<_, String>(())
    });
    assert_eq!(history.failure, None, "transaction.version {transaction_version}, given up at {moment:?}");
    has_ended.load(Ordering::Relaxed)
}

#[test]
fn an_init_that_is_given_up_goes_on() {
    given_up(async |scene: Scene| {
        let ended = scene.moment.of(scene.producer.init()).await;
        scene.goes_on().await;
        assert_eq!(scene.committed(), set(["after"]));
        ended.is_some()
    });
}

#[test]
fn a_begin_that_is_given_up_leaves_no_transaction_behind() {
    given_up(async |scene: Scene| {
        let begun = scene.moment.of(scene.producer.begin()).await;
        let ended = begun.is_some();
        drop(begun);
        scene.goes_on().await;
        assert_eq!(scene.committed(), set(["after"]));
        ended
    });
}

#[test]
fn a_record_whose_enqueue_is_given_up_is_not_in_the_transaction() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        let ended = scene.moment.of(transaction.enqueue(to(0, "first"))).await.map(Result::unwrap);
        transaction.enqueue(to(1, "second")).await.unwrap();
        transaction.commit().await.unwrap();
        scene.settled().await;
        assert_eq!(scene.committed(), if ended.is_some() { set(["first", "second"]) } else { set(["second"]) });
        ended.is_some()
    });
}

#[test]
fn a_record_whose_send_is_given_up_is_written_with_the_others_or_not_at_all() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        let ended = scene.moment.of(transaction.send(to(0, "first"))).await.map(Result::unwrap);
        transaction.send(to(1, "second")).await.unwrap();
        transaction.commit().await.unwrap();
        scene.settled().await;
        let mut committed = scene.committed();
        assert!(committed.remove("first") || ended.is_none());
        assert_eq!(committed, set(["second"]));
        ended.is_some()
    });
}

#[test]
fn a_send_of_a_known_topic_that_is_given_up_is_not_taken_back() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        transaction.send(to(1, "first")).await.unwrap();
        let ended = scene.moment.of(transaction.send(to(0, "second"))).await.map(Result::unwrap);
        transaction.commit().await.unwrap();
        scene.settled().await;
        assert_eq!(scene.committed(), set(["first", "second"]));
        ended.is_some()
    });
}

#[test]
fn a_flush_that_is_given_up_loses_nothing() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        drop(transaction.enqueue(to(0, "first")).await.unwrap());
        drop(transaction.enqueue(to(1, "second")).await.unwrap());
        let ended = scene.moment.of(transaction.flush()).await.map(Result::unwrap);
        transaction.commit().await.unwrap();
        scene.settled().await;
        assert_eq!(scene.committed(), set(["first", "second"]));
        ended.is_some()
    });
}

#[test]
fn offsets_whose_call_is_given_up_count_with_the_commit_when_they_are_sent_again() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        let group = scene.group().await;
        let ended = scene.moment.of(transaction.send_offsets(offsets(), &group)).await.map(Result::unwrap);
        transaction.send_offsets(offsets(), &group).await.unwrap();
        transaction.send(to(0, "first")).await.unwrap();
        assert_eq!(scene.offset(), None, "it is not committed");
        transaction.commit().await.unwrap();
        scene.goes_on().await;
        assert_eq!(scene.offset(), Some(7));
        ended.is_some()
    });
}

#[test]
fn offsets_whose_call_is_given_up_do_not_count_if_the_transaction_is_aborted() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        let group = scene.group().await;
        let ended = scene.moment.of(transaction.send_offsets(offsets(), &group)).await.map(Result::unwrap);
        transaction.abort().await.unwrap();
        scene.goes_on().await;
        assert_eq!(scene.offset(), None);
        ended.is_some()
    });
}

#[test]
fn a_commit_that_is_given_up_is_not_taken_back() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        drop(transaction.enqueue(to(0, "first")).await.unwrap());
        drop(transaction.enqueue(to(1, "second")).await.unwrap());
        let ended = scene.moment.of(transaction.commit()).await.map(Result::unwrap);
        scene.goes_on().await;
        assert_eq!(scene.committed(), set(["after", "first", "second"]));
        ended.is_some()
    });
}

#[test]
fn an_abort_that_is_given_up_is_not_taken_back() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        drop(transaction.enqueue(to(0, "first")).await.unwrap());
        transaction.send(to(1, "second")).await.unwrap();
        let ended = scene.moment.of(transaction.abort()).await.map(Result::unwrap);
        scene.goes_on().await;
        assert_eq!(scene.committed(), set(["after"]));
        ended.is_some()
    });
}

#[test]
fn a_transaction_dropped_at_any_moment_is_aborted() {
    given_up(async |scene: Scene| {
        let work = async {
            let transaction = scene.begin().await;
            drop(transaction.enqueue(to(0, "first")).await.unwrap());
            transaction.send(to(1, "second")).await.unwrap();
            transaction.flush().await.unwrap();
        };
        let ended = scene.moment.of(work).await;
        scene.goes_on().await;
        assert_eq!(scene.committed(), set(["after"]));
        ended.is_some()
    });
}

#[test]
fn a_close_that_is_given_up_goes_on_and_leaves_no_transaction_open() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        transaction.send(to(0, "first")).await.unwrap();
        let second = transaction.enqueue(to(1, "second")).await.unwrap();
        let ended = scene.moment.of(scene.producer.close(Duration::from_secs(30))).await.map(Result::unwrap);
        scene.producer.close(Duration::from_secs(30)).await.unwrap();
        let _ = timeout(Duration::ZERO, second).await.expect("it has an outcome");
        drop(transaction);
        scene.settled().await;
        assert_eq!(scene.committed(), set([]));
        ended.is_some()
    });
}

#[test]
fn a_close_while_a_commit_is_under_way_waits_for_it() {
    given_up(async |scene: Scene| {
        let transaction = scene.begin().await;
        drop(transaction.enqueue(to(0, "first")).await.unwrap());
        let ended = scene.moment.of(transaction.commit()).await.map(Result::unwrap);
        scene.producer.close(Duration::from_secs(30)).await.unwrap();
        scene.settled().await;
        assert_eq!(scene.committed(), set(["first"]));
        ended.is_some()
    });
}
