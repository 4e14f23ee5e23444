//! What is committed, and where it lets the next member begin.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::{Kind, OffsetAndMetadata, Producer};
use real::Cluster;
use tokio::runtime::{Builder, Runtime};

use super::{
    Group, LIMIT, Member, Protocol, SHORT, at, flow, poll, poll_until, read, refusal, stays, told, until, write,
};

super::flows! {
    both:
        what_an_open_transaction_may_commit_is_waited_for
        an_offset_is_committed_with_the_epoch_of_its_leader_or_without
        what_a_member_was_not_done_with_when_it_died_is_read_by_another
        ;
    classic:
    ;
    modern:
}

const BY_HAND: (&str, &str) = ("enable.auto.commit", "false");

/// edge 63: neither the offset before it nor any other is good to begin at.
async fn what_an_open_transaction_may_commit_is_waited_for(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("unstable", 1)?, Group::new(cluster, protocol, "unstable")?);
    write(cluster, &topic, 1, 6).await?;
    let first = group.join(&topic, &[BY_HAND]).await?;
    read(&first, 6).await?;
    first.commit_offsets([(at(&topic, 0), 1)]).await?;
    let reader = first.group_metadata()?;
    let producer = Producer::builder(cluster.bootstrap()).transactional_id(&group.name).build_transactional()?;
    let transaction = producer.begin().await?;
    transaction.send_offsets([(at(&topic, 0), OffsetAndMetadata::from(4))], &reader).await?;

    first.close(LIMIT).await?;
    let second = group.join(&topic, &[("default.api.timeout.ms", "2000")]).await?;
    poll_until("the partition", &[&second], || second.partitions() == [0]).await?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let early = poll(&second).await?;
        ensure!(early.is_empty(), "{early:?}");
    }
    let error = refusal(told(&second, &at(&topic, 0)).await)?;
    ensure!(error.kind() == Kind::Timeout && error.is_retriable(), "{error}");
    transaction.commit().await?;
    ensure!(read(&second, 2).await? == [(0, 4), (0, 5)]);
    ensure!(told(&second, &at(&topic, 0)).await?.is_some());
    Ok(second.close(LIMIT).await?)
}

/// edge 64: the same offset of another epoch is another position; and one without an epoch is a position as well.
async fn an_offset_is_committed_with_the_epoch_of_its_leader_or_without(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, group) = (cluster.topic("with-epoch", 1)?, Group::new(cluster, protocol, "with-epoch")?);
    let partition = at(&topic, 0);
    let epoch = async |member: &Member| -> Result<(i64, Option<i32>)> {
        let committed = told(member, &partition).await?.context("a commit")?;
        Ok((committed.offset, committed.leader_epoch))
    };
    write(cluster, &topic, 1, 1).await?;
    let member = group.join(&topic, &[BY_HAND]).await?;
    read(&member, 1).await?;
    member.commit().await?;
    ensure!(epoch(&member).await? == (1, Some(0)));

    let mut newest = 0;
    if cluster.brokers().count() > 1 {
        let leader = cluster.leader(&topic, 0)?.context("a leader")?;
        let other = cluster.brokers().find(|broker| *broker != leader).context("another broker")?;
        cluster.move_leader(&topic, 0, other)?;
        newest = 1;
    }
    write(cluster, &topic, 1, 1).await?;
    read(&member, 1).await?;
    member.commit().await?;
    let (offset, committed) = epoch(&member).await?;
    ensure!(offset == 2 && committed >= Some(newest), "{committed:?} under the leader of epoch {newest} or later");

    member.commit_offsets([(partition.clone(), 2)]).await?;
    ensure!(epoch(&member).await? == (2, None));
    // It has not moved since its last commit, and yet what is committed is not what it would commit.
    member.commit().await?;
    ensure!(epoch(&member).await? == (2, committed));
    for leader_epoch in [None, committed] {
        let start = OffsetAndMetadata { offset: 1, leader_epoch, metadata: "by hand".to_owned() };
        member.commit_offsets([(partition.clone(), start.clone())]).await?;
        ensure!(told(&member, &partition).await? == Some(start));
        member.seek_to_committed().await?;
        ensure!(read(&member, 1).await? == [(0, 1)], "{leader_epoch:?}");
    }
    member.close(LIMIT).await?;
    // The last commit had one: who starts there validates it, and reads on.
    let next = group.join(&topic, &[BY_HAND]).await?;
    ensure!(read(&next, 1).await? == [(0, 1)]);
    Ok(next.close(LIMIT).await?)
}

/// A runtime that ends as a process that is killed: nothing is said any more by the tasks in it.
struct Doomed(Option<Runtime>);

impl Doomed {
    fn new() -> Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)))
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// edge 65: a poll commits what polls before it handed out. What the last one did goes to whoever reads on.
async fn what_a_member_was_not_done_with_when_it_died_is_read_by_another(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    const RECORDS: usize = 30;
    const INTERVAL: Duration = Duration::from_millis(50);
    let topic = cluster.topic("in-work", 2)?;
    let group = Group::with(cluster, protocol, "in-work", SHORT, Duration::from_millis(300))?;
    write(cluster, &topic, 2, RECORDS).await?;
    let doomed = Doomed::new()?;
    let interval = INTERVAL.as_millis().to_string();
    let settings = [("max.poll.records", "7"), ("auto.commit.interval.ms", interval.as_str())];
    let builder = group.builder(&settings).runtime(doomed.0.as_ref().context("it lives")?.handle().clone());
    let member = Member::join(builder, [topic.as_str()]).await?;

    // Where what was handed out ends, and where it ended before the last poll.
    let (mut handed_out, mut done_with) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..5 {
        let records = read(&member, 1).await?;
        done_with.clone_from(&handed_out);
        handed_out.extend(records.iter().map(|(partition, offset)| (*partition, offset + 1)));
        // Long enough for the next poll to be one that commits, and for the commit of this one.
        let is_past = async || -> Result<bool> {
            let committed = group.committed().await?;
            Ok(committed.iter().any(|(partition, offset)| *offset > done_with.get(partition).copied().unwrap_or(0)))
        };
        stays("committed is what is done with", INTERVAL * 5, async || Ok(!is_past().await?)).await?;
        until("the commit", async || {
            let committed = group.committed().await?;
            Ok(done_with.iter().all(|(partition, offset)| committed.get(partition) == Some(offset)))
        })
        .await?;
    }
    drop(doomed);

    let heir = group.join(&topic, &[]).await?;
    let mut rest = read(&heir, 2 * RECORDS - usize::try_from(done_with.values().sum::<i64>())?).await?;
    rest.sort_unstable();
    let due = (0..2).flat_map(|partition| {
        let begin = done_with.get(&partition).copied().unwrap_or(0);
        (begin..RECORDS as i64).map(move |offset| (partition, offset))
    });
    ensure!(rest.iter().copied().eq(due), "after {done_with:?}: {rest:?}");
    Ok(heir.close(LIMIT).await?)
}
