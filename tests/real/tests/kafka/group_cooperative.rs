//! Groups that rebalance cooperatively (KIP-429): only what moves is given up, with Java among the members.
#![expect(clippy::disallowed_methods, reason = "waits for what other processes do")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::config::{AssignmentStrategy, OffsetReset};
use ottla::{Called, Consumer, RebalanceListener, Subscription, TopicPartition};
use real::{Cluster, shared, unique, until};

use crate::groups::{Java, LIMIT, PARTITIONS, count, lines, member_with, send, shared_among};

/// What was taken from a member.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<TopicPartition>>>);

impl Taken {
    fn all(&self) -> BTreeSet<TopicPartition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl RebalanceListener for Taken {
    fn on_partitions_revoked<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(partitions.iter().cloned());
        Box::pin(async { Ok(()) })
    }
}

async fn join(cluster: &Cluster, topic: &str, group: &str) -> Result<(Consumer, Taken)> {
    let consumer = Consumer::builder(cluster.bootstrap())
        .group(group)
        .auto_offset_reset(OffsetReset::Earliest)
        .heartbeat_interval(Duration::from_millis(500))
        .partition_assignment_strategy(vec![AssignmentStrategy::CooperativeSticky])
        .build()?;
    let taken = Taken::default();
    consumer.subscribe_to(Subscription::topics([topic]).listener(taken.clone())).await?;
    Ok((consumer, taken))
}

/// Polls until each member has its share, and a while longer: what they were given, in their order.
async fn until_shared(members: &[&Consumer]) -> Result<Vec<BTreeSet<TopicPartition>>> {
    let share = usize::from(PARTITIONS) / members.len();
    let start = Instant::now();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        ensure!(start.elapsed() < LIMIT, "they do not come to share it out");
        for member in members {
            member.poll(Duration::from_millis(50)).await?;
        }
        if members.iter().any(|member| member.assignment().len() != share) {
            since = Instant::now();
        }
    }
    Ok(members.iter().map(|member| member.assignment().into_iter().collect()).collect())
}

async fn only_what_moves_is_revoked(cluster: &Cluster) -> Result<()> {
    let (topic, group) = (cluster.topic("kept", PARTITIONS)?, unique("cooperative"));
    let (first, taken_from_first) = join(cluster, &topic, &group).await?;
    until_shared(&[&first]).await?;
    let (second, taken_from_second) = join(cluster, &topic, &group).await?;
    until_shared(&[&first, &second]).await?;
    ensure!(taken_from_first.all().len() == 3, "{:?}", taken_from_first.all());
    let (third, _) = join(cluster, &topic, &group).await?;
    let before = until_shared(&[&first, &second, &third]).await?;
    ensure!(taken_from_first.all().len() == 4 && taken_from_second.all().len() == 1);

    // One leaves: the others keep all that they have, and get half of its partitions each.
    third.close(Duration::from_secs(10)).await?;
    let after = until_shared(&[&first, &second]).await?;
    ensure!(after[0].is_superset(&before[0]) && after[1].is_superset(&before[1]), "{before:?} {after:?}");
    ensure!(taken_from_first.all().len() == 4 && taken_from_second.all().len() == 1, "nothing moved without need");
    first.close(Duration::from_secs(10)).await?;
    second.close(Duration::from_secs(10)).await?;
    Ok(())
}

#[tokio::test]
async fn of_three_members_each_gives_up_no_more_than_another_gets() -> Result<()> {
    only_what_moves_is_revoked(&shared()).await
}

#[tokio::test]
async fn of_three_members_each_gives_up_no_more_than_another_gets_on_an_older_broker() -> Result<()> {
    only_what_moves_is_revoked(&real::older()).await
}

#[test]
fn cooperative_members_that_come_and_go_read_every_record_once_java_among_them() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("kept-by-java", PARTITIONS)?, unique("cooperative-java"));
    let ours = ["partition.assignment.strategy=cooperative-sticky"];
    let theirs = ["partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"];
    let mut read = Vec::new();

    let java = Java::join_with(&cluster, &topic, &group, &theirs)?;
    shared_among(&cluster, &group, 1)?;
    let first = member_with(&cluster, &topic, &group, &ours)?;
    shared_among(&cluster, &group, 2)?;
    send(&cluster, &topic, 0..2_000)?;
    let second = member_with(&cluster, &topic, &group, &ours)?;
    shared_among(&cluster, &group, 3)?;
    send(&cluster, &topic, 2_000..4_000)?;
    // Java leads the group; when it goes, one of ours does.
    read.extend(java.interrupt()?);
    shared_among(&cluster, &group, 2)?;
    let java = Java::join_with(&cluster, &topic, &group, &theirs)?;
    shared_among(&cluster, &group, 3)?;
    send(&cluster, &topic, 4_000..6_000)?;
    read.extend(lines(&first.interrupt()?.stdout));
    shared_among(&cluster, &group, 2)?;
    send(&cluster, &topic, 6_000..8_000)?;
    until("all records", LIMIT, || {
        let total = read.len() + java.lines()?.len() + second.stdout()?.lines().count();
        Ok((total >= 8_000).then_some(()))
    })?;
    read.extend(java.interrupt().context("Java")?);
    read.extend(lines(&second.interrupt()?.stdout));

    let seen = count(&read);
    ensure!(seen.len() == 8_000, "{} of 8000 were read", seen.len());
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "read twice: {} of them, {:?} …", twice.len(), &twice[..twice.len().min(5)]);
    Ok(())
}
