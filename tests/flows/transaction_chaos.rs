//! Transactions while everything goes wrong at once, as a seed says: what was committed is there, once and in order, and
//! nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use ottla::{Error, GroupMetadata, Kind, Producer, Record, Retry, TopicPartition, Transaction, TransactionalProducer};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::consume_chaos::Dice;
use crate::pipes;

const PARTITIONS: i32 = 4;
/// Stands for the partition of offsets.
const OFFSETS: i32 = -1;
const NODES: i32 = 3;
const TRANSACTIONS: usize = 12;

/// No call may take longer, since what goes wrong is mended soon.
const BOUND: Duration = Duration::from_secs(120);

/// How a transaction ended, as far as its user was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Aborted,
    Committed,
    /// The user did not wait for it.
    Nothing,
}

fn producer(broker: &Broker, dice: &mut Dice) -> TransactionalProducer {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(dice.roll(i32::MAX) as u64)
        .transactional_id("copy-1")
        .linger(Duration::from_millis(dice.roll(3) as u64 * 10))
        .batch_size([200_usize, 1_000, 100_000][dice.roll(3) as usize])
        .set("compression.type", ["none", "lz4"][dice.roll(2) as usize])
        .max_block(Duration::from_secs(3))
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(8))
        .transaction_timeout(Duration::from_secs(800))
        .metadata_max_age(Duration::from_secs(5))
        .build_transactional()
        .unwrap()
}

fn mend(broker: &Broker) {
    for node in 0..NODES {
        broker.node(node).resume();
    }
    broker.release();
    broker.release_markers();
}

/// One thing that happens to the cluster; what stands still because of it is mended by the next.
async fn misfortune(broker: &Broker, dice: &mut Dice) {
    mend(broker);
    for node in 0..NODES {
        broker.node(node).start().await.unwrap();
    }
    let node = dice.roll(NODES);
    let apis = [
        ApiKey::Produce,
        ApiKey::Produce,
        ApiKey::Produce,
        ApiKey::EndTxn,
        ApiKey::EndTxn,
        ApiKey::AddPartitionsToTxn,
        ApiKey::InitProducerId,
        ApiKey::FindCoordinator,
        ApiKey::AddOffsetsToTxn,
        ApiKey::TxnOffsetCommit,
    ];
    let api = apis[dice.roll(apis.len() as i32) as usize];
    // Retriable ones, and of Produce a few that end the transaction.
    let codes: &[i16] = match api {
        ApiKey::Produce => &[3, 6, 7, 19, 20, 56, 51, 87, 120, 10, 10],
        ApiKey::FindCoordinator => &[15, 14],
        _ => &[14, 15, 16, 51, 51],
    };
    let code = codes[dice.roll(codes.len() as i32) as usize];
    match dice.roll(16) {
        0 => broker.node(node).stop().await,
        1 => broker.node(node).pause(),
        2 => broker.node(node).disconnect_clients().await.unwrap(),
        3 | 4 => broker.move_leader("orders", dice.roll(PARTITIONS), node).unwrap(),
        5 => drop(broker.move_transaction_coordinator("copy-1", node)),
        14 => drop(broker.move_coordinator("billing", node)),
        15 => broker.set_transaction_version(1 + dice.roll(2) as u16),
        6 | 7 => broker.drop_after(api),
        8 => broker.refuse(api),
        9 => broker.on(api).hold(),
        10 => broker.repeat(api),
        11 => broker.on(api).ignore(),
        12 => broker.hold_markers(),
        _ => broker.times(1 + dice.roll(2) as u32, api, code),
    }
}

async fn in_time<T>(seed: u64, what: &str, broker: &Broker, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("seed {seed}: {what} hangs; coordinator: {:?}", broker.transaction("copy-1")),
    }
}

async fn begin(producer: &TransactionalProducer) -> Transaction {
    loop {
        match producer.begin().await {
            Ok(transaction) => return transaction,
            // Of a commit that was not waited for.
            Err(error) if error.retry() == Retry::Abort || error.kind() == Kind::Timeout => {}
            Err(error) => panic!("nobody took over, but: {error:?}"),
        }
    }
}

/// Ends it, for as long as that is under way.
async fn end(mut transaction: Transaction, commit: bool) -> Result<(), Error> {
    loop {
        let ended = if commit { transaction.commit().await } else { transaction.abort().await };
        match ended {
            Ok(()) => return Ok(()),
            Err(unfinished) if unfinished.error().kind() == Kind::Timeout && unfinished.error().is_retriable() => {
                transaction = unfinished.into_transaction();
            }
            Err(unfinished) => {
                assert_eq!(unfinished.error().retry(), Retry::Abort, "{:?}", unfinished.error());
                return Err(unfinished.into());
            }
        }
    }
}

/// Sends some records, and ends the transaction one way or another.
async fn transact(
    producer: &TransactionalProducer,
    group: &GroupMetadata,
    number: usize,
    dice: &mut Dice,
    written: &mut BTreeMap<i32, Vec<String>>,
) -> Told {
    let transaction = begin(producer).await;
    let mut deliveries = Vec::new();
    // As a consumer would: how far it has read is a part of every transaction, before or behind the records.
    let offsets = || [(TopicPartition::new("read", 0), (number as i64).into())];
    let (before, behind) = (dice.roll(2) == 0, dice.roll(2) == 0);
    let mut is_whole = true;
    if before {
        is_whole &= transaction.send_offsets(offsets(), group).await.is_ok();
    }
    for n in 0..dice.roll(30) {
        let partition = dice.roll(PARTITIONS);
        let value = format!("{number}:{n}:{}", "x".repeat(dice.roll(150) as usize));
        written.entry(partition).or_default().push(value.clone());
        match transaction.enqueue(Record::to("orders").partition(partition).value(value)).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => {
                assert!(error.retry() == Retry::Abort || error.kind() == Kind::Timeout, "{error:?}");
                is_whole = false;
                break;
            }
        }
        if dice.roll(10) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(100) as u64)).await;
        }
    }
    if behind {
        is_whole &= transaction.send_offsets(offsets(), group).await.is_ok();
    }
    let told = match dice.roll(10) {
        _ if !is_whole => {
            end(transaction, false).await.unwrap();
            Told::Aborted
        }
        0 => {
            end(transaction, false).await.unwrap();
            Told::Aborted
        }
        1 => {
            drop(transaction);
            Told::Aborted
        }
        2 => {
            let patience = Duration::from_millis(dice.roll(200) as u64);
            match tokio::time::timeout(patience, transaction.commit()).await {
                Ok(Ok(())) => Told::Committed,
                Ok(Err(unfinished)) => match unfinished.error().retry() {
                    Retry::Abort => Told::Aborted,
                    _ => Told::Nothing,
                },
                Err(_) => Told::Nothing,
            }
        }
        _ => match end(transaction, true).await {
            Ok(()) => Told::Committed,
            Err(_) => Told::Aborted,
        },
    };
    for delivery in deliveries {
        let result = delivery.await;
        assert!(result.is_ok() || told != Told::Committed, "{number} was committed without a record: {result:?}");
    }
    if before || behind {
        written.insert(OFFSETS, vec![number.to_string()]);
    }
    told
}

async fn run(seed: u64, version: u16) {
    let mut dice = Dice(seed);
    let broker = Broker::start()
        .nodes(NODES as u16)
        .replication_factor(NODES as u16)
        .topic("orders", PARTITIONS as u16)
        .topic("read", 1)
        .transaction_version(version)
        .in_memory_only()
        .await;
    if dice.roll(3) == 0 {
        broker.configure_topic("orders", "max.message.bytes", "600").unwrap();
    }
    let producer = producer(&broker, &mut dice);
    let mut bad_luck = Dice(seed + 1);
    let around = broker.clone();
    let misfortunes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(bad_luck.roll(700) as u64)).await;
            misfortune(&around, &mut bad_luck).await;
        }
    });
    let group = crate::transactions::group_metadata(&broker);
    let mut transactions = Vec::new();
    for number in 0..TRANSACTIONS {
        let mut written = BTreeMap::new();
        let transacted = transact(&producer, &group, number, &mut dice, &mut written);
        let told = in_time(seed, "a transaction", &broker, transacted).await;
        transactions.push((told, written));
    }
    misfortunes.abort();
    let _ = misfortunes.await;
    broker.clear();
    mend(&broker);
    for node in 0..NODES {
        broker.node(node).start().await.unwrap();
    }
    let start = Instant::now();
    let _ = producer.close(Duration::from_secs(30)).await;
    assert!(start.elapsed() <= Duration::from_secs(31), "seed {seed}: close took {:?}", start.elapsed());
    let successor = self::producer(&broker, &mut dice);
    let last = in_time(seed, "the successor", &broker, begin(&successor)).await;
    in_time(seed, "the successor's abort", &broker, end(last, false)).await.unwrap();
    check(seed, version, &broker, &transactions);
}

fn check(seed: u64, version: u16, broker: &Broker, transactions: &[(Told, BTreeMap<i32, Vec<String>>)]) {
    let logs: Vec<_> = (0..PARTITIONS).map(|partition| broker.log("orders", partition)).collect();
    for (partition, log) in logs.iter().enumerate() {
        assert_eq!(log.last_stable_offset(), log.end_offset(), "seed {seed}: {partition} is held up");
    }
    let read: Vec<_> = logs.iter().map(ottla_broker::LogView::committed_values).collect();
    // Of a transaction that nobody waited for: all or nothing.
    let is_committed = |number: usize, (told, written): &(Told, BTreeMap<i32, Vec<String>>)| match told {
        Told::Committed => true,
        Told::Aborted => false,
        Told::Nothing => written
            .keys()
            .filter(|partition| **partition != OFFSETS)
            .any(|partition| read[*partition as usize].iter().any(|value| value.starts_with(&format!("{number}:")))),
    };
    let offsets = transactions.iter().enumerate().rev().filter(|(_, (_, written))| written.contains_key(&OFFSETS));
    let last = offsets.clone().find(|(number, this)| is_committed(*number, this)).map(|(number, _)| number as i64);
    let committed = broker.committed("billing", "read", 0).map(|committed| committed.offset);
    // Of one that consists of offsets alone, its fate cannot be seen.
    let is_open = offsets.clone().any(|(_, (told, written))| *told == Told::Nothing && written.len() == 1);
    assert!(committed == last || is_open, "seed {seed}, version {version}: {committed:?}, not {last:?}");
    for partition in 0..PARTITIONS {
        let committed = transactions.iter().enumerate().filter(|(number, this)| is_committed(*number, this));
        let expected: Vec<_> =
            committed.flat_map(|(_, (_, written))| written.get(&partition).into_iter().flatten().cloned()).collect();
        let told: Vec<_> = transactions.iter().map(|(told, _)| *told).collect();
        assert_eq!(
            read[partition as usize], expected,
            "seed {seed}, version {version}, partition {partition}: {told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_there_once_and_in_order_and_nothing_else() {
    for seed in 1..=100 {
        for version in [1, 2] {
            run(seed, version).await;
        }
    }
}
