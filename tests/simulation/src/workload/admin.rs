//! Admin clients: each creates and deletes topics of its own, and asks about everything.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::{Admin, Code, Error, Kind, NewTopic, OffsetSpec, TopicPartition};
use ottla_broker::ApiKey;
use ottla_broker::simulation::Simulation;
use tokio::time::timeout;

use super::Plan;
use crate::evidence::value;
use crate::ledger::Operation;
use crate::stage::{Life, Stage};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
const GROUPS: [&str; 2] = ["billing", "shipping"];

pub(super) fn plan(_: u64) -> Plan {
    let simulation = Simulation::new()
        .topic(TOPIC, PARTITIONS as u16)
        .groups(GROUPS)
        .apis([
            ApiKey::ApiVersions,
            ApiKey::CreateTopics,
            ApiKey::DeleteTopics,
            ApiKey::DescribeGroups,
            ApiKey::FindCoordinator,
            ApiKey::ListGroups,
            ApiKey::ListOffsets,
            ApiKey::Metadata,
            ApiKey::OffsetFetch,
        ])
        .processes(["admin-0", "admin-1"]);
    Plan { simulation, topics: vec![(TOPIC.to_owned(), PARTITIONS as u16)] }
}

pub(super) async fn run(stage: Stage) {
    let broker = stage.world().broker();
    for partition in 0..PARTITIONS {
        let values: Vec<String> = (0..=partition).map(|_| value(stage.new_id(), 1)).collect();
        broker.append(TOPIC, partition, values).unwrap();
        GROUPS.iter().for_each(|group| broker.commit(group, TOPIC, partition, i64::from(partition)));
    }
    tokio::join!(stage.live("admin-0", administer), stage.live("admin-1", administer));
    stage.live("auditor", audit).await;
}

/// What a client knows of a topic of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    There,
    Gone,
    /// A call about it failed in a way that says nothing, or was given up: it may still be done, now or later.
    Unclear,
}

/// An admin client and its topics.
struct Office {
    life: Life,
    admin: Admin,
    timeout: Duration,
    topics: BTreeMap<String, Known>,
}

async fn administer(life: Life) {
    let timeout = Duration::from_millis(life.random(|random| *random.choice(&[3_000, 10_000]).unwrap()));
    let mut office = Office { admin: build(&life, timeout), life, timeout, topics: BTreeMap::new() };
    while office.life.stage().world().is_faulty() {
        office.round().await;
        if office.life.random(|random| random.u8(..20)) == 0 {
            office.admin.close();
            office.admin = build(&office.life, timeout);
        }
        tokio::time::sleep(Duration::from_millis(office.life.random(|random| random.u64(0..=700)))).await;
    }
    office.life.stage().world().faults_over().await;
    let listed = async { while office.admin.list_topics().await.is_err() {} };
    office.life.awaits("a list of topics", 2 * timeout, listed).await;
}

fn build(life: &Life, timeout: Duration) -> Admin {
    let draw = |of: &[u64]| life.random(|random| *random.choice(of).unwrap());
    Admin::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .default_api_timeout(timeout)
        .request_timeout(Duration::from_millis(draw(&[1_000, 2_500])))
        .metadata_max_age(Duration::from_millis(draw(&[2_000, 300_000])))
        .build()
        .unwrap()
}

impl Office {
    async fn round(&mut self) {
        match self.life.random(|random| random.u8(..9)) {
            0 | 1 => self.create().await,
            2 => self.delete().await,
            3 => {
                let listed = self.call("list topics", self.admin.list_topics()).await;
                if let Some(Ok(listed)) = listed {
                    let is_listed = listed.iter().any(|topic| topic.name == TOPIC && topic.partitions == 3);
                    self.told("the topic that was always there", &is_listed, &true);
                } else if let Some(Err(error)) = listed {
                    self.failed("list topics", &error);
                }
            }
            4 => {
                let described = self.call("describe topics", self.admin.describe_topics([TOPIC, "none"])).await;
                for (name, described) in described.into_iter().flatten() {
                    match described {
                        Ok(topic) => self.told(&name, &topic.partitions.len(), &(if name == TOPIC { 3 } else { 0 })),
                        Err(error) => self.refused(&name, &error),
                    }
                }
            }
            5 => {
                let all = (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition));
                let offsets = self.call("list offsets", self.admin.list_offsets(all, OffsetSpec::Latest)).await;
                for (of, offset) in offsets.into_iter().flatten() {
                    match offset {
                        Ok(offset) => self.told(&format!("the end of {of}"), &offset, &(i64::from(of.partition) + 1)),
                        Err(error) => self.refused(TOPIC, &error),
                    }
                }
            }
            6 => {
                let group = self.life.random(|random| GROUPS[random.usize(..GROUPS.len())]);
                match self.call("list group offsets", self.admin.list_group_offsets(group)).await {
                    Some(Ok(offsets)) => {
                        let said: Vec<Option<i64>> =
                            offsets.values().map(|offset| offset.as_ref().ok().map(|offset| offset.offset)).collect();
                        self.told(group, &format!("{said:?}"), &format!("{:?}", [0, 1, 2].map(Some)));
                    }
                    Some(Err(error)) => self.refused(group, &error),
                    None => {}
                }
            }
            7 => match self.call("list groups", self.admin.list_groups()).await {
                Some(Ok(listed)) => {
                    let names: Vec<_> = listed.groups.iter().map(|group| group.group.as_str()).collect();
                    // A broker that could not be asked has told nothing of its groups.
                    if listed.errors.is_empty() && !self.life.stage().world().is_faulty() {
                        self.told("groups", &format!("{names:?}"), &format!("{GROUPS:?}"));
                    }
                }
                Some(Err(error)) => self.failed("list groups", &error),
                None => {}
            },
            _ => {
                let described = self.call("describe groups", self.admin.describe_groups([GROUPS[0], "none"])).await;
                for (name, described) in described.into_iter().flatten() {
                    match described {
                        Ok(group) => self.told(&name, &group.members.len(), &0),
                        Err(error) => self.refused(&name, &error),
                    }
                }
            }
        }
    }

    /// New topics, and perhaps one that is there.
    async fn create(&mut self) {
        let count = self.life.random(|random| random.usize(1..=3));
        let mut names: Vec<String> = (0..count)
            .map(|_| format!("{}-{}", self.life.name().replace('#', "-"), self.life.stage().new_id()))
            .collect();
        names.extend(self.some(Known::There).filter(|_| self.life.random(fastrand::Rng::bool)));
        let new = names.iter().map(|name| NewTopic::new(name).partitions(2)).collect::<Vec<_>>();
        let created = self.call("create topics", self.admin.create_topics(new)).await;
        let mut created = created.unwrap_or_default();
        for name in names {
            let was = self.topics.get(&name).copied();
            let known = match created.remove(&name) {
                Some(Ok(topic)) => {
                    self.life.did(Operation::Reported { topic: name.clone(), created: true });
                    let id = self.life.stage().world().broker().topic_id(&name).map(|id| format!("{id:032x}"));
                    let said = topic.id.map(|id| id.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                    self.told(&format!("the id of {name}"), &format!("{said:?}"), &format!("{id:?}"));
                    Known::There
                }
                Some(Err(error)) => {
                    self.refused(&name, &error);
                    // The first attempt may have made it.
                    if error.code() == Some(Code::TopicAlreadyExists) { Known::There } else { Known::Unclear }
                }
                None => Known::Unclear,
            };
            self.topics.insert(name, if was == Some(Known::There) { Known::There } else { known });
        }
    }

    async fn delete(&mut self) {
        let known = if self.life.random(|random| random.u8(..4) == 0) { Known::Gone } else { Known::There };
        let Some(name) = self.some(known) else { return };
        let deleted = self.call("delete topics", self.admin.delete_topics([&name])).await;
        let known = match deleted.and_then(|mut deleted| deleted.remove(&name)) {
            Some(Ok(())) => {
                self.life.did(Operation::Reported { topic: name.clone(), created: false });
                Known::Gone
            }
            Some(Err(error)) => {
                self.refused(&name, &error);
                if known == Known::Gone { Known::Gone } else { Known::Unclear }
            }
            None => Known::Unclear,
        };
        self.topics.insert(name, known);
    }

    fn some(&self, known: Known) -> Option<String> {
        let of: Vec<&String> = self.topics.iter().filter(|(_, it)| **it == known).map(|(name, _)| name).collect();
        self.life.random(|random| random.choice(of).cloned())
    }

    /// A call, which ends in time, or is given up.
    async fn call<T>(&self, what: &str, call: impl Future<Output = T>) -> Option<T> {
        let call = self.life.within(what, self.timeout, call);
        if self.life.random(|random| random.u8(..8)) > 0 {
            return Some(call.await);
        }
        let patience = Duration::from_millis(self.life.random(|random| random.u64(0..=30)));
        let ended = timeout(patience, call).await.ok();
        if ended.is_none() {
            self.life.did(Operation::End { call: what.to_owned() });
        }
        ended
    }

    fn told<T: ToString>(&self, what: &str, said: &T, is: &T) {
        self.life.did(Operation::Compared { what: what.to_owned(), said: said.to_string(), is: is.to_string() });
    }

    /// What a broker says of one thing names it; that nobody answered is about none.
    fn refused(&self, about: &str, error: &Error) {
        if error.code().is_some() {
            self.life.did(Operation::Refused { about: about.to_owned(), error: error.to_string() });
        } else {
            self.failed(about, error);
        }
    }

    /// During faults, nothing but that nobody answered in time, or too late for one client that was closed.
    fn failed(&self, what: &str, error: &Error) {
        let is_known = matches!(error.kind(), Kind::Timeout | Kind::Connection | Kind::Protocol | Kind::Broker(_));
        self.life.did(Operation::Compared {
            what: format!("{what}: {error} ({:?})", error.kind()),
            said: is_known.to_string(),
            is: true.to_string(),
        });
    }
}

/// In the end, what is listed is what is there.
async fn audit(life: Life) {
    let admin = build(&life, Duration::from_secs(10));
    let listed = life.within("list topics", Duration::from_secs(10), admin.list_topics()).await.unwrap();
    let names: Vec<String> = listed.into_iter().map(|topic| topic.name).collect();
    for entry in life.stage().ledger().entries() {
        let Operation::Reported { topic, .. } = entry.operation else { continue };
        let is = life.stage().world().broker().topic_id(&topic).is_some();
        let said = names.contains(&topic).to_string();
        life.did(Operation::Compared { what: format!("whether {topic} is there"), said, is: is.to_string() });
    }
    let described = life.within("describe topics", Duration::from_secs(10), admin.describe_topics(&names)).await;
    for (name, described) in described {
        let is = life.stage().world().broker().topic_id(&name).map(|id| format!("{id:032x}"));
        let said = described.unwrap().id.map(|id| id.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        life.did(Operation::Compared { what: name, said: format!("{said:?}"), is: format!("{is:?}") });
    }
    let groups = life.within("list groups", Duration::from_secs(10), admin.list_groups()).await.unwrap();
    let names: Vec<_> = groups.groups.iter().map(|group| group.group.as_str()).collect();
    life.did(Operation::Compared { what: "groups".to_owned(), said: format!("{names:?}"), is: format!("{GROUPS:?}") });
}
