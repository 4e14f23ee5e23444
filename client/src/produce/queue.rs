//! One partition's batches on their way, in the order of their records, and their sequence numbers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::Uuid;
use ottla_wire::records::BatchHeader;
use tokio::time::Instant;

use super::batch::{Slot, Waiting};
use super::compress::Sealed;
use super::delivery::Outcome;
use crate::error::Error;

/// A broker remembers the last five batches of a producer in each partition: no more may be in flight.
const MAX_NUMBERED_IN_FLIGHT: usize = 5;

/// Sooner than any broker is set to forget a producer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The producer's id and epoch, which make its sequence numbers its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// The batches of one partition, oldest first, until each is settled.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) slot: Arc<Slot>,
    pub(super) batches: VecDeque<Batch>,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    pub(super) topic_id: Uuid,
    /// Nothing is sent before.
    pub(super) retry_at: Option<Instant>,
    /// The broker in whose list of ready queues it is.
    pub(super) listed: Option<i32>,
    /// Where the sequence numbers stand, and whose they are.
    numbers: Option<(Identity, i32)>,
    /// Numbering starts anew once nothing is in flight.
    pub(super) renumber: Option<Renumber>,
    /// The last offset known to be written, or -1.
    pub(super) last_written: i64,
    /// Whose numbers the leader is known to keep, which leader, and since when.
    known_to: Option<(i64, i32, Instant)>,
}

/// Which batch: the one that was closed as number `batch`, or the part of it that begins with record `from`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct BatchId {
    pub(super) batch: u64,
    pub(super) from: u32,
}

impl From<u64> for BatchId {
    /// A batch as it was closed.
    fn from(batch: u64) -> Self {
        Self { batch, from: 0 }
    }
}

/// How the numbers of a partition start anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Renumber {
    /// Under the next epoch (KIP-360).
    NextEpoch,
    /// Under the same: the broker knows nothing of the producer any more, and takes any number.
    SameEpoch,
}

/// One batch on its way.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) header: BatchHeader,
    pub(super) outcome: Arc<Outcome>,
    pub(super) expires: Option<Instant>,
    /// Bytes of the budget to give back.
    pub(super) reserved: usize,
    pub(super) attempts: u32,
    /// How often it was sent.
    pub(super) sends: u32,
    /// The request with which it was refused as out of order.
    pub(super) refused_with: Option<u64>,
    pub(super) state: State,
    pub(super) last_error: Option<Error>,
    /// While it is not in flight.
    waiting: Option<Waiting>,
    encoded_header: Option<Bytes>,
}

/// Where a batch is.
#[derive(Debug)]
pub(super) enum State {
    /// Being compressed.
    Sealing,
    /// To be sent, for the first time or again.
    Ready(Sealed),
    /// Sent with this request.
    InFlight(Sealed, u64),
}

impl Batch {
    pub(super) fn new(
        id: BatchId,
        header: BatchHeader,
        outcome: Arc<Outcome>,
        expires: Option<Instant>,
        reserved: usize,
    ) -> Self {
        Self {
            waiting: Some(Waiting::at(outcome.slot())),
            id,
            header,
            outcome,
            expires,
            reserved,
            attempts: 0,
            sends: 0,
            refused_with: None,
            state: State::Sealing,
            last_error: None,
            encoded_header: None,
        }
    }

    pub(super) fn records(&self) -> usize {
        self.header.count as usize
    }

    /// Bytes of its body as sent; 0 while it is being compressed.
    pub(super) fn size(&self) -> usize {
        match &self.state {
            State::Ready(sealed) | State::InFlight(sealed, _) => sealed.body.len(),
            State::Sealing => 0,
        }
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.header.base_sequence >= 0
    }

    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.state, State::InFlight(..))
    }

    pub(super) fn is_in_flight_with(&self, request: u64) -> bool {
        matches!(self.state, State::InFlight(_, with) if with == request)
    }

    /// Its fate is open, or its attempt failed: it is to be sent again.
    pub(super) fn again(&mut self) {
        self.waiting.get_or_insert_with(|| Waiting::at(self.outcome.slot()));
        self.state = match std::mem::replace(&mut self.state, State::Sealing) {
            State::InFlight(sealed, _) | State::Ready(sealed) => State::Ready(sealed),
            State::Sealing => State::Sealing,
        };
    }

    /// Marks it as sent with `request`, and gives its bytes: the same as before, unless it was numbered anew.
    pub(super) fn send(&mut self, request: u64) -> Option<[Bytes; 2]> {
        match std::mem::replace(&mut self.state, State::Sealing) {
            State::Ready(sealed) => {
                self.header.compression = sealed.compression;
                let header = self
                    .encoded_header
                    .get_or_insert_with(|| Bytes::copy_from_slice(&self.header.encode(&sealed.crc)))
                    .clone();
                let body = sealed.body.clone();
                self.sends += 1;
                self.waiting = None;
                self.state = State::InFlight(sealed, request);
                Some([header, body])
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Forgets its number: a defect, planted.
    pub(super) fn lose_number(&mut self) {
        self.header.base_sequence = -1;
        self.encoded_header = None;
    }

    fn number(&mut self, identity: Identity, sequence: i32) {
        self.header.producer_id = identity.id;
        self.header.producer_epoch = identity.epoch;
        self.header.base_sequence = sequence;
        self.encoded_header = None;
    }
}

impl Queue {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            batches: VecDeque::new(),
            leader: None,
            leader_epoch: -1,
            topic_id: Uuid::ZERO,
            retry_at: None,
            listed: None,
            numbers: None,
            renumber: None,
            last_written: -1,
            known_to: None,
        }
    }

    /// Topic and partition, as messages name them.
    pub(super) fn name(&self) -> String {
        format!("{}[{}]", self.slot.topic, self.slot.partition)
    }

    /// The place of the next batch to send: the first that is not in flight, if it is ready.
    ///
    /// `alone`: only while nothing else of the partition is in flight, which is what keeps the order without numbers.
    pub(super) fn next(&self, numbered: bool, alone: bool) -> Option<usize> {
        if self.renumber.is_some() {
            return None;
        }
        let place = self.batches.iter().position(|batch| !batch.is_in_flight())?;
        let in_flight = self.batches.iter().filter(|batch| batch.is_in_flight()).count();
        if alone && in_flight > 0 || numbered && in_flight >= self.most_in_flight() {
            return None;
        }
        // One that was refused because of what is before it goes when that was sent once more.
        let again = self.batches[place].refused_with.is_none_or(|refused| {
            self.batches
                .iter()
                .take(place)
                .all(|before| matches!(before.state, State::InFlight(_, with) if with > refused))
        });
        (again && matches!(self.batches[place].state, State::Ready(_))).then_some(place)
    }

    /// A leader that does not know the producer takes any number as the first: the second batch if it fails to write
    /// the first. So the first is sent alone.
    fn most_in_flight(&self) -> usize {
        let owner = self.batches.iter().find(|batch| batch.is_numbered()).map(|batch| batch.header.producer_id);
        match (self.known_to, owner) {
            (Some((id, leader, _)), Some(owner)) if id == owner && self.leader == Some(leader) => {
                MAX_NUMBERED_IN_FLIGHT
            }
            _ => 1,
        }
    }

    /// The leader answered that it has written a batch of this producer.
    pub(super) fn is_known_to(&mut self, broker: i32, producer_id: i64, now: Instant) {
        self.known_to = Some((producer_id, broker, now));
    }

    /// Brokers forget producers that rest (`producer.id.expiration.ms`, a day).
    pub(super) fn rested(&mut self, now: Instant) {
        if self.batches.is_empty() && self.known_to.is_some_and(|(.., since)| now > since + FORGOTTEN_AFTER) {
            self.known_to = None;
        }
    }

    pub(super) fn place_of(&self, batch: BatchId) -> Option<usize> {
        self.batches.iter().position(|candidate| candidate.id == batch)
    }

    /// Gives the batch its sequence number, at its first sending, in the order of the records.
    pub(super) fn number(&mut self, place: usize, identity: Identity) {
        if self.batches[place].is_numbered() {
            return;
        }
        let outstanding = self.batches.iter().any(Batch::is_numbered);
        let (owner, next) = match self.numbers {
            Some((owner, next)) if owner == identity || outstanding => (owner, next),
            _ => (identity, 0),
        };
        let batch = &mut self.batches[place];
        batch.number(owner, next);
        self.numbers = Some((owner, after(next, batch.header.count)));
    }

    /// Starts the numbers anew under `identity`, for everything that is still here.
    ///
    /// Only when nothing is in flight and the broker has refused the number of the first batch: then none of them was
    /// written, and a new number makes no duplicate.
    pub(super) fn start_over(&mut self, identity: Identity) {
        debug_assert!(!self.batches.iter().any(Batch::is_in_flight), "an answer may still come");
        self.renumber = None;
        let mut next = 0;
        for batch in self.batches.iter_mut().filter(|batch| batch.is_numbered()) {
            batch.number(identity, next);
            next = after(next, batch.header.count);
        }
        self.numbers = Some((identity, next));
    }

    /// A batch was given up that certainly was not written: if no later one has a number, its numbers are used again.
    pub(super) fn take_back_numbers(&mut self, of: &BatchHeader) {
        if of.base_sequence >= 0
            && let Some((identity, next)) = &mut self.numbers
            && identity.id == of.producer_id
            && identity.epoch == of.producer_epoch
            && *next == after(of.base_sequence, of.count)
        {
            *next = of.base_sequence;
        }
    }

    /// Whether an earlier batch than the one at `place` is still outstanding under a number.
    pub(super) fn is_behind_another(&self, place: usize) -> bool {
        self.batches.iter().take(place).any(Batch::is_numbered)
    }

    /// Puts the parts of a batch in its place, in order.
    pub(super) fn replace(&mut self, place: usize, parts: Vec<Batch>) -> Option<Batch> {
        let whole = self.batches.remove(place)?;
        for (offset, part) in parts.into_iter().enumerate() {
            self.batches.insert(place + offset, part);
        }
        Some(whole)
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.numbers.map(|(identity, _)| identity)
    }
}

/// The sequence number after `count` records from `sequence`: it wraps to 0 after the largest i32 (edge 8).
pub(super) fn after(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    (sum % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;
    use crate::produce::delivery::Unreported;

    const FIRST: Identity = Identity { id: 7, epoch: 0 };
    const SECOND: Identity = Identity { id: 7, epoch: 1 };

    fn queue(counts: &[i32]) -> Queue {
        let slot = Arc::new(Slot::new("orders".into(), 0, 0));
        let mut queue = Queue::new(slot.clone());
        for (id, count) in (0_u64..).zip(counts) {
            let header = BatchHeader { count: *count, ..BatchHeader::default() };
            let mut batch =
                Batch::new(id.into(), header, Outcome::new(slot.clone(), Arc::<Unreported>::default()), None, 0);
            batch.state = State::Ready(Sealed::plain(vec![id as u8; 10]));
            queue.batches.push_back(batch);
        }
        queue.leader = Some(1);
        queue.is_known_to(1, FIRST.id, Instant::now());
        queue
    }

    fn send(queue: &mut Queue, identity: Identity) -> [Bytes; 2] {
        let place = queue.next(true, false).unwrap();
        queue.number(place, identity);
        queue.batches[place].send(1).unwrap()
    }

    fn sequences(queue: &Queue) -> Vec<i32> {
        queue.batches.iter().map(|batch| batch.header.base_sequence).collect()
    }

    /// edge 8: sequence numbers wrap.
    #[test]
    fn sequence_numbers_wrap_to_zero() {
        assert_eq!(after(10, 5), 15);
        assert_eq!(after(i32::MAX, 1), 0);
        assert_eq!(after(i32::MAX - 2, 5), 2);
    }

    /// KIP-794: what a broker has taken is not what it is slow with.
    #[test]
    fn batches_wait_for_a_partition_while_they_are_not_in_flight() {
        let mut queue = queue(&[1, 1]);
        let slot = queue.slot.clone();
        assert_eq!(slot.waiting(), 2);
        send(&mut queue, FIRST);
        assert_eq!(slot.waiting(), 1);
        queue.batches[0].again();
        queue.batches[0].again();
        assert_eq!(slot.waiting(), 2);
        queue.batches.clear();
        assert_eq!(slot.waiting(), 0);
    }

    #[test]
    fn numbers_are_given_in_order_at_the_first_sending() {
        let mut queue = queue(&[3, 2, 4]);
        for _ in 0..3 {
            send(&mut queue, FIRST);
        }
        assert_eq!(sequences(&queue), [0, 3, 5]);
    }

    /// edge 5: what may have been written is sent again byte by byte.
    #[test]
    fn a_batch_is_sent_again_as_it_was() {
        let mut queue = queue(&[3]);
        let first = send(&mut queue, FIRST);
        queue.batches[0].again();
        assert_eq!(send(&mut queue, SECOND), first, "a new epoch changes nothing of what is outstanding");
    }

    #[test]
    fn nothing_overtakes_a_batch_that_waits_for_its_retry() {
        let mut queue = queue(&[1, 1, 1]);
        send(&mut queue, FIRST);
        send(&mut queue, FIRST);
        queue.batches[0].again();
        assert_eq!(queue.next(true, false), Some(0));
        queue.batches[0].state = State::Sealing;
        assert_eq!(queue.next(true, false), None, "the third waits for the first");
    }

    #[test]
    fn without_numbers_one_at_a_time_keeps_the_order() {
        let mut queue = queue(&[1, 1]);
        assert_eq!(queue.next(false, true), Some(0));
        queue.batches[0].send(1).unwrap();
        assert_eq!(queue.next(false, true), None);
        assert_eq!(queue.next(false, false), Some(1));
    }

    #[test]
    fn five_numbered_batches_are_in_flight_at_most() {
        let mut queue = queue(&[1; 6]);
        for _ in 0..5 {
            send(&mut queue, FIRST);
        }
        assert_eq!(queue.next(true, false), None);
    }

    #[test]
    fn starting_over_numbers_everything_outstanding_from_zero() {
        let mut queue = queue(&[3, 2, 4]);
        send(&mut queue, FIRST);
        send(&mut queue, FIRST);
        queue.batches.pop_front();
        queue.batches[0].again();
        queue.start_over(SECOND);
        assert_eq!(sequences(&queue), [0, -1]);
        assert_eq!(queue.batches[0].header.producer_epoch, 1);
        send(&mut queue, SECOND);
        send(&mut queue, SECOND);
        assert_eq!(sequences(&queue), [0, 2]);
    }

    #[test]
    fn a_new_identity_waits_for_what_is_outstanding_under_the_old() {
        let mut queue = queue(&[3, 2, 4]);
        send(&mut queue, FIRST);
        send(&mut queue, SECOND);
        assert_eq!(queue.batches[1].header.producer_epoch, 0);
        queue.batches.drain(..2);
        send(&mut queue, SECOND);
        assert_eq!((queue.batches[0].header.producer_epoch, sequences(&queue)), (1, vec![0]));
    }

    /// edge 2: the numbers of a batch that was refused are used by the next.
    #[test]
    fn the_last_number_is_taken_back() {
        let mut queue = queue(&[3, 2, 4]);
        send(&mut queue, FIRST);
        send(&mut queue, FIRST);
        let last = queue.batches.remove(1).unwrap();
        queue.take_back_numbers(&last.header);
        send(&mut queue, FIRST);
        assert_eq!(sequences(&queue), [0, 3]);
        let first = queue.batches.pop_front().unwrap();
        queue.take_back_numbers(&first.header);
        assert_eq!(sequences(&queue), [3], "a later one is out already: nothing to take back");
    }
}
