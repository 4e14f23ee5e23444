//! All that a consumer knows, behind one lock held for moments.
//!
//! What reaches it from callers is here; what brokers answer is in [`arrive`](super::arrive), what the group does in
//! [`rebalance`](super::rebalance).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::Str;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::buffer::Turns;
use super::commit::{self, Commits, Which};
use super::decode::{Item, Read};
use super::fetch::Limits;
use super::jitter::Jitter;
use super::listening::{Call, Listening};
use super::metrics::ConsumerMetrics;
use super::position::{AS_OLD_AS_ALLOWED, Assigned, EARLIEST, EndLookUp, LATEST, Place, Position, Positions};
use super::records::Part;
use super::subscription::Subscription;
use crate::TopicPartition;
use crate::config::{ConsumerConfig, OffsetReset};
use crate::connection::Backoff;
use crate::error::{Error, Kind};
use crate::group::assign::Assignors;
use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::group::{GroupMembershipOperation, Identity, Leave, Membership, Reason};
use crate::planted::{self, Bug};
use crate::telemetry::{Metrics, Windows};

/// How the partitions were chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Assigned,
    Nothing,
    Subscribed,
}

/// What an error for a poll is about. There is one for each at most: a later one replaces it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Subject {
    Coordinator,
    Fetch(i32),
    Partition(TopicPartition),
    Topic(Str),
}

#[derive(Debug)]
pub(crate) struct State {
    pub(super) positions: Positions,
    pub(super) turns: Turns,
    pub(super) commits: Commits,
    pub(super) group: Option<Membership>,
    /// What the listener knows, and what it is still to be told.
    pub(super) listening: Listening,
    /// As whom the group's partitions were assigned last.
    pub(super) assigned_as: Identity,
    /// As whom the records were handed out that are not released yet, whatever became of the membership since.
    pub(super) handed_out_as: Option<Identity>,
    mode: Mode,
    pub(super) faults: BTreeMap<Subject, Error>,
    pub(crate) metrics: ConsumerMetrics,
    pub(super) random: fastrand::Rng,
    pub(super) jitter: Jitter,
    pub(super) limits: Arc<Limits>,
    pub(super) reset: OffsetReset,
    pub(super) is_closed: bool,
    /// The version of the metadata last looked at for what is wrong with topics.
    pub(super) seen: u64,
    /// The loops that fetch, by broker, and how to wake each.
    pub(super) fetchers: BTreeMap<i32, Arc<Notify>>,
}

/// What a poll found as it began.
#[derive(Debug, Default)]
pub(super) struct PollBegan {
    /// To be committed now, as whom.
    pub(super) commit: Option<(Identity, Offsets)>,
    /// The group waited for this poll.
    pub(super) wakes_group: bool,
}

/// An item on its way to a caller.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) partition: TopicPartition,
    stamp: u64,
    pub(super) position: Position,
    pub(super) item: Item,
}

/// What remains to be done for partitions that were given up.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    pub(super) commit: Option<(Identity, Offsets)>,
    pub(super) leave: Option<Leave>,
}

impl State {
    pub(super) fn new(config: &ConsumerConfig, assignors: Assignors, mut random: fastrand::Rng, now: Instant) -> Self {
        let backoff = Backoff::new(config.client.retry_backoff, config.client.retry_backoff_max);
        let windows =
            Windows { samples: config.client.metrics_num_samples, window: config.client.metrics_sample_window };
        let interval = config.enable_auto_commit.then_some(config.auto_commit_interval);
        Self {
            positions: Positions::new(backoff),
            turns: Turns::default(),
            commits: Commits::new(interval, now),
            group: Membership::of(config, assignors, &mut random, now),
            listening: Listening::default(),
            assigned_as: Identity::NOBODY,
            handed_out_as: None,
            mode: Mode::Nothing,
            faults: BTreeMap::new(),
            metrics: ConsumerMetrics::new(windows),
            jitter: Jitter::new(random.fork()),
            random,
            limits: Arc::new(Limits::of(config)),
            reset: config.auto_offset_reset,
            is_closed: false,
            seen: 0,
            fetchers: BTreeMap::new(),
        }
    }

    /// Refuses what comes after `close`.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::closed("consumer")) } else { Ok(()) }
    }

    /// Reads what is subscribed to as a member of the group.
    pub(super) fn subscribe(&mut self, subscription: Subscription, now: Instant) -> Result<(), Error> {
        self.check_open()?;
        if self.mode == Mode::Assigned {
            return Err(Error::new(Kind::State, "subscribe: partitions are assigned; `unsubscribe` first"));
        }
        let Some(group) = &mut self.group else {
            return Err(Error::new(Kind::Config, "subscribe: the setting `group.id` is missing"));
        };
        group.subscribe(subscription.wanted, now);
        self.listening.listen(subscription.listener);
        // What was wrong with topics that are not wanted any more is of no interest (edge 66).
        let topics = group.topics();
        self.faults.retain(|subject, _| match subject {
            Subject::Topic(topic) => topics.contains(&**topic),
            _ => true,
        });
        self.mode = Mode::Subscribed;
        Ok(())
    }

    /// Reads these partitions, whatever others do. Those that it reads already go on where they are. Returns what is to
    /// be committed of those that it reads no more.
    pub(super) fn assign(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
        now: Instant,
    ) -> Result<Option<(Identity, Offsets)>, Error> {
        self.check_open()?;
        if self.mode == Mode::Subscribed {
            return Err(Error::new(Kind::State, "assign: topics are subscribed to; `unsubscribe` first"));
        }
        let gone: Vec<_> =
            self.positions.partitions.keys().filter(|known| !partitions.contains(*known)).cloned().collect();
        let mut commit = None;
        if !gone.is_empty() && self.commits.is_automatic() {
            // Assigning anew is as much as polling: what was handed out is done with.
            self.release();
            commit = self.to_commit(Which::Released, now);
        }
        self.drop_partitions(&gone);
        self.mode = if partitions.is_empty() { Mode::Nothing } else { Mode::Assigned };
        let place = self.first_place();
        for partition in partitions {
            self.positions.add(partition, place);
        }
        Ok(commit)
    }

    pub(super) fn enforce_rebalance(&mut self, reason: Reason, now: Instant) -> Result<(), Error> {
        self.check_open()?;
        let Some(group) = &mut self.group else {
            return Err(Error::new(Kind::Config, "enforce_rebalance: the setting `group.id` is missing"));
        };
        if self.mode != Mode::Subscribed {
            return Err(Error::new(Kind::State, "enforce_rebalance: nothing is subscribed to"));
        }
        group.enforce_rebalance(reason, now);
        Ok(())
    }

    /// Reads nothing any more.
    pub(super) fn unsubscribe(&mut self, now: Instant) -> Result<Farewell, Error> {
        self.check_open()?;
        Ok(self.part("unsubscribed", GroupMembershipOperation::Default, now))
    }

    /// Ends for good. What is left to do: commit what was `handed_out`, or, if nobody said that this is done with,
    /// what was released, and leave.
    pub(super) fn close(&mut self, handed_out: bool, operation: GroupMembershipOperation, now: Instant) -> Farewell {
        if handed_out {
            self.release();
        }
        let farewell = self.part("the consumer was closed", operation, now);
        self.is_closed = true;
        farewell
    }

    fn part(&mut self, reason: &'static str, operation: GroupMembershipOperation, now: Instant) -> Farewell {
        let commit = if self.commits.is_automatic() { self.to_commit(Which::Released, now) } else { None };
        let leave = self.group.as_mut().and_then(|group| group.unsubscribe(reason, operation));
        self.give_up();
        self.listening.clear();
        self.faults.clear();
        self.mode = Mode::Nothing;
        Farewell { commit, leave }
    }

    /// The topics whose metadata is needed.
    pub(super) fn topics(&self) -> BTreeSet<Str> {
        let mut topics: BTreeSet<Str> = self.positions.topics().collect();
        if let Some(group) = &self.group {
            topics.extend(group.topics().iter().chain(group.group_topics()).map(|topic| Str::from(&**topic)));
        }
        topics
    }

    /// Whether a topic is not merely still held, or asked about, for the sake of an earlier subscription.
    pub(super) fn is_wanted(&self, topic: &str) -> bool {
        self.mode != Mode::Subscribed || self.group.as_ref().is_some_and(|group| group.is_wanted(topic))
    }

    /// A poll begins: what was handed out before it is done with.
    pub(super) fn poll_began(&mut self, now: Instant) -> Result<PollBegan, Error> {
        self.check_open()?;
        if self.mode == Mode::Nothing {
            return Err(Error::new(Kind::State, "poll: nothing is subscribed to, and no partition is assigned"));
        }
        self.metrics.polls.began(now);
        let mut began = PollBegan::default();
        self.release();
        // Also where nothing is subscribed to: it may be before this poll ends.
        if let Some(group) = &mut self.group {
            began.wakes_group = group.poll_began();
            self.freeze_for_rebalance();
        }
        if self.commits.is_due(now)
            && let Ok(identity) = self.committer()
            && let Some(offsets) = self.commits.due(&self.positions, now)
        {
            began.commit = Some((identity, offsets));
        }
        Ok(began)
    }

    /// The poll is over; one that rested to the end did not poll lately.
    pub(super) fn poll_ended(&mut self, has_rested: bool, now: Instant) {
        self.metrics.polls.ended(now);
        if let Some(group) = self.group.as_mut().filter(|_| !has_rested) {
            group.poll_ended(now);
        }
    }

    /// A poll waits, and whoever began it need not come back. True if it counts as one no more.
    pub(super) fn poll_rests(&mut self, now: Instant) -> bool {
        self.group.as_mut().is_some_and(|group| group.poll_rests(now))
    }

    /// A poll that rested is looked after again. True if the group waited for that.
    pub(super) fn poll_goes_on(&mut self) -> bool {
        self.group.as_mut().is_some_and(Membership::poll_began)
    }

    /// The next call of the listener, by a poll or in place of one. It ends with [`call_ended`](Self::call_ended).
    pub(super) fn begin_call(&mut self, now: Instant) -> Option<Call> {
        let call = self.listening.begin()?;
        if let Some(group) = &mut self.group {
            group.call_began(now);
        }
        Some(call)
    }

    pub(super) fn call_ended(&mut self, now: Instant) {
        if let Some(group) = &mut self.group {
            group.call_ended(now);
        }
    }

    /// All is to be given up; nothing more is handed out. True if the listener is to hear of it.
    pub(super) fn part_from_listener(&mut self) -> bool {
        if self.is_closed || self.mode != Mode::Subscribed || !self.listening.is_heard() {
            return false;
        }
        let all: Vec<_> = self.positions.partitions.keys().cloned().collect();
        self.positions.freeze(&all);
        self.listening.part(self.committer().is_ok());
        self.listening.is_due()
    }

    /// What a poll has to say before it hands out anything.
    pub(super) fn next_fault(&mut self) -> Option<Error> {
        if let Some(failure) = self.group.as_mut().and_then(Membership::failure) {
            return Some(failure);
        }
        self.faults.pop_first().map(|(_, fault)| fault)
    }

    /// Takes out the next item to hand out. [`settle`](Self::settle) puts back what is left of it.
    pub(super) fn take(&mut self) -> Option<Taken> {
        for _ in 0..self.turns.len() {
            let partition = self.turns.front()?;
            let Some(assigned) = self.positions.partitions.get_mut(partition) else {
                self.turns.finish(None);
                continue;
            };
            if (assigned.is_paused && !planted::has(Bug::NoPause))
                || assigned.is_frozen
                || self.listening.is_untold(partition)
            {
                self.turns.rotate();
                continue;
            }
            let (Some(item), Some(position)) = (assigned.queue.pop(), assigned.position()) else {
                self.turns.finish(Some(&mut assigned.queue));
                continue;
            };
            return Some(Taken { partition: partition.clone(), stamp: assigned.stamp, position, item });
        }
        None
    }

    /// Moves the position past what was read, puts back the rest, and says what to hand out. With `is_full` the poll
    /// takes no more: another partition is first next time.
    pub(super) fn settle(&mut self, taken: (TopicPartition, u64), read: Read, is_full: bool, now: Instant) -> Settled {
        let (partition, stamp) = taken;
        let Some(assigned) = self.positions.current(&partition, stamp) else { return Settled::default() };
        if assigned.is_frozen {
            // The group's task may have begun to give it up meanwhile: the next owner reads this.
            return Settled::default();
        }
        let moved = (assigned.position() != Some(read.position)).then_some(read.position);
        let mut settled = Settled { part: read.part, moved, fault: read.flaw, wakes: None };
        if let Some(rest) = read.rest.filter(|_| !planted::has(Bug::ForgottenRest)) {
            assigned.queue.unpop(rest);
        }
        if assigned.is_full && assigned.queue.bytes() <= self.limits.partition_bytes {
            assigned.is_full = false;
            // Not always the leader's (KIP-392).
            settled.wakes = assigned.source().and_then(|broker| self.fetchers.get(&broker)).cloned();
        }
        if let Some(position) = moved {
            self.positions.advance(&partition, position);
            if let Some(assigned) = self.positions.get_mut(&partition) {
                self.metrics.moved(assigned, self.limits.isolation, now);
            }
        }
        if moved.is_some() || settled.part.is_some() {
            self.commits.outstanding = true;
            if self.handed_out_as.is_none() {
                self.handed_out_as = Some(self.reader());
            }
        }
        if settled.fault.is_some() {
            self.positions.refetch(&partition, now, &mut self.jitter);
            // It may wait for nothing: nothing is fetched behind what cannot be read.
            let source = self.positions.get(&partition).and_then(Assigned::source);
            settled.wakes = source.and_then(|broker| self.fetchers.get(&broker)).cloned();
        }
        // The others come first next time, so that what cannot be read does not keep them waiting.
        if is_full || settled.fault.is_some() {
            self.turns.rotate();
        }
        settled
    }

    /// Goes on elsewhere; what was wrong with the partition is of no interest any more. False if it is not assigned.
    pub(super) fn go_to(&mut self, partition: &TopicPartition, place: Place) -> bool {
        self.faults.remove(&Subject::Partition(partition.clone()));
        self.positions.start_over(partition, place)
    }

    /// Hands out nothing of this partition for now. False if it is not assigned.
    pub(super) fn pause(&mut self, partition: &TopicPartition) -> bool {
        let Some(assigned) = self.positions.get_mut(partition) else { return false };
        // What is fetched of one that is paused already is copied as it comes.
        if !std::mem::replace(&mut assigned.is_paused, true) && !assigned.queue.is_empty() {
            assigned.queue.unshare();
            // The others have its room.
            self.wake_fetchers();
        }
        true
    }

    /// How far the position is from the end, and whether the end is to be looked up to know.
    pub(super) fn lag(&mut self, partition: &TopicPartition) -> (Option<i64>, bool) {
        let isolation = self.limits.isolation;
        let Some(assigned) = self.positions.get_mut(partition) else { return (None, false) };
        let asks = assigned.bounds.end(isolation).is_none() && assigned.end == EndLookUp::None;
        if asks {
            assigned.end = EndLookUp::Wanted;
        }
        (assigned.lag(isolation), asks)
    }

    /// Takes ends that leaders were asked for.
    pub(super) fn learn_ends<'a>(&mut self, ends: impl Iterator<Item = (&'a TopicPartition, i64)>) {
        let isolation = self.limits.isolation;
        for (partition, end) in ends {
            if let Some(assigned) = self.positions.get_mut(partition) {
                assigned.bounds.learn_end(end, isolation);
            }
        }
    }

    /// The positions to commit, and as whom; none if there is nothing, or nobody to do so.
    pub(super) fn to_commit(&self, which: Which, now: Instant) -> Option<(Identity, Offsets)> {
        let offsets = commit::offsets(&self.positions, which, now);
        if offsets.is_empty() {
            return None;
        }
        Some((self.committer().ok()?, offsets))
    }

    /// As whom to commit.
    pub(super) fn committer(&self) -> Result<Identity, Error> {
        match (&self.group, self.mode) {
            (None, _) => Err(Error::new(Kind::Config, "commit: the setting `group.id` is missing")),
            (Some(group), Mode::Subscribed) => group.committer(),
            (Some(_), _) => Ok(Identity::NOBODY),
        }
    }

    /// As whom to ask what is committed; none where it does not matter who asks.
    pub(super) fn asker(&self) -> Option<Identity> {
        let is_by_epoch = self.group.as_ref().is_some_and(Membership::is_by_epoch);
        self.committer().ok().filter(|identity| is_by_epoch && *identity != Identity::NOBODY)
    }

    /// Since when each of these partitions is assigned without a break; None where it is not.
    pub(super) fn held_since(&self, offsets: &Offsets) -> Vec<Option<u64>> {
        offsets.keys().map(|partition| self.positions.get(partition).map(|assigned| assigned.since)).collect()
    }

    /// As whom to commit offsets that an earlier identity could not, since the group rebalanced. None unless all
    /// partitions are held as they were: otherwise another member may have read on.
    pub(super) fn commits_again(&self, offsets: &Offsets, since: &[Option<u64>]) -> Option<Identity> {
        let is_cooperative = self.group.as_ref().is_some_and(Membership::is_cooperative);
        let is_held = since.iter().all(Option::is_some) && self.held_since(offsets) == since;
        if is_cooperative && is_held { self.committer().ok() } else { None }
    }

    /// As whom what was handed out last is to be committed by others than this consumer (KIP-447).
    ///
    /// A member that was given up by its group may have joined again already, on its own: to commit under the new
    /// generation what the old one read would undo the work of those who read on meanwhile.
    pub(super) fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        self.check_open()?;
        let Some(group) = &self.group else {
            return Err(Error::new(Kind::Config, "group metadata: the setting `group.id` is missing"));
        };
        let identity = self.handed_out_as.clone().unwrap_or_else(|| self.reader());
        Ok(GroupMetadata {
            group_id: group.group_id().clone(),
            generation_id: identity.generation,
            member_id: identity.member_id,
            group_instance_id: group.instance_id().cloned(),
        })
    }

    /// As whom records are read now.
    fn reader(&self) -> Identity {
        if self.mode == Mode::Assigned { Identity::NOBODY } else { self.assigned_as.clone() }
    }

    /// The place of a partition that nothing is known of yet.
    pub(super) fn first_place(&self) -> Place {
        if self.group.is_some() {
            return Place::Committed;
        }
        self.reset_timestamp().map_or(Place::Nowhere, Place::Asking)
    }

    /// What to ask a leader for where there is no offset to start from; none if that is for the user to decide.
    pub(super) fn reset_timestamp(&self) -> Option<i64> {
        match self.reset {
            OffsetReset::ByDuration(_) => Some(AS_OLD_AS_ALLOWED),
            OffsetReset::Earliest => Some(EARLIEST),
            OffsetReset::Latest => Some(LATEST),
            OffsetReset::None => None,
        }
    }

    /// What was handed out until now is done with.
    pub(super) fn release(&mut self) {
        self.positions.release();
        self.commits.outstanding = false;
        self.handed_out_as = None;
    }

    /// Lets every loop that fetches look again.
    pub(super) fn wake_fetchers(&self) {
        for wake in self.fetchers.values() {
            wake.notify_one();
        }
    }

    /// These partitions are not this consumer's any more.
    pub(super) fn drop_partitions(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.positions.partitions.remove(partition);
            self.faults.remove(&Subject::Partition(partition.clone()));
        }
        if !partitions.is_empty() {
            let held = &self.positions.partitions;
            self.turns.keep(|partition| held.contains_key(partition));
            // The others have their room.
            self.wake_fetchers();
        }
        if self.positions.partitions.is_empty() {
            self.give_up();
        }
    }

    /// Reads what is counted.
    pub(super) fn read_metrics(&mut self, metrics: &mut Metrics, now: Instant) {
        let (isolation, has_group) = (self.limits.isolation, self.group.is_some());
        self.metrics.read(metrics, &mut self.positions, isolation, has_group, now);
    }

    /// No partition is this consumer's any more.
    pub(super) fn give_up(&mut self) {
        self.positions.clear();
        self.turns.clear();
        self.commits.outstanding = false;
        self.faults.retain(|subject, _| !matches!(subject, Subject::Partition(_)));
    }
}

/// What a caller gets out of one item.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) part: Option<Part>,
    /// Where the position stands now, if that is elsewhere.
    pub(super) moved: Option<Position>,
    pub(super) fault: Option<Error>,
    /// The loop that has something to fetch now, which it may not know.
    pub(super) wakes: Option<Arc<Notify>>,
}

impl Taken {
    /// Which item it was.
    pub(super) fn key(&self) -> (TopicPartition, u64) {
        (self.partition.clone(), self.stamp)
    }
}
