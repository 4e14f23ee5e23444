//! Transactions of producers that die, stand still, share a name and give up calls, and who reads what they wrote.

pub(super) mod reader;
pub(super) mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla_broker::simulation::Simulation;

use super::{Plan, trouble};
use crate::stage::{Life, Stage};

/// What holds of a whole history.
#[derive(Clone, Debug)]
struct Settings {
    topics: Vec<(String, u16)>,
    /// The transactional id of each writer: two may have the same.
    ids: Vec<&'static str>,
    transaction_version: u16,
    /// When the cluster goes over to the newer protocol.
    upgrade: Option<Duration>,
}

impl Settings {
    fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draw = |of: &[u16]| *random.choice(of).unwrap();
        let topics = [("orders", draw(&[1, 3])), ("stock", draw(&[1, 2]))];
        let transaction_version = draw(&[1, 2]);
        let is_upgraded = transaction_version == 1 && draw(&[0, 0, 1]) == 1;
        Self {
            topics: topics.map(|(name, partitions)| (name.to_owned(), partitions)).to_vec(),
            ids: if draw(&[0, 1]) == 1 { vec!["shop", "shop", "mill"] } else { vec!["shop", "mill"] },
            transaction_version,
            upgrade: is_upgraded.then(|| Duration::from_millis(draw(&[3_000, 8_000, 15_000]).into())),
        }
    }

    fn writers(&self) -> Vec<String> {
        (0..self.ids.len()).map(|number| format!("writer-{number}")).collect()
    }
}

const READERS: [(&str, bool); 2] = [("reader-committed", true), ("reader-uncommitted", false)];

pub(super) fn plan(seed: u64) -> Plan {
    let settings = Settings::draw(seed);
    let mut simulation = Simulation::new()
        .transactional_ids(["shop", "mill"])
        .processes(settings.writers())
        .processes(READERS.map(|(name, _)| name))
        .broker(|builder| builder.transaction_version(settings.transaction_version));
    for (topic, partitions) in &settings.topics {
        simulation = simulation.topic(topic, *partitions);
    }
    Plan { simulation, topics: settings.topics }
}

pub(super) async fn run(stage: Stage) {
    let settings = Settings::draw(stage.world().seed());
    let is_written = Arc::new(AtomicBool::new(false));
    let read = async |name: &str, is_committed| {
        let read = |life: Life| reader::run(life, settings.topics.clone(), is_committed, is_written.clone());
        stage.live(name, read).await;
    };
    let write = async |number: usize| {
        let Some(id) = settings.ids.get(number) else { return };
        let topics = settings.topics.clone();
        stage.live(&format!("writer-{number}"), |life: Life| writer::run(life, id, topics.clone())).await;
    };
    let writes = async {
        tokio::join!(write(0), write(1), write(2));
        all_ended(&stage, &settings).await;
        is_written.store(true, Ordering::Relaxed);
    };
    let upgrade = async {
        if let Some(after) = settings.upgrade {
            tokio::time::sleep(after).await;
            stage.world().note("transaction.version is 2");
            stage.world().broker().set_transaction_version(2);
        }
    };
    let [first, second] = READERS;
    let processes = settings.writers();
    let befall = trouble::befall(&stage, &processes);
    tokio::join!(writes, upgrade, befall, read(first.0, first.1), read(second.0, second.1));
}

/// Waits until no transaction is open any more. Whoever had an id has ended what was open under it.
async fn all_ended(stage: &Stage, settings: &Settings) {
    for (topic, partitions) in &settings.topics {
        for partition in 0..i32::from(*partitions) {
            let is_open = || {
                let log = stage.world().broker().log(topic, partition);
                log.last_stable_offset() < log.end_offset()
            };
            for _ in 0..60 {
                if is_open() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            assert!(!is_open(), "a transaction hangs in {topic}-{partition}");
        }
    }
}
