//! Runs one's own code through a hundred histories in which brokers and processes die: consume, process, produce.
//!
//! ```sh
//! cargo run --release --example simulation
//! ```
//!
//! `invoice_orders` is code as it is in production: two workers read orders and write an invoice for each, in transactions.
//! The simulation kills and pauses them, stops brokers, moves leaders, loses answers; in the end each order must
//! have one invoice. Take `send_offsets` out, or read uncommitted, and it says which seed fails, and by how little.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use ottla::config::{IsolationLevel, OffsetReset};
use ottla::net::MemoryConnector;
use ottla::{Consumer, Process, Producer, Record, Records, TransactionalProducer};
use ottla_broker::simulation::{ProcessFault, Simulation, World};

const ORDERS: i64 = 60;

fn main() {
    let seeds = 100;
    simulation().check(0..seeds, histories_invoice_each_order_once);
    println!("{seeds} histories: each of {ORDERS} orders has one invoice");
}

/// What there is, and what may go wrong.
pub(crate) fn simulation() -> Simulation {
    Simulation::new()
        .topic("orders", 4)
        .topic("invoices", 2)
        .groups(["invoicing"])
        .transactional_ids(["worker-1", "worker-2"])
        .processes(["worker-1", "worker-2"])
}

/// One history: orders come in while things go wrong; in the end each has one invoice.
pub(crate) async fn histories_invoice_each_order_once(world: World) -> Result<(), String> {
    tokio::select! {
        never = worker(&world, "worker-1") => never,
        never = worker(&world, "worker-2") => never,
        () = orders_come_in(&world) => Ok(()),
    }?;
    let mut invoices = BTreeMap::new();
    for partition in 0..2 {
        for order in world.broker().log("invoices", partition).committed_values() {
            *invoices.entry(order).or_insert(0) += 1;
        }
    }
    let twice: Vec<_> = invoices.iter().filter(|(_, times)| **times > 1).collect();
    match (invoices.len() as i64, &twice[..]) {
        (ORDERS, []) => Ok(()),
        (orders, _) => Err(format!("{orders} of {ORDERS} orders have an invoice; more than one: {twice:?}")),
    }
}

/// Some orders at a time, for as long as things go wrong; then time until the last has its invoice.
async fn orders_come_in(world: &World) {
    for order in 0..ORDERS {
        let partition = world.random(|random| random.i32(0..4));
        // The broker is told directly: what the customers' client goes through is not the question here.
        let _ = world.broker().append("orders", partition, [order.to_string()]);
        tokio::time::sleep(Duration::from_millis(world.random(|random| random.u64(0..500)))).await;
    }
    world.faults_over().await;
    let invoiced = |world: &World| {
        (0..2).map(|partition| world.broker().log("invoices", partition).committed_values().len()).sum::<usize>()
    };
    // Workers that died are back; no session or transaction is longer than this.
    let patience = tokio::time::sleep(Duration::from_secs(120));
    tokio::pin!(patience);
    while invoiced(world) < ORDERS as usize {
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = &mut patience => return,
        }
    }
}

/// A worker in a process of its own, started again when it was killed, or gave up.
async fn worker(world: &World, name: &'static str) -> Result<(), String> {
    let bootstrap = world.bootstrap();
    let lives = world.live(name, |start| {
        let process = Process::new(start.seed, MemoryConnector::new(move |host, port| start.connect(host, port)));
        let (bootstrap, in_process) = (bootstrap.clone(), process.clone());
        let life = process.spawn(async move {
            loop {
                // What can't go on starts over, as a service does.
                let Err(_) = invoice_orders(&bootstrap, name, &in_process).await else { return };
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let befall = move |fault| match fault {
            ProcessFault::Kill => process.kill(),
            ProcessFault::Pause => process.pause(),
            ProcessFault::Resume => process.resume(),
            ProcessFault::ShiftClock(milliseconds) => process.shift_clock(milliseconds),
            _ => {}
        };
        (befall, life)
    });
    lives.await;
    Err(format!("{name} ended"))
}

/// The code under test. In production the clients are built without `process`.
async fn invoice_orders(bootstrap: &str, name: &str, process: &Process) -> Result<(), Box<dyn Error + Send + Sync>> {
    let consumer = Consumer::builder(bootstrap)
        .process(process)
        .group("invoicing")
        .session_timeout(Duration::from_secs(6))
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .build()?;
    consumer.subscribe(["orders"]).await?;
    let producer = Producer::builder(bootstrap).process(process).transactional_id(name).build_transactional()?;
    producer.init().await?;
    loop {
        let orders = consumer.poll(Duration::from_secs(1)).await?;
        if !orders.is_empty() {
            invoice(&consumer, &producer, &orders).await?;
        }
    }
}

/// One transaction: the invoices, and how far the orders were read.
async fn invoice(
    consumer: &Consumer,
    producer: &TransactionalProducer,
    orders: &Records,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let transaction = producer.begin().await?;
    for order in orders {
        let value = order.value().unwrap_or_default().to_vec();
        // A failure makes the commit fail.
        drop(transaction.enqueue(Record::to("invoices").value(value)).await?);
    }
    transaction.send_offsets(orders.next_offsets(), &consumer.group_metadata()?).await?;
    Ok(transaction.commit().await?)
}
