//! Where reading stands in each assigned partition.
//!
//! ```text
//!            no group                      reset policy, seek_to_…
//! assigned ──────────────────────────────► Asking(timestamp) ──► At(position) ──► moves at hand-out
//!    └─ group ─► Committed? ── none there ─────▲                   ▲    │ out of range
//!                    └──────── an offset ──────────────────────────┘    └──► Asking
//! ```
//!
//! Whatever makes earlier requests about a partition pointless gives it a new stamp: answers that carry another are
//! dropped (edge 48).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_wire::{Str, Uuid};
use tokio::time::Instant;

use super::buffer::Queue;
use super::jitter::Jitter;
use super::metrics::Distances;
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::IsolationLevel;
use crate::connection::Backoff;
use crate::deadline::after;
use crate::error::Error;
use crate::planted::{self, Bug};

/// The offset that comes next, and the leader epoch of the record before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    /// -1 where it is not known.
    pub(crate) epoch: i32,
}

/// A broker that leads a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Leader {
    pub(super) broker: i32,
    /// -1 where the brokers don't say.
    pub(super) epoch: i32,
}

/// A broker to fetch from instead of the leader (KIP-392).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Preferred {
    pub(super) broker: i32,
    /// Then the leader is asked again: another may be nearer by then.
    pub(super) until: Instant,
}

/// What is known of the position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The partition's leader is to be asked for the offset of this timestamp, or for [`EARLIEST`] or [`LATEST`].
    Asking(i64),
    At(Position),
    /// The group's coordinator is to be asked what was committed.
    Committed,
    /// There is nothing to start from, and `auto.offset.reset` leaves that to the user: polls say so.
    Nowhere,
}

/// Asks for the first offset that is still there.
pub(crate) const EARLIEST: i64 = -2;
/// Asks for the first record that is as old as `auto.offset.reset` allows, at the time when it is asked.
pub(crate) const AS_OLD_AS_ALLOWED: i64 = i64::MIN;
/// Asks for the offset that the next record will get.
pub(crate) const LATEST: i64 = -1;

/// What brokers last said of where a partition's log begins and ends; none of it before the first answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bounds {
    /// The first offset that is still there.
    pub(crate) log_start: Option<i64>,
    /// Where the first open transaction begins, or the high watermark.
    pub(crate) last_stable: Option<i64>,
    /// Behind the last record that all replicas in sync have.
    pub(crate) high_watermark: Option<i64>,
}

/// One assigned partition.
#[derive(Debug)]
pub(super) struct Assigned {
    /// Answers to what was asked under another stamp are stale.
    pub(super) stamp: u64,
    /// The stamp as the partition was assigned: it tells this assignment of it from an earlier one.
    pub(super) since: u64,
    pub(super) place: Place,
    /// Whether a look-up of the place is in flight.
    pub(super) asked: bool,
    /// Where the next fetch starts: behind what is buffered.
    pub(super) fetch_offset: i64,
    /// The leader epoch of the record before that; -1 where it is not known.
    pub(super) fetch_epoch: i32,
    /// The leader epoch as of which that is known to lie in the log; -1 if it was never looked at (KIP-320).
    pub(super) valid_for: i32,
    /// Fetched, and not handed out yet.
    pub(super) queue: Queue,
    /// The position that earlier polls led to: what may be committed without being asked to.
    pub(super) released: Option<Position>,
    /// Where reading began: by the group's offset, the reset policy or a seek.
    pub(super) began: Option<Position>,
    /// The position last committed, and when.
    pub(super) committed: Option<(Position, Instant)>,
    pub(super) is_paused: bool,
    /// The partition is about to be revoked: nothing more is handed out of it.
    pub(super) is_frozen: bool,
    /// The last fetch left it out for want of room: its broker waits to hear that there is some.
    pub(super) is_full: bool,
    /// The number of the fetch that last asked for it; 0 if what is asked for since has nothing to do with it.
    pub(super) fetch: u64,
    /// There was nothing to fetch: it is only asked for by a fetch that waits.
    pub(super) is_drained: bool,
    pub(super) leader: Option<Leader>,
    pub(super) preferred: Option<Preferred>,
    pub(super) topic_id: Uuid,
    pub(super) bounds: Bounds,
    /// From the first poll on that moved the position.
    pub(super) distances: Option<Box<Distances>>,
    /// Whether a caller wants to know the end, which no answer has told yet.
    pub(super) end: EndLookUp,
    /// Not to be asked about, or fetched, before.
    pub(super) retry_at: Option<Instant>,
    /// Why the last look-up of the position failed, though it is tried again.
    pub(super) trouble: Option<Error>,
    backoff: Backoff,
}

/// How far it is with a look-up of a partition's end, for its lag.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum EndLookUp {
    #[default]
    None,
    Wanted,
    Asked,
}

/// A fetch that is not over.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) number: u64,
    pub(super) broker: i32,
    /// What it may bring at most.
    pub(super) bytes: usize,
}

/// All assigned partitions.
#[derive(Debug)]
pub(super) struct Positions {
    pub(super) partitions: BTreeMap<TopicPartition, Assigned>,
    /// The fetches that are not over.
    pub(super) in_flight: Vec<InFlight>,
    fetches: u64,
    /// The time with a follower is over for some: their leaders' loops are to be woken.
    pub(super) has_expired: bool,
    stamps: u64,
    backoff: Backoff,
    /// Partitions whose position moved since the last release.
    moved: Vec<TopicPartition>,
}

/// A question about one partition, for the broker that leads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OffsetQuery {
    pub(super) partition: TopicPartition,
    pub(super) stamp: u64,
    pub(super) timestamp: i64,
    pub(super) leader_epoch: i32,
}

/// A question whether a leader has the records before an offset as they were read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct EpochQuery {
    pub(super) partition: TopicPartition,
    pub(super) stamp: u64,
    pub(super) offset: i64,
    pub(super) epoch: i32,
    pub(super) leader_epoch: i32,
}

/// The look-ups that are due.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct LookUps {
    /// For the group's coordinator, each with its stamp.
    pub(super) committed: Vec<(TopicPartition, u64)>,
    /// For the leaders.
    pub(super) offsets: BTreeMap<i32, Vec<OffsetQuery>>,
    /// For the leaders, which are others than the records were read from.
    pub(super) epochs: BTreeMap<i32, Vec<EpochQuery>>,
    /// For the leaders, and no position depends on them.
    pub(super) ends: BTreeMap<i32, Vec<OffsetQuery>>,
    /// For nobody: there is nothing to start from.
    pub(super) nowhere: Vec<TopicPartition>,
}

/// What newer metadata changed.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Changes {
    /// Some partition has another leader than before, or is not fetched any more from where it was.
    pub(super) leaders: bool,
    /// Partitions of topics that were deleted and created anew: their offsets mean nothing any more.
    pub(super) recreated: Vec<TopicPartition>,
}

impl Positions {
    /// No partitions yet; `backoff` is what each one's failures are answered with.
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            partitions: BTreeMap::new(),
            in_flight: Vec::new(),
            fetches: 0,
            has_expired: false,
            stamps: 0,
            backoff,
            moved: Vec::new(),
        }
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Assigned> {
        self.partitions.get(partition)
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Assigned> {
        self.partitions.get_mut(partition)
    }

    /// The partition, unless the stamp tells that the question is stale.
    pub(super) fn current(&mut self, partition: &TopicPartition, stamp: u64) -> Option<&mut Assigned> {
        self.partitions.get_mut(partition).filter(|assigned| assigned.stamp == stamp)
    }

    /// Adds a partition, unless it is there.
    pub(super) fn add(&mut self, partition: TopicPartition, place: Place) {
        let stamp = self.next_stamp();
        let backoff = self.backoff.clone();
        self.partitions.entry(partition).or_insert_with(|| Assigned {
            stamp,
            since: stamp,
            place,
            asked: false,
            fetch_offset: 0,
            fetch_epoch: -1,
            valid_for: -1,
            queue: Queue::default(),
            released: None,
            began: None,
            committed: None,
            is_paused: false,
            is_frozen: false,
            is_full: false,
            fetch: 0,
            is_drained: false,
            leader: None,
            preferred: None,
            topic_id: Uuid::ZERO,
            bounds: Bounds::default(),
            distances: None,
            end: EndLookUp::None,
            retry_at: None,
            trouble: None,
            backoff,
        });
    }

    /// Goes on at `place`, wherever it stands. False if the partition is not assigned.
    pub(super) fn start_over(&mut self, partition: &TopicPartition, place: Place) -> bool {
        let stamp = self.next_stamp();
        let Some(assigned) = self.partitions.get_mut(partition) else { return false };
        assigned.stamp = stamp;
        assigned.asked = false;
        assigned.fetch = 0;
        assigned.is_drained = false;
        assigned.end = EndLookUp::None;
        assigned.recovered();
        if !planted::has(Bug::StaleBuffer) {
            assigned.queue.clear();
        }
        assigned.place = place;
        assigned.released = None;
        match place {
            Place::At(position) => assigned.arrive(position),
            // It may be that nothing is committed: then it goes on where it began.
            Place::Committed => {}
            Place::Asking(_) | Place::Nowhere => assigned.began = None,
        }
        true
    }

    /// Drops what was fetched and goes on where the position stands, after a wait.
    pub(super) fn refetch(&mut self, partition: &TopicPartition, now: Instant, jitter: &mut Jitter) {
        let stamp = self.next_stamp();
        let Some(assigned) = self.partitions.get_mut(partition) else { return };
        assigned.stamp = stamp;
        assigned.fetch = 0;
        assigned.end = EndLookUp::None;
        assigned.queue.clear();
        assigned.fetch_from_position();
        assigned.failed(now, jitter);
    }

    /// Drops what was fetched and goes on where the position stands, at once.
    pub(super) fn drop_fetched(&mut self, partition: &TopicPartition) {
        let stamp = self.next_stamp();
        let Some(assigned) = self.partitions.get_mut(partition) else { return };
        assigned.stamp = stamp;
        assigned.fetch = 0;
        assigned.end = EndLookUp::None;
        assigned.queue.clear();
        assigned.fetch_from_position();
    }

    /// The position of a partition moved on at hand-out.
    pub(super) fn advance(&mut self, partition: &TopicPartition, to: Position) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.place = Place::At(to);
            if self.moved.last() != Some(partition) {
                self.moved.push(partition.clone());
            }
        }
    }

    /// What was handed out until now is done with: it may be committed.
    pub(super) fn release(&mut self) {
        for partition in self.moved.drain(..) {
            if let Some(assigned) = self.partitions.get_mut(&partition)
                && let Place::At(position) = assigned.place
            {
                assigned.released = Some(position);
            }
        }
    }

    /// No partition is assigned any more.
    pub(super) fn clear(&mut self) {
        self.partitions.clear();
        self.moved.clear();
    }

    /// Hands out nothing more of these partitions, until they are revoked.
    pub(super) fn freeze<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for partition in partitions {
            if let Some(assigned) = self.partitions.get_mut(partition) {
                assigned.is_frozen = true;
            }
        }
    }

    /// Follows the leaders of newer metadata.
    pub(super) fn on_metadata(&mut self, metadata: &Metadata) -> Changes {
        let mut changes = Changes::default();
        for (partition, assigned) in &mut self.partitions {
            let topic = metadata.topics.get(&*partition.topic);
            let id = topic.map_or(Uuid::ZERO, |topic| topic.id);
            if !id.is_zero() {
                if !assigned.topic_id.is_zero() && assigned.topic_id != id {
                    assigned.bounds = Bounds::default();
                    changes.recreated.push(partition.clone());
                }
                assigned.topic_id = id;
            }
            let known = metadata.partition(&partition.topic, partition.partition);
            let leader = known.and_then(|known| Some(Leader { broker: known.leader?, epoch: known.leader_epoch }));
            if let Some(preferred) = assigned.preferred
                && !metadata.is_replica(&partition.topic, partition.partition, preferred.broker)
            {
                changes.leaders |= assigned.leave_follower();
            }
            if assigned.leader != leader {
                assigned.leader = leader;
                assigned.preferred = None;
                if matches!(assigned.place, Place::At(_)) {
                    // Another is to be asked whether it has what was read.
                    assigned.asked = false;
                }
                assigned.fetch = 0;
                assigned.is_drained = false;
                // With a new leader there is no reason to wait (edge 49).
                assigned.recovered();
                changes.leaders = true;
            }
        }
        changes
    }

    /// The look-ups that are due; they count as in flight from now on.
    pub(super) fn look_ups(&mut self, now: Instant) -> LookUps {
        let mut due = LookUps::default();
        for (partition, assigned) in &mut self.partitions {
            if assigned.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            if let (EndLookUp::Wanted, Some(leader)) = (assigned.end, assigned.leader) {
                assigned.end = EndLookUp::Asked;
                due.ends.entry(leader.broker).or_default().push(OffsetQuery {
                    partition: partition.clone(),
                    stamp: assigned.stamp,
                    timestamp: LATEST,
                    leader_epoch: leader.epoch,
                });
            }
            if assigned.asked {
                continue;
            }
            match (assigned.place, assigned.leader) {
                (Place::Committed, _) => {
                    assigned.asked = true;
                    due.committed.push((partition.clone(), assigned.stamp));
                }
                (Place::Asking(timestamp), Some(leader)) => {
                    assigned.asked = true;
                    due.offsets.entry(leader.broker).or_default().push(OffsetQuery {
                        partition: partition.clone(),
                        stamp: assigned.stamp,
                        timestamp,
                        leader_epoch: leader.epoch,
                    });
                }
                (Place::At(_), Some(leader)) if assigned.is_unvalidated() => {
                    assigned.asked = true;
                    due.epochs.entry(leader.broker).or_default().push(EpochQuery {
                        partition: partition.clone(),
                        stamp: assigned.stamp,
                        offset: assigned.fetch_offset,
                        epoch: assigned.fetch_epoch,
                        leader_epoch: leader.epoch,
                    });
                }
                (Place::Nowhere, _) => due.nowhere.push(partition.clone()),
                _ => {}
            }
        }
        due
    }

    /// When the next look-up is due, of those that wait for their backoff.
    pub(super) fn next_look_up(&self) -> Option<Instant> {
        let waits = |assigned: &&Assigned| {
            !assigned.asked && (!matches!(assigned.place, Place::At(_)) || assigned.is_unvalidated())
        };
        self.partitions.values().filter(waits).filter_map(|assigned| assigned.retry_at).min()
    }

    /// Whether some partition has no leader to ask.
    pub(super) fn lacks_leader(&self) -> bool {
        self.partitions.values().any(|assigned| assigned.leader.is_none())
    }

    /// The brokers that lead a partition, and those that one is fetched from instead.
    pub(super) fn brokers(&self) -> BTreeSet<i32> {
        let of = |assigned: &Assigned| {
            [assigned.leader.map(|leader| leader.broker), assigned.preferred.map(|preferred| preferred.broker)]
        };
        self.partitions.values().flat_map(of).flatten().collect()
    }

    /// The topics of all partitions.
    pub(super) fn topics(&self) -> impl Iterator<Item = Str> + '_ {
        let mut last: Option<&str> = None;
        self.partitions.keys().filter_map(move |partition| {
            let new = last != Some(&*partition.topic);
            last = Some(&partition.topic);
            new.then(|| Str::from(&*partition.topic))
        })
    }

    /// The number of another fetch; none has 0.
    pub(super) fn next_fetch(&mut self) -> u64 {
        self.fetches += 1;
        self.fetches
    }

    /// A stamp that was never used.
    fn next_stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }
}

impl Bounds {
    /// The offset that the next record will get, as readers of that isolation level see it.
    pub(super) fn end(self, isolation: IsolationLevel) -> Option<i64> {
        match isolation {
            IsolationLevel::ReadCommitted => self.last_stable,
            IsolationLevel::ReadUncommitted => self.high_watermark,
        }
    }

    /// Takes what an answer says; what it leaves open stays as it was.
    pub(super) fn learn(&mut self, newer: Self) {
        self.log_start = newer.log_start.or(self.log_start);
        self.last_stable = newer.last_stable.or(self.last_stable);
        self.high_watermark = newer.high_watermark.or(self.high_watermark);
    }

    /// Takes an end that was asked for at that isolation level.
    pub(super) fn learn_end(&mut self, end: i64, isolation: IsolationLevel) {
        match isolation {
            IsolationLevel::ReadCommitted => self.last_stable = Some(end),
            IsolationLevel::ReadUncommitted => self.high_watermark = Some(end),
        }
    }
}

impl Assigned {
    /// The position became known, or was chosen: nothing was handed out since.
    pub(super) fn arrive(&mut self, position: Position) {
        self.place = Place::At(position);
        self.asked = false;
        self.fetch_from_position();
        self.valid_for = -1;
        self.released = Some(position);
        self.began = Some(position);
    }

    fn fetch_from_position(&mut self) {
        if let Place::At(position) = self.place {
            (self.fetch_offset, self.fetch_epoch) = (position.offset, position.epoch);
        }
    }

    /// Whether there is a leader that may not have what was read of the one before (KIP-320): nothing is fetched then.
    ///
    /// What was read under the leader's own epoch is its own. Where epochs are not known there is nothing to compare.
    pub(super) fn is_unvalidated(&self) -> bool {
        let known = self.valid_for.max(self.fetch_epoch);
        matches!(self.place, Place::At(_))
            && self.fetch_epoch >= 0
            && self.leader.is_some_and(|leader| leader.epoch > known)
    }

    /// The position, if it is known.
    pub(super) fn position(&self) -> Option<Position> {
        match self.place {
            Place::At(position) => Some(position),
            _ => None,
        }
    }

    /// The broker to fetch from.
    pub(super) fn source(&self) -> Option<i32> {
        let leader = self.leader?;
        Some(self.preferred.map_or(leader.broker, |preferred| preferred.broker))
    }

    /// The leader names a broker to fetch from. True if that is another than now.
    pub(super) fn prefer(&mut self, broker: i32, now: Instant, age: Duration) -> bool {
        let before = self.source();
        let is_leader = self.leader.is_some_and(|leader| leader.broker == broker);
        self.preferred = (!is_leader).then(|| Preferred { broker, until: after(now, age) });
        self.moved_from(before)
    }

    /// Fetches from the leader again. True if that is another than now.
    pub(super) fn leave_follower(&mut self) -> bool {
        let before = self.source();
        self.preferred = None;
        self.moved_from(before)
    }

    /// What was asked of another broker is no reason not to ask this one.
    fn moved_from(&mut self, before: Option<i32>) -> bool {
        let moved = self.source() != before;
        if moved {
            (self.fetch, self.is_drained) = (0, false);
        }
        moved
    }

    /// Records between the beginning of the log and the position, if both are known.
    pub(super) fn lead(&self) -> Option<i64> {
        Some(self.position()?.offset.saturating_sub(self.bounds.log_start?).max(0))
    }

    /// Records between the position and the end that readers of that isolation level see, if both are known.
    pub(super) fn lag(&self, isolation: IsolationLevel) -> Option<i64> {
        // A follower may know of less than was read of its leader.
        Some(self.bounds.end(isolation)?.saturating_sub(self.position()?.offset).max(0))
    }

    /// A look-up or a fetch failed: the next waits.
    pub(super) fn failed(&mut self, now: Instant, jitter: &mut Jitter) {
        self.asked = false;
        self.retry_at = now.checked_add(self.backoff.next(&mut jitter.at(now)));
    }

    /// It works again.
    pub(super) fn recovered(&mut self) {
        self.backoff.reset();
        self.retry_at = None;
        self.trouble = None;
    }
}
