//! The idempotent producer's rules, as a leader enforces them for each partition (KIP-98).

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::{Header, Refused, sequence_after};

/// Batches remembered for each producer: as many as one may have in flight.
const REMEMBERED: usize = 5;

/// What a partition knows of each producer id.
#[derive(Debug, Default)]
pub(crate) struct Producers(BTreeMap<i64, Producer>);

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// The newest batches of this epoch, oldest first.
    batches: VecDeque<Written>,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    base_sequence: i32,
    last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) max_timestamp: i64,
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
    /// Decides about a batch with a producer id.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` if a newer epoch has written, `OUT_OF_ORDER_SEQUENCE_NUMBER` if batches before it are
    /// missing or it is a duplicate too old to be remembered.
    pub(crate) fn check(&self, batch: &Header) -> Result<Verdict, Refused> {
        let Some(producer) = self.0.get(&batch.producer_id) else {
            // Nothing is known: the id is new here, or its records are gone. Any sequence may start.
            return Ok(Verdict::Append);
        };
        if batch.producer_epoch < producer.epoch {
            let message = format!("Epoch {} is older than {}", batch.producer_epoch, producer.epoch);
            return Err(Refused::new(ResponseError::InvalidProducerEpoch, message));
        }
        let expected = if batch.producer_epoch > producer.epoch {
            0
        } else {
            if let Some(duplicate) = producer.find(batch) {
                return Ok(Verdict::Duplicate(duplicate));
            }
            producer.batches.back().map_or(0, |last| sequence_after(last.last_sequence, 1))
        };
        if batch.base_sequence != expected {
            let message = format!("Sequence {} came where {expected} is next", batch.base_sequence);
            return Err(Refused::new(ResponseError::OutOfOrderSequenceNumber, message));
        }
        Ok(Verdict::Append)
    }

    /// Remembers a batch that was appended.
    pub(crate) fn appended(&mut self, batch: &Header) {
        let producer = self
            .0
            .entry(batch.producer_id)
            .or_insert_with(|| Producer { epoch: batch.producer_epoch, batches: VecDeque::with_capacity(REMEMBERED) });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Written {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset: batch.base_offset,
            max_timestamp: batch.max_timestamp,
        });
    }
}

impl Producer {
    fn find(&self, batch: &Header) -> Option<Written> {
        let same = |written: &&Written| {
            written.base_sequence == batch.base_sequence && written.last_sequence == batch.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::producer_batch;
    use super::*;

    const ID: i64 = 4;

    fn header(count: i32, epoch: i16, sequence: i32) -> Header {
        producer_batch(count, ID, epoch, sequence).header
    }

    fn after(batches: &[Header]) -> Producers {
        let mut producers = Producers::default();
        let mut offset = 0;
        for batch in batches {
            producers.appended(&Header { base_offset: offset, ..batch.clone() });
            offset += i64::from(batch.count);
        }
        producers
    }

    fn refused(producers: &Producers, batch: &Header) -> ResponseError {
        producers.check(batch).unwrap_err().code
    }

    #[test]
    fn the_next_sequence_is_appended() {
        let producers = after(&[header(3, 0, 0)]);
        assert_eq!(producers.check(&header(1, 0, 3)), Ok(Verdict::Append));
    }

    #[test]
    fn any_of_the_last_five_is_a_duplicate_with_its_offset() {
        let producers = after(&(0..6).map(|n| header(2, 0, n * 2)).collect::<Vec<_>>());
        for n in 1..6 {
            let Ok(Verdict::Duplicate(written)) = producers.check(&header(2, 0, n * 2)) else {
                panic!("batch {n} is in the log");
            };
            assert_eq!(written.base_offset, i64::from(n) * 2);
        }
        assert_eq!(refused(&producers, &header(2, 0, 0)), ResponseError::OutOfOrderSequenceNumber, "the sixth last");
    }

    #[test]
    fn a_duplicate_has_the_same_end_too() {
        let producers = after(&[header(2, 0, 0)]);
        assert_eq!(refused(&producers, &header(1, 0, 0)), ResponseError::OutOfOrderSequenceNumber);
    }

    #[test]
    fn a_gap_is_out_of_order() {
        let producers = after(&[header(1, 0, 0)]);
        assert_eq!(refused(&producers, &header(1, 0, 2)), ResponseError::OutOfOrderSequenceNumber);
    }

    #[test]
    fn an_unknown_producer_may_start_anywhere() {
        assert_eq!(Producers::default().check(&header(1, 3, 17)), Ok(Verdict::Append));
    }

    #[test]
    fn a_new_epoch_starts_at_zero() {
        let producers = after(&[header(1, 0, 0)]);
        assert_eq!(producers.check(&header(1, 1, 0)), Ok(Verdict::Append));
        assert_eq!(refused(&producers, &header(1, 1, 1)), ResponseError::OutOfOrderSequenceNumber);
    }

    #[test]
    fn batches_of_an_older_epoch_are_no_duplicates() {
        let producers = after(&[header(1, 0, 0), header(1, 0, 1), header(1, 1, 0)]);
        assert_eq!(producers.check(&header(1, 1, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn an_older_epoch_is_invalid_even_for_a_duplicate() {
        let producers = after(&[header(1, 0, 0), header(1, 1, 0)]);
        assert_eq!(refused(&producers, &header(1, 0, 0)), ResponseError::InvalidProducerEpoch);
    }

    #[test]
    fn sequences_wrap_around() {
        let producers = after(&[header(2, 0, i32::MAX - 1)]);
        assert_eq!(producers.check(&header(1, 0, 0)), Ok(Verdict::Append));
        let across = after(&[header(2, 0, i32::MAX)]);
        assert_eq!(across.check(&header(1, 0, 1)), Ok(Verdict::Append));
    }
}
