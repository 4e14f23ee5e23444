//! Coordinators that die, come back and hand over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::Consumer;
use real::{Broken, Cluster, older_to_break, shared_to_break, unique};

use super::{At, Classic, Group, LIMIT, LONG, Member, Modern, POLL, Protocol, at, poll_until, told, until, write};

/// Of the topic with the groups' offsets.
const COORDINATORS: i32 = 4;

/// The partition that a group's coordinator leads, by Java's hash of its name.
fn place(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash.checked_abs().unwrap_or(0) % COORDINATORS
}

/// A group with one member, whose coordinator is that of the partition.
struct Coordinated<'a> {
    group: Group<'a>,
    member: Member,
    id: String,
}

impl<'a> Coordinated<'a> {
    async fn at(place_of: i32, cluster: &'a Cluster, protocol: Protocol, topic: &str) -> Result<Self> {
        let name = std::iter::repeat_with(|| unique("moved")).find(|name| place(name) == place_of).context("a name")?;
        let group = Group::named(cluster, protocol, name, LONG, Duration::from_millis(300))?;
        let member = group.join(topic, &[("enable.auto.commit", "false")]).await?;
        poll_until("the partitions", &[&member], || member.partitions() == [0, 1]).await?;
        let id = member.id()?;
        Ok(Self { group, member, id })
    }

    /// Reads all that was written, as often as was written, and commits it: the member is who it was, and has what it
    /// had.
    async fn goes_on(&self, topic: &str, written: usize) -> Result<()> {
        let start = Instant::now();
        let end = i64::try_from(written)?;
        let position = async |partition| self.member.position(&at(topic, partition)).await;
        while position(0).await? < end || position(1).await? < end {
            ensure!(start.elapsed() < LIMIT, "nothing is read");
            patiently(&self.member).await?;
        }
        self.member.commit().await?;
        for partition in 0..2 {
            let committed = told(&self.member, &at(topic, partition)).await?.context("a commit")?;
            ensure!(committed.offset == end, "{committed:?} of {end}");
        }
        // Heartbeats go on too: else the coordinator would be about to do without it.
        let heartbeats = self.member.counted("heartbeat-total");
        until("heartbeats", async || Ok(self.member.counted("heartbeat-total") > heartbeats + 2.0)).await?;
        ensure!(self.group.member_ids().await? == [self.id.as_str()] && self.member.id()? == self.id);
        ensure!(self.member.heard.all() == ["assigned [0, 1]"], "{:?}", self.member.heard.all());
        Ok(())
    }
}

/// A poll while brokers are away may fail with what passes.
async fn patiently(member: &Consumer) -> Result<Vec<At>> {
    match member.poll(POLL).await {
        Ok(records) => Ok(records.iter().map(|record| (record.partition(), record.offset())).collect()),
        Err(error) if error.is_retriable() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// edge 57: whether its coordinator dies, or lives and is it no more, a member keeps what it has and commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_keeps_what_it_has_when_its_coordinator_dies_or_hands_over() -> Result<()> {
    let cluster: Broken = shared_to_break();
    let topic = cluster.topic("coordinated", 2)?;
    let place = 1;
    let classic = Coordinated::at(place, &cluster, Classic, &topic).await?;
    let modern = Coordinated::at(place, &cluster, Modern, &topic).await?;
    let first = cluster.leader("__consumer_offsets", place)?.context("a coordinator")?;
    ensure!(cluster.group_coordinator(&classic.group.name)? == first, "the groups' places are computed as Kafka does");
    ensure!(cluster.group_coordinator(&modern.group.name)? == first);

    cluster.kill(first)?;
    write(&cluster, &topic, 2, 5).await?;
    for coordinated in [&classic, &modern] {
        coordinated.goes_on(&topic, 5).await?;
    }
    ensure!(cluster.group_coordinator(&classic.group.name)? != first);
    cluster.restart(first)?;
    cluster.wait_until_in_sync()?;
    let second = cluster.leader("__consumer_offsets", place)?.context("a coordinator")?;
    let third = cluster.brokers().find(|broker| *broker != second).context("another")?;
    cluster.move_leader("__consumer_offsets", place, third)?;
    write(&cluster, &topic, 2, 5).await?;
    for coordinated in [&classic, &modern] {
        coordinated.goes_on(&topic, 10).await?;
        coordinated.member.close(LIMIT).await?;
    }
    Ok(())
}

/// edge 57: there is no other; it comes back, and loads the group before it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_keeps_what_it_has_while_its_only_coordinator_is_away() -> Result<()> {
    let cluster = older_to_break();
    let topic = cluster.topic("coordinated", 2)?;
    let coordinated = Coordinated::at(0, &cluster, Classic, &topic).await?;
    write(&cluster, &topic, 2, 5).await?;
    coordinated.goes_on(&topic, 5).await?;
    cluster.kill(1)?;
    cluster.restart(1)?;
    write(&cluster, &topic, 2, 5).await?;
    coordinated.goes_on(&topic, 10).await?;
    Ok(coordinated.member.close(LIMIT).await?)
}
