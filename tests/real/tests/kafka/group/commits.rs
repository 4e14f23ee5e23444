//! Commits that meet a rebalance, or come from who is not what it thinks.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, TopicName};
use ottla::{Code, GroupState, Kind};
use real::{Cluster, unique};

use super::scripted::Scripted;
use super::{
    Group, LIMIT, LONG, Member, POLL, Protocol, at, flow, poll, poll_until, read, refusal, text, told, until, write,
};

super::flows! {
    both:
        who_is_no_member_commits_nothing_for_a_group_that_has_members
        ;
    classic:
        a_generation_that_ended_unseen_is_lost_with_the_commit_that_finds_out
        a_commit_that_a_join_overtakes_gives_nothing_up
        an_eager_member_that_commits_too_late_is_told_to_poll_first
        a_cooperative_member_commits_amid_a_rebalance
        ;
    modern:
        an_epoch_that_rose_unseen_is_learnt_by_who_asks_what_is_committed
        a_member_that_was_replaced_commits_nothing_and_starts_over
}

/// A heartbeat that does not come within a test.
const SELDOM: Duration = Duration::from_secs(12);

const BY_HAND: (&str, &str) = ("enable.auto.commit", "false");
const EAGERLY: (&str, &str) = ("partition.assignment.strategy", "range");
const COOPERATIVELY: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");

/// A member that has read all of two partitions, two records each, in a group that a scripted member leads.
async fn led<'a>(group: &'a Group<'_>, assignor: (&str, &str), topic: &str) -> Result<(Scripted<'a>, Member)> {
    write(group.cluster, topic, 2, 2).await?;
    let mut leader = Scripted::first(group, assignor.1, topic)?;
    let member = group.join(topic, &[BY_HAND, assignor, ("default.api.timeout.ms", "5000")]).await?;
    leader.admit(&member, &[0, 1]).await?;
    Ok((leader, member))
}

/// edge 53: the coordinator is at another generation, and this member knows of no rebalance.
async fn a_generation_that_ended_unseen_is_lost_with_the_commit_that_finds_out(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let topic = cluster.topic("outrun", 2)?;
    let group = Group::with(cluster, protocol, "outrun", LONG, SELDOM)?;
    write(cluster, &topic, 2, 2).await?;
    let member = group.join(&topic, &[BY_HAND, EAGERLY]).await?;
    read(&member, 4).await?;
    let (id, generation) = (member.id()?, member.group_metadata()?.generation_id());
    let next = Scripted::new(&group, "range", &topic, &id)?.joining()?.answer()?;
    ensure!(next.error_code == 0 && next.generation_id == generation + 1, "{next:?}");
    let error = refusal(member.commit().await)?;
    ensure!(error.code() == Some(Code::IllegalGeneration) && !error.is_retriable(), "{error}");
    poll_until("its return", &[&member], || member.heard.all().len() >= 3).await?;
    ensure!(member.heard.all() == ["assigned [0, 1]", "lost [0, 1]", "assigned [0, 1]"], "{:?}", member.heard.all());
    ensure!(member.id()? == id && group.committed().await?.is_empty());
    Ok(member.close(LIMIT).await?)
}

/// edge 53: the generation ends while this member's join is not answered. That answer will tell; till then it keeps
/// what it has.
async fn a_commit_that_a_join_overtakes_gives_nothing_up(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("overtaken", 2)?, Group::new(cluster, protocol, "overtaken")?);
    let (mut leader, member) = led(&group, COOPERATIVELY, &topic).await?;
    let id = member.id()?;
    let third = Scripted::new(&group, COOPERATIVELY.1, &topic, "")?;
    let thirds = third.joining()?;
    group.until("a rebalance", &[&member], |group| group.state == GroupState::PreparingRebalance).await?;
    // Heartbeats tell it to join, which it does between polls.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        poll(&member).await?;
    }
    // The second join under an id takes the place of the first, which stays unanswered.
    let in_its_name = Scripted::new(&group, COOPERATIVELY.1, &topic, &id)?.joining()?;
    leader.rejoin(&[]).await?;
    in_its_name.answer()?;
    thirds.answer()?;
    let heard = member.heard.all();
    let error = refusal(member.commit_offsets([(at(&topic, 0), 1)]).await)?;
    ensure!(error.kind() == Kind::Timeout && error.is_retriable(), "tried again while it may help: {error}");
    ensure!(format!("{error:#}").contains("ILLEGAL_GENERATION") || error.to_string().contains("generation"), "{error}");
    ensure!(member.partitions() == [0, 1] && member.heard.all() == heard, "{:?}", member.heard.all());
    ensure!(group.member_ids().await?.contains(&id), "it has not left either");
    member.close(LIMIT).await?;
    third.leave()?;
    leader.leave()
}

/// edge 56: while the group waits for it, what it read can be committed; once it has joined, only after its next poll.
async fn an_eager_member_that_commits_too_late_is_told_to_poll_first(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, group) = (cluster.topic("too-late", 2)?, Group::new(cluster, protocol, "too-late")?);
    let (mut leader, member) = led(&group, EAGERLY, &topic).await?;
    let joins = member.counted("join-total");
    let joining = leader.joining()?;
    group.until("a rebalance", &[], |group| group.state == GroupState::PreparingRebalance).await?;
    member.commit_offsets([(at(&topic, 0), 1)]).await?;
    leader.all_joined(joining, &[&member]).await?;
    until("the answer to its join", async || Ok(member.counted("join-total") > joins)).await?;
    let error = refusal(member.commit_offsets([(at(&topic, 0), 2)]).await)?;
    ensure!(error.code() == Some(Code::RebalanceInProgress) && error.is_retriable(), "{error}");
    leader.sync(&[0, 1])?;
    poll_until("its partitions", &[&member], || member.heard.all().len() >= 3).await?;
    ensure!(group.committed().await?.get(&0) == Some(&1));
    member.commit_offsets([(at(&topic, 0), 2)]).await?;
    ensure!(group.committed().await?.get(&0) == Some(&2));
    let heard = member.heard.all();
    ensure!(heard == ["assigned [0, 1]", "revoked [0, 1]", "assigned [0, 1]"], "{heard:?}");
    member.close(LIMIT).await?;
    leader.leave()
}

/// edge 56: what stays is committed once the leader has shared out, however long that takes.
async fn a_cooperative_member_commits_amid_a_rebalance(cluster: &Cluster, protocol: Protocol) -> Result<()> {
    let (topic, group) = (cluster.topic("amid", 2)?, Group::new(cluster, protocol, "amid")?);
    let (mut leader, member) = led(&group, COOPERATIVELY, &topic).await?;
    let joins = member.counted("join-total");
    let joining = leader.joining()?;
    group.until("a rebalance", &[], |group| group.state == GroupState::PreparingRebalance).await?;
    member.commit_offsets([(at(&topic, 0), 1)]).await?;
    ensure!(group.committed().await?.get(&0) == Some(&1));
    leader.all_joined(joining, &[&member]).await?;
    until("the answer to its join", async || Ok(member.counted("join-total") > joins)).await?;
    let share_out = async {
        tokio::time::sleep(5 * POLL).await;
        ensure!(group.committed().await?.get(&0) == Some(&1), "the coordinator takes no commit meanwhile");
        leader.sync(&[0, 1])
    };
    let (committed, shared_out) = tokio::join!(member.commit_offsets([(at(&topic, 0), 2)]), share_out);
    shared_out?;
    committed?;
    ensure!(group.committed().await?.get(&0) == Some(&2));
    let heard = member.heard.all();
    ensure!(!heard.iter().any(|heard| heard.starts_with("revoked") || heard.starts_with("lost")), "{heard:?}");
    member.close(LIMIT).await?;
    leader.leave()
}

/// edge 62: neither a generation nor an epoch.
async fn who_is_no_member_commits_nothing_for_a_group_that_has_members(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, group) = (cluster.topic("stranger", 1)?, Group::new(cluster, protocol, "stranger")?);
    let member = group.join(&topic, &[]).await?;
    poll_until("the partition", &[&member], || member.partitions() == [0]).await?;
    let stranger = group.builder(&[BY_HAND]).build()?;
    stranger.assign([at(&topic, 0)]).await?;
    let error = refusal(stranger.commit_offsets([(at(&topic, 0), 0)]).await)?;
    ensure!(error.code() == Some(Code::UnknownMemberId) && !error.is_retriable(), "{error}");
    member.close(LIMIT).await?;
    stranger.commit_offsets([(at(&topic, 0), 0)]).await?;
    ensure!(group.committed().await?.get(&0) == Some(&0), "of an empty group anybody commits");
    Ok(stranger.close(LIMIT).await?)
}

/// Says in a member's name that it lives, until its epoch is another.
async fn raise_epoch(group: &Group<'_>, id: &str, epoch: i32) -> Result<i32> {
    let start = Instant::now();
    loop {
        let beaten = group.ask(1, &group.heartbeat(id, epoch), |answer| answer.error_code)?;
        ensure!(beaten.error_code == 0, "{beaten:?}");
        if beaten.member_epoch > epoch {
            return Ok(beaten.member_epoch);
        }
        ensure!(start.elapsed() < LIMIT, "the epoch does not rise");
        tokio::time::sleep(POLL).await;
    }
}

/// A member without a client behind it, which wants a topic.
fn join_by_heartbeat(group: &Group<'_>, id: &str, topic: &str) -> Result<()> {
    let join = group
        .heartbeat(id, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text(topic))]))
        .with_topic_partitions(Some(Vec::new()));
    let joined = group.ask(1, &join, |answer| answer.error_code)?;
    ensure!(joined.error_code == 0, "{joined:?}");
    Ok(())
}

/// edge 62: a coordinator of Kafka 4.3 takes commits of earlier epochs for what is still held, but answers no
/// questions.
async fn an_epoch_that_rose_unseen_is_learnt_by_who_asks_what_is_committed(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, other) = (cluster.topic("stale", 2)?, cluster.topic("other", 1)?);
    let group = Group::with(cluster, protocol, "stale", LONG, SELDOM)?;
    write(cluster, &topic, 2, 2).await?;
    let member = group.join(&topic, &[BY_HAND]).await?;
    read(&member, 4).await?;
    let (id, epoch) = (member.id()?, member.group_metadata()?.generation_id());
    let second = unique("second");
    join_by_heartbeat(&group, &second, &other)?;
    raise_epoch(&group, &id, epoch).await?;
    ensure!(fetch_code(&group, &id, epoch)? == ResponseError::StaleMemberEpoch.code());

    let start = Instant::now();
    member.commit().await?;
    ensure!(told(&member, &at(&topic, 0)).await?.context("a commit")?.offset == 2);
    ensure!(
        start.elapsed() < SELDOM / 2,
        "it asks for its epoch, and does not wait for its time: {:?}",
        start.elapsed()
    );
    ensure!(member.heard.all() == ["assigned [0, 1]"], "{:?}", member.heard.all());
    member.close(LIMIT).await?;
    group.expel(&second)
}

/// How the coordinator answers the question what is committed, put in a member's name.
fn fetch_code(group: &Group<'_>, member: &str, epoch: i32) -> Result<i16> {
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(&group.name)))
        .with_member_id(Some(text(member)))
        .with_member_epoch(epoch)
        .with_topics(None);
    let answer = group.ask(9, &OffsetFetchRequest::default().with_groups(vec![asked]), |answer| answer.error_code)?;
    Ok(answer.groups.first().context("the group")?.error_code)
}

/// edge 62: its epoch will never be the newest again, however often it asks.
async fn a_member_that_was_replaced_commits_nothing_and_starts_over(
    cluster: &Cluster,
    protocol: Protocol,
) -> Result<()> {
    let (topic, other) = (cluster.topic("replaced", 2)?, cluster.topic("other", 1)?);
    let group = Group::with(cluster, protocol, "replaced", LONG, SELDOM)?;
    write(cluster, &topic, 2, 2).await?;
    let member = group.join(&topic, &[BY_HAND]).await?;
    read(&member, 4).await?;
    let (id, epoch) = (member.id()?, member.group_metadata()?.generation_id());
    group.expel(&id)?;
    join_by_heartbeat(&group, &id, &topic)?;
    // Twice: a member may have missed the answer that told of the newest epoch, and be at the one before.
    let newer = raise_epoch(&group, &id, epoch).await?;
    let second = unique("second");
    join_by_heartbeat(&group, &second, &other)?;
    raise_epoch(&group, &id, newer).await?;
    let start = Instant::now();
    let error = refusal(member.commit_offsets([(at(&topic, 0), 2)]).await)?;
    ensure!(!error.is_retriable(), "{error}");
    ensure!(start.elapsed() < SELDOM / 2, "{:?}", start.elapsed());
    poll_until("its return", &[&member], || member.heard.all().len() >= 3).await?;
    ensure!(member.heard.all() == ["assigned [0, 1]", "lost [0, 1]", "assigned [0, 1]"], "{:?}", member.heard.all());
    ensure!(member.id()? == id && group.committed().await?.is_empty());
    member.close(LIMIT).await?;
    group.expel(&second)
}
