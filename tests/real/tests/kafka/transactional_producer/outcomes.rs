//! What is seen of transactions that end one way or the other.

use std::time::Duration;

use anyhow::{Result, ensure};
use ottla::{Consumer, Producer, Record, TopicPartition};
use real::{Cluster, unique};

use super::{Finished, producer, speaks_kip_890, until_aborted, values, with_both_protocols, write};

with_both_protocols! {
    what_is_committed_is_read_and_what_is_aborted_is_not
    offsets_count_once_they_are_committed
    a_transaction_whose_batches_are_too_large_for_the_topic_is_split_and_whole
    a_dropped_transaction_is_aborted_and_the_next_begins
}

async fn what_is_committed_is_read_and_what_is_aborted_is_not(cluster: &Cluster) -> Result<()> {
    let (orders, stock) = (cluster.topic("orders", 3)?, cluster.topic("stock", 1)?);
    let id = unique("visible");
    let producer = producer(cluster, &id)?;
    producer.init().await?;
    let began = cluster.transactional_state(&id)?;
    for (purpose, commit) in [("first", true), ("aborted", false), ("second", true)] {
        let transaction = producer.begin().await?;
        write(&transaction, &orders, 3, &values(purpose, 30)).await?;
        write(&transaction, &stock, 1, &values(purpose, 30)).await?;
        if commit {
            transaction.commit().await?;
        } else {
            transaction.abort().await?;
        }
    }

    // Raised by each end in the newer protocol, by none in the older.
    let raised = cluster.transactional_state(&id)?.producer_epoch - began.producer_epoch;
    ensure!(raised == if speaks_kip_890(cluster) { 3 } else { 0 }, "the epoch rose by {raised}");

    let committed = [values("first", 30), values("second", 30)].concat();
    for topic in [&orders, &stock] {
        let topic = Finished::topic(cluster, topic).await?;
        topic.is_committed(&committed)?;
        topic.is_written(&[&committed[..], &values("aborted", 30)].concat())?;
    }

    let arguments = ["--bootstrap-server", &cluster.bootstrap(), "describe", "--transactional-id", &id];
    let described = cluster.tool("org.apache.kafka.tools.TransactionsCommand", arguments)?;
    let described = String::from_utf8(described.stdout)?;
    ensure!(described.contains("CompleteCommit") && described.contains(&began.producer_id.to_string()), "{described}");
    Ok(())
}

async fn offsets_count_once_they_are_committed(cluster: &Cluster) -> Result<()> {
    let (from, to, group) = (cluster.topic("from", 2)?, cluster.topic("to", 1)?, unique("offsets"));
    let consumer = Consumer::builder(cluster.bootstrap()).group(&group).enable_auto_commit(false).build()?;
    let producer = producer(cluster, &unique("offsets"))?;
    let partitions = [0, 1].map(|partition| TopicPartition::new(&*from, partition));
    for (offset, commit, due) in [(3, true, [3, 4]), (5, true, [5, 6]), (9, false, [5, 6])] {
        let transaction = producer.begin().await?;
        transaction.enqueue(Record::to(&to).value("read so far")).await?;
        let offsets = partitions.iter().cloned().zip([offset.into(), (offset + 1).into()]);
        transaction.send_offsets(offsets, &consumer.group_metadata()?).await?;
        if commit {
            transaction.commit().await?;
        } else {
            transaction.abort().await?;
        }
        // Markers are written after the answer. Java's tool does not wait for them, a consumer does.
        consumer.committed(&partitions).await?;
        let shown = java_shows(cluster, &group, &from)?;
        ensure!(shown == due, "{shown:?}, due are {due:?}");
    }
    Ok(())
}

/// The offsets that Java's tool shows of a group, by partition.
fn java_shows(cluster: &Cluster, group: &str, topic: &str) -> Result<Vec<i64>> {
    let output = cluster.tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        ["--bootstrap-server", &cluster.bootstrap(), "--describe", "--offsets", "--group", group],
    )?;
    let text = String::from_utf8([output.stdout, output.stderr].concat())?;
    let mut shown = Vec::new();
    for line in text.lines() {
        // GROUP TOPIC PARTITION CURRENT-OFFSET …
        let columns: Vec<_> = line.split_whitespace().collect();
        if columns.len() > 3 && columns[1] == topic {
            shown.push((columns[2].parse::<i32>()?, columns[3].parse()?));
        }
    }
    ensure!(!shown.is_empty(), "{text}");
    shown.sort_unstable();
    Ok(shown.into_iter().map(|(_, offset)| offset).collect())
}

/// edge 10
async fn a_transaction_whose_batches_are_too_large_for_the_topic_is_split_and_whole(cluster: &Cluster) -> Result<()> {
    let topic = cluster.topic_with("small", 2, &[("max.message.bytes", "2000")])?;
    let builder = Producer::builder(cluster.bootstrap()).transactional_id(unique("split"));
    let producer = builder.linger(Duration::from_millis(200)).build_transactional()?;
    let all = values(&"of three hundred bytes ".repeat(13), 400);
    for half in all.chunks(200) {
        let transaction = producer.begin().await?;
        for (n, value) in (0..).zip(half) {
            transaction.enqueue(Record::to(&topic).partition(n % 2).value(value)).await?;
        }
        transaction.commit().await?;
    }
    Finished::topic(cluster, &topic).await?.is_committed(&all)
}

async fn a_dropped_transaction_is_aborted_and_the_next_begins(cluster: &Cluster) -> Result<()> {
    let (topic, id) = (cluster.topic("dropped", 1)?, unique("dropped"));
    let producer = producer(cluster, &id)?;
    let transaction = producer.begin().await?;
    write(&transaction, &topic, 1, &values("dropped", 10)).await?;
    drop(transaction);
    until_aborted(cluster, &id)?;

    let transaction = producer.begin().await?;
    write(&transaction, &topic, 1, &values("next", 10)).await?;
    transaction.commit().await?;

    let topic = Finished::topic(cluster, &topic).await?;
    topic.is_committed(&values("next", 10))?;
    topic.is_written(&[values("dropped", 10), values("next", 10)].concat())
}
