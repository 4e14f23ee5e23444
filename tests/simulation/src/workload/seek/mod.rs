//! Consumers that choose partitions and offsets themselves: over logs with gaps and damage, from followers, in groups that
//! only keep their commits, and in some histories while the cluster loses records.

mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_broker::simulation::Simulation;
use parking_lot::Mutex;

use super::Plan;
use crate::evidence::value;
use crate::ledger::{Operation, Place};
use crate::stage::Stage;

const TOPIC: &str = "orders";

/// What a history is like: drawn from its seed alone.
#[derive(Clone, Copy, Debug)]
struct Settings {
    partitions: u16,
    /// The cluster loses records.
    is_lossy: bool,
    has_racks: bool,
    has_damage: bool,
    has_gaps: bool,
}

/// What cannot be read: how many offsets it takes, by where it is.
type Damage = Arc<Mutex<BTreeMap<(Place, i64), i64>>>;

impl Settings {
    fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x7365_656b);
        let is_lossy = random.u8(..3) == 0;
        Self {
            partitions: random.u16(1..=4),
            is_lossy,
            has_racks: random.bool(),
            // What is lost may come again, and what is where is to be known.
            has_damage: !is_lossy && random.u8(..3) == 0,
            has_gaps: !is_lossy && random.u8(..3) == 0,
        }
    }
}

pub(super) fn plan(seed: u64) -> Plan {
    let settings = Settings::draw(seed);
    let simulation = Simulation::new().topic(TOPIC, settings.partitions).processes(["reader-0", "reader-1"]);
    let simulation = simulation.groups(["audit-0", "audit-1"]).broker(|builder| {
        if settings.has_racks { builder.racks(["a", "b", "c"]).rack_aware_reads(true) } else { builder }
    });
    let simulation = if settings.is_lossy { simulation.loses_records() } else { simulation };
    Plan { simulation, topics: vec![(TOPIC.to_owned(), settings.partitions)] }
}

pub(super) async fn run(stage: Stage) {
    let settings = Settings::draw(stage.world().seed());
    let damage = Damage::default();
    tokio::join!(
        write(&stage, settings, &damage),
        stage.live("reader-0", |life| reader::run(life, 0, settings, damage.clone())),
        stage.live("reader-1", |life| reader::run(life, 1, settings, damage.clone())),
    );
}

/// Writes for as long as things go wrong, now and then what cannot be read, and takes out records here and there.
async fn write(stage: &Stage, settings: Settings, damage: &Damage) {
    let draw = |most: u64| stage.world().random(|random| random.u64(0..=most));
    while stage.world().is_faulty() {
        let partition = draw(u64::from(settings.partitions) - 1) as i32;
        let place = (TOPIC.to_owned(), partition);
        let broker = stage.world().broker();
        let ids: Vec<_> = (0..=draw(9)).map(|_| stage.new_id()).collect();
        let offset = broker.append(TOPIC, partition, ids.iter().map(|id| value(*id, 20))).unwrap();
        stage.saw(Operation::Wrote { place: place.clone(), offset, ids });
        match draw(19) {
            0 if settings.has_damage => {
                let batches = broker.log(TOPIC, partition).batches();
                let mut bytes = batches.last().unwrap().bytes().to_vec();
                // Its checksum.
                bytes[17] ^= 0x40;
                let count = batches.last().unwrap().len() as u16;
                let offset = broker.append_bytes(TOPIC, partition, &bytes, count).unwrap();
                damage.lock().insert((place.clone(), offset), i64::from(count.max(1)));
                stage.saw(Operation::Damaged { place, offset });
            }
            1..4 if settings.has_gaps => {
                let end = broker.log(TOPIC, partition).end_offset();
                let gone = draw(end as u64 - 1) as i64;
                let is_damage = damage.lock().contains_key(&(place.clone(), gone));
                if !is_damage && gone < end - 1 {
                    broker.compact(TOPIC, partition, |record| record.offset != gone).unwrap();
                    stage.saw(Operation::Compacted { place, offset: gone });
                }
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(draw(400))).await;
    }
}
