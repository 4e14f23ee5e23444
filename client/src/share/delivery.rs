//! One partition's answer to a ShareFetch: the batches, and which of their offsets are this member's to process.
//!
//! A broker answers with whole batches, of which it acquired some offsets for the member. The others may be anybody's
//! and are not handed out. An offset that was acquired and has no record (compaction took it, or it is a marker) is
//! acknowledged as a gap; a batch that cannot be read is rejected, as the Java client does it.

use bytes::Bytes;
use ottla_wire::compression::Decompressor;
use ottla_wire::messages::share_fetch_response::AcquiredRecords;
use ottla_wire::records::{Batch, BatchError, Batches, batches};

use super::acknowledge::{AcknowledgeType, GAP, TopicIdPartition};
use super::runs::Runs;
use crate::consume::Part;
use crate::error::{Error, Kind};
use crate::planted::{self, Bug};

/// What was delivered and not handed out yet.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Who delivered it: acknowledgements go there, whoever leads the partition meanwhile.
    pub(super) broker: i32,
    pub(super) partition: TopicIdPartition,
    rest: Batches,
    /// The offsets still to hand out, and how often each was delivered.
    acquired: Runs<i16>,
    /// Read already, to be told by the next poll.
    unread: Option<Read>,
}

/// What one batch gives.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) parts: Vec<Part>,
    /// The offsets of `parts`.
    pub(super) handed_out: Runs<()>,
    /// What is known without the user: gaps, and what cannot be read.
    pub(super) acks: Runs<i8>,
    pub(super) flaw: Option<Error>,
}

impl Delivery {
    /// None if nothing was acquired.
    pub(super) fn new(
        broker: i32,
        partition: TopicIdPartition,
        records: Bytes,
        acquired: &[AcquiredRecords],
    ) -> Option<Self> {
        let mut runs = Runs::default();
        for range in acquired {
            runs.insert(range.first_offset, range.last_offset, range.delivery_count);
        }
        (!runs.is_empty()).then(|| Self { broker, partition, rest: batches(records), acquired: runs, unread: None })
    }

    /// Gives back all that was not handed out.
    pub(super) fn release(&self) -> Runs<i8> {
        let lets_go = if planted::has(Bug::AcceptsUnseen) { AcknowledgeType::Accept } else { AcknowledgeType::Release };
        let mut acks = self.acquired.with(lets_go.to_wire());
        if let Some(unread) = &self.unread {
            acks.extend(&unread.acks);
        }
        acks
    }

    /// Keeps what was read, all of it, for another time.
    pub(super) fn unread(&mut self, read: Read) {
        self.unread = Some(read);
    }

    /// The next batch that has something to hand out or to acknowledge. None once all is dealt with.
    ///
    /// A batch is handed out as a whole, as a broker keeps its records together then.
    pub(super) fn read(&mut self, check_crcs: bool, decompressor: &mut Decompressor) -> Option<Read> {
        if let Some(read) = self.unread.take() {
            return Some(read);
        }
        while !self.acquired.is_empty() {
            let batch = match self.rest.next() {
                Some(Ok(batch)) => batch,
                Some(Err(error)) => {
                    let flaw = self.flaw(error.base_offset, error);
                    return Some(Read { flaw: Some(flaw), ..self.give_up() });
                }
                // Nothing says that there are no such records: somebody else may find them.
                None => return Some(self.give_up()),
            };
            // What lies before the batch and was in none is not in the log any more.
            let before = batch.base_offset().checked_sub(1).map(|last| self.acquired.take(i64::MIN, last));
            let acquired = self.acquired.take(batch.base_offset(), batch.last_offset());
            let mut read = self.open(&batch, acquired, check_crcs, decompressor);
            if let Some(before) = before {
                read.acks.extend(&before.with(GAP));
            }
            if !read.parts.is_empty() || !read.acks.is_empty() || read.flaw.is_some() {
                return Some(read);
            }
        }
        None
    }

    fn give_up(&mut self) -> Read {
        let acks = self.release();
        self.acquired = Runs::default();
        Read { acks, ..Read::default() }
    }

    fn open(&self, batch: &Batch, acquired: Runs<i16>, check_crcs: bool, decompressor: &mut Decompressor) -> Read {
        if acquired.is_empty() {
            return Read::default();
        }
        if batch.header.control {
            return Read { acks: acquired.with(GAP), ..Read::default() };
        }
        let checked = if check_crcs { batch.check_crc() } else { Ok(()) };
        let body = match checked.and_then(|()| batch.body(decompressor)) {
            Ok(body) => body,
            Err(error) => {
                let acks = acquired.with(AcknowledgeType::Reject.to_wire());
                return Read { acks, flaw: Some(self.flaw(batch.base_offset(), error)), ..Read::default() };
            }
        };
        let ranges: Vec<_> = acquired.iter().collect();
        let mut ranges = ranges.as_slice();
        let mut read = Read::default();
        // The last offsets in a row that are handed out, and whether the last record was.
        let (mut run, mut is_open) = (None, false);
        let mut seen = None;
        let mut records = body.records();
        loop {
            let start = records.cursor();
            let offset = match records.next() {
                Some(Ok(record)) => record.offset,
                Some(Err(error)) => {
                    // Whether there is a record at any offset from here on cannot be known.
                    let from = seen.map_or(batch.base_offset(), |last: i64| last.saturating_add(1));
                    let unknown = acquired.clone().take(from, i64::MAX);
                    read.acks = unknown.with(AcknowledgeType::Reject.to_wire());
                    read.flaw = Some(self.flaw(from, error));
                    break;
                }
                None => break,
            };
            // Offsets rise within a batch: what does not is not believed, lest it be handed out twice.
            if seen.is_some_and(|last| offset <= last) {
                is_open = false;
                continue;
            }
            seen = Some(offset);
            while let [(_, last, _), rest @ ..] = ranges
                && *last < offset
            {
                ranges = rest;
            }
            let Some((_, _, count)) = ranges.first().filter(|(first, ..)| *first <= offset) else {
                is_open = false;
                continue;
            };
            match &mut run {
                Some((_, last)) if *last == offset - 1 => *last = offset,
                _ => read.hand_out(run.replace((offset, offset))),
            }
            match read.parts.last_mut() {
                Some(part) if is_open && part.delivery_count == Some(*count) => part.count += 1,
                _ => read.parts.push(Part {
                    partition: self.partition.topic_partition.clone(),
                    body: body.clone(),
                    start,
                    count: 1,
                    timestamp_type: batch.header.timestamp_type,
                    epoch: batch.header.partition_leader_epoch,
                    delivery_count: Some(*count),
                }),
            }
            is_open = true;
        }
        read.hand_out(run);
        let mut gaps = acquired;
        gaps.subtract(&read.handed_out);
        gaps.subtract(&read.acks);
        read.acks.extend(&gaps.with(GAP));
        read
    }

    fn flaw(&self, offset: i64, error: BatchError) -> Error {
        let context = format!("{} at offset {offset} cannot be read", self.partition.topic_partition);
        Error::caused_by(Kind::Protocol, context, error)
    }
}

impl Read {
    fn hand_out(&mut self, run: Option<(i64, i64)>) {
        if let Some((first, last)) = run {
            self.handed_out.insert(first, last, ());
        }
    }
}

/// The records of `parts` at these offsets.
pub(super) fn only(parts: &[Part], offsets: &Runs<()>) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    for part in parts {
        let mut records = part.body.records_from(part.start);
        let mut is_open = false;
        for _ in 0..part.count {
            let start = records.cursor();
            let Some(Ok(record)) = records.next() else { break };
            let is_wanted = offsets.get(record.offset).is_some();
            match found.last_mut() {
                Some(last) if is_wanted && is_open => last.count += 1,
                _ if is_wanted => found.push(Part { start, count: 1, ..part.clone() }),
                _ => {}
            }
            is_open = is_wanted;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicPartition;
    use crate::consume::testing;

    const VALUES: &[&[u8]] = &[b"a", b"b", b"c", b"d"];

    fn delivery(records: Vec<u8>, acquired: &[(i64, i64, i16)]) -> Delivery {
        let partition =
            TopicIdPartition { topic_id: ottla_wire::Uuid([7; 16]), topic_partition: TopicPartition::new("orders", 3) };
        let acquired: Vec<_> = acquired
            .iter()
            .map(|(first_offset, last_offset, delivery_count)| AcquiredRecords {
                first_offset: *first_offset,
                last_offset: *last_offset,
                delivery_count: *delivery_count,
            })
            .collect();
        Delivery::new(1, partition, records.into(), &acquired).unwrap()
    }

    fn read(delivery: &mut Delivery) -> Option<Read> {
        delivery.read(true, &mut Decompressor::new(1 << 20))
    }

    /// Offset and delivery count of each record.
    fn records(parts: &[Part]) -> Vec<(i64, i16)> {
        let records = parts.iter().flat_map(Part::records);
        records.map(|record| (record.offset(), record.delivery_count().unwrap())).collect()
    }

    fn acks(read: &Read) -> Vec<(i64, i64, i8)> {
        read.acks.iter().collect()
    }

    #[test]
    fn nothing_is_kept_of_an_answer_without_acquired_records() {
        let partition =
            TopicIdPartition { topic_id: ottla_wire::Uuid::ZERO, topic_partition: TopicPartition::new("t", 0) };
        assert!(Delivery::new(1, partition, testing::bytes(0, VALUES), &[]).is_none());
    }

    #[test]
    fn only_acquired_records_are_handed_out_each_with_its_count() {
        let mut delivery = delivery(testing::bytes(10, VALUES).to_vec(), &[(10, 10, 1), (12, 12, 1), (13, 13, 4)]);
        let first = read(&mut delivery).unwrap();
        assert_eq!(records(&first.parts), [(10, 1), (12, 1), (13, 4)]);
        assert_eq!(first.handed_out.iter().collect::<Vec<_>>(), [(10, 10, ()), (12, 13, ())]);
        assert!(first.acks.is_empty() && first.flaw.is_none());
        assert!(read(&mut delivery).is_none());
    }

    #[test]
    fn compacted_offsets_and_markers_are_gaps() {
        let compacted = testing::bytes_with(12, &[(None, Some(b"a"), &[]), (None, Some(b"b"), &[])], |header| {
            header.last_offset_delta = 3;
        });
        let log = [compacted, testing::commit(16, 16)].concat();
        let mut delivery = delivery(log, &[(10, 16, 1)]);
        let first = read(&mut delivery).unwrap();
        assert_eq!(records(&first.parts), [(12, 1), (13, 1)]);
        assert_eq!(acks(&first), [(10, 11, GAP), (14, 15, GAP)]);
        let second = read(&mut delivery).unwrap();
        assert!(second.parts.is_empty());
        assert_eq!(acks(&second), [(16, 16, GAP)]);
        assert!(read(&mut delivery).is_none());
    }

    #[test]
    fn a_corrupt_batch_is_rejected_and_the_next_is_handed_out() {
        let mut log = testing::bytes(10, VALUES).to_vec();
        *log.last_mut().unwrap() ^= 1;
        log.extend(testing::bytes(14, VALUES));
        let mut delivery = delivery(log, &[(11, 14, 2)]);
        let first = read(&mut delivery).unwrap();
        assert_eq!(acks(&first), [(11, 13, 3)]);
        let flaw = first.flaw.unwrap().to_string();
        assert!(flaw.starts_with("orders[3] at offset 10 cannot be read"), "{flaw}");
        assert_eq!(records(&read(&mut delivery).unwrap().parts), [(14, 2)]);
    }

    #[test]
    fn what_is_acquired_without_bytes_is_released() {
        let mut log = testing::bytes(10, VALUES).to_vec();
        log.truncate(log.len() - 1);
        let mut delivery = delivery(log, &[(10, 13, 1)]);
        assert_eq!(acks(&read(&mut delivery).unwrap()), [(10, 13, 2)]);
        assert!(read(&mut delivery).is_none());
    }

    #[test]
    fn the_largest_claim_costs_nothing() {
        let mut delivery = delivery(testing::bytes(10, VALUES).to_vec(), &[(0, i64::MAX, 1)]);
        assert_eq!(records(&read(&mut delivery).unwrap().parts).len(), 4);
        assert_eq!(acks(&read(&mut delivery).unwrap()), [(14, i64::MAX, 2)]);
    }

    #[test]
    fn some_records_are_picked_from_what_was_handed_out() {
        let mut delivery = delivery(testing::bytes(10, VALUES).to_vec(), &[(10, 13, 1)]);
        let parts = read(&mut delivery).unwrap().parts;
        let mut offsets = Runs::default();
        offsets.insert(10, 10, ());
        offsets.insert(12, 13, ());
        assert_eq!(records(&only(&parts, &offsets)), [(10, 1), (12, 1), (13, 1)]);
    }
}
