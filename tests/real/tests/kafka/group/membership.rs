//! How a member gets in, stays in and gets out.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ottla::{Code, GroupState};
use real::{Cluster, unique};

use super::scripted::Scripted;
use super::{
    Classic, Group, LIMIT, LONG, Member, Modern, POLL, Protocol, SHORT, at, flow, poll_until, read, refusal, stays,
    text, until, write,
};

super::flows! {
    both:
        an_expelled_member_loses_its_partitions_and_comes_back
        a_member_whose_name_another_took_says_so_and_stays_away
        a_member_that_does_not_poll_stays_for_as_long_as_it_may_and_then_leaves
        closing_amid_a_rebalance_is_soon_over
        ;
    classic:
        a_member_joins_with_the_id_that_it_was_given
        a_join_waits_for_a_slow_member_longer_than_a_request_may_take
        closing_while_the_leader_shares_out_is_soon_over
        ;
    modern:
}

/// The ids that the coordinators of this cluster gave out for a group, as they log it.
fn ids_given(cluster: &Cluster, group: &str) -> Result<Vec<String>> {
    let mut given = Vec::new();
    for status in cluster.status()? {
        let log = std::fs::read(status.log)?;
        for line in String::from_utf8_lossy(&log).lines().filter(|line| line.contains(&format!("group {group} "))) {
            let id = line.split_once("Created a new member id ").and_then(|(_, rest)| rest.split_once(" and request"));
            given.extend(id.map(|(id, _)| id.to_owned()));
        }
    }
    Ok(given)
}

/// edge 52: the coordinator gives out an id and wants it back: one that did not keep it would ask for ever.
async fn a_member_joins_with_the_id_that_it_was_given(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("first-join", 1)?, Group::new(cluster, protocol, "first-join")?);
    let member = group.join(&topic, &[]).await?;
    poll_until("the partition", &[&member], || member.partitions() == [0]).await?;
    let given = ids_given(cluster, &group.name)?;
    ensure!(given == [member.id()?], "{given:?}");
    ensure!(group.member_ids().await? == given);
    ensure!(member.counted("failed-rebalance-total") == 0.0, "being given an id is no failure");
    Ok(member.close(LIMIT).await?)
}

/// edge 54: what was held is lost, not revoked: nothing can be committed for it.
async fn an_expelled_member_loses_its_partitions_and_comes_back(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("expelled", 2)?, Group::new(cluster, protocol, "expelled")?);
    write(cluster, &topic, 2, 3).await?;
    let member = group.join(&topic, &[]).await?;
    read(&member, 6).await?;
    let id = member.id()?;
    group.expel(&id)?;
    // The commit finds out, unless a heartbeat has.
    let error = refusal(member.commit_offsets([(at(&topic, 0), 3)]).await)?;
    ensure!(error.code() == Some(Code::UnknownMemberId) && !error.is_retriable(), "{error}");
    poll_until("the partitions", &[&member], || member.heard.all().len() >= 3).await?;
    ensure!(member.heard.all() == ["assigned [0, 1]", "lost [0, 1]", "assigned [0, 1]"], "{:?}", member.heard.all());
    // An id is the coordinator's to give in the one protocol, the member's for life in the other (KIP-1082).
    ensure!((member.id()? == id) == (protocol == Modern), "{id}, then {}", member.id()?);
    ensure!(group.member_ids().await? == [member.id()?]);
    ensure!(group.committed().await?.is_empty(), "{:?}", group.committed().await?);
    member.seek_to_committed().await?;
    ensure!(read(&member, 6).await?.len() == 6, "read again: nothing was committed");
    Ok(member.close(LIMIT).await?)
}

/// edge 55: told by every poll; it does not take the name back.
async fn a_member_whose_name_another_took_says_so_and_stays_away(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let topic = cluster.topic("name-taken", 2)?;
    let group = Group::with(cluster, protocol, "name-taken", LONG, Duration::from_secs(2))?;
    let named = [("group.instance.id", "till-1")];
    let first = group.join(&topic, &named).await?;
    poll_until("the partitions", &[&first], || first.partitions() == [0, 1]).await?;
    let second = if protocol == Classic {
        let second = group.join(&topic, &named).await?;
        poll_until("the name", &[&second], || second.partitions() == [0, 1]).await?;
        Some(second)
    } else {
        // Of two living members the first keeps the name. So it is said in its name that it comes back later; between
        // two of its heartbeats, that could deny it.
        let heartbeats = first.counted("heartbeat-total");
        until("a heartbeat", async || Ok(first.counted("heartbeat-total") > heartbeats)).await?;
        take_name(&group, &first.id()?, &topic)?;
        None
    };
    for _ in 0..2 {
        let start = Instant::now();
        let error = loop {
            match first.poll(POLL).await {
                Ok(_) => ensure!(start.elapsed() < LIMIT, "it is not told"),
                Err(error) => break error,
            }
        };
        ensure!(error.code() == Some(Code::FencedInstanceId) && !error.is_retriable(), "{error}");
        ensure!(first.partitions().is_empty());
    }
    ensure!(!first.heard.all().iter().any(|heard| heard.starts_with("revoked")), "{:?}", first.heard.all());
    let before = group.member_ids().await?;
    stays("the other's name", SHORT, async || Ok(group.member_ids().await? == before)).await?;
    first.close(LIMIT).await?;
    if let Some(second) = second {
        ensure!(second.partitions() == [0, 1] && before == [second.id()?]);
        second.close(LIMIT).await?;
    }
    Ok(())
}

/// In the modern protocol: the member of this id is away for a while, and another has its name.
fn take_name(group: &Group<'_>, id: &str, topic: &str) -> Result<()> {
    let named = |member: &str, epoch| group.heartbeat(member, epoch).with_instance_id(Some(text("till-1")));
    let away = group.ask(1, &named(id, -2), |answer| answer.error_code)?;
    ensure!(away.error_code == 0, "{:?}", away.error_message);
    let other = named(&unique("thief"), 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![kafka_protocol::messages::TopicName(text(topic))]))
        .with_topic_partitions(Some(Vec::new()));
    let taken = group.ask(1, &other, |answer| answer.error_code)?;
    ensure!(taken.error_code == 0, "{:?}", taken.error_message);
    Ok(())
}

/// edge 58: the group waits for its members, however long they may take, and the request waits with it.
async fn a_join_waits_for_a_slow_member_longer_than_a_request_may_take(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, group) = (cluster.topic("slow", 2)?, Group::new(cluster, protocol, "slow")?);
    write(cluster, &topic, 2, 1).await?;
    let patient = ("max.poll.interval.ms", "60000");
    let slow = group.join(&topic, &[patient]).await?;
    read(&slow, 2).await?;
    let second = group.join(&topic, &[patient, ("request.timeout.ms", "1000")]).await?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        second.poll(POLL).await?;
    }
    ensure!(second.partitions().is_empty() && group.state().await? == "PreparingRebalance");
    poll_until("a share", &[&slow, &second], || slow.partitions().len() == 1 && second.partitions().len() == 1).await?;
    ensure!(second.counted("failed-rebalance-total") == 0.0);
    ensure!(second.counted("join-time-max") > 3_000.0, "one request: {}", second.counted("join-time-max"));
    slow.close(LIMIT).await?;
    Ok(second.close(LIMIT).await?)
}

/// edge 59: longer than a session, heartbeats speak for it; not longer than it may be without a poll.
async fn a_member_that_does_not_poll_stays_for_as_long_as_it_may_and_then_leaves(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let topic = cluster.topic("busy", 2)?;
    let group = Group::with(cluster, protocol, "busy", SHORT, Duration::from_millis(300))?;
    write(cluster, &topic, 2, 1).await?;
    let member = group.join(&topic, &[("max.poll.interval.ms", "7000")]).await?;
    read(&member, 2).await?;
    let id = member.id()?;
    let since = Instant::now();
    // A member that had gone and come back would have heard of it.
    let session_and_more = SHORT + Duration::from_secs(2);
    stays("member", session_and_more, async || Ok(group.member_ids().await? == [id.as_str()])).await?;
    ensure!(member.heard.all() == ["assigned [0, 1]"], "{:?}", member.heard.all());
    until("its leave", async || Ok(group.member_ids().await?.is_empty())).await?;
    // Gone by its own word: its session would have lasted longer.
    ensure!(since.elapsed() < Duration::from_secs(7) + SHORT, "{:?}", since.elapsed());
    ensure!(member.partitions().is_empty());
    poll_until("its return", &[&member], || member.heard.all().len() >= 3).await?;
    ensure!(member.heard.all() == ["assigned [0, 1]", "lost [0, 1]", "assigned [0, 1]"], "{:?}", member.heard.all());
    Ok(member.close(LIMIT).await?)
}

/// edge 68: one is to give up what it works on, another waits for it. Neither has to.
async fn closing_amid_a_rebalance_is_soon_over(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("closing", 2)?, Group::new(cluster, protocol, "closing")?);
    write(cluster, &topic, 2, 2).await?;
    let first = group.join(&topic, &[]).await?;
    read(&first, 4).await?;
    let second = group.join(&topic, &[]).await?;
    let state = if protocol == Classic { "PreparingRebalance" } else { "Reconciling" };
    let rebalancing = group.until(state, &[&second], |group| group.state.to_string() == state).await?;
    ensure!(!rebalancing.members.is_empty());
    soon_closed(&second).await?;
    soon_closed(&first).await?;
    ensure!(first.heard.all() == ["assigned [0, 1]", "revoked [0, 1]"], "{:?}", first.heard.all());
    ensure!(group.member_ids().await?.is_empty());
    ensure!(group.committed().await?.into_iter().eq([(0, 2), (1, 2)]), "{:?}", group.committed().await?);
    Ok(())
}

async fn soon_closed(member: &Member) -> Result<()> {
    let start = Instant::now();
    member.close(LIMIT).await?;
    ensure!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    ensure!(member.partitions().is_empty());
    Ok(())
}

/// edge 68: it has joined, and its share is not known yet.
async fn closing_while_the_leader_shares_out_is_soon_over(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("closing-early", 2)?, Group::new(cluster, protocol, "closing-early")?);
    let mut leader = Scripted::first(&group, "range", &topic)?;
    let member = group.join(&topic, &[]).await?;
    group.until("its join", &[], |group| group.state == GroupState::PreparingRebalance).await?;
    leader.rejoin(&[&member]).await?;
    ensure!(group.state().await? == "CompletingRebalance");
    soon_closed(&member).await?;
    until("its leave", async || Ok(group.member_ids().await?.iter().all(|id| id == leader.id()))).await?;
    leader.leave()
}
