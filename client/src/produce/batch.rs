//! Records into the open batch of their partition; a batch closed by size or by linger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ottla_wire::records::{BatchHeader, BodyEncoder, HEADER_LEN};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::delivery::{Delivery, Outcome};
use super::memory::{Memory, Reserved};
use crate::record::Record;

/// A batch starts with a buffer of at least this many bytes, so that many quiet partitions cost little.
const MIN_BUFFER: usize = 1024;

/// How large batches get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a batch's body; a larger record gets a batch of its own.
    pub(super) body: usize,
}

impl Limits {
    pub(super) fn new(batch_size: usize, max_request_size: usize) -> Self {
        Self { body: batch_size.min(max_request_size).saturating_sub(HEADER_LEN) }
    }
}

/// What is being gathered for one partition. One lock, held for one append.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// Its place in the driver's list.
    pub(super) index: usize,
    gathering: Mutex<Gathering>,
    waiting: AtomicU32,
}

/// A closed batch that is not on its way: a partition for which many wait is chosen less. Counts as long as it lives.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Slot>);

#[derive(Debug, Default)]
struct Gathering {
    open: Option<OpenBatch>,
    closed: VecDeque<ClosedBatch>,
    /// Bytes that came because it is the partition's turn, since that began.
    turn: usize,
    /// How large the last batch became: the next starts with as much.
    typical: usize,
    /// The largest body, where the broker found larger ones too large.
    limit: Option<usize>,
}

#[derive(Debug)]
struct OpenBatch {
    id: u64,
    encoder: BodyEncoder,
    body: Vec<u8>,
    outcome: Arc<Outcome>,
    opened: Instant,
}

/// A batch that no record is added to any more. Its buffer's capacity was taken from the budget.
#[derive(Debug)]
pub(super) struct ClosedBatch {
    pub(super) id: u64,
    pub(super) header: BatchHeader,
    pub(super) body: Vec<u8>,
    pub(super) outcome: Arc<Outcome>,
    pub(super) opened: Instant,
}

/// What [`Slot::append`] did.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) added: Result<Delivery, Refusal>,
    /// A batch is full.
    pub(super) filled: bool,
}

/// The batch could not be opened, or not grow: so many bytes are missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NeedsMemory(pub(super) usize);

/// Why a record was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    Closed,
    /// It is another partition's turn.
    Elsewhere,
    Memory(NeedsMemory),
}

impl Appended {
    fn refused(why: Refusal, filled: bool) -> Self {
        Self { added: Err(why), filled }
    }
}

/// What appending takes from the producer.
pub(super) struct Source<'a> {
    pub(super) limits: Limits,
    pub(super) memory: &'a Memory,
    /// Bytes that the caller waited for.
    pub(super) reserved: Option<&'a mut Reserved>,
    /// Nothing is added once the driver is gone. Looked at under the partition's lock, which the driver takes after it
    /// has set this: so what was added before is still found, and nothing is added after.
    pub(super) closed: &'a AtomicBool,
    /// The record came because it is the partition's turn.
    pub(super) is_sticky: bool,
    pub(super) opening: &'a dyn Opening,
}

/// What opening a batch takes from the producer. Called for a batch, not for each record, under the partition's lock.
pub(super) trait Opening {
    /// Whether the record goes elsewhere instead, so that it opens no batch that others would not fill. `is_over`: a
    /// batch's worth of bytes came in the partition's turn.
    fn is_elsewhere(&self, is_over: bool) -> bool;
    fn next_id(&self) -> u64;
    fn now(&self) -> Instant;
    fn outcome(&self, slot: &Arc<Slot>) -> Arc<Outcome>;
    /// A batch was opened, and lingers since `since`. Told before anybody else can add to it: whoever has, and then
    /// flushes, must find it sent.
    fn opened(&self, slot: &Arc<Slot>, id: u64, since: Instant);
}

impl Source<'_> {
    fn take(&mut self, bytes: usize) -> bool {
        match &mut self.reserved {
            Some(reserved) => {
                let spent = reserved.spend(bytes);
                if spent == bytes || self.memory.try_take(bytes - spent) {
                    return true;
                }
                // Not enough: what was waited for goes back with the rest, and the wait is for all of it.
                if spent > 0 {
                    self.memory.give_back(spent);
                }
                false
            }
            None => self.memory.try_take(bytes),
        }
    }
}

impl Slot {
    pub(super) fn new(topic: Arc<str>, partition: i32, index: usize) -> Self {
        Self { topic, partition, index, gathering: Mutex::default(), waiting: AtomicU32::new(0) }
    }

    /// Adds a record to the open batch, if that surely has room for the `bound` bytes that it takes at most: nearly
    /// always.
    #[inline]
    pub(super) fn add(
        &self,
        record: &Record<'_>,
        bound: usize,
        timestamp: i64,
        limits: Limits,
        is_sticky: bool,
        closed: &AtomicBool,
    ) -> Option<Delivery> {
        let mut gathering = self.gathering.lock();
        let gathering = &mut *gathering;
        let open = gathering.open.as_mut()?;
        let before = open.body.len();
        let room = open.body.capacity().min(limits.body).saturating_sub(before);
        if bound > room || closed.load(Ordering::SeqCst) {
            return None;
        }
        let delivery = open.push(record, timestamp);
        if is_sticky {
            gathering.turn += open.body.len() - before;
        }
        Some(delivery)
    }

    /// Adds a record to the open batch, or opens one.
    pub(super) fn append(self: &Arc<Self>, record: &Record<'_>, timestamp: i64, mut source: Source<'_>) -> Appended {
        let mut gathering = self.gathering.lock();
        if source.closed.load(Ordering::SeqCst) {
            return Appended::refused(Refusal::Closed, false);
        }
        gathering.append(self, record, timestamp, &mut source)
    }

    /// Closes the open batch if it is the one called `id`.
    pub(super) fn close(&self, id: u64) {
        let mut gathering = self.gathering.lock();
        if gathering.open.as_ref().is_some_and(|open| open.id == id) {
            gathering.close();
        }
    }

    /// Closes the open batch, whichever it is.
    pub(super) fn close_any(&self) {
        self.gathering.lock().close();
    }

    /// Bytes of the batch called `id`, if it is still open.
    pub(super) fn open_size(&self, id: u64) -> Option<usize> {
        self.gathering.lock().open.as_ref().filter(|open| open.id == id).map(|open| open.body.len())
    }

    /// Makes the bodies of the next batches no larger than this (edge 11).
    pub(super) fn limit(&self, body: usize) {
        self.gathering.lock().limit = Some(body);
    }

    /// Takes the closed batches, oldest first.
    pub(super) fn take_closed(&self) -> VecDeque<ClosedBatch> {
        std::mem::take(&mut self.gathering.lock().closed)
    }

    /// How many closed batches are not on their way.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Waiting {
    pub(super) fn at(slot: &Arc<Slot>) -> Self {
        slot.waiting.fetch_add(1, Ordering::Relaxed);
        Self(slot.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gathering {
    fn append(&mut self, slot: &Arc<Slot>, record: &Record<'_>, timestamp: i64, source: &mut Source<'_>) -> Appended {
        let limit = source.limits.body.min(self.limit.unwrap_or(usize::MAX));
        let mut filled = false;
        if let Some(open) = &mut self.open {
            let size = open.size_of(record, timestamp);
            let needed = open.body.len() + size;
            // No batch may need more than there is: nobody could wait for that.
            let most = limit.min(source.memory.total());
            if needed <= most {
                let capacity = open.body.capacity();
                if needed > capacity {
                    let grown = (capacity * 2).max(needed).min(most);
                    if !source.take(grown - capacity) {
                        return Appended::refused(Refusal::Memory(NeedsMemory(grown - capacity)), filled);
                    }
                    open.body.reserve_exact(grown - open.body.len());
                }
                if source.is_sticky {
                    self.turn += size;
                }
                return Appended { added: Ok(open.push(record, timestamp)), filled };
            }
            self.close();
            filled = true;
        }
        let encoder = BodyEncoder::new(timestamp);
        let size = encoder.size_of(timestamp, record.key_bytes(), record.value_bytes(), record.header_bytes());
        let most = limit.min(source.memory.total());
        let is_over = self.turn > 0 && self.turn + size > most;
        if is_over {
            self.turn = 0;
        }
        if source.opening.is_elsewhere(is_over) {
            return Appended::refused(Refusal::Elsewhere, filled);
        }
        let usual = self.typical.next_power_of_two().clamp(MIN_BUFFER.min(most), most).max(size);
        // Short of memory, a small batch is better than none.
        let capacity = if source.take(usual) {
            usual
        } else if size < usual && source.take(size) {
            size
        } else {
            return Appended::refused(Refusal::Memory(NeedsMemory(usual)), filled);
        };
        let id = source.opening.next_id();
        let outcome = source.opening.outcome(slot);
        let body = source.memory.buffer(capacity);
        let opened = source.opening.now();
        let open = self.open.insert(OpenBatch { id, encoder, body, outcome, opened });
        let added = open.push(record, timestamp);
        if source.is_sticky {
            self.turn += size;
        }
        if open.body.len() >= limit {
            self.close();
            filled = true;
        }
        source.opening.opened(slot, id, opened);
        Appended { added: Ok(added), filled }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.typical = open.body.len();
            self.closed.push_back(ClosedBatch {
                id: open.id,
                header: open.encoder.header(),
                body: open.body,
                outcome: open.outcome,
                opened: open.opened,
            });
        }
    }
}

impl OpenBatch {
    fn size_of(&self, record: &Record<'_>, timestamp: i64) -> usize {
        self.encoder.size_of(timestamp, record.key_bytes(), record.value_bytes(), record.header_bytes())
    }

    /// There is room, and a record as large as a gigabyte was refused before.
    #[inline]
    fn push(&mut self, record: &Record<'_>, timestamp: i64) -> Delivery {
        let index = self.encoder.count() as u32;
        let (key, value) = (record.key_bytes(), record.value_bytes());
        let pushed = self.encoder.push(&mut self.body, timestamp, key, value, record.header_bytes());
        debug_assert!(pushed.is_ok(), "the size was checked before");
        if let Some(watched) = &self.outcome.watched {
            watched.push(record, timestamp);
        }
        Delivery::new(self.outcome.clone(), index, timestamp)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use std::cell::Cell;

    use super::*;

    struct Producer {
        slot: Arc<Slot>,
        memory: Arc<Memory>,
        limits: Limits,
        ids: Cell<u64>,
        closed: AtomicBool,
        is_sticky: bool,
        turns_over: Cell<u32>,
        opened: Cell<Option<u64>>,
    }

    struct Tried {
        added: Result<Delivery, Refusal>,
        opened: Option<u64>,
        filled: bool,
    }

    impl Producer {
        fn new(batch_size: usize, memory: usize) -> Self {
            Self {
                slot: Arc::new(Slot::new("orders".into(), 0, 0)),
                memory: Arc::new(Memory::new(memory)),
                limits: Limits::new(batch_size, 1 << 20),
                ids: Cell::new(0),
                closed: AtomicBool::new(false),
                is_sticky: false,
                turns_over: Cell::new(0),
                opened: Cell::new(None),
            }
        }

        fn append(&self, record: &Record<'_>) -> Tried {
            let source = Source {
                limits: self.limits,
                memory: &self.memory,
                reserved: None,
                closed: &self.closed,
                is_sticky: self.is_sticky,
                opening: self,
            };
            let Appended { added, filled } = self.slot.append(record, 1000, source);
            Tried { added, opened: self.opened.take(), filled }
        }
    }

    impl Opening for Producer {
        fn is_elsewhere(&self, is_over: bool) -> bool {
            self.turns_over.set(self.turns_over.get() + u32::from(is_over));
            self.is_sticky && is_over
        }

        fn next_id(&self) -> u64 {
            self.ids.replace(self.ids.get() + 1)
        }

        fn now(&self) -> Instant {
            Instant::now()
        }

        fn outcome(&self, slot: &Arc<Slot>) -> Arc<Outcome> {
            Outcome::new(slot.clone(), Arc::default())
        }

        fn opened(&self, slot: &Arc<Slot>, id: u64, _since: Instant) {
            assert!(slot.gathering.is_locked(), "somebody may add to it, and flush, before the driver knows of it");
            self.opened.set(Some(id));
        }
    }

    fn value(bytes: usize) -> Record<'static> {
        Record::to("orders").value(vec![b'x'; bytes])
    }

    #[test]
    fn the_first_record_opens_and_the_next_join_it() {
        let producer = Producer::new(10_000, 100_000);
        let first = producer.append(&value(10));
        assert_eq!((first.opened, first.filled), (Some(0), false));
        let second = producer.append(&value(10));
        assert!(second.opened.is_none() && !second.filled);
        assert!(producer.slot.take_closed().is_empty());
        producer.slot.close(0);
        assert_eq!(producer.slot.take_closed()[0].header.count, 2);
    }

    #[test]
    fn a_full_batch_closes_and_stays_within_batch_size() {
        let producer = Producer::new(1_000, 100_000);
        let filled = (0..20).filter(|_| producer.append(&value(100)).filled).count();
        let closed = producer.slot.take_closed();
        assert_eq!(filled, closed.len());
        assert!(closed.len() >= 2);
        assert!(closed.iter().all(|batch| batch.body.len() + HEADER_LEN <= 1_000));
    }

    #[test]
    fn a_large_record_gets_a_batch_of_its_own() {
        let producer = Producer::new(1_000, 100_000);
        producer.append(&value(10)).added.unwrap();
        let large = producer.append(&value(5_000));
        assert!(large.filled && large.opened.is_some());
        let counts: Vec<_> = producer.slot.take_closed().iter().map(|batch| batch.header.count).collect();
        assert_eq!(counts, [1, 1]);
    }

    #[test]
    fn a_late_linger_does_not_close_the_next_batch() {
        let producer = Producer::new(1_000, 100_000);
        producer.append(&value(900)).added.unwrap();
        producer.append(&value(900)).added.unwrap();
        assert_eq!(producer.slot.take_closed().len(), 1, "batch 0 was full");
        producer.slot.close(0);
        assert!(producer.slot.take_closed().is_empty());
        producer.slot.close(1);
        assert_eq!(producer.slot.take_closed().len(), 1);
    }

    /// KIP-794: a turn ends where a batch does, so that no batch is left half full.
    #[test]
    fn a_turn_is_over_when_its_batch_is_full_and_the_next_record_goes_elsewhere() {
        let producer = Producer { is_sticky: true, ..Producer::new(1_000, 100_000) };
        let refused = loop {
            let appended = producer.append(&value(100));
            if appended.added.is_err() {
                break appended;
            }
        };
        assert_eq!((refused.added.unwrap_err(), refused.filled), (Refusal::Elsewhere, true));
        assert_eq!(producer.slot.take_closed()[0].header.count, 8);
        assert!(producer.append(&value(100)).opened.is_some(), "its next turn starts from nothing");
    }

    #[test]
    fn a_batch_that_lingered_does_not_end_a_turn_before_enough_came() {
        let producer = Producer { is_sticky: true, ..Producer::new(1_000, 100_000) };
        for _ in 0..5 {
            producer.append(&value(100)).added.unwrap();
        }
        producer.slot.close_any();
        let more = std::iter::from_fn(|| producer.append(&value(100)).added.ok()).count();
        assert_eq!(more, 8, "at most twice a batch, and up to its end");
    }

    #[test]
    fn records_that_came_by_key_do_not_count_for_the_turn_but_their_batch_may_end_it() {
        let mut producer = Producer::new(1_000, 100_000);
        for _ in 0..30 {
            producer.append(&value(100)).added.unwrap();
        }
        assert_eq!(producer.turns_over.get(), 0);
        producer.is_sticky = true;
        while producer.append(&value(100)).opened.is_none() {}
        for _ in 0..7 {
            producer.append(&value(100)).added.unwrap();
        }
        producer.is_sticky = false;
        producer.append(&value(100)).added.unwrap();
        assert_eq!(producer.turns_over.get(), 1);
    }

    #[test]
    fn memory_is_taken_for_growth_up_to_all_there_is() {
        let producer = Producer::new(100_000, 3_000);
        for _ in 0..3 {
            producer.append(&value(900)).added.unwrap();
        }
        let refused = producer.append(&value(900));
        assert_eq!(refused.added.unwrap_err(), Refusal::Memory(NeedsMemory(3_000)), "never more than there is");
        assert!(refused.filled, "what holds the memory goes out");
        let closed = producer.slot.take_closed();
        assert_eq!((closed[0].header.count, closed[0].body.capacity()), (3, 3_000));
    }

    #[test]
    fn a_partition_starts_with_what_it_last_needed() {
        let producer = Producer::new(100_000, 1_000_000);
        for _ in 0..50 {
            producer.append(&value(1_000)).added.unwrap();
        }
        producer.slot.close_any();
        producer.append(&value(10)).added.unwrap();
        producer.slot.close_any();
        let capacities: Vec<_> = producer.slot.take_closed().iter().map(|batch| batch.body.capacity()).collect();
        assert_eq!(capacities, [65_536, 65_536]);
    }
}
