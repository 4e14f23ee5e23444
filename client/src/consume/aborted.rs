//! Which of the batches that a fetch brought belong to transactions that were aborted (KIP-98).
//!
//! With the records a broker names the aborted transactions among them: a producer, and the first offset that it wrote.
//! Such a transaction ends with the producer's ABORT marker. What no list names was committed: nothing that is still
//! open is sent to a consumer that reads committed records alone.

use std::collections::BTreeSet;

use ottla_wire::compression::Decompressor;
use ottla_wire::messages::fetch_response::AbortedTransaction;
use ottla_wire::records::{Batch, BatchError, ControlType, HEADER_LEN, Problem};

use crate::planted::{self, Bug};

/// Markers are small, and no broker compresses them.
const MAX_MARKER: usize = 64 << 10;

/// The aborted transactions of one answer for one partition, as far as its batches were looked at.
#[derive(Debug)]
pub(super) struct Aborted {
    /// Those that begin further on, the nearest last.
    ahead: Vec<AbortedTransaction>,
    /// The producers whose transactional batches are of an aborted transaction.
    producers: BTreeSet<i64>,
}

impl Aborted {
    /// Those that a broker named; `None` if there are none.
    pub(super) fn of(mut named: Vec<AbortedTransaction>) -> Option<Self> {
        // Brokers name them in whatever order they find them (edge 30).
        named.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        (!named.is_empty()).then_some(Self { ahead: named, producers: BTreeSet::new() })
    }

    /// Whether the next batch of the answer is of an aborted transaction. To be asked about every batch, in order.
    ///
    /// # Errors
    /// If it is a marker that cannot be read: then nobody knows what comes after it.
    pub(super) fn holds(&mut self, batch: &Batch) -> Result<bool, BatchError> {
        let header = &batch.header;
        if header.producer_id < 0 {
            return Ok(false);
        }
        // The last offset counts: a transaction's first batch may have lost its first records to compaction.
        while let Some(next) = self.ahead.pop_if(|next| next.first_offset <= batch.last_offset()) {
            self.producers.insert(next.producer_id);
        }
        if header.control && ends_aborted(batch)? && !planted::has(Bug::EndlessAbort) {
            self.producers.remove(&header.producer_id);
        }
        Ok(header.transactional && self.producers.contains(&header.producer_id))
    }
}

/// Whether a control batch is an ABORT marker. One that compaction has emptied is none.
fn ends_aborted(batch: &Batch) -> Result<bool, BatchError> {
    let body = batch.body(&mut Decompressor::new(MAX_MARKER))?;
    let Some(record) = body.records().next().transpose()? else { return Ok(false) };
    match ControlType::of(&record) {
        Some(control) => Ok(control == ControlType::Abort),
        None => Err(BatchError {
            base_offset: batch.base_offset(),
            position: HEADER_LEN,
            problem: Problem::Record("the key of a marker is too short"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::consume::testing::{self, abort, commit, of_transaction};

    fn aborted(named: &[(i64, i64)]) -> Aborted {
        let named = named.iter().map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id: *producer_id,
            first_offset: *first_offset,
        });
        Aborted::of(named.collect()).unwrap()
    }

    /// Offsets of the batches that are skipped.
    fn skipped(aborted: &mut Aborted, batches: &[Bytes]) -> Vec<i64> {
        let batches = batches.iter().map(|bytes| testing::parse(bytes.clone()));
        batches.filter(|batch| aborted.holds(batch).unwrap()).map(|batch| batch.base_offset()).collect()
    }

    #[test]
    fn without_aborted_transactions_there_is_nothing_to_ask() {
        assert!(Aborted::of(Vec::new()).is_none());
    }

    /// edge 30
    #[test]
    fn transactions_of_several_producers_each_end_with_their_own_marker() {
        let log = [
            of_transaction(7, 0, 2),
            of_transaction(8, 2, 2),
            testing::bytes(4, &[b"by nobody"]),
            of_transaction(7, 5, 1),
            commit(8, 6),
            of_transaction(8, 7, 1),
            abort(7, 8),
            of_transaction(7, 9, 1),
            commit(7, 10),
            abort(8, 11),
        ];
        // Named in no order: 7 aborted at 8, 8 aborted at 11.
        assert_eq!(skipped(&mut aborted(&[(8, 7), (7, 0)]), &log), [0, 5, 7]);
    }

    #[test]
    fn a_producer_that_aborts_again_is_skipped_again() {
        let log =
            [of_transaction(7, 0, 1), abort(7, 1), of_transaction(7, 2, 1), commit(7, 3), of_transaction(7, 4, 1)];
        assert_eq!(skipped(&mut aborted(&[(7, 0), (7, 4)]), &log), [0, 4]);
    }

    /// The broker names a transaction again with every fetch that meets it, also when it began before.
    #[test]
    fn a_transaction_that_began_in_an_earlier_fetch_is_skipped_up_to_its_marker() {
        let log = [of_transaction(7, 10, 5), abort(7, 15), of_transaction(7, 16, 1)];
        assert_eq!(skipped(&mut aborted(&[(7, 3)]), &log), [10]);
    }

    /// Compaction may leave a batch that starts before the transaction's first offset that is still known.
    #[test]
    fn a_transaction_that_begins_inside_of_a_batch_holds_all_of_it() {
        assert_eq!(skipped(&mut aborted(&[(7, 4)]), &[of_transaction(7, 0, 5)]), [0]);
        assert!(skipped(&mut aborted(&[(7, 5)]), &[of_transaction(7, 0, 5)]).is_empty(), "it begins behind it");
    }

    /// A batch outside of transactions by the same producer id is no part of them.
    #[test]
    fn only_transactional_batches_are_skipped() {
        let idempotent = testing::bytes_with(0, &[(None, Some(b"x"), &[])], |header| header.producer_id = 7);
        assert!(skipped(&mut aborted(&[(7, 0)]), &[idempotent]).is_empty());
    }

    #[test]
    fn an_empty_transaction_leaves_nothing_behind() {
        let log = [abort(7, 0), of_transaction(7, 1, 1), commit(7, 2), of_transaction(8, 3, 1)];
        assert_eq!(skipped(&mut aborted(&[(8, 3)]), &log), [3]);
    }

    /// Compaction keeps the last batch of a producer, without its record: it does not say any more what it was.
    #[test]
    fn a_marker_that_compaction_emptied_ends_nothing() {
        let emptied = testing::bytes_with(1, &[], |header| {
            (header.control, header.transactional, header.producer_id) = (true, true, 7);
        });
        let log = [of_transaction(7, 0, 1), emptied, of_transaction(7, 2, 1)];
        assert_eq!(skipped(&mut aborted(&[(7, 0)]), &log), [0, 1, 2]);
    }

    #[test]
    fn a_marker_that_cannot_be_read_is_an_error_and_not_a_commit() {
        let short = testing::bytes_with(3, &[(Some(b"\0\0"), Some(b""), &[])], |header| {
            (header.control, header.transactional, header.producer_id) = (true, true, 7);
        });
        let error = aborted(&[(7, 0)]).holds(&testing::parse(short)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "batch at offset 3, byte 61: a record is malformed: the key of a marker is too short"
        );
    }
}
