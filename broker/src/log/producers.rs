//! What a partition knows of producers, and which of their batches its leader takes (KIP-98, KIP-360, KIP-890).

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::{Header, Refused, sequence_after};
use super::marker::Marker;

/// Batches remembered for each producer: as many as one may have in flight.
const REMEMBERED: usize = 5;

/// The epoch of a producer of which nothing is known.
const NO_EPOCH: i16 = -1;

/// What a partition knows of each producer id.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    known: BTreeMap<i64, Producer>,
    /// Transactions without a marker yet: whose, by the offset of their first record.
    open: BTreeMap<i64, i64>,
    /// Producers whose transaction is being asked about, until it has written here.
    verifications: BTreeMap<i64, Verification>,
}

/// A producer, as far as its newest batches tell.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    /// The epoch of the coordinator that wrote the last marker; -1 if none did.
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    /// The first record of the transaction that is open here.
    pub(crate) open_from: Option<i64>,
    /// The newest batches of this epoch, oldest first.
    batches: VecDeque<Written>,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    base_sequence: i32,
    last_sequence: i32,
    pub(crate) base_offset: i64,
    last_offset: i64,
    pub(crate) max_timestamp: i64,
}

/// The first batch of a transaction that may not be written before the coordinator has agreed.
#[derive(Debug)]
struct Verification {
    epoch: i16,
    lowest_sequence: i32,
    /// The producer's epoch rises with each transaction, so each begins with sequence 0.
    bumps_epochs: bool,
}

/// What to do with a batch that may be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is next in line.
    Append,
    /// It is in the log already: answer with where.
    Duplicate(Written),
}

impl Producers {
    /// In order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.known.iter().map(|(id, producer)| (*id, producer))
    }

    /// The first offset of all transactions that are open.
    pub(crate) fn open_from(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// Begins the check of a batch of a transaction. Tells whether the transaction's coordinator is to be asked: it
    /// isn't, once the transaction has written here.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` if a newer epoch has written or ended a transaction.
    pub(crate) fn verify(&mut self, batch: &Header, bumps_epochs: bool) -> Result<bool, Refused> {
        let known = self.known.get(&batch.producer_id);
        check_epoch(known.map_or(NO_EPOCH, |known| known.epoch), batch)?;
        if known.is_some_and(|known| known.has_open(batch.producer_epoch)) {
            return Ok(false);
        }
        let (epoch, sequence) = (batch.producer_epoch, batch.base_sequence);
        let new = || Verification { epoch, lowest_sequence: sequence, bumps_epochs };
        let begun = self.verifications.entry(batch.producer_id).or_insert_with(new);
        if epoch > begun.epoch {
            (begun.epoch, begun.lowest_sequence) = (epoch, sequence);
        } else if epoch == begun.epoch {
            begun.lowest_sequence = begun.lowest_sequence.min(sequence);
        }
        Ok(true)
    }

    /// Decides about a batch with a producer id. One of a transaction must have passed [`Self::verify`].
    ///
    /// # Errors
    /// - `INVALID_PRODUCER_EPOCH` if a newer epoch has written or ended a transaction.
    /// - `OUT_OF_ORDER_SEQUENCE_NUMBER` if batches before it are missing or it is a duplicate too old to be remembered.
    /// - `INVALID_TXN_STATE` if it is outside a transaction though the producer's is open.
    /// - `UNKNOWN_PRODUCER_ID` if nothing is known of the producer, it isn't at its first sequence, and
    ///   `must_be_known`, as before KIP-360.
    pub(crate) fn check(&self, batch: &Header, must_be_known: bool) -> Result<Verdict, Refused> {
        let known = self.known.get(&batch.producer_id);
        if let Some(duplicate) = known.and_then(|known| known.find(batch)) {
            return Ok(Verdict::Duplicate(duplicate));
        }
        let epoch = known.map_or(NO_EPOCH, |known| known.epoch);
        check_epoch(epoch, batch)?;
        if let Some(verification) = self.verifications.get(&batch.producer_id) {
            let is_new = known.is_none_or(|known| known.batches.is_empty());
            let expected = if verification.bumps_epochs && is_new { 0 } else { verification.lowest_sequence };
            if batch.base_sequence > expected {
                return Err(out_of_order(batch, expected));
            }
        }
        match known {
            None if must_be_known && batch.base_sequence != 0 => {
                let message = format!("Nothing is known of producer {}; its records may be gone", batch.producer_id);
                return Err(Refused::new(ResponseError::UnknownProducerId, message));
            }
            // New here, or its records are gone: any sequence may start.
            None => {}
            Some(known) => {
                let last = known.batches.back().filter(|_| batch.producer_epoch == epoch);
                let expected = last.map_or(0, |last| sequence_after(last.last_sequence, 1));
                if batch.base_sequence != expected {
                    return Err(out_of_order(batch, expected));
                }
            }
        }
        if !batch.is_transactional() && known.is_some_and(|known| known.open_from.is_some()) {
            let message = format!("A transaction of producer {} is open here", batch.producer_id);
            return Err(Refused::new(ResponseError::InvalidTxnState, message));
        }
        Ok(Verdict::Append)
    }

    /// Decides about a marker. Where epochs rise with each transaction, the marker's must be newer than what was
    /// written, or repeat a marker.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH`.
    pub(crate) fn check_marker(&self, marker: Marker, bumps_epochs: bool) -> Result<(), ResponseError> {
        let Some(known) = self.known.get(&marker.producer_id) else { return Ok(()) };
        let epoch = marker.producer_epoch;
        let is_again = known.open_from.is_none() || epoch == i16::MAX;
        match epoch.cmp(&known.epoch) {
            std::cmp::Ordering::Less => Err(ResponseError::InvalidProducerEpoch),
            std::cmp::Ordering::Equal if bumps_epochs && !is_again => Err(ResponseError::InvalidProducerEpoch),
            _ => Ok(()),
        }
    }

    /// Remembers a batch of data that was appended.
    pub(crate) fn appended(&mut self, batch: &Header) {
        let known = self.known.entry(batch.producer_id).or_insert_with(|| Producer::new(batch.producer_epoch));
        known.enter(batch.producer_epoch);
        if known.batches.len() == REMEMBERED {
            known.batches.pop_front();
        }
        known.batches.push_back(Written {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset: batch.base_offset,
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp,
        });
        known.last_timestamp = batch.max_timestamp;
        if batch.is_transactional() {
            self.verifications.remove(&batch.producer_id);
            if known.open_from.is_none() {
                known.open_from = Some(batch.base_offset);
                self.open.insert(batch.base_offset, batch.producer_id);
            }
        }
    }

    /// Remembers a marker that was appended. Returns the offset of the transaction's first record; `None` if it had
    /// written nothing here.
    pub(crate) fn marked(&mut self, marker: Marker, timestamp: i64) -> Option<i64> {
        let (id, epoch) = (marker.producer_id, marker.producer_epoch);
        let known = self.known.entry(id).or_insert_with(|| Producer::new(epoch));
        known.enter(epoch);
        known.coordinator_epoch = marker.coordinator_epoch;
        known.last_timestamp = timestamp;
        let first_offset = known.open_from.take();
        self.verifications.remove(&id);
        first_offset.inspect(|first_offset| {
            self.open.remove(first_offset);
        })
    }

    /// Forgets producers all of whose records are before `offset`, as brokers did before KIP-360.
    pub(crate) fn forget_before(&mut self, offset: i64) {
        let is_gone = |known: &Producer| known.batches.back().is_none_or(|last| last.last_offset < offset);
        self.known.retain(|_, known| !is_gone(known));
        self.open.retain(|_, id| self.known.contains_key(id));
    }
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: -1,
            open_from: None,
            batches: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// The sequence number of its last record; -1 if no batch of this epoch is known.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |last| last.last_sequence)
    }

    fn has_open(&self, epoch: i16) -> bool {
        self.open_from.is_some() && self.epoch == epoch
    }

    fn enter(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn find(&self, batch: &Header) -> Option<Written> {
        let same = |written: &&Written| {
            written.base_sequence == batch.base_sequence && written.last_sequence == batch.last_sequence()
        };
        self.batches.iter().find(same).copied().filter(|_| self.epoch == batch.producer_epoch)
    }
}

fn check_epoch(known: i16, batch: &Header) -> Result<(), Refused> {
    if batch.producer_epoch >= known {
        return Ok(());
    }
    let message = format!("Epoch {} is older than {known}", batch.producer_epoch);
    Err(Refused::new(ResponseError::InvalidProducerEpoch, message))
}

fn out_of_order(batch: &Header, expected: i32) -> Refused {
    let message = format!("Sequence {} came where {expected} is next", batch.base_sequence);
    Refused::new(ResponseError::OutOfOrderSequenceNumber, message)
}

#[cfg(test)]
mod tests;
