//! What brokers answer, and what it changes.

use bytes::Bytes;
use ottla_wire::Code;
use ottla_wire::messages::fetch_response::AbortedTransaction;
use tokio::time::Instant;

use super::OffsetAndMetadata;
use super::aborted::Aborted;
use super::decode::{self, Item};
use super::fetch::{self, Answer, FetchKind, Next, Plan};
use super::position::{
    AS_OLD_AS_ALLOWED, Assigned, EARLIEST, EndLookUp, EpochQuery, LATEST, Leader, LookUps, OffsetQuery, Place, Position,
};
use super::state::{State, Subject};
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::IsolationLevel;
use crate::error::{Error, Kind};
use crate::planted::{self, Bug};

/// What the answer to a fetch brought.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    /// There is something for a poll.
    pub(super) is_ready: bool,
    /// Metadata is not up to date.
    pub(super) is_outdated: bool,
    /// A position is to be looked up.
    pub(super) resets: bool,
    /// Leaders that the broker named instead of itself.
    pub(super) leaders: Vec<(TopicPartition, Leader)>,
    /// Some partition is to be fetched from another broker.
    pub(super) moves: bool,
    /// Bytes of batches that were taken in.
    pub(super) bytes: usize,
}

/// What asking a partition's leader for an offset brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FoundOffset {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) epoch: i32,
}

impl State {
    /// Follows newer metadata. True if some partition has another leader than before.
    pub(super) fn on_metadata(&mut self, metadata: &Metadata) -> bool {
        let changes = self.positions.on_metadata(metadata);
        for partition in changes.recreated {
            // edge 50: another log under the same name. The old offset would be found somewhere in it, or out of range.
            tracing::warn!(%partition, "the topic was deleted and created anew: starting over");
            let place = self.reset_timestamp().map_or(Place::Nowhere, Place::Asking);
            self.positions.start_over(&partition, place);
        }
        if std::mem::replace(&mut self.seen, metadata.version) == metadata.version {
            return changes.leaders;
        }
        for topic in self.topics() {
            // What is held of an earlier subscription, or was asked about for it, is of no interest (edge 66).
            if !self.is_wanted(&topic) {
                continue;
            }
            // Others may pass: the topic is asked about again.
            if let Some(known) = metadata.topics.get(&topic)
                && matches!(known.error, Code::TopicAuthorizationFailed | Code::InvalidTopicException)
            {
                let error = Error::broker(known.error, format!("metadata of topic {topic}"));
                self.faults.insert(Subject::Topic(topic), error);
            }
        }
        changes.leaders
    }

    /// Whether newer metadata may bring what is missing.
    pub(super) fn lacks_metadata(&self, metadata: &Metadata) -> bool {
        let is_missing = |topic| !metadata.topics.get(topic).is_some_and(|topic| topic.is_usable());
        let lacks_name = self.group.as_ref().is_some_and(|group| !group.unknown_topics(metadata).is_empty());
        lacks_name || self.positions.lacks_leader() || self.topics().iter().any(is_missing)
    }

    /// The look-ups that are due.
    pub(super) fn look_ups(&mut self, now: Instant) -> LookUps {
        let due = self.positions.look_ups(now);
        for partition in &due.nowhere {
            let context =
                format!("{partition} has no offset to start from, and `auto.offset.reset` is `none`; `seek` to go on");
            self.fault(partition, Error::new(Kind::NoOffset, context), now);
        }
        due
    }

    /// What is committed for a partition.
    pub(super) fn on_committed(
        &mut self,
        partition: &TopicPartition,
        stamp: u64,
        answer: Result<Option<OffsetAndMetadata>, Code>,
        now: Instant,
    ) {
        let reset = self.reset_timestamp();
        let Some(assigned) = self.positions.current(partition, stamp) else { return };
        if assigned.place != Place::Committed {
            return;
        }
        match answer {
            Ok(Some(committed)) => {
                let position = Position { offset: committed.offset, epoch: committed.leader_epoch.unwrap_or(-1) };
                assigned.recovered();
                assigned.arrive(position);
                assigned.committed = Some((position, now));
            }
            Ok(None) => match (assigned.began, reset) {
                // It was sent back to what is committed, which is nothing yet.
                (Some(began), _) => {
                    assigned.recovered();
                    let valid_for = assigned.valid_for;
                    assigned.arrive(began);
                    // What led on from there was valid, so it is.
                    assigned.valid_for = valid_for;
                }
                (None, Some(timestamp)) => {
                    assigned.recovered();
                    assigned.asked = false;
                    assigned.place = Place::Asking(timestamp);
                }
                (None, None) => {
                    let context = format!(
                        "{partition}: nothing is committed, and `auto.offset.reset` is `none`; `seek` to go on"
                    );
                    self.fault(partition, Error::new(Kind::NoOffset, context), now);
                }
            },
            Err(code) if code.retriable() => {
                if code == Code::UnstableOffsetCommit {
                    // edge 63
                    tracing::info!(%partition, "waits for a transaction to end that holds its committed offset");
                }
                assigned.failed(now, &mut self.jitter);
                assigned.trouble = Some(Error::broker(code, format!("committed offset of {partition}")));
            }
            Err(code) => self.fault(partition, Error::broker(code, format!("committed offset of {partition}")), now),
        }
    }

    /// The offset that a leader was asked for. True if metadata is not up to date.
    pub(super) fn on_offset(&mut self, query: &OffsetQuery, answer: Result<FoundOffset, Code>, now: Instant) -> bool {
        let isolation = self.limits.isolation;
        let Some(assigned) = self.positions.current(&query.partition, query.stamp) else { return false };
        if assigned.place != Place::Asking(query.timestamp) {
            return false;
        }
        match answer {
            Ok(found) if found.offset >= 0 => {
                tracing::debug!(partition = %query.partition, offset = found.offset, "position reset");
                assigned.recovered();
                assigned.arrive(Position { offset: found.offset, epoch: found.epoch });
                assigned.valid_for = query.leader_epoch;
                match query.timestamp {
                    EARLIEST => assigned.bounds.log_start = Some(found.offset),
                    LATEST => assigned.bounds.learn_end(found.offset, isolation),
                    _ => {}
                }
                false
            }
            // No record is as young as the policy wants it. What comes behind an end that was known before is: going on
            // there misses none, also of those that were written between the two questions.
            Ok(_)
                if query.timestamp == AS_OLD_AS_ALLOWED
                    && let Some(end) = assigned.bounds.end(isolation) =>
            {
                assigned.recovered();
                assigned.arrive(Position { offset: end, epoch: -1 });
                false
            }
            Ok(_) => {
                if query.timestamp == AS_OLD_AS_ALLOWED {
                    assigned.end = EndLookUp::Wanted;
                }
                assigned.failed(now, &mut self.jitter);
                false
            }
            Err(code) if code.retriable() => {
                assigned.failed(now, &mut self.jitter);
                assigned.trouble = Some(Error::broker(code, format!("offset of {}", query.partition)));
                true
            }
            Err(code) => {
                self.fault(&query.partition, Error::broker(code, format!("offset of {}", query.partition)), now);
                false
            }
        }
    }

    /// The end that a leader was asked for, for a lag: where that failed, the next who wants to know asks again.
    pub(super) fn on_end(&mut self, query: &OffsetQuery, answer: Result<FoundOffset, Code>) {
        let isolation = self.limits.isolation;
        let Some(assigned) = self.positions.current(&query.partition, query.stamp) else { return };
        assigned.end = EndLookUp::None;
        if let Ok(found) = answer
            && found.offset >= 0
        {
            assigned.bounds.learn_end(found.offset, isolation);
        }
    }

    /// A look-up was not answered.
    pub(super) fn on_look_up_failed<'a>(
        &mut self,
        subject: Subject,
        partitions: impl Iterator<Item = (&'a TopicPartition, u64)>,
        error: &Error,
        now: Instant,
    ) {
        for (partition, stamp) in partitions {
            if let Some(assigned) = self.positions.current(partition, stamp) {
                assigned.failed(now, &mut self.jitter);
                assigned.trouble = Some(error.clone());
            }
        }
        // What became of the membership is for the membership to say.
        if !error.is_retriable() && error.code() != Some(Code::UnknownMemberId) {
            self.faults.insert(subject, error.clone());
        }
    }

    /// The next fetch from a broker; its loop ends with [`Next::Done`].
    pub(super) fn next_fetch(&mut self, broker: i32, now: Instant) -> Next {
        if self.is_closed {
            return Next::Done;
        }
        let next = self.next_of(broker, FetchKind::Waiting, now);
        if matches!(next, Next::Done) {
            self.fetchers.remove(&broker);
        }
        next
    }

    /// What may be fetched beside a fetch that waits.
    pub(super) fn next_refill(&mut self, broker: i32, now: Instant) -> Next {
        self.next_of(broker, FetchKind::Refill, now)
    }

    fn next_of(&mut self, broker: i32, kind: FetchKind, now: Instant) -> Next {
        let next = fetch::next(&mut self.positions, broker, kind, &self.limits, now);
        if std::mem::take(&mut self.positions.has_expired) {
            self.wake_fetchers();
        }
        next
    }

    /// A fetch was not answered: what was to come from a follower comes from the leader (edge 45).
    pub(super) fn on_fetch_failed(&mut self, plan: &Plan) {
        let mut moves = false;
        for asked in plan.asked.iter().filter(|asked| asked.is_follower) {
            if let Some(assigned) = self.positions.current(&asked.partition, asked.stamp) {
                moves |= assigned.leave_follower();
            }
        }
        if moves {
            self.wake_fetchers();
        }
    }

    /// A fetch is over, whatever came of it: its partitions may be asked for again.
    pub(super) fn fetch_ended(&mut self, plan: &Plan) {
        self.positions.in_flight.retain(|fetch| fetch.number != plan.number);
    }

    /// Takes in what was fetched.
    pub(super) fn on_fetched(&mut self, kind: FetchKind, answers: Vec<Answer>, now: Instant) -> Arrived {
        let mut arrived = Arrived::default();
        for answer in answers {
            let Answer { asked, code, records, bounds, diverging, aborted, leader, preferred } = answer;
            if let Some(leader) = leader {
                arrived.leaders.push((asked.partition.clone(), leader));
            }
            let Some(assigned) = self.positions.current(&asked.partition, asked.stamp) else { continue };
            assigned.bounds.learn(bounds);
            if assigned.fetch_offset != asked.offset || assigned.position().is_none() {
                // Another broker was asked for the same meanwhile, and was faster.
                continue;
            }
            if !code.is_none() {
                arrived.moves |= assigned.leave_follower();
            }
            if let Some(end) = diverging.filter(|_| code.is_none()) {
                let offset = asked.offset;
                let (partition, stamp, epoch) = (asked.partition, asked.stamp, assigned.fetch_epoch);
                let leader_epoch = asked.leader_epoch;
                self.on_diverged(&EpochQuery { partition, stamp, offset, epoch, leader_epoch }, end, now);
                arrived.resets = true;
                continue;
            }
            match code {
                Code::None => {
                    assigned.is_drained = kind == FetchKind::Refill && records.is_empty();
                    if let Some(broker) = preferred {
                        arrived.moves |= assigned.prefer(broker, now, self.limits.preferred_age);
                    }
                    let bytes = self.on_records(&asked, records, aborted, now);
                    arrived.bytes += bytes;
                    arrived.is_ready |= bytes > 0;
                    // It was fetched of a leader that is none any more.
                    arrived.resets |= self.positions.get(&asked.partition).is_some_and(Assigned::is_unvalidated);
                }
                // The leader may have what its follower lacks yet, or lacks no more (edge 42).
                Code::OffsetOutOfRange if asked.is_follower => assigned.recovered(),
                Code::OffsetOutOfRange => arrived.resets |= self.on_out_of_range(&asked, now),
                Code::UnknownLeaderEpoch | Code::UnknownServerError => {
                    // The broker has yet to hear of its leadership, or stumbled: the same again soon (edge 43).
                    tracing::debug!(partition = %asked.partition, %code, "fetch refused");
                    assigned.failed(now, &mut self.jitter);
                }
                // Not among Java's retriable ones for every request, but here only the leader is not what it seemed.
                code if code.retriable() && code != Code::CorruptMessage => {
                    tracing::debug!(partition = %asked.partition, %code, "fetch refused");
                    assigned.failed(now, &mut self.jitter);
                    arrived.is_outdated = true;
                }
                code => {
                    let context = format!("fetch of {} at offset {}", asked.partition, asked.offset);
                    self.fault(&asked.partition, Error::broker(code, context), now);
                }
            }
        }
        if arrived.moves {
            self.wake_fetchers();
        }
        self.metrics.fetched(now);
        arrived.is_ready |= self.wakes_polls();
        arrived
    }

    /// Buffers the batches of one partition, and returns how many bytes that were.
    fn on_records(
        &mut self,
        asked: &fetch::Asked,
        records: Bytes,
        aborted: Vec<AbortedTransaction>,
        now: Instant,
    ) -> usize {
        let Some(assigned) = self.positions.get_mut(&asked.partition) else { return 0 };
        let received = records.len();
        if received == 0 {
            assigned.recovered();
            return 0;
        }
        let aborted = match self.limits.isolation {
            IsolationLevel::ReadCommitted if !planted::has(Bug::AbortedRead) => Aborted::of(aborted),
            _ => None,
        };
        let split = decode::split(&asked.partition, records, asked.offset, aborted);
        if split.items.is_empty() {
            // Batches of before the position alone: asking again at once would bring the same.
            assigned.failed(now, &mut self.jitter);
            return 0;
        }
        assigned.recovered();
        assigned.fetch_offset = split.next;
        (assigned.fetch_epoch, assigned.valid_for) = (split.epoch, asked.leader_epoch);
        self.metrics.brought(&asked.partition, received, split.items.iter().map(Item::records).sum());
        for item in split.items {
            assigned.queue.push(item);
        }
        if assigned.is_paused {
            assigned.queue.unshare();
        }
        self.turns.add(&asked.partition, &mut assigned.queue);
        received
    }

    /// The log does not hold the offset (edge 42). True if another is to be looked up.
    fn on_out_of_range(&mut self, asked: &fetch::Asked, now: Instant) -> bool {
        let Some(assigned) = self.positions.get_mut(&asked.partition) else { return false };
        if assigned.position().is_none_or(|position| position.offset != asked.offset) {
            // What is buffered comes first; then the position is where this fetch was.
            assigned.failed(now, &mut self.jitter);
            return false;
        }
        tracing::info!(partition = %asked.partition, offset = asked.offset, "offset out of range");
        let partition = asked.partition.clone();
        match self.reset_timestamp() {
            Some(timestamp) => {
                self.positions.start_over(&partition, Place::Asking(timestamp));
                true
            }
            None => {
                let offset = asked.offset;
                let context =
                    format!("fetch of {partition} at offset {offset}; `auto.offset.reset` is `none`: `seek` to go on");
                self.fault(&partition, Error::broker(Code::OffsetOutOfRange, context), now);
                false
            }
        }
    }

    /// Something is wrong with a partition: the next poll says so, and it is tried again after a while.
    pub(super) fn fault(&mut self, partition: &TopicPartition, error: Error, now: Instant) {
        if let Some(assigned) = self.positions.get_mut(partition) {
            assigned.failed(now, &mut self.jitter);
        }
        self.faults.insert(Subject::Partition(partition.clone()), error.about(partition));
    }
}
