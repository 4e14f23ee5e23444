//! What may be committed, and when that is due without being asked for.
//!
//! A poll releases what earlier polls handed out; that, and no more, is committed automatically. The interval only
//! decides whether a poll does so.

use std::time::Duration;

use tokio::time::Instant;

use super::position::{Position, Positions};
use crate::group::offsets::Offsets;
use crate::planted::{self, Bug};

/// A position that did not move is committed again after this long: brokers forget the offsets of a group without
/// members in time, and a consumer that chose its partitions itself is no member.
const RENEWAL: Duration = Duration::from_secs(3_600);

/// When to commit, and what polls have handed out.
#[derive(Debug)]
pub(super) struct Commits {
    interval: Option<Duration>,
    next: Option<Instant>,
    in_flight: bool,
    /// Records were handed out, or positions that moved past others, and no later poll has begun.
    pub(super) outstanding: bool,
}

/// Which positions to commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    /// All that was handed out.
    HandedOut,
    /// What earlier polls handed out.
    Released,
}

impl Commits {
    /// Commits by itself at this interval, if there is one.
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self {
            interval,
            next: interval.and_then(|interval| now.checked_add(interval)),
            in_flight: false,
            outstanding: false,
        }
    }

    pub(super) fn is_automatic(&self) -> bool {
        self.interval.is_some()
    }

    /// Whether the poll that begins now is one that commits.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.in_flight && self.next.is_some_and(|next| next <= now)
    }

    /// What the poll that begins now commits.
    pub(super) fn due(&mut self, positions: &Positions, now: Instant) -> Option<Offsets> {
        self.next = now.checked_add(self.interval?);
        let offsets = offsets(positions, Which::Released, now);
        self.in_flight = !offsets.is_empty();
        self.in_flight.then_some(offsets)
    }

    /// The automatic commit ended; after a failure that may pass the next comes sooner.
    pub(super) fn ended(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.in_flight = false;
        if let Some(wait) = retry_after {
            self.next = now.checked_add(wait);
        }
    }
}

/// The positions that are not committed as they are.
pub(super) fn offsets(positions: &Positions, which: Which, now: Instant) -> Offsets {
    let mut offsets = Offsets::new();
    for (partition, assigned) in &positions.partitions {
        let position = match which {
            Which::HandedOut => assigned.position(),
            Which::Released => assigned.released,
        };
        let Some(mut position) = position else { continue };
        if planted::has(Bug::CommitFetched) {
            position.offset = assigned.fetch_offset;
        }
        let is_kept = |(committed, at): (Position, Instant)| committed == position && now.duration_since(at) < RENEWAL;
        if !assigned.committed.is_some_and(is_kept) {
            offsets.insert(partition.clone(), position.into());
        }
    }
    offsets
}

/// A caller has these committed: as far as that was handed out, it is done with. What is committed without being asked
/// for must not go back behind it.
pub(super) fn asked_for(positions: &mut Positions, offsets: &Offsets) {
    if planted::has(Bug::CommitTakenBack) {
        return;
    }
    for (partition, offset) in offsets {
        let Some(assigned) = positions.get_mut(partition) else { continue };
        let asked = Position { offset: offset.offset, epoch: offset.leader_epoch.unwrap_or(-1) };
        let is_ahead = assigned.released.is_some_and(|released| released.offset < asked.offset);
        let was_handed_out = assigned.position().is_some_and(|position| asked.offset <= position.offset);
        if is_ahead && was_handed_out {
            assigned.released = Some(asked);
        }
    }
}

/// These offsets are committed.
pub(super) fn committed(positions: &mut Positions, offsets: &Offsets, now: Instant) {
    for (partition, offset) in offsets {
        if let Some(assigned) = positions.get_mut(partition) {
            let position = Position { offset: offset.offset, epoch: offset.leader_epoch.unwrap_or(-1) };
            assigned.committed = Some((position, now));
        }
    }
}
