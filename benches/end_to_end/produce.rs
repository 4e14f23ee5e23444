//! End to end into a broker that discards: records per second, the client's own CPU time, and its memory.
//!
//! `cargo bench --bench produce` starts the broker in a process of its own, so that its work is not counted. Settings
//! are the defaults but for what a scenario names.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::VecDeque;
use std::time::Instant;

use ottla::{Delivery, Producer, Record};

mod process;

use process::{Apart, SERVE, cpu_seconds, peak_mb, serve};

const WINDOW: usize = 200_000;
const PARTITIONS: u16 = 6;

/// What becomes of the deliveries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deliveries {
    Awaited,
    Dropped,
}

struct Scenario {
    name: &'static str,
    records: usize,
    value_bytes: usize,
    keyed: bool,
    deliveries: Deliveries,
    settings: &'static [(&'static str, &'static str)],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "100 B, keyed, batch 1 MB, awaited in order",
        records: 5_000_000,
        value_bytes: 100,
        keyed: true,
        deliveries: Deliveries::Awaited,
        settings: &[("batch.size", "1000000")],
    },
    Scenario {
        name: "100 B, no key, batch 1 MB, dropped",
        records: 5_000_000,
        value_bytes: 100,
        keyed: false,
        deliveries: Deliveries::Dropped,
        settings: &[("batch.size", "1000000")],
    },
    Scenario {
        name: "100 B, keyed, defaults, awaited in order",
        records: 5_000_000,
        value_bytes: 100,
        keyed: true,
        deliveries: Deliveries::Awaited,
        settings: &[],
    },
    Scenario {
        name: "100 B, keyed, batch 16 KiB, awaited in order",
        records: 5_000_000,
        value_bytes: 100,
        keyed: true,
        deliveries: Deliveries::Awaited,
        settings: &[("batch.size", "16384")],
    },
    Scenario {
        name: "1 KiB, no key, batch 1 MB, dropped",
        records: 1_000_000,
        value_bytes: 1024,
        keyed: false,
        deliveries: Deliveries::Dropped,
        settings: &[("batch.size", "1000000")],
    },
];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == SERVE) {
        return serve("bench", PARTITIONS, true);
    }
    let broker = Apart::start(&[]);
    println!("{:48} {:>12} {:>14} {:>10}", "scenario", "records/s", "CPU s/million", "RSS MB");
    let filter = arguments.get(1).filter(|argument| !argument.starts_with('-'));
    for scenario in SCENARIOS.iter().filter(|scenario| filter.is_none_or(|text| scenario.name.contains(text.as_str())))
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(scenario, &broker.address));
    }
    broker.stop();
}

async fn run(scenario: &Scenario, address: &str) {
    let producer = Producer::builder(address).set_all(scenario.settings.iter().copied()).build().expect("settings");
    let value = vec![b'x'; scenario.value_bytes];
    let keys: Vec<String> = (0..10_000).map(|n| format!("key-{n:08}")).collect();
    producer.send(Record::to("bench").value("first")).await.expect("the first record");

    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut window: VecDeque<Delivery> = VecDeque::with_capacity(WINDOW);
    for n in 0..scenario.records {
        let mut record = Record::to("bench").value(&value);
        if scenario.keyed {
            record = record.key(&keys[n % keys.len()]);
        }
        let delivery = producer.enqueue(record).await.expect("enqueue");
        if scenario.deliveries == Deliveries::Awaited {
            if window.len() == WINDOW {
                window.pop_front().expect("a full window").await.expect("an ack");
            }
            window.push_back(delivery);
        }
    }
    for delivery in window {
        delivery.await.expect("an ack");
    }
    producer.flush().await.expect("every ack");

    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let millions = scenario.records as f64 / 1e6;
    println!(
        "{:48} {:>12.0} {:>14.3} {:>10.0}",
        scenario.name,
        scenario.records as f64 / elapsed,
        cpu / millions,
        peak_mb()
    );
}
