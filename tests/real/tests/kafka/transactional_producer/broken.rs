//! Brokers that die under transactions: nothing is lost, nothing is there twice.
#![expect(clippy::disallowed_methods, reason = "a test of what happens beside a call starts a task")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use ottla::{Consumer, TopicPartition};
use real::{Cluster, shared_to_break, unique, until};

use super::{Finished, LIMIT, commit, producer, values, write};

const PARTITIONS: u16 = 3;

/// Until another broker coordinates the id than this one.
fn until_moved(cluster: &Cluster, id: &str, from: u16) -> Result<()> {
    until("another coordinator", LIMIT, || Ok((cluster.transaction_coordinator(id)? != from).then_some(())))
}

#[tokio::test]
async fn a_coordinator_killed_in_mid_transaction_loses_nothing() -> Result<()> {
    let cluster = shared_to_break();
    let (topic, id) = (cluster.topic("coordinator", PARTITIONS)?, unique("coordinator"));
    let consumer = Consumer::builder(cluster.bootstrap()).group(unique("coordinator")).build()?;
    let producer = producer(&cluster, &id)?;
    let transaction = producer.begin().await?;
    let all = values("kept", 60);
    write(&transaction, &topic, 3, &all[..30]).await?;
    let victim = cluster.transaction_coordinator(&id)?;

    cluster.kill(victim)?;

    write(&transaction, &topic, 3, &all[30..]).await?;
    let partition = TopicPartition::new(&*topic, 0);
    transaction.send_offsets([(partition.clone(), 7.into())], &consumer.group_metadata()?).await?;
    commit(transaction).await?;
    cluster.restart(victim)?;
    let committed = consumer.committed([&partition]).await?;
    ensure!(committed[&partition].as_ref().map(|committed| committed.offset) == Some(7), "{committed:?}");
    Finished::topic(&cluster, &topic).await?.is_committed(&all)
}

/// What was asked of a coordinator that never answers is asked of its successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_coordinator_that_stands_still_and_dies_in_mid_commit_loses_nothing() -> Result<()> {
    let cluster = shared_to_break();
    let (topic, id) = (cluster.topic("mid-commit", PARTITIONS)?, unique("mid-commit"));
    let producer = producer(&cluster, &id)?;
    let transaction = producer.begin().await?;
    write(&transaction, &topic, 3, &values("first", 30)).await?;
    let victim = cluster.transaction_coordinator(&id)?;
    cluster.pause(victim)?;

    let committing = tokio::spawn(commit(transaction));
    until_moved(&cluster, &id, victim)?;
    cluster.kill(victim)?;

    tokio::time::timeout(LIMIT, committing).await.context("the commit is stuck")???;
    cluster.restart(victim)?;
    let transaction = producer.begin().await?;
    write(&transaction, &topic, 3, &values("second", 30)).await?;
    commit(transaction).await?;
    Finished::topic(&cluster, &topic).await?.is_committed(&[values("first", 30), values("second", 30)].concat())
}

#[tokio::test]
async fn a_leader_killed_in_mid_transaction_loses_nothing() -> Result<()> {
    let cluster = shared_to_break();
    let (topic, id) = (cluster.topic("leader", PARTITIONS)?, unique("leader"));
    let producer = producer(&cluster, &id)?;
    let mut due = Vec::new();
    for round in ["committed", "aborted", "committed too"] {
        let transaction = producer.begin().await?;
        let all = values(round, 60);
        write(&transaction, &topic, 3, &all[..30]).await?;
        let victim = cluster.leader(&topic, 0)?.context("a leader")?;
        cluster.kill(victim)?;
        write(&transaction, &topic, 3, &all[30..]).await?;
        if round == "aborted" {
            transaction.abort().await?;
        } else {
            commit(transaction).await?;
            due.extend(all);
        }
        cluster.restart(victim)?;
        cluster.wait_until_in_sync()?;
    }
    Finished::topic(&cluster, &topic).await?.is_committed(&due)
}

/// One small transaction after another: where in one the coordinator dies is up to chance.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn coordinators_killed_one_after_another_lose_no_transaction_and_double_none() -> Result<()> {
    let cluster = shared_to_break();
    let (topic, id) = (cluster.topic("stream", PARTITIONS)?, unique("stream"));
    let producer = producer(&cluster, &id)?;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let running = tokio::spawn({
        let (stop, count, topic) = (stop.clone(), count.clone(), topic.clone());
        async move {
            let mut due = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let all = values(&format!("transaction {}", count.load(Ordering::Relaxed)), 6);
                let transaction = producer.begin().await?;
                write(&transaction, &topic, 3, &all).await?;
                commit(transaction).await?;
                due.extend(all);
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(due)
        }
    });
    let reach = |more: usize| {
        let goal = count.load(Ordering::Relaxed) + more;
        until(&format!("{goal} transactions"), LIMIT, || {
            ensure!(!running.is_finished(), "the producer ended");
            Ok((count.load(Ordering::Relaxed) >= goal).then_some(()))
        })
    };
    for _ in 0..3 {
        reach(20)?;
        let victim = cluster.transaction_coordinator(&id)?;
        cluster.kill(victim)?;
        reach(20)?;
        cluster.restart(victim)?;
        cluster.wait_until_in_sync()?;
    }
    stop.store(true, Ordering::Relaxed);
    let due = running.await??;
    eprintln!("{} transactions", due.len() / 6);
    Finished::topic(&cluster, &topic).await?.is_committed(&due)
}
