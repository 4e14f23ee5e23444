//! Batches that have lingered, and are left open as long as nothing can be sent for them: they may still grow.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::batch::Slot;

/// An open batch, and until when it lingered.
#[derive(Clone, Debug)]
pub(super) struct Lingered {
    pub(super) until: Instant,
    pub(super) slot: Arc<Slot>,
    pub(super) batch: u64,
}

/// All of them, by the broker that leads their partition, so that a broker with room is all that is looked at.
#[derive(Debug, Default)]
pub(super) struct Overdue(BTreeMap<i32, VecDeque<Lingered>>);

impl Overdue {
    /// Adds one. They come in the order in which their linger ended.
    pub(super) fn push(&mut self, leader: i32, lingered: Lingered) {
        self.0.entry(leader).or_default().push_back(lingered);
    }

    /// The leaders that some wait for.
    pub(super) fn leaders(&self) -> Vec<i32> {
        self.0.keys().copied().collect()
    }

    /// When the oldest ended to linger.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.0.values().filter_map(|waiting| waiting.front()).map(|lingered| lingered.until).min()
    }

    /// Takes those that wait for `leader`, oldest first, as long as `take` wants them: it says how many bytes it took,
    /// or none for one that is to go on waiting. Ends when `room` bytes are filled.
    pub(super) fn take(&mut self, leader: i32, mut room: usize, mut take: impl FnMut(&Lingered) -> Option<usize>) {
        let Some(mut waiting) = self.0.remove(&leader) else { return };
        let mut kept = VecDeque::new();
        while room > 0
            && let Some(lingered) = waiting.pop_front()
        {
            match take(&lingered) {
                Some(taken) => room = room.saturating_sub(taken.max(1)),
                None => kept.push_back(lingered),
            }
        }
        kept.append(&mut waiting);
        if !kept.is_empty() {
            self.0.insert(leader, kept);
        }
    }

    /// Takes those that ended to linger by then, whoever they wait for.
    pub(super) fn take_until(&mut self, until: Instant) -> Vec<Lingered> {
        let mut taken = Vec::new();
        for waiting in self.0.values_mut() {
            while waiting.front().is_some_and(|lingered| lingered.until <= until) {
                taken.extend(waiting.pop_front());
            }
        }
        self.0.retain(|_, waiting| !waiting.is_empty());
        taken
    }

    /// Takes all, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<Lingered> {
        let mut all: Vec<_> = std::mem::take(&mut self.0).into_values().flatten().collect();
        all.sort_by_key(|lingered| lingered.until);
        all
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use std::time::Duration;

    use super::*;

    /// Of broker 1 the batches 0 to 4, of broker 2 the batch 5; each ended to linger a second after the one before.
    fn overdue(start: Instant) -> Overdue {
        let slot = Arc::new(Slot::new("orders".into(), 0, 0));
        let mut overdue = Overdue::default();
        for (batch, leader) in (0_u64..).zip([1, 1, 1, 1, 1, 2]) {
            overdue.push(leader, Lingered { until: start + Duration::from_secs(batch), slot: slot.clone(), batch });
        }
        overdue
    }

    fn batches(lingered: &[Lingered]) -> Vec<u64> {
        lingered.iter().map(|lingered| lingered.batch).collect()
    }

    #[test]
    fn a_broker_with_room_takes_its_oldest_until_it_is_full() {
        let mut overdue = overdue(Instant::now());
        let mut taken = Vec::new();
        overdue.take(1, 20, |lingered| {
            taken.push(lingered.batch);
            (lingered.batch != 1).then_some(10)
        });
        assert_eq!(taken, [0, 1, 2], "the second waits, the third fills the room");
        assert_eq!(batches(&overdue.take_all()), [1, 3, 4, 5]);
    }

    #[test]
    fn what_lingered_too_long_is_taken_whoever_it_waits_for() {
        let start = Instant::now();
        let mut overdue = overdue(start);
        assert_eq!(overdue.oldest(), Some(start));
        assert_eq!(batches(&overdue.take_until(start + Duration::from_secs(3))), [0, 1, 2, 3]);
        assert_eq!(overdue.leaders(), [1, 2]);
        assert_eq!(overdue.oldest(), Some(start + Duration::from_secs(4)));
    }
}
