//! All that a share consumer knows, behind one lock held for moments. What brokers answer is in
//! [`reply`](super::reply).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::ShareGroupHeartbeatRequest;
use ottla_wire::{Code, Uuid};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::acknowledge::{AcknowledgeType, Acknowledgements, TopicIdPartition};
use super::delivery::{Delivery, Read};
use super::handed::Handed;
use super::membership::Membership;
use super::metrics::ShareMetrics;
use super::outbox::{Ask, Group, Next, Outbox};
use super::runs::Runs;
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::{ShareAcknowledgementMode, ShareAcquireMode, ShareConsumerConfig};
use crate::connection::Backoff;
use crate::consume::Part;
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::planted::{self, Bug};
use crate::telemetry::Windows;

/// What became of the acknowledgements of a commit, by partition.
pub type CommitResults = BTreeMap<TopicIdPartition, Result<(), Error>>;

/// A commit that waits for its acknowledgements.
#[derive(Debug)]
pub(super) struct Commit {
    left: usize,
    /// The partitions that it waits for, or waited for.
    pub(super) open: BTreeSet<TopicIdPartition>,
    pub(super) results: CommitResults,
    done: Option<oneshot::Sender<()>>,
}

/// An outcome that the callback is to hear.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) partition: TopicIdPartition,
    pub(super) acks: Runs<i8>,
    pub(super) outcome: Result<(), Error>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) membership: Membership,
    pub(super) brokers: BTreeMap<i32, Outbox>,
    /// What was delivered and not handed out. Nothing is fetched while there is some, so that it holds one answer of
    /// each broker at most, and locks do not run out unseen.
    pub(super) buffer: VecDeque<Delivery>,
    pub(super) handed: Handed,
    commits: BTreeMap<u64, Commit>,
    next_commit: u64,
    pub(super) completed: Vec<Completed>,
    pub(super) has_callback: bool,
    /// One for each subject at most.
    pub(super) faults: BTreeMap<String, Error>,
    pub(super) lock_timeout: Option<Duration>,
    /// The assignment names topics, or leaders, that metadata does not know.
    pub(super) lacks_metadata: bool,
    pub(super) is_closed: bool,
    pub(super) random: fastrand::Rng,
    pub(super) metrics: ShareMetrics,
    polls: usize,
    mode: ShareAcknowledgementMode,
    acquire: ShareAcquireMode,
    turns: u64,
    api_timeout: Duration,
    backoff: Backoff,
}

impl State {
    pub(super) fn new(config: &ShareConsumerConfig, mut random: fastrand::Rng, now: Instant) -> Self {
        let backoff = Backoff::new(config.client.retry_backoff, config.client.retry_backoff_max);
        let windows =
            Windows { samples: config.client.metrics_num_samples, window: config.client.metrics_sample_window };
        let group = config.group.as_str().into();
        let (member, poll_interval) = (member_id(&mut random), config.max_poll_interval);
        Self {
            membership: Membership::new(group, member, &config.client_rack, poll_interval, backoff.clone(), now),
            brokers: BTreeMap::new(),
            buffer: VecDeque::new(),
            handed: Handed::new(config.share_acknowledgement_mode == ShareAcknowledgementMode::Explicit),
            commits: BTreeMap::new(),
            next_commit: 0,
            completed: Vec::new(),
            has_callback: false,
            faults: BTreeMap::new(),
            lock_timeout: None,
            lacks_metadata: false,
            is_closed: false,
            random,
            metrics: ShareMetrics::new(windows),
            polls: 0,
            mode: config.share_acknowledgement_mode,
            acquire: config.share_acquire_mode,
            turns: 0,
            api_timeout: config.default_api_timeout,
            backoff,
        }
    }

    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::closed("share consumer")) } else { Ok(()) }
    }

    pub(super) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) -> Result<(), Error> {
        self.check_open()?;
        self.membership.subscribe(topics, now);
        for delivery in std::mem::take(&mut self.buffer) {
            if self.membership.topics().contains(&delivery.partition.topic_partition.topic) {
                self.buffer.push_back(delivery);
            } else {
                self.give_back(&delivery, now);
            }
        }
        Ok(())
    }

    /// Leaves the group. What was delivered and not handed out is given back at once; what was handed out can still be
    /// acknowledged.
    pub(super) fn unsubscribe(&mut self, now: Instant) -> Result<Option<ShareGroupHeartbeatRequest>, Error> {
        self.check_open()?;
        for delivery in std::mem::take(&mut self.buffer) {
            self.give_back(&delivery, now);
        }
        self.faults.clear();
        let leave = self.membership.leave(now);
        self.assign(&Metadata::default());
        Ok(leave)
    }

    /// Releases what nobody was handed.
    pub(super) fn give_back(&mut self, delivery: &Delivery, now: Instant) {
        let acks = Acknowledgements::from([(delivery.partition.clone(), delivery.release())]);
        self.send(delivery.broker, acks, None, true, now);
    }

    /// Ends for good: what was acknowledged goes out with the last request of each session, which releases the rest.
    pub(super) fn close(&mut self, now: Instant) -> Option<ShareGroupHeartbeatRequest> {
        self.buffer.clear();
        for (broker, acks) in self.handed.take() {
            self.send(broker, acks, None, true, now);
        }
        self.is_closed = true;
        self.wake_all();
        self.membership.leave(now)
    }

    /// A poll begins: what the last one handed out is acknowledged.
    pub(super) fn poll_began(&mut self, now: Instant) -> Result<bool, Error> {
        self.check_open()?;
        self.metrics.polls.began(now);
        if !self.membership.is_subscribed() {
            return Err(Error::new(Kind::State, "poll: no topic is subscribed to"));
        }
        match self.mode {
            ShareAcknowledgementMode::Implicit => self.handed.accept_all(),
            ShareAcknowledgementMode::Explicit => {
                if let Some((partition, offset)) = self.handed.unacknowledged() {
                    let context = format!(
                        "poll: {partition} at offset {offset} was not acknowledged; with `share.acknowledgement.mode` \
                         `explicit` every record must be before the next poll"
                    );
                    return Err(Error::new(Kind::State, context));
                }
            }
        }
        self.flush(now);
        self.polls += 1;
        self.demand();
        Ok(self.membership.poll_began(now))
    }

    pub(super) fn poll_ended(&mut self, now: Instant) {
        self.polls = self.polls.saturating_sub(1);
        self.metrics.polls.ended(now);
        self.membership.poll_ended(now);
    }

    /// A poll found nothing: the brokers are to be asked.
    fn demand(&mut self) {
        if self.buffer.is_empty() && !self.handed.has_renewals() {
            for outbox in self.brokers.values_mut() {
                outbox.asked = true;
                outbox.wake.notify_one();
            }
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<(), Error> {
        self.check_open()?;
        if self.mode == ShareAcknowledgementMode::Implicit {
            let context = "acknowledge: `share.acknowledgement.mode` is `implicit`; set it to `explicit`";
            return Err(Error::new(Kind::State, context));
        }
        if self.handed.acknowledge(partition, offset, kind) {
            return Ok(());
        }
        let context = format!(
            "acknowledge: {partition} at offset {offset} is not among the records of the last poll that are still to be \
             acknowledged"
        );
        Err(Error::new(Kind::State, context))
    }

    /// Sends what was acknowledged, in implicit mode all that was handed out. Returns a commit to wait for, and how; none
    /// if there is nothing to send.
    pub(super) fn commit(&mut self, waits: bool, now: Instant) -> Result<Option<(u64, oneshot::Receiver<()>)>, Error> {
        self.check_open()?;
        if self.mode == ShareAcknowledgementMode::Implicit {
            self.handed.accept_all();
        }
        let id = self.next_commit;
        self.next_commit += 1;
        let mut open = BTreeSet::new();
        let mut left = 0;
        for (broker, acks) in self.handed.take() {
            open.extend(acks.keys().cloned());
            left += self.send(broker, acks, waits.then_some(id), true, now);
        }
        if left == 0 || !waits {
            return Ok(None);
        }
        let (done, wait) = oneshot::channel();
        self.commits.insert(id, Commit { left, open, results: BTreeMap::new(), done: Some(done) });
        Ok(Some((id, wait)))
    }

    /// What a commit brought, as far as is known.
    pub(super) fn take_results(&mut self, commit: u64) -> Option<Commit> {
        self.commits.remove(&commit)
    }

    /// Sends what was acknowledged with the next fetch, if there is one.
    fn flush(&mut self, now: Instant) {
        for (broker, acks) in self.handed.take() {
            self.send(broker, acks, None, false, now);
        }
    }

    /// Queues acknowledgements for the broker that delivered the records (edge 70).
    fn send(
        &mut self,
        broker: i32,
        acks: Acknowledgements,
        commit: Option<u64>,
        is_prompt: bool,
        now: Instant,
    ) -> usize {
        let until = after(now, self.api_timeout);
        // Brokers are never forgotten before the end, so that there is one.
        let outbox = self.brokers.entry(broker).or_insert_with(|| Outbox::new(self.backoff.clone()));
        outbox.push(Group { commit, is_prompt, until, acks })
    }

    /// The next thing to hand out.
    pub(super) fn take(&mut self) -> Option<Delivery> {
        if self.handed.has_renewals() { None } else { self.buffer.pop_front() }
    }

    pub(super) fn take_renewed(&mut self) -> Vec<Part> {
        if self.handed.is_renewing() { Vec::new() } else { self.handed.take_renewed() }
    }

    /// What was read of a delivery; the rest of it is first next time.
    pub(super) fn settle(&mut self, delivery: Delivery, read: Option<&Read>) {
        let Some(read) = read else { return };
        self.handed.add(delivery.broker, &delivery.partition, read);
        self.buffer.push_front(delivery);
    }

    /// Keeps a delivery for the next poll as it is.
    pub(super) fn put_back(&mut self, delivery: Delivery) {
        self.buffer.push_front(delivery);
    }

    /// Nothing was handed out: what was found besides records is sent, and more is asked for.
    pub(super) fn came_up_empty(&mut self, now: Instant) {
        if self.handed.unacknowledged().is_none() {
            self.flush(now);
        }
        self.demand();
    }

    /// Follows the assignment and the leaders. Returns brokers that are new.
    pub(super) fn assign(&mut self, metadata: &Metadata) -> Vec<i32> {
        let mut wanted: BTreeMap<i32, BTreeMap<TopicIdPartition, i32>> = BTreeMap::new();
        self.lacks_metadata = false;
        for (topic_id, partitions) in &self.membership.assignment {
            for partition in partitions {
                // A topic that metadata does not know yet stays assigned (edge 61).
                let name = metadata.ids.get(topic_id);
                let known = name.and_then(|name| metadata.partition(name, *partition));
                let Some((name, known, leader)) =
                    name.and_then(|name| known.and_then(|known| Some((name, known, known.leader?))))
                else {
                    self.lacks_metadata = true;
                    continue;
                };
                let partition =
                    TopicIdPartition { topic_id: *topic_id, topic_partition: TopicPartition::new(&**name, *partition) };
                wanted.entry(leader).or_default().insert(partition, known.leader_epoch);
            }
        }
        let is_asked = self.polls > 0;
        let mut new = Vec::new();
        for broker in wanted.keys() {
            if !self.brokers.contains_key(broker) {
                self.brokers.insert(*broker, Outbox::new(self.backoff.clone()));
                new.push(*broker);
            }
        }
        for (broker, outbox) in &mut self.brokers {
            let wanted = wanted.remove(broker).unwrap_or_default();
            if wanted != outbox.wanted {
                outbox.wanted = wanted;
                outbox.asked |= is_asked;
                outbox.wake.notify_one();
            }
        }
        new
    }

    /// What to send to a broker now.
    pub(super) fn next_request(&mut self, broker: i32, now: Instant) -> Next {
        let fetches = self.may_fetch(broker, now);
        let Some(outbox) = self.brokers.get_mut(&broker) else { return Next::Done };
        let mut lost = Vec::new();
        if outbox.session.is_new() {
            let why =
                Error::broker(Code::InvalidShareSessionEpoch, format!("broker {broker} has lost the share session"));
            lost.extend(outbox.give_up().into_iter().map(|group| (group, why.clone())));
        } else if self.is_closed {
            // The end of the session would only release them.
            lost.extend(outbox.take_renewals().into_iter().map(|group| (group, Error::closed("share consumer"))));
        }
        let (group, member) = (&self.membership.group, &self.membership.member);
        let next = if self.is_closed {
            outbox.close(group, member).map_or(Next::Done, Next::Send)
        } else if let Some(at) = outbox.retry_at.filter(|at| *at > now) {
            Next::Wait(Some(at))
        } else {
            outbox.next(group, member, fetches).map_or(Next::Wait(None), Next::Send)
        };
        if let Next::Send(sent) = &next {
            self.metrics.acknowledging(outbox.under_way(), now);
            if matches!(sent.ask, Ask::Fetch(_)) {
                self.turns += 1;
                outbox.turn = self.turns;
            }
        }
        for (group, why) in lost {
            self.failed(broker, group, &why, now);
        }
        next
    }

    /// The end, for what no broker has answered.
    pub(super) fn give_up(&mut self, now: Instant) {
        let why = Error::new(Kind::Timeout, "closed before the broker answered");
        let left: Vec<_> = self.brokers.iter_mut().map(|(broker, outbox)| (*broker, outbox.give_up())).collect();
        for (broker, groups) in left {
            groups.into_iter().for_each(|group| self.failed(broker, group, &why, now));
        }
    }

    /// Acknowledgements have failed, all for the same reason.
    pub(super) fn failed(&mut self, broker: i32, group: Group, why: &Error, now: Instant) {
        for (partition, acks) in group.acks {
            if planted::has(Bug::UnheardAcknowledgement) {
                continue;
            }
            let error = why.clone().within(format_args!("acknowledge {partition}"));
            let outcome = if planted::has(Bug::LostAcknowledgement) { Ok(()) } else { Err(error) };
            self.acknowledged(broker, partition, &acks, group.commit, outcome, now);
        }
    }

    fn may_fetch(&self, broker: i32, now: Instant) -> bool {
        let Some(outbox) = self.brokers.get(&broker) else { return false };
        if !self.buffer.is_empty() || self.handed.has_renewals() || !(self.polls > 0 || outbox.asked) {
            return false;
        }
        // With a limit on records one broker is asked at a time, each in turn (KIP-1206).
        self.acquire == ShareAcquireMode::BatchOptimized
            || !self.brokers.values().any(|other| other.is_fetching)
                && !self.brokers.values().any(|other| {
                    !other.wanted.is_empty() && other.turn < outbox.turn && other.retry_at.is_none_or(|at| at <= now)
                })
    }

    /// The end of some acknowledgements. Returns nothing: who waits is told.
    pub(super) fn acknowledged(
        &mut self,
        broker: i32,
        partition: TopicIdPartition,
        acks: &Runs<i8>,
        commit: Option<u64>,
        outcome: Result<(), Error>,
        now: Instant,
    ) {
        if let Err(error) = &outcome {
            self.metrics.not_acknowledged(acks, now);
            tracing::debug!(broker, %partition, %error, "not acknowledged");
        }
        self.handed.acknowledged(broker, &partition, acks, outcome.is_ok());
        if let Some(commit) = commit.and_then(|commit| self.commits.get_mut(&commit)) {
            let known = commit.results.entry(partition.clone()).or_insert(Ok(()));
            if known.is_ok() {
                *known = outcome.clone();
            }
            commit.left = commit.left.saturating_sub(1);
            if commit.left == 0
                && let Some(done) = commit.done.take()
            {
                // A commit that nobody waits for any more is taken out by its guard.
                let _ = done.send(());
            }
        }
        if self.has_callback {
            self.completed.push(Completed { partition, acks: acks.clone(), outcome });
        }
    }

    pub(super) fn wake_all(&self) {
        for outbox in self.brokers.values() {
            outbox.wake.notify_one();
        }
    }
}

/// As Java makes them: tools would take one that begins with a dash for an option.
fn member_id(random: &mut fastrand::Rng) -> Uuid {
    loop {
        let id = Uuid(random.u128(..).to_be_bytes());
        if !id.is_zero() && !id.to_string().starts_with('-') {
            return id;
        }
    }
}
