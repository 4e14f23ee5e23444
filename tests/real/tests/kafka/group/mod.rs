//! What a member of a group goes through on real brokers, with each protocol that the group may speak.
//!
//! ```text
//! membership.rs     ids, sessions, expulsion, leaving     commits.rs   commits amid rebalances, or behind a member
//! coordinators.rs   brokers that die and hand over        offsets.rs   what is committed, and what is read of it
//! subscriptions.rs  who wants what                        scripted.rs  a member of a classic group, spoken for by a test
//! ```
#![expect(clippy::disallowed_methods, reason = "real brokers take real time: waits end at a deadline")]

mod commits;
mod coordinators;
mod membership;
mod offsets;
mod scripted;
mod subscriptions;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, GroupId, IncrementalAlterConfigsRequest, LeaveGroupRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use ottla::{
    Admin, Called, Consumer, ConsumerBuilder, Error, GroupDescription, Metric, OffsetAndMetadata, Producer,
    RebalanceListener, Record, Subscription, TopicPartition,
};
use real::{Cluster, call, unique};

/// Time for whatever a test waits for, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// A session that nobody's silence ends within a test.
const LONG: Duration = Duration::from_secs(40);
/// One that a test can wait for the end of, and a busy machine keeps.
const SHORT: Duration = Duration::from_secs(3);

/// What a coordinator says that has just become one, or is one no more.
const NOT_READY: [ResponseError; 3] =
    [ResponseError::CoordinatorLoadInProgress, ResponseError::CoordinatorNotAvailable, ResponseError::NotCoordinator];

/// The kind of configuration that a group has.
const GROUP: i8 = 32;

/// Each flow with the protocols that it is valid for: KIP-848's on the shared cluster, the classic one there and on an
/// older broker.
macro_rules! flows {
    (both: $($both:ident)*; classic: $($classic:ident)*; modern: $($modern:ident)*) => {
        mod classic {
            $(super::flow! { $both &real::shared(), Classic })*
            $(super::flow! { $classic &real::shared(), Classic })*
        }
        mod classic_on_an_older_broker {
            $(super::flow! { $both &real::older(), Classic })*
            $(super::flow! { $classic &real::older(), Classic })*
        }
        mod modern {
            $(super::flow! { $both &real::shared(), Modern })*
            $(super::flow! { $modern &real::shared(), Modern })*
        }
    };
}
macro_rules! flow {
    ($flow:ident $cluster:expr, $protocol:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $flow() -> anyhow::Result<()> {
            super::$flow($cluster, crate::group::Protocol::$protocol).await
        }
    };
}
use {flow, flows};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Classic,
    Modern,
}
use Protocol::{Classic, Modern};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A group that no other test has.
struct Group<'a> {
    cluster: &'a Cluster,
    protocol: Protocol,
    name: String,
    /// How long a member may be silent.
    session: Duration,
    /// How often it says that it lives.
    heartbeats: Duration,
    admin: Admin,
}

impl<'a> Group<'a> {
    fn new(cluster: &'a Cluster, protocol: Protocol, purpose: &str) -> Result<Self> {
        Self::with(cluster, protocol, purpose, LONG, Duration::from_millis(300))
    }

    /// A group with sessions of this length, and heartbeats at this interval.
    fn with(
        cluster: &'a Cluster,
        protocol: Protocol,
        purpose: &str,
        session: Duration,
        heartbeats: Duration,
    ) -> Result<Self> {
        Self::named(cluster, protocol, unique(purpose), session, heartbeats)
    }

    fn named(
        cluster: &'a Cluster,
        protocol: Protocol,
        name: String,
        session: Duration,
        heartbeats: Duration,
    ) -> Result<Self> {
        let admin = Admin::builder(cluster.bootstrap()).build()?;
        let group = Self { cluster, protocol, name, session, heartbeats, admin };
        if protocol == Modern {
            group.configure()?;
        }
        Ok(group)
    }

    /// Tells the brokers what members of classic groups say themselves.
    fn configure(&self) -> Result<()> {
        let config = |key, value: Duration| {
            AlterableConfig::default().with_name(text(key)).with_value(Some(text(&value.as_millis().to_string())))
        };
        let configs = vec![
            config("consumer.session.timeout.ms", self.session),
            config("consumer.heartbeat.interval.ms", self.heartbeats),
        ];
        let resource = AlterConfigsResource::default()
            .with_resource_type(GROUP)
            .with_resource_name(text(&self.name))
            .with_configs(configs);
        let broker = self.cluster.address(1)?;
        let answer = call(broker, 1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]))?;
        let answer = answer.responses.first().context("an answer")?;
        ensure!(answer.error_code == 0, "{:?}", answer.error_message);
        Ok(())
    }

    fn builder(&self, settings: &[(&str, &str)]) -> ConsumerBuilder {
        let builder = Consumer::builder(self.cluster.bootstrap())
            .group(&self.name)
            .set("auto.offset.reset", "earliest")
            .set("metadata.max.age.ms", "5000");
        let builder = match self.protocol {
            Classic => builder.session_timeout(self.session).heartbeat_interval(self.heartbeats),
            Modern => builder.set("group.protocol", "consumer"),
        };
        builder.set_all(settings.iter().copied())
    }

    async fn join(&self, topic: &str, settings: &[(&str, &str)]) -> Result<Member> {
        Member::join(self.builder(settings), [topic]).await
    }

    /// Asks its coordinator, again while that is not ready.
    fn ask<R: Request>(&self, version: i16, request: &R, code: impl Fn(&R::Response) -> i16) -> Result<R::Response> {
        real::until("a coordinator", LIMIT, || {
            let coordinator = self.cluster.address(self.cluster.group_coordinator(&self.name)?)?;
            let answer = call(coordinator, version, request)?;
            Ok((!NOT_READY.iter().any(|error| error.code() == code(&answer))).then_some(answer))
        })
    }

    /// As its coordinator has it.
    async fn described(&self) -> Result<GroupDescription> {
        Ok(self.admin.describe_groups([self.name.as_str()]).await.remove(&self.name).context("the group")??)
    }

    async fn member_ids(&self) -> Result<Vec<String>> {
        Ok(self.described().await?.members.into_iter().map(|member| member.member_id).collect())
    }

    async fn state(&self) -> Result<String> {
        Ok(self.described().await?.state.to_string())
    }

    /// What is committed, by partition: each test commits for one topic.
    async fn committed(&self) -> Result<BTreeMap<i32, i64>> {
        let all = self.admin.list_group_offsets(&self.name).await?;
        all.into_iter().map(|(partition, committed)| Ok((partition.partition, committed?.offset))).collect()
    }

    /// Says in the member's name that it leaves.
    fn expel(&self, member: &str) -> Result<()> {
        let code = match self.protocol {
            Classic => {
                let identity = MemberIdentity::default().with_member_id(text(member));
                let request =
                    LeaveGroupRequest::default().with_group_id(GroupId(text(&self.name))).with_members(vec![identity]);
                let answer = self.ask(5, &request, |answer| answer.error_code)?;
                answer.members.first().map_or(answer.error_code, |member| member.error_code)
            }
            Modern => self.ask(1, &self.heartbeat(member, -1), |answer| answer.error_code)?.error_code,
        };
        ensure!(code == 0, "{member} is not expelled: {code}");
        Ok(())
    }

    /// A heartbeat of the modern protocol, in a member's name.
    fn heartbeat(&self, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.name)))
            .with_member_id(text(member))
            .with_member_epoch(epoch)
    }

    /// Waits until the group is so as its coordinator has it, while members poll.
    async fn until(
        &self,
        what: &str,
        members: &[&Member],
        is_so: impl Fn(&GroupDescription) -> bool,
    ) -> Result<GroupDescription> {
        let start = Instant::now();
        loop {
            let described = self.described().await?;
            if is_so(&described) {
                return Ok(described);
            }
            ensure!(start.elapsed() < LIMIT, "{what} does not come: {described:?}");
            for member in members {
                member.poll(POLL).await?;
            }
        }
    }
}

/// A consumer that subscribed, and what its listener heard.
struct Member {
    consumer: Consumer,
    heard: Heard,
}

impl Member {
    async fn join(builder: ConsumerBuilder, topics: impl IntoIterator<Item = &str>) -> Result<Self> {
        let member = Self { consumer: builder.build()?, heard: Heard::default() };
        let subscription = Subscription::topics(topics).listener(member.heard.clone());
        member.subscribe_to(subscription).await?;
        Ok(member)
    }

    /// The name that its coordinator knows it by.
    fn id(&self) -> Result<String> {
        Ok(self.group_metadata()?.member_id().to_owned())
    }

    fn partitions(&self) -> Vec<i32> {
        self.assignment().iter().map(|partition| partition.partition).collect()
    }

    /// What it counts of its membership, by Java's name for it.
    fn counted(&self, name: &str) -> f64 {
        self.metrics().find("consumer-coordinator-metrics", name, &[]).map_or(f64::NAN, Metric::as_f64)
    }
}

impl Deref for Member {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        &self.consumer
    }
}

/// The calls of a member's listener: what happened, and to which partitions. Those that name none are left out.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note<'a>(&self, what: &str, partitions: &[TopicPartition]) -> Called<'a> {
        let mut numbers: Vec<_> = partitions.iter().map(|partition| partition.partition).collect();
        numbers.sort_unstable();
        if numbers.is_empty() {
            return Box::pin(async { Ok(()) });
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {numbers:?}"));
        Box::pin(async { Ok(()) })
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RebalanceListener for Heard {
    fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("assigned", partitions)
    }

    fn on_partitions_revoked<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("revoked", partitions)
    }

    fn on_partitions_lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.note("lost", partitions)
    }
}

/// Partition and offset of a record.
type At = (i32, i64);

async fn poll(member: &Consumer) -> Result<Vec<At>> {
    let records = member.poll(POLL).await?;
    Ok(records.iter().map(|record| (record.partition(), record.offset())).collect())
}

/// Polls all of them in turn until it is so: what they read.
async fn poll_until(what: &str, members: &[&Member], mut is_so: impl FnMut() -> bool) -> Result<Vec<At>> {
    let start = Instant::now();
    let mut read = Vec::new();
    while !is_so() {
        let partitions: Vec<_> = members.iter().map(|member| (member.partitions(), member.heard.all())).collect();
        ensure!(start.elapsed() < LIMIT, "{what} does not come: {partitions:?}");
        for member in members {
            read.extend(poll(member).await?);
        }
    }
    Ok(read)
}

/// Reads until `count` records came.
async fn read(member: &Consumer, count: usize) -> Result<Vec<At>> {
    let start = Instant::now();
    let mut read = Vec::new();
    while read.len() < count {
        ensure!(start.elapsed() < LIMIT, "{} of {count} came: {read:?}", read.len());
        read.extend(poll(member).await?);
    }
    Ok(read)
}

/// Lets time pass without a poll, as long as it stays so.
async fn stays(what: &str, time: Duration, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        ensure!(is_so().await?, "{what}: no more after {:?}", start.elapsed());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Waits until it is so, without a poll.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < LIMIT, "{what} does not come");
        tokio::time::sleep(POLL / 4).await;
    }
    Ok(())
}

/// Appends records to each of the partitions.
async fn write(cluster: &Cluster, topic: &str, partitions: i32, records: usize) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for number in 0..records {
        for partition in 0..partitions {
            producer.enqueue(Record::to(topic).partition(partition).value(number.to_string())).await?;
        }
    }
    producer.flush().await?;
    Ok(producer.close(LIMIT).await?)
}

fn refusal<T>(outcome: Result<T, Error>) -> Result<Error> {
    outcome.err().context("it should have been refused")
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// What the group has committed for a partition, as a member is told.
async fn told(member: &Consumer, partition: &TopicPartition) -> Result<Option<OffsetAndMetadata>, Error> {
    Ok(member.committed([partition]).await?.remove(partition).flatten())
}
