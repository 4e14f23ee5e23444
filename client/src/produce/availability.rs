//! Which brokers take nothing for so long that records which may go elsewhere do (`partitioner.availability.timeout.ms`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::sender::Sender;

/// Brokers that batches wait for in vain, and since when.
#[derive(Debug)]
pub(super) struct Availability {
    /// None: nobody is ever avoided.
    timeout: Option<Duration>,
    stalled: BTreeMap<i32, Instant>,
    avoided: BTreeSet<i32>,
    /// Slots whose batches closed since the last look.
    closed: Vec<usize>,
}

impl Availability {
    /// `timeout`: how long is too long; 0 for never.
    pub(super) fn new(timeout: Duration) -> Self {
        let timeout = (!timeout.is_zero()).then_some(timeout);
        Self { timeout, stalled: BTreeMap::new(), avoided: BTreeSet::new(), closed: Vec::new() }
    }

    /// A batch of the partition was closed: whether it waits is seen at the next look.
    pub(super) fn closed(&mut self, slot: usize) {
        if self.timeout.is_some() {
            self.closed.push(slot);
        }
    }

    /// Something waits for a broker to take it.
    fn waits(&mut self, broker: i32, now: Instant) {
        if self.timeout.is_some() {
            self.stalled.entry(broker).or_insert(now);
        }
    }

    /// A request to a broker ended: with an answer, whatever it says, or without.
    pub(super) fn ended(&mut self, broker: i32, answered: bool, now: Instant) {
        if answered {
            self.stalled.remove(&broker);
        } else {
            self.waits(broker, now);
        }
    }

    /// Looks at what could not be sent, and at what was left open because of that: batches to `overdue`. The brokers to
    /// avoid from now on, if they are others than before.
    pub(super) fn look(
        &mut self,
        sender: &Sender,
        overdue: impl IntoIterator<Item = i32>,
        now: Instant,
    ) -> Option<BTreeSet<i32>> {
        self.timeout?;
        let closed = std::mem::take(&mut self.closed);
        let behind = closed.iter().filter_map(|slot| {
            let queue = sender.queues.get(slot)?;
            queue.leader.filter(|_| queue.batches.back().is_some_and(|last| !last.is_in_flight()))
        });
        for broker in behind.chain(overdue).filter(|broker| owes_an_answer(sender, *broker)) {
            self.waits(broker, now);
        }
        self.decide(|broker| has_work(sender, broker), now)
    }

    fn decide(&mut self, has_work: impl Fn(i32) -> bool, now: Instant) -> Option<BTreeSet<i32>> {
        let timeout = self.timeout?;
        // A broker that nothing is left for is tried again.
        self.stalled.retain(|broker, _| has_work(*broker));
        let over = self.stalled.iter().filter(|(_, since)| now.duration_since(**since) >= timeout);
        let avoided: BTreeSet<_> = over.map(|(broker, _)| *broker).collect();
        if avoided == self.avoided {
            return None;
        }
        self.avoided.clone_from(&avoided);
        Some(avoided)
    }

    /// When the next broker has taken nothing for too long.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let timeout = self.timeout?;
        let waits = self.stalled.iter().filter(|(broker, _)| !self.avoided.contains(broker));
        waits.filter_map(|(_, since)| since.checked_add(timeout)).min()
    }
}

fn owes_an_answer(sender: &Sender, broker: i32) -> bool {
    sender.in_flight.values().any(|request| request.broker == broker)
}

fn has_work(sender: &Sender, broker: i32) -> bool {
    sender.ready.get(&broker).is_some_and(|queues| !queues.is_empty())
        || owes_an_answer(sender, broker)
        || sender
            .retries
            .iter()
            .any(|(_, index)| sender.queues.get(index).is_some_and(|queue| queue.leader == Some(broker)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn always(_: i32) -> bool {
        true
    }

    #[test]
    fn a_broker_is_avoided_once_it_has_taken_nothing_for_the_timeout() {
        let (mut availability, start) = (Availability::new(SECOND), Instant::now());
        availability.waits(1, start);
        availability.waits(1, start + SECOND / 2);
        assert_eq!(availability.wake_at(), Some(start + SECOND));
        assert_eq!(availability.decide(always, start + SECOND / 2), None);
        assert_eq!(availability.decide(always, start + SECOND), Some([1].into()));
        assert_eq!((availability.decide(always, start + SECOND), availability.wake_at()), (None, None), "told once");
        availability.ended(1, true, start + 2 * SECOND);
        assert_eq!(availability.decide(always, start + 2 * SECOND), Some([].into()));
    }

    #[test]
    fn a_broker_that_is_always_full_but_answers_is_not_avoided() {
        let (mut availability, start) = (Availability::new(SECOND), Instant::now());
        for n in 0..10 {
            let now = start + n * SECOND / 2;
            availability.ended(1, true, now);
            availability.waits(1, now);
            assert_eq!(availability.decide(always, now), None);
        }
    }

    #[test]
    fn a_broker_that_cannot_be_reached_is_avoided_until_nothing_is_left_for_it() {
        let (mut availability, start) = (Availability::new(SECOND), Instant::now());
        availability.ended(1, false, start);
        availability.ended(1, false, start + SECOND);
        assert_eq!(availability.decide(always, start + SECOND), Some([1].into()));
        assert_eq!(availability.decide(|_| false, start + SECOND), Some([].into()));
    }

    #[test]
    fn a_timeout_of_0_avoids_nobody() {
        let (mut availability, start) = (Availability::new(Duration::ZERO), Instant::now());
        availability.waits(1, start);
        assert_eq!((availability.decide(always, start + SECOND), availability.wake_at()), (None, None));
    }
}
