//! What became of a record: one outcome for a whole batch, and the deliveries that wait for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tracing::Span;

use super::batch::Slot;
use super::intercept::Watched;
use crate::error::Error;
use crate::telemetry::spans;

/// Where a record was written.
#[derive(Clone)]
pub struct Ack {
    /// Settled, with success for this record.
    outcome: Arc<Outcome>,
    index: u32,
    timestamp: i64,
}

impl Ack {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.outcome.slot.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.outcome.slot.partition
    }

    /// The offset. None with `acks=0`, and where a repeated batch was recognized by a broker that no longer knew where
    /// the first one stands.
    pub fn offset(&self) -> Option<i64> {
        let (from, written) = self.written()?;
        (written.base_offset >= 0).then(|| written.base_offset + i64::from(self.index - from))
    }

    /// The timestamp in milliseconds since 1970: the record's, or the broker's on a topic with `LogAppendTime`.
    pub fn timestamp(&self) -> i64 {
        let appended = self.written().map(|(_, written)| written.append_time).filter(|time| *time >= 0);
        appended.unwrap_or(self.timestamp)
    }

    fn written(&self) -> Option<(u32, Written)> {
        let (from, result) = self.outcome.settlement.get()?.of(self.index);
        Some((from, *result.as_ref().ok()?))
    }
}

impl PartialEq for Ack {
    fn eq(&self, other: &Self) -> bool {
        let all = |ack: &Self| (ack.partition(), ack.offset(), ack.timestamp());
        self.topic() == other.topic() && all(self) == all(other)
    }
}

impl Eq for Ack {}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .finish()
    }
}

/// Where a whole batch was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Written {
    /// -1 if it is not known.
    pub(super) base_offset: i64,
    /// -1 unless the broker set the timestamps.
    pub(super) append_time: i64,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub(super) enum Settlement {
    /// Of all its records alike.
    Whole(Result<Written, Error>),
    /// Of parts of it, in order: each from one record on, the first from record 0. After a split, or where a broker
    /// named the records that it refused (KIP-467).
    Parts(Vec<Part>),
}

/// What became of some records of a batch, those from `from` to the next part's.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) from: u32,
    pub(super) result: Result<Written, Error>,
}

impl From<Result<Written, Error>> for Settlement {
    fn from(result: Result<Written, Error>) -> Self {
        Self::Whole(result)
    }
}

impl Settlement {
    /// The first failure, if any record failed.
    pub(super) fn failure(&self) -> Option<&Error> {
        match self {
            Self::Whole(result) => result.as_ref().err(),
            Self::Parts(parts) => parts.iter().find_map(|part| part.result.as_ref().err()),
        }
    }

    /// The offset of the first record, or -1.
    fn offset(&self) -> i64 {
        self.of(0).1.as_ref().map_or(-1, |written| written.base_offset)
    }

    /// How many of so many records failed.
    pub(super) fn failed(&self, records: usize) -> usize {
        match self {
            Self::Whole(result) => {
                if result.is_err() {
                    records
                } else {
                    0
                }
            }
            Self::Parts(parts) => {
                let ends = parts.iter().skip(1).map(|part| part.from as usize).chain([records]);
                let lengths = parts.iter().zip(ends).filter(|(part, _)| part.result.is_err());
                lengths.map(|(part, end)| end.saturating_sub(part.from as usize)).sum()
            }
        }
    }

    /// What became of one record, and the index from which its part's offsets count.
    pub(super) fn of(&self, index: u32) -> (u32, &Result<Written, Error>) {
        match self {
            Self::Whole(result) => (0, result),
            Self::Parts(parts) => {
                let place = parts.partition_point(|part| part.from <= index).saturating_sub(1);
                (parts[place].from, &parts[place].result)
            }
        }
    }
}

/// Failures that no delivery has told anybody of.
#[derive(Debug, Default)]
pub(super) struct Unreported {
    records: AtomicUsize,
    first: Mutex<Option<Error>>,
}

impl Unreported {
    fn add(&self, records: usize, error: &Error) {
        if records > 0 {
            self.first.lock().get_or_insert_with(|| error.clone());
            self.records.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// The first failure since the last call, and how many records failed unnoticed.
    pub(super) fn take(&self) -> Option<(usize, Error)> {
        let first = self.first.lock().take()?;
        Some((self.records.swap(0, Ordering::Relaxed), first))
    }
}

/// The outcome of one batch, shared by its records' deliveries.
pub(super) struct Outcome {
    slot: Arc<Slot>,
    settlement: OnceLock<Settlement>,
    wakers: Mutex<Vec<Waker>>,
    /// Of the batch; ends when it is settled, though deliveries may be kept for long.
    span: Mutex<Span>,
    unreported: Arc<Unreported>,
    /// Only if there are interceptors.
    pub(super) watched: Option<Watched>,
}

impl Outcome {
    pub(super) fn new(slot: Arc<Slot>, unreported: Arc<Unreported>) -> Arc<Self> {
        Self::made(slot, unreported, None)
    }

    /// One whose records' fates interceptors are told of.
    pub(super) fn watched(slot: Arc<Slot>, unreported: Arc<Unreported>, watched: Watched) -> Arc<Self> {
        Self::made(slot, unreported, Some(watched))
    }

    fn made(slot: Arc<Slot>, unreported: Arc<Unreported>, watched: Option<Watched>) -> Arc<Self> {
        let span = Mutex::new(spans::produce(&slot.topic, slot.partition));
        Arc::new(Self { slot, settlement: OnceLock::new(), wakers: Mutex::default(), span, unreported, watched })
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// What became of one of its records, once it is settled.
    pub(super) fn of(self: &Arc<Self>, index: u32, timestamp: i64) -> Option<Result<Ack, Error>> {
        let (_, result) = self.settlement.get()?.of(index);
        Some(match result {
            Ok(_) => Ok(Ack { outcome: self.clone(), index, timestamp }),
            Err(error) => Err(error.clone()),
        })
    }

    /// Settles all `records` of the batch at once.
    pub(super) fn settle(self: Arc<Self>, settlement: Settlement, records: usize) {
        let failure = settlement.failure().cloned();
        let failed = settlement.failed(records);
        let span = std::mem::replace(&mut *self.span.lock(), Span::none());
        spans::produced(&span, records, failure.as_ref().map_or_else(|| Ok(settlement.offset()), Err));
        if self.settlement.set(settlement).is_ok() {
            if let Some(error) = failure {
                // Every delivery holds one reference and this is one more: those that are gone never saw the result.
                // One dropped at this very moment may be counted twice, and where only some records failed those that
                // are gone are taken to be the failed ones; but none is missed.
                let watched = Arc::strong_count(&self) - 1;
                self.unreported.add(records.saturating_sub(watched).min(failed), &error);
            }
            if let Some(watched) = &self.watched {
                watched.settle(&self);
            }
            let wakers = std::mem::take(&mut *self.wakers.lock());
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("slot", &self.slot)
            .field("settlement", &self.settlement)
            .finish_non_exhaustive()
    }
}

/// A record on its way: resolves when the record is written or has failed.
///
/// Costs no memory of its own, and need not be awaited: a record whose delivery was dropped is sent all the same, and
/// its failure is reported by `flush` and `close`. Await deliveries in the order they were made, or `flush`: a
/// `FuturesUnordered` of them allocates for each.
pub struct Delivery {
    /// Gone once the future has given it to an [`Ack`].
    outcome: Option<Arc<Outcome>>,
    timestamp: i64,
    index: u32,
    partition: i32,
    reported: bool,
}

impl Delivery {
    #[inline]
    pub(super) fn new(outcome: Arc<Outcome>, index: u32, timestamp: i64) -> Self {
        Self { partition: outcome.slot.partition, outcome: Some(outcome), index, timestamp, reported: false }
    }

    /// The partition that was chosen.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The result, if it is there already. None also once the delivery was awaited.
    pub fn now(&mut self) -> Option<Result<Ack, Error>> {
        let result = self.outcome.as_ref()?.of(self.index, self.timestamp)?;
        self.reported = true;
        Some(result)
    }

    /// The result, if it is there; the acknowledgement takes over what the delivery holds.
    #[inline]
    fn finished(&mut self) -> Option<Result<Ack, Error>> {
        let outcome = self.outcome.as_ref()?;
        let (_, result) = outcome.settlement.get()?.of(self.index);
        self.reported = true;
        if let Err(error) = result {
            return Some(Err(error.clone()));
        }
        Some(Ok(Ack { outcome: self.outcome.take()?, index: self.index, timestamp: self.timestamp }))
    }
}

impl Future for Delivery {
    type Output = Result<Ack, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.finished() {
            return Poll::Ready(result);
        }
        if let Some(outcome) = &self.outcome {
            let mut wakers = outcome.wakers.lock();
            // Deliveries awaited in order share one waker: the last one is the same.
            if !wakers.last().is_some_and(|last| last.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
        }
        // It may have been settled between the look and the lock.
        match self.finished() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if !self.reported
            && let Some(outcome) = &self.outcome
            && let Some(settlement) = outcome.settlement.get()
            && let (_, Err(error)) = settlement.of(self.index)
        {
            outcome.unreported.add(1, error);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.outcome.as_ref().map(|outcome| &outcome.slot.topic))
            .field("partition", &self.partition)
            .field("settlement", &self.outcome.as_ref().and_then(|outcome| outcome.settlement.get()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test starts tasks")]
    use super::*;
    use crate::error::Kind;

    fn outcome() -> (Arc<Outcome>, Arc<Unreported>) {
        let unreported = Arc::new(Unreported::default());
        (Outcome::new(Arc::new(Slot::new("orders".into(), 3, 0)), unreported.clone()), unreported)
    }

    fn error() -> Error {
        Error::new(Kind::Timeout, "produce to orders[3] timed out")
    }

    #[test]
    fn one_settlement_resolves_every_delivery_of_the_batch() {
        let (outcome, _) = outcome();
        let mut deliveries: Vec<_> = (0..3).map(|index| Delivery::new(outcome.clone(), index, 50)).collect();
        assert!(deliveries[0].now().is_none());
        outcome.settle(Ok(Written { base_offset: 10, append_time: -1 }).into(), 3);
        let offsets: Vec<_> = deliveries.iter_mut().map(|delivery| delivery.now().unwrap().unwrap().offset()).collect();
        assert_eq!(offsets, [Some(10), Some(11), Some(12)]);
        assert_eq!(deliveries[0].now().unwrap().unwrap().timestamp(), 50);
    }

    #[test]
    fn the_brokers_timestamp_replaces_the_records() {
        let (outcome, _) = outcome();
        let mut delivery = Delivery::new(outcome.clone(), 0, 50);
        outcome.settle(Ok(Written { base_offset: -1, append_time: 99 }).into(), 1);
        let ack = delivery.now().unwrap().unwrap();
        assert_eq!((ack.offset(), ack.timestamp()), (None, 99));
    }

    #[test]
    fn failures_nobody_saw_are_counted_whenever_the_delivery_was_dropped() {
        let (outcome, unreported) = outcome();
        let seen = Delivery::new(outcome.clone(), 0, 0);
        let dropped_before = Delivery::new(outcome.clone(), 1, 0);
        let dropped_after = Delivery::new(outcome.clone(), 2, 0);
        drop(dropped_before);
        outcome.settle(Err(error()).into(), 3);
        drop(dropped_after);
        let mut seen = seen;
        assert!(seen.now().unwrap().is_err());
        drop(seen);
        let (records, first) = unreported.take().unwrap();
        assert_eq!((records, first.kind()), (2, Kind::Timeout));
        assert!(unreported.take().is_none(), "told once");
    }

    #[test]
    fn parts_of_a_batch_have_results_of_their_own() {
        let (outcome, unreported) = outcome();
        let mut deliveries: Vec<_> = (0..6).map(|index| Delivery::new(outcome.clone(), index, 0)).collect();
        let written = |base_offset| Ok(Written { base_offset, append_time: -1 });
        let parts = [(0, written(40)), (2, Err(error())), (4, written(90))];
        let parts = parts.into_iter().map(|(from, result)| Part { from, result }).collect();
        drop(deliveries.drain(3..4));
        outcome.settle(Settlement::Parts(parts), 6);
        let offsets: Vec<_> =
            deliveries.iter_mut().map(|delivery| delivery.now().unwrap().ok().and_then(|ack| ack.offset())).collect();
        assert_eq!(offsets, [Some(40), Some(41), None, Some(90), Some(91)]);
        assert_eq!(unreported.take().unwrap().0, 1, "the fourth was dropped unseen");
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_once_for_deliveries_awaited_in_order() {
        let (outcome, _) = outcome();
        let deliveries: Vec<_> = (0..100).map(|index| Delivery::new(outcome.clone(), index, 0)).collect();
        let waiting = tokio::spawn(async move {
            for delivery in deliveries {
                delivery.await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(outcome.wakers.lock().len(), 1);
        outcome.settle(Ok(Written { base_offset: 0, append_time: -1 }).into(), 100);
        waiting.await.unwrap();
    }
}
