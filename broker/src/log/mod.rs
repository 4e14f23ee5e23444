//! One partition's log: batches in offset order, kept as slices of the frames they came in.

mod aborted;
pub(crate) mod batch;
pub(crate) mod codec;
mod compact;
pub(crate) use codec::name as codec_name;
pub(crate) mod encode;
mod epochs;
pub(crate) mod marker;
pub(crate) mod producers;
pub(crate) mod record;
pub(crate) mod validate;

use bytes::{Bytes, BytesMut};

pub(crate) use aborted::Aborted;
use aborted::AbortedTransactions;
use batch::{Batch, Header};
use epochs::Epochs;
use marker::Marker;
use producers::Producers;

/// Batches kept as a slice of their frame only from this size on; smaller ones are copied, so that a few bytes don't
/// pin a whole frame.
const SLICE_FROM_BYTES: usize = 32 * 1024;

/// A stored batch: the header as the leader wrote it, and the producer's bytes.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Stored {
    /// Bytes of the whole batch.
    pub(crate) fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// How much of a log a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything.
    ReadUncommitted,
    /// What is decided: nothing from the first open transaction on.
    ReadCommitted,
}

impl Isolation {
    /// What `isolation_level` in a request means.
    pub(crate) fn of(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }
}

/// A partition's log, its leader epochs and what it knows of producers and their transactions.
#[derive(Debug, Default)]
pub(crate) struct Log {
    batches: Vec<Stored>,
    start_offset: i64,
    end_offset: i64,
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    pub(crate) aborted: AbortedTransactions,
    /// Forget producers with their records, as brokers did before KIP-360.
    pub(crate) forgets_producers: bool,
}

impl Log {
    /// The first offset that can be read.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset the next record gets. The high watermark too: every replica shares this log.
    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The offset from which on a transaction is open: all before it is decided. The end if none is open.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let open_from = self.producers.open_from().unwrap_or(self.end_offset);
        open_from.clamp(self.start_offset, self.end_offset)
    }

    /// The offset at which a reader's view ends.
    pub(crate) fn end_for(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.end_offset,
            Isolation::ReadCommitted => self.last_stable_offset(),
        }
    }

    /// All batches kept.
    pub(crate) fn batches(&self) -> &[Stored] {
        &self.batches
    }

    /// Appends a batch under `leader_epoch` and returns its first offset. Unless `keep`, only the offsets advance.
    pub(crate) fn append(&mut self, batch: Batch, leader_epoch: i32, keep: bool) -> i64 {
        let Batch { mut header, body } = batch;
        header.base_offset = self.end_offset;
        header.leader_epoch = leader_epoch;
        let base_offset = header.base_offset;
        self.end_offset = header.last_offset() + 1;
        self.note_producer(&header, &body);
        if keep {
            let body = if body.len() < SLICE_FROM_BYTES { Bytes::copy_from_slice(&body) } else { body };
            self.batches.push(Stored { head: header.write(), header, body });
        } else {
            self.start_offset = self.end_offset;
        }
        base_offset
    }

    /// Leaves a gap before `offset`, as if what was there had been compacted away. Tells whether the log didn't end later.
    pub(crate) fn skip_to(&mut self, offset: i64) -> bool {
        if offset < self.end_offset {
            return false;
        }
        self.end_offset = offset;
        true
    }

    /// Appends bytes as they are, over so many offsets, and returns the first. Only where a base offset would stand in
    /// them, if they are long enough, that is written.
    pub(crate) fn append_bytes(&mut self, bytes: &[u8], offsets: i32) -> i64 {
        let mut header = Batch::spanning(offsets).header;
        header.base_offset = self.end_offset;
        let base_offset = header.base_offset;
        self.end_offset = header.last_offset() + 1;
        let mut head = BytesMut::from(bytes);
        if let Some(place) = head.get_mut(..8) {
            place.copy_from_slice(&base_offset.to_be_bytes());
        }
        self.batches.push(Stored { header, head: head.freeze(), body: Bytes::new() });
        base_offset
    }

    /// Takes in what an appended batch says of its producer.
    fn note_producer(&mut self, header: &Header, body: &Bytes) {
        if !header.has_producer() {
            return;
        }
        if !header.is_control() {
            return self.producers.appended(header);
        }
        let Some(marker) = Marker::read(header, body) else { return };
        let ended = self.producers.marked(marker, header.max_timestamp);
        if let Some(first_offset) = ended.filter(|_| !marker.is_commit) {
            let producer_id = marker.producer_id;
            self.aborted.add(Aborted { producer_id, first_offset, last_offset: header.base_offset });
        }
    }

    /// Slices of the log from the batch that holds `offset` to `end`, at most `max_bytes`; the last batch may be cut
    /// short.
    ///
    /// With `at_least_one` the first batch comes whole, however large it is (KIP-74); else it is left out if it does not fit.
    pub(crate) fn read(&self, offset: i64, end: i64, max_bytes: usize, at_least_one: bool) -> Slices {
        let batches = self.between(offset, end);
        let mut slices = Slices { end_offset: offset, ..Slices::default() };
        let mut room = match batches.first() {
            Some(first) if at_least_one => max_bytes.max(first.size()),
            // Since version 3 of Fetch, Kafka leaves out the beginning of a first batch for which there is no room.
            Some(first) if first.size() > max_bytes => return slices,
            Some(_) => max_bytes,
            None => return slices,
        };
        for batch in batches {
            for part in [&batch.head, &batch.body] {
                let taken = part.len().min(room);
                if taken == 0 {
                    return slices;
                }
                slices.push(part.slice(..taken));
                slices.end_offset = batch.header.last_offset() + 1;
                room -= taken;
            }
        }
        slices
    }

    /// Batches from the one that holds `offset` to those that begin before `end`.
    fn between(&self, offset: i64, end: i64) -> &[Stored] {
        let from = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        let to = self.batches.partition_point(|batch| batch.header.base_offset < end);
        self.batches.get(from..to).unwrap_or_default()
    }

    /// The end of the last whole batch at or before `offset`.
    pub(crate) fn batch_end_before(&self, offset: i64) -> i64 {
        let whole = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        match self.batches.get(whole) {
            Some(batch) => batch.header.base_offset.min(offset),
            None => self.end_offset.min(offset),
        }
    }

    /// The first and last offsets of batches from the one that holds `offset` to `end`: whole ones of at most `max_bytes`
    /// together, but at least the first.
    pub(crate) fn spans(&self, offset: i64, end: i64, max_bytes: usize) -> Vec<(i64, i64)> {
        let mut spans = Vec::new();
        let mut bytes = 0_usize;
        for batch in self.between(offset, end) {
            bytes = bytes.saturating_add(batch.size());
            if bytes > max_bytes && !spans.is_empty() {
                break;
            }
            spans.push((batch.header.base_offset, batch.header.last_offset()));
        }
        spans
    }

    /// Bytes readable from `offset` to `end`, counted up to `enough`.
    pub(crate) fn readable_bytes(&self, offset: i64, end: i64, enough: usize) -> usize {
        let mut bytes = 0;
        for batch in self.between(offset, end) {
            bytes += batch.size();
            if bytes >= enough {
                break;
            }
        }
        bytes
    }

    /// Drops records before `offset`, as DeleteRecords does: whole batches go, the one that holds it stays.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        self.start_offset = self.start_offset.max(offset.min(self.end_offset));
        let gone = self.batches.partition_point(|batch| batch.header.last_offset() < self.start_offset);
        self.batches.drain(..gone);
        self.epochs.start_at(self.start_offset);
        self.aborted.start_at(self.start_offset);
        if self.forgets_producers {
            self.producers.forget_before(self.start_offset);
        }
    }

    /// Drops whole batches from the end so that nothing at or after `offset` is left, as an unclean election does.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let kept = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        if kept < self.batches.len() {
            self.end_offset = self.batches[kept].header.base_offset;
            self.batches.truncate(kept);
        }
        self.start_offset = self.start_offset.min(self.end_offset);
        self.epochs.truncate(self.end_offset);
        self.producers = Producers::default();
        self.aborted = AbortedTransactions::default();
        for batch in self.batches.clone() {
            self.note_producer(&batch.header, &batch.body);
        }
    }

    /// The first record at or after `timestamp_ms`: its offset and timestamp, and its batch's leader epoch.
    pub(crate) fn at_time(&self, timestamp_ms: i64) -> Option<Found> {
        let candidates = self.batches.iter().filter(|batch| batch.header.max_timestamp >= timestamp_ms);
        candidates.into_iter().find_map(|batch| {
            let mut records = record::records(batch);
            let found =
                records.find(|record| record.offset >= self.start_offset && record.timestamp >= timestamp_ms)?;
            Some(Found::new(batch, &found))
        })
    }

    /// The first of the records with the greatest timestamp.
    pub(crate) fn at_max_time(&self) -> Option<Found> {
        let mut greatest: Option<&Stored> = None;
        for batch in &self.batches {
            if greatest.is_none_or(|found| batch.header.max_timestamp > found.header.max_timestamp) {
                greatest = Some(batch);
            }
        }
        let batch = greatest?;
        let record = record::records(batch).find(|record| record.timestamp == batch.header.max_timestamp)?;
        Some(Found::new(batch, &record))
    }
}

/// Where a search by time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: i32,
}

impl Found {
    fn new(batch: &Stored, record: &record::Record) -> Self {
        Self { offset: record.offset, timestamp: record.timestamp, leader_epoch: batch.header.leader_epoch }
    }
}

/// Parts of the log, to be written one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slices {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) bytes: usize,
    /// The offset after the last record that is in, though its batch may be cut short.
    pub(crate) end_offset: i64,
}

impl Slices {
    fn push(&mut self, part: Bytes) {
        self.bytes += part.len();
        self.parts.push(part);
    }
}

#[cfg(test)]
mod tests {
    use super::batch::tests::{batch, producer_batch, transactional_batch};
    use super::*;

    const END: i64 = i64::MAX;

    fn log(batches: &[i32]) -> Log {
        let mut log = Log::default();
        for count in batches {
            log.append(batch(*count), 0, true);
        }
        log
    }

    fn first_offset(slices: &Slices) -> Option<i64> {
        slices.parts.first().map(|head| i64::from_be_bytes(head[..8].try_into().unwrap()))
    }

    #[test]
    fn offsets_advance_by_the_records_of_each_batch() {
        let mut log = log(&[3]);
        assert_eq!(log.append(batch(2), 7, true), 3);
        assert_eq!(log.end_offset(), 5);
        assert_eq!(log.batches()[1].head[..8], 3i64.to_be_bytes(), "the base offset is written in the header");
        assert_eq!(log.batches()[1].head[12..16], 7i32.to_be_bytes(), "and so is the leader epoch");
    }

    #[test]
    fn a_read_begins_with_the_batch_that_holds_the_offset() {
        let log = log(&[3, 3]);
        assert_eq!(first_offset(&log.read(2, END, 10_000, false)), Some(0));
        assert_eq!(first_offset(&log.read(3, END, 10_000, false)), Some(3));
        assert_eq!(first_offset(&log.read(6, END, 10_000, true)), None);
    }

    #[test]
    fn a_read_is_cut_at_its_limit_but_never_within_the_first_batch_if_one_is_due() {
        let log = log(&[3, 3]);
        let size = log.batches()[0].size();
        assert_eq!(log.read(0, END, size + 10, false).bytes, size + 10);
        assert_eq!(log.read(0, END, 10, false).bytes, 0, "no beginning of a first batch");
        assert_eq!(log.read(0, END, 10, true).bytes, size);
        assert_eq!(log.read(0, END, 0, false).bytes, 0);
    }

    #[test]
    fn a_log_that_keeps_nothing_still_counts() {
        let mut log = Log::default();
        log.append(batch(3), 0, false);
        assert_eq!((log.start_offset(), log.end_offset()), (3, 3));
        assert!(log.batches().is_empty());
    }

    #[test]
    fn deleting_keeps_the_batch_that_holds_the_offset() {
        let mut log = log(&[3, 3]);
        log.delete_before(4);
        assert_eq!((log.start_offset(), log.end_offset(), log.batches().len()), (4, 6, 1));
        log.delete_before(100);
        assert_eq!((log.start_offset(), log.batches().len()), (6, 0));
    }

    #[test]
    fn truncation_forgets_epochs_that_began_later() {
        let mut log = log(&[2]);
        log.epochs.assign(0, 0);
        log.epochs.assign(1, 2);
        log.append(batch(2), 1, true);
        log.truncate(2);
        assert_eq!(log.epochs.latest(), Some(0));
    }

    #[test]
    fn truncation_forgets_what_producers_wrote_there() {
        let mut log = Log::default();
        log.append(producer_batch(1, 9, 0, 0), 0, true);
        log.append(producer_batch(1, 9, 0, 1), 1, true);
        log.truncate(1);
        assert_eq!(log.end_offset(), 1);
        assert!(log.producers.check(&producer_batch(1, 9, 0, 1).header, false).is_ok(), "sequence 1 is due again");
    }

    #[test]
    fn a_search_by_time_finds_the_first_record_at_or_after_it() {
        let mut log = log(&[2]);
        let mut late = batch(2);
        late.header.base_timestamp = 2_000;
        late.header.max_timestamp = 2_000;
        log.append(late, 4, true);
        assert_eq!(log.at_time(1_000), Some(Found { offset: 0, timestamp: 1_000, leader_epoch: 0 }));
        assert_eq!(log.at_time(1_001), Some(Found { offset: 2, timestamp: 2_000, leader_epoch: 4 }));
        assert_eq!(log.at_time(2_001), None);
        assert_eq!(log.at_max_time(), Some(Found { offset: 2, timestamp: 2_000, leader_epoch: 4 }));
    }

    fn marker(producer_id: i64, is_commit: bool) -> Batch {
        encode::marker(Marker { producer_id, producer_epoch: 0, is_commit, coordinator_epoch: 0 }, 1_000)
    }

    /// Two transactions, interleaved: 7 at 0 and 1, aborted at 4; 8 at 2 and 3, committed at 5.
    fn interleaved() -> Log {
        let mut log = Log::default();
        log.append(transactional_batch(2, 7, 0, 0), 0, true);
        log.append(transactional_batch(2, 8, 0, 0), 0, true);
        log.append(marker(7, false), 0, true);
        log.append(marker(8, true), 0, true);
        log
    }

    #[test]
    fn the_last_stable_offset_is_the_first_open_transactions() {
        let mut log = log(&[1]);
        assert_eq!(log.last_stable_offset(), 1, "nothing is open");
        log.append(transactional_batch(2, 7, 0, 0), 0, true);
        log.append(transactional_batch(2, 8, 0, 0), 0, true);
        log.append(batch(1), 0, true);
        assert_eq!(log.last_stable_offset(), 1);
        log.append(marker(7, true), 0, true);
        assert_eq!(log.last_stable_offset(), 3, "the other one is open");
        log.append(marker(8, true), 0, true);
        assert_eq!(log.last_stable_offset(), log.end_offset());
    }

    #[test]
    fn a_reader_of_committed_records_stops_at_the_last_stable_offset() {
        let mut log = log(&[3]);
        log.append(transactional_batch(2, 7, 0, 0), 0, true);
        let end = log.end_for(Isolation::ReadCommitted);
        assert_eq!(log.read(0, end, 10_000, false).bytes, log.batches()[0].size());
        assert_eq!(log.readable_bytes(0, end, 10_000), log.batches()[0].size());
        assert_eq!(log.read(4, end, 10_000, true).bytes, 0, "the offset is there, but not for this reader");
        assert_eq!(log.end_for(Isolation::ReadUncommitted), 5);
    }

    #[test]
    fn an_aborted_transaction_is_noted() {
        let log = interleaved();
        let aborted = Aborted { producer_id: 7, first_offset: 0, last_offset: 4 };
        assert_eq!(log.aborted.all(), [aborted], "the committed one isn't noted");
    }

    #[test]
    fn deleted_records_no_longer_hold_back_the_last_stable_offset() {
        let mut log = log(&[1]);
        log.append(transactional_batch(2, 7, 0, 0), 0, true);
        log.append(batch(1), 0, true);
        log.delete_before(3);
        assert_eq!((log.start_offset(), log.last_stable_offset()), (3, 3), "still open, but begun before the start");
        log.append(marker(7, false), 0, true);
        assert_eq!(log.last_stable_offset(), log.end_offset());
        log.delete_before(log.end_offset());
        assert_eq!(log.aborted.all(), []);
    }

    #[test]
    fn truncation_takes_markers_back() {
        let mut log = interleaved();
        log.truncate(4);
        assert_eq!((log.end_offset(), log.last_stable_offset()), (4, 0), "both are open again");
        assert_eq!(log.aborted.all(), []);
        log.append(marker(7, false), 1, true);
        assert_eq!(log.last_stable_offset(), 2);
        assert_eq!(log.aborted.all().len(), 1);
    }
}
