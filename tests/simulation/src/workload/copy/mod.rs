//! One topic copied into another by a group, each record exactly once: consume, transform, produce.

mod copier;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla::config::GroupProtocol;
use ottla::{Producer, Record};
use ottla_broker::simulation::Simulation;

use super::{Plan, trouble};
use crate::evidence::value;
use crate::ledger::{Operation, Place};
use crate::stage::{Life, Stage};

const FROM: &str = "raw";
const TO: &str = "done";
const GROUP: &str = "copiers";

/// Longest time that copying what is there may take once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(240);

/// What holds of a whole history.
#[derive(Clone, Debug)]
struct Settings {
    partitions: u16,
    copiers: usize,
    protocol: GroupProtocol,
    is_cooperative: bool,
    is_static: bool,
    session_timeout: Duration,
    max_poll_interval: Duration,
    transaction_version: u16,
    /// When the cluster goes over to the newer protocol of transactions.
    upgrade: Option<Duration>,
}

impl Settings {
    fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draw = |of: &[u16]| *random.choice(of).unwrap();
        let transaction_version = draw(&[1, 2]);
        let is_upgraded = transaction_version == 1 && draw(&[0, 0, 1]) == 1;
        let protocol = if draw(&[0, 1]) == 1 { GroupProtocol::Classic } else { GroupProtocol::Consumer };
        let is_cooperative = protocol == GroupProtocol::Classic && draw(&[0, 1]) == 1;
        Self {
            partitions: draw(&[1, 2, 4]),
            copiers: draw(&[2, 3]).into(),
            protocol,
            is_cooperative,
            // A static member that comes back between the two rebalances of a cooperative one is given its share without
            // a second: what it was to give away has no owner until something else brings one.
            is_static: !is_cooperative && draw(&[0, 0, 1]) == 1,
            session_timeout: Duration::from_secs(draw(&[2, 6]).into()),
            max_poll_interval: Duration::from_secs(draw(&[3, 10, 300]).into()),
            transaction_version,
            upgrade: is_upgraded.then(|| Duration::from_millis(draw(&[3_000, 8_000, 15_000]).into())),
        }
    }

    fn names(&self) -> Vec<String> {
        (0..self.copiers).map(|number| format!("copier-{number}")).collect()
    }

    fn places(&self, topic: &str) -> impl Iterator<Item = Place> {
        (0..i32::from(self.partitions)).map(move |partition| (topic.to_owned(), partition))
    }
}

pub(super) fn plan(seed: u64) -> Plan {
    let settings = Settings::draw(seed);
    let simulation = Simulation::new()
        .topic(FROM, settings.partitions)
        .topic(TO, settings.partitions)
        .groups([GROUP])
        .transactional_ids(settings.names())
        .processes(settings.names())
        .broker(|builder| {
            builder
                .transaction_version(settings.transaction_version)
                .group_initial_rebalance_delay(Duration::from_millis(100))
                .group_session_timeouts(Duration::from_secs(1)..=Duration::from_secs(60))
                .consumer_group_session_timeout(settings.session_timeout)
                .consumer_group_heartbeat_interval(settings.session_timeout / 4)
        });
    let topics = [FROM, TO].map(|topic| (topic.to_owned(), settings.partitions)).to_vec();
    Plan { simulation, topics }
}

pub(super) async fn run(stage: Stage) {
    let settings = Settings::draw(stage.world().seed());
    let is_over = Arc::new(AtomicBool::new(false));
    let copy = async |number: usize| {
        if number < settings.copiers {
            let copy = |life: Life| copier::run(life, number, settings.clone(), is_over.clone());
            stage.live(&format!("copier-{number}"), copy).await;
        }
    };
    let partitions = settings.partitions;
    let follows = async {
        stage.live("source", |life: Life| write(life, partitions)).await;
        let until = stage.world().now() + PATIENCE;
        while !is_through(&stage, &settings) && stage.world().now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let upgrade = async {
        if let Some(after) = settings.upgrade {
            tokio::time::sleep(after).await;
            stage.world().note("transaction.version is 2");
            stage.world().broker().set_transaction_version(2);
        }
    };
    let names = settings.names();
    tokio::join!(copy(0), copy(1), copy(2), follows, upgrade, trouble::befall(&stage, &names));
    for (topic, partition) in settings.places(TO) {
        let log = || stage.world().broker().log(&topic, partition);
        let until = stage.world().now() + Duration::from_secs(61);
        while log().last_stable_offset() < log().end_offset() {
            assert!(stage.world().now() < until, "a transaction hangs in {topic}-{partition}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    stage.saw(Operation::Copied { from: FROM.to_owned(), to: TO.to_owned() });
}

/// Whether the group has committed all there is to copy.
fn is_through(stage: &Stage, settings: &Settings) -> bool {
    settings.places(FROM).all(|(topic, partition)| {
        let records = stage.world().broker().log(&topic, partition).committed_records();
        let committed = stage.world().broker().committed(GROUP, &topic, partition);
        records.last().map_or(-1, |last| last.offset) < committed.map_or(0, |committed| committed.offset)
    })
}

/// Writes what is to be copied: in transactions, some of them aborted, and outside of any.
async fn write(life: Life, partitions: u16) {
    let producer = Producer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .transactional_id("source")
        .build_transactional()
        .unwrap();
    let draw = |most: u64| life.random(|random| random.u64(0..=most));
    let partition = || draw(u64::from(partitions) - 1) as i32;
    while life.stage().world().is_faulty() {
        if draw(1) == 0 {
            let values: Vec<_> = (0..=draw(9)).map(|_| value(life.stage().new_id(), 20)).collect();
            life.stage().world().broker().append(FROM, partition(), values).unwrap();
        } else if let Ok(transaction) = producer.begin().await {
            for _ in 0..=draw(9) {
                let record = Record::to(FROM).partition(partition()).value(value(life.stage().new_id(), 20));
                drop(transaction.enqueue(record).await);
            }
            // Whatever comes of it: the log says what is to be copied.
            let _ = if draw(2) == 0 { transaction.abort().await } else { transaction.commit().await };
        }
        tokio::time::sleep(Duration::from_millis(draw(1_000))).await;
    }
    // Records of transactions that were aborted have failed, which is of no interest.
    let _ = producer.close(Duration::from_secs(60)).await;
}
