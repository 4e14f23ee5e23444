//! What brokers say of a group, by the protocol that its members speak.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::config::{GroupProtocol, OffsetReset};
use ottla::{Admin, Consumer, ConsumerBuilder, GroupDescription, GroupState, GroupType, Producer, Record};
use real::{Cluster, older, shared, unique};

const LIMIT: Duration = Duration::from_secs(120);

fn builder(cluster: &Cluster, group: &str) -> ConsumerBuilder {
    Consumer::builder(cluster.bootstrap()).group(group).auto_offset_reset(OffsetReset::Earliest)
}

/// A member that was handed a record, and is not done with it.
async fn reading(builder: ConsumerBuilder, topic: &str) -> Result<Consumer> {
    let consumer = builder.build()?;
    consumer.subscribe([topic]).await?;
    let records = consumer.poll(LIMIT).await?;
    ensure!(!records.is_empty(), "nothing was read");
    Ok(consumer)
}

async fn written(cluster: &Cluster, topic: &str) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    producer.send(Record::to(topic).partition(0).value("tea")).await?;
    Ok(producer.close(LIMIT).await?)
}

/// Asks until it is so, and returns what was said then.
async fn described(
    cluster: &Cluster,
    group: &str,
    is_so: impl Fn(&GroupDescription) -> bool,
) -> Result<GroupDescription> {
    let admin = Admin::builder(cluster.bootstrap()).build()?;
    let asked = async {
        loop {
            let answer = admin.describe_groups([group]).await.remove(group).context("it was asked for")??;
            if is_so(&answer) {
                return Ok(answer);
            }
        }
    };
    tokio::time::timeout(LIMIT, asked).await.context("it never came to be")?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_the_broker_balances_is_described_with_its_epochs_and_targets() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("described", 4)?, unique("described"));
    written(&cluster, &topic).await?;
    let member = |name: &str| builder(&cluster, &group).client_id(name).group_protocol(GroupProtocol::Consumer);
    let first = reading(member("first"), &topic).await?;
    let before = described(&cluster, &group, |group| group.state == GroupState::Stable).await?;
    ensure!(before.members[0].assignment.len() == 4, "{before:?}");
    let second = member("second").build()?;
    second.subscribe([topic.as_str()]).await?;

    // The first keeps all that it has until it polls again.
    let after =
        described(&cluster, &group, |group| group.members.len() == 2 && group.state == GroupState::Reconciling).await?;

    ensure!(after.group_type == GroupType::Consumer && after.group_epoch > before.group_epoch, "{after:?}");
    ensure!(after.target_assignment_epoch == after.group_epoch, "{after:?}");
    let of = |name: &str| after.members.iter().find(|member| member.client_id == name).context("a member is missing");
    let (old, new) = (of("first")?, of("second")?);
    ensure!((old.assignment.len(), new.assignment.len()) == (4, 0), "{after:?}");
    let target = |member: &ottla::MemberDescription| member.target_assignment.clone().unwrap_or_default();
    ensure!((target(old).len(), target(new).len()) == (2, 2), "{after:?}");
    let all: BTreeSet<_> = target(old).into_iter().chain(target(new)).collect();
    ensure!(all.len() == 4, "each partition is for one member: {after:?}");
    ensure!(old.member_epoch == before.group_epoch && old.is_upgraded == Some(true), "{after:?}");
    first.close(LIMIT).await?;
    second.close(LIMIT).await?;
    Ok(())
}

/// Also by brokers that know no other kind, or none with members of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_its_members_balance_is_described_by_old_and_new_brokers() -> Result<()> {
    for cluster in [&*shared(), &*older()] {
        let (topic, group) = (cluster.topic("described-classic", 4)?, unique("described-classic"));
        written(cluster, &topic).await?;
        let member = reading(builder(cluster, &group), &topic).await?;
        let told = described(cluster, &group, |group| group.state == GroupState::Stable).await?;
        ensure!(told.group_type == GroupType::Classic && told.assignor == "range", "{told:?}");
        ensure!(told.group_epoch.is_none() && told.members[0].target_assignment.is_none(), "{told:?}");
        ensure!(told.members[0].assignment.len() == 4, "{told:?}");
        member.close(LIMIT).await?;
    }
    Ok(())
}
