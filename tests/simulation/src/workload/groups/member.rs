//! One member: polls, slowly or fast, commits in one way or another, leaves and comes back.

use std::time::Duration;

use ottla::{CloseOptions, Consumer, Error, GroupMembershipOperation, Records, Subscription, TopicPartition};

use super::Group;
use super::listener::Listener;
use crate::evidence::id;
use crate::ledger::{Member as AsWho, Operation, Place};
use crate::stage::Life;

/// A process that takes part in the group until all is read.
struct Member {
    life: Life,
    number: u32,
    group: Group,
    consumer: Consumer,
    /// The how-manieth consumer of this life it is.
    built: u32,
    listener: Option<Listener>,
    /// Milliseconds between polls, at most.
    pace: u64,
    /// Polls that failed since the last one that did not.
    failures: u32,
    was_nudged: bool,
    /// What it was last noted to hold.
    held: Option<(AsWho, Vec<Place>)>,
}

/// Failures in a row after which a user gives up a consumer and builds another.
const PATIENCE: u32 = 5;

pub(super) async fn run(life: Life, number: u32, group: Group) {
    if life.number() == 1 && number > 0 {
        // They come one by one.
        tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(0..=8_000)))).await;
    }
    let mut member = Member::new(life, number, group, 1);
    member.subscribe().await;
    while !member.group.progress.lock().is_over {
        if member.life.stage().world().is_faulty() {
            member.acts().await;
        }
        member.polls().await;
    }
    member.closes(Duration::from_secs(30)).await;
}

impl Member {
    fn new(life: Life, number: u32, group: Group, built: u32) -> Self {
        let listener = life.random(fastrand::Rng::bool).then(|| Listener {
            life: life.clone(),
            consumer: built,
            takes: Duration::from_millis(life.random(|random| *random.choice(&[0, 0, 30, 1_000]).unwrap())),
            commits: life.random(fastrand::Rng::bool),
            fails: life.random(|random| random.u8(..8)) == 0,
        });
        let builder =
            Consumer::builder(life.stage().world().bootstrap()).process(life.process()).client_id(life.name());
        let consumer = group.settings.apply(&life, number, builder).build().unwrap();
        let pace = life.random(|random| *random.choice(&[5, 50, 400]).unwrap());
        Self { life, number, group, consumer, built, listener, pace, failures: 0, was_nudged: false, held: None }
    }

    fn draw(&self, most: u64) -> u64 {
        self.life.random(|random| random.u64(0..=most))
    }

    async fn subscribe(&self) {
        let all = self.group.settings.all_topics();
        let subscription = if self.group.settings.by_pattern {
            Subscription::pattern("orders.*").unwrap()
        } else {
            Subscription::topics(all.iter().map(|(topic, _)| topic.clone()))
        };
        self.subscribe_to(subscription).await;
    }

    async fn subscribe_to(&self, subscription: Subscription) {
        let terms = self.group.settings.terms(self.number, self.listener.is_some());
        self.life.did(Operation::Subscribed { consumer: self.built, terms });
        let subscription = match self.listener.clone() {
            Some(listener) => subscription.listener(listener),
            None => subscription,
        };
        self.consumer.subscribe_to(subscription).await.unwrap();
    }

    /// What a user may do between two polls.
    async fn acts(&mut self) {
        match self.draw(99) {
            0..3 => {
                self.done();
                let _ = self.call("commit", self.consumer.commit()).await;
            }
            3..6 => {
                self.done();
                // Whether it was committed is of no interest.
                drop(self.consumer.enqueue_commit());
            }
            6..8 => {
                let _ = self.consumer.enforce_rebalance("because").await;
            }
            8 => self.leaves().await,
            9 => {
                self.subscribe_to(Subscription::topics(["orders"])).await;
                self.rests().await;
                self.polls().await;
                self.subscribe().await;
            }
            10 => {
                let patience = Duration::from_millis(self.draw(5_000));
                self.closes(patience).await;
                self.rests().await;
                self.rebuilds().await;
            }
            11 => {
                self.life.did(Operation::Left { consumer: self.built });
                self.rebuilds().await;
            }
            12 => tokio::time::sleep(self.group.settings.max_poll_interval + Duration::from_secs(1)).await,
            13..16 => {
                let assignment = self.consumer.assignment();
                if let Some(one) = self.life.random(|random| random.choice(&assignment).cloned()) {
                    let _ = self.consumer.pause([&one]).await;
                }
            }
            16..20 => drop(self.consumer.resume(&self.consumer.assignment()).await),
            20..24 => tokio::time::sleep(Duration::from_millis(self.draw(2_000))).await,
            _ => {}
        }
    }

    async fn leaves(&self) {
        self.done();
        let patience = Duration::from_millis(self.draw(8_000));
        let unsubscribed = tokio::time::timeout(patience, self.consumer.unsubscribe()).await;
        self.life.did(Operation::Left { consumer: self.built });
        self.life.stage().world().note(format!("{:?}: unsubscribed: {unsubscribed:?}", self.life));
        self.rests().await;
        self.subscribe().await;
    }

    async fn rests(&self) {
        if self.draw(1) == 0 {
            tokio::time::sleep(Duration::from_millis(self.draw(5_000))).await;
        }
    }

    async fn rebuilds(&mut self) {
        *self = Self::new(self.life.clone(), self.number, self.group.clone(), self.built + 1);
        self.subscribe().await;
    }

    fn done(&self) {
        self.life.did(Operation::Done { consumer: self.built });
    }

    /// A call that ends in the time of all calls: the longest that any member has, and its listener's.
    async fn call<T>(&self, what: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let outcome = self.life.within(what, Duration::from_secs(61), call).await;
        if let Err(error) = &outcome {
            self.life.stage().world().note(format!("{:?}: {what}: {error}", self.life));
        }
        outcome
    }

    async fn closes(&self, timeout: Duration) {
        self.done();
        let operation = [
            GroupMembershipOperation::Default,
            GroupMembershipOperation::LeaveGroup,
            GroupMembershipOperation::RemainInGroup,
        ][self.draw(2) as usize];
        let options = CloseOptions::new().timeout(timeout).group_membership(operation);
        let closed = self.life.within("close", timeout, self.consumer.close_with(options)).await;
        self.life.did(Operation::Left { consumer: self.built });
        self.life.stage().world().note(format!("{:?}: closed with {operation:?}: {closed:?}", self.life));
    }

    async fn polls(&mut self) {
        let is_faulty = self.life.stage().world().is_faulty();
        let wait = Duration::from_millis(self.life.random(|random| *random.choice(&[0, 10, 100, 500]).unwrap()));
        if !is_faulty {
            drop(self.consumer.resume(&self.consumer.assignment()).await);
            let is_nudged = self.group.progress.lock().is_nudged;
            if is_nudged && !std::mem::replace(&mut self.was_nudged, true) {
                drop(self.consumer.enforce_rebalance("partitions may be nobody's").await);
            }
        }
        self.done();
        let poll = self.consumer.poll(wait);
        let polled = if is_faulty && self.draw(7) == 0 {
            // The future is dropped, perhaps amid the listener.
            tokio::time::timeout(Duration::from_millis(self.draw(60)), poll).await
        } else {
            Ok(poll.await)
        };
        match polled {
            Ok(Ok(records)) => {
                self.failures = 0;
                self.took(&records);
                if !records.is_empty() && self.draw(9) == 0 {
                    self.commits(&records).await;
                    if is_faulty && self.draw(7) == 0 {
                        self.leaves().await;
                    }
                }
            }
            Ok(Err(error)) => {
                self.life.stage().world().note(format!("{:?}: poll: {error}", self.life));
                self.failures += 1;
            }
            Err(_) => {}
        }
        if self.failures > PATIENCE {
            self.closes(Duration::from_secs(2)).await;
            self.rebuilds().await;
        }
        let pause = if is_faulty { self.draw(self.pace).max(1) } else { 5 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    fn took(&mut self, records: &Records) {
        if records.is_empty() {
            let held = holding(&self.consumer);
            if records.next_offsets().is_empty() && self.held.as_ref() != Some(&held) {
                holds(&self.life, self.built, &self.consumer);
                self.held = Some(held);
            }
            return;
        }
        self.held = None;
        let member = as_who(&self.consumer);
        for partition in records.partitions() {
            let of: Vec<_> =
                records.of(partition).map(|record| (record.offset(), id(record.value().unwrap_or_default()))).collect();
            let place = place(partition);
            let handed = of.iter().map(|(offset, _)| (place.clone(), *offset));
            self.group.progress.lock().handed.extend(handed);
            let member = member.clone();
            self.life.did(Operation::Handed { consumer: self.built, place, member, records: of });
        }
    }

    /// Just these records, and no more.
    async fn commits(&self, records: &Records) {
        self.done();
        let offsets = records.next_offsets();
        match self.consumer.enqueue_commit_offsets(offsets) {
            Ok(pending) if self.draw(1) == 0 => drop(self.call("commit of offsets", pending).await),
            _ => {}
        }
    }
}

fn as_who(consumer: &Consumer) -> AsWho {
    let Ok(metadata) = consumer.group_metadata() else { return AsWho::default() };
    AsWho { generation: metadata.generation_id(), id: metadata.member_id().to_owned() }
}

/// Notes what is assigned. To be called where nothing that was handed out awaits its end: then the generation is that of the
/// assignment.
pub(super) fn holds(life: &Life, consumer: u32, of: &Consumer) {
    let (member, places) = holding(of);
    life.did(Operation::Holds { consumer, member, places });
}

fn holding(consumer: &Consumer) -> (AsWho, Vec<Place>) {
    (as_who(consumer), consumer.assignment().iter().map(place).collect())
}

pub(super) fn place(partition: &TopicPartition) -> Place {
    (partition.topic.to_string(), partition.partition)
}
