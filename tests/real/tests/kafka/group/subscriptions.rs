//! What members want: something else than before, or than the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::{Code, GroupState, TopicPartition};
use real::Cluster;

use super::{Group, LIMIT, Member, Protocol, flow, poll, poll_until, read, write};

super::flows! {
    both:
        what_was_wrong_with_topics_that_are_not_wanted_any_more_is_not_told
        ;
    classic:
        members_that_want_different_topics_share_them_out_evenly_as_they_come_change_and_go
        ;
    modern:
}

/// No topic can be called this.
const WRONG: &str = "no such topic!";

/// edge 66
async fn what_was_wrong_with_topics_that_are_not_wanted_any_more_is_not_told(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, group) = (cluster.topic("wanted-later", 1)?, Group::new(cluster, protocol, "wanted-later")?);
    write(cluster, &topic, 1, 3).await?;
    // Each in a group of its own: what another member wants is of interest to the leader.
    let other = Group::new(cluster, protocol, "told")?;
    let told = Member::join(other.builder(&[]), [WRONG]).await?;
    let spared = Member::join(group.builder(&[("metadata.max.age.ms", "100")]), [WRONG]).await?;
    // Both have asked by the time that one is told of it again.
    for _ in 0..2 {
        let error = told.poll(LIMIT).await.err().context("it is told")?;
        ensure!(error.code() == Some(Code::InvalidTopicException), "{error}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    told.close(LIMIT).await?;
    spared.subscribe([topic.as_str()]).await?;
    ensure!(read(&spared, 3).await?.len() == 3, "and no poll failed");
    Ok(spared.close(LIMIT).await?)
}

/// How many of its members a partition could do better at.
fn is_even(shares: &BTreeMap<usize, (BTreeSet<&str>, Vec<TopicPartition>)>) -> bool {
    shares.values().all(|(_, held)| {
        held.iter().all(|partition| {
            shares.values().all(|(wanted, other)| !wanted.contains(&*partition.topic) || other.len() + 1 >= held.len())
        })
    })
}

/// edge 67: whatever each wants, the assignor ends, and no partition had better be another's who wants it.
async fn members_that_want_different_topics_share_them_out_evenly_as_they_come_change_and_go(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let partitions = [6, 1, 3, 2, 5];
    let topics: Vec<String> = partitions.iter().map(|count| cluster.topic("uneven", *count)).collect::<Result<_>>()?;
    let named = |wanted: &[usize]| -> BTreeSet<&str> { wanted.iter().map(|topic| topics[*topic].as_str()).collect() };
    for assignor in ["sticky", "cooperative-sticky"] {
        let group = Group::new(cluster, protocol, assignor)?;
        let mut members: BTreeMap<usize, (BTreeSet<&str>, Member)> = BTreeMap::new();
        let all_wanted: [&[usize]; 5] = [&[0, 1, 2, 3, 4], &[0, 1], &[0, 2], &[2, 3, 4], &[4]];
        let join = async |wanted: &[usize]| -> Result<(BTreeSet<&str>, Member)> {
            let builder = group.builder(&[("partition.assignment.strategy", assignor)]);
            let wanted = named(wanted);
            Ok((wanted.clone(), Member::join(builder, wanted).await?))
        };
        for (number, wanted) in all_wanted.into_iter().enumerate() {
            members.insert(number, join(wanted).await?);
        }
        evenly_shared(&group, &members, &partitions, &topics).await?;
        // One wants more than it did, one goes, and one comes.
        let (wanted, changed) = members.get_mut(&1).context("the second")?;
        *wanted = named(&[1, 4]);
        changed.subscribe(wanted.iter().copied()).await?;
        members.remove(&0).context("the first")?.1.close(LIMIT).await?;
        members.insert(5, join(&[0, 1, 3]).await?);
        evenly_shared(&group, &members, &partitions, &topics).await?;
        for (_, member) in members.into_values() {
            member.close(LIMIT).await?;
        }
    }
    Ok(())
}

/// Waits until every partition is one member's, and the group has nothing to do; then they must be shared out evenly.
async fn evenly_shared(
    group: &Group<'_>,
    members: &BTreeMap<usize, (BTreeSet<&str>, Member)>,
    partitions: &[u16],
    topics: &[String],
) -> Result<()> {
    let total: usize = partitions.iter().map(|count| usize::from(*count)).sum();
    let all: Vec<&Member> = members.values().map(|(_, member)| member).collect();
    let held = || all.iter().flat_map(|member| member.assignment()).collect::<Vec<_>>();
    let start = Instant::now();
    loop {
        poll_until("all partitions", &all, || held().len() == total).await?;
        let stable = group
            .until("stability", &all, |group| group.state == GroupState::Stable && group.members.len() == members.len())
            .await?;
        let known: BTreeSet<_> = stable.members.iter().flat_map(|member| member.assignment.iter().cloned()).collect();
        let own: BTreeSet<_> = held().into_iter().collect();
        if known.len() == total && own == known {
            break;
        }
        ensure!(start.elapsed() < LIMIT, "the members have {own:?}, and their coordinator knows {known:?}");
        // One may have to give something up, which takes a poll.
        for member in &all {
            poll(member).await?;
        }
    }
    let shares: BTreeMap<_, _> =
        members.iter().map(|(number, (wanted, member))| (*number, (wanted.clone(), member.assignment()))).collect();
    ensure!(
        shares.values().all(|(wanted, held)| held.iter().all(|partition| wanted.contains(&*partition.topic))),
        "{shares:?}"
    );
    ensure!(is_even(&shares), "of {topics:?}: {shares:?}");
    Ok(())
}
