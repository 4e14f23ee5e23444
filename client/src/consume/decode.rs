//! Fetched bytes into batches, and batches into records that are known to be sound.
//!
//! Splitting happens as an answer arrives, and looks at headers alone: the next fetch goes out at once. Checksums,
//! decompression and the records themselves wait until a poll asks for them; that poll checks every record it hands
//! out, so that reading them cannot fail.

use bytes::Bytes;
use ottla_wire::compression::Decompressor;
use ottla_wire::records::{Batch, BatchError, Body, Cursor, TimestampType, batches};

use super::aborted::Aborted;
use super::position::Position;
use super::records::Part;
use crate::TopicPartition;
use crate::error::{Error, Kind};

/// A body that decompresses to more is not believed.
pub(crate) const MAX_DECOMPRESSED: usize = 512 << 20;

/// One thing to hand out.
#[derive(Debug)]
pub(super) enum Item {
    /// What follows cannot be read: said once everything before it was handed out.
    Flaw(Error),
    /// A batch of which some records were handed out.
    Open(Open),
    /// A batch as it was fetched.
    Raw(Batch),
    /// A batch without anything to hand out: markers, or records of an aborted transaction.
    Skipped(Batch),
}

/// A batch that was found sound, and how far it was handed out.
#[derive(Debug)]
pub(super) struct Open {
    body: Body,
    cursor: Cursor,
    last_offset: i64,
    epoch: i32,
    timestamp_type: TimestampType,
    bytes: usize,
}

/// The batches of one partition's answer.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) items: Vec<Item>,
    /// Where the next fetch starts.
    pub(super) next: i64,
    /// The leader epoch of the last batch; -1 where it is not known.
    pub(super) epoch: i32,
}

/// What a poll gets out of one item.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) part: Option<Part>,
    /// Bytes of the records in the part, uncompressed.
    pub(super) bytes: usize,
    /// Where the position then stands.
    pub(super) position: Position,
    pub(super) rest: Option<Item>,
    pub(super) flaw: Option<Error>,
}

impl Item {
    /// How many records it may hand out, by the header of its batch.
    pub(super) fn records(&self) -> usize {
        match self {
            Self::Raw(batch) => usize::try_from(batch.header.count).unwrap_or_default(),
            Self::Flaw(_) | Self::Open(_) | Self::Skipped(_) => 0,
        }
    }

    /// Bytes as they were fetched.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Flaw(_) => 0,
            Self::Open(open) => open.bytes,
            Self::Raw(batch) | Self::Skipped(batch) => batch.bytes().len(),
        }
    }
}

/// Splits the records of one partition's answer to a fetch from `from`. The records of `aborted` transactions are not
/// to be handed out.
pub(super) fn split(partition: &TopicPartition, bytes: Bytes, from: i64, mut aborted: Option<Aborted>) -> Split {
    let mut split = Split { items: Vec::new(), next: from, epoch: -1 };
    let received = bytes.len();
    let mut rest = batches(bytes);
    let mut any = false;
    for batch in &mut rest {
        any = true;
        let sorted = batch.and_then(|batch| {
            // One before the position may be the marker that ends a transaction.
            let is_aborted = aborted.as_mut().map_or(Ok(false), |aborted| aborted.holds(&batch))?;
            Ok((batch, is_aborted))
        });
        match sorted {
            Ok((batch, is_aborted)) => {
                // A batch before the position: what was asked for may lie in the middle of one, or be compacted away.
                let Some(next) = batch.last_offset().checked_add(1).filter(|next| *next > split.next) else { continue };
                split.next = next;
                split.epoch = batch.header.partition_leader_epoch;
                let is_skipped = is_aborted || batch.header.control;
                split.items.push(if is_skipped { Item::Skipped(batch) } else { Item::Raw(batch) });
            }
            Err(error) => {
                split.items.push(Item::Flaw(flaw(partition, split.next, error)));
                break;
            }
        }
    }
    if !any && received > 0 {
        // Since KIP-74 a broker sends at least one whole batch.
        let context = format!("{partition} at offset {from}: {received} bytes were sent, but no whole batch");
        split.items.push(Item::Flaw(Error::new(Kind::Protocol, context)));
    }
    split
}

/// Takes up to `max` records from `position` on out of `item`, each of them checked.
pub(super) fn read(
    partition: &TopicPartition,
    item: Item,
    position: Position,
    max: usize,
    check_crcs: bool,
    decompressor: &mut Decompressor,
) -> Read {
    let opened = match item {
        Item::Flaw(error) => Err(error),
        Item::Open(open) => Ok(open),
        Item::Skipped(batch) => match checked(&batch, check_crcs) {
            Ok(()) => return Read { part: None, bytes: 0, position: after(&batch, position), rest: None, flaw: None },
            Err(error) => Err(flaw(partition, position.offset, error)),
        },
        Item::Raw(batch) => {
            open(&batch, check_crcs, decompressor).map_err(|error| flaw(partition, position.offset, error))
        }
    };
    match opened {
        Ok(open) => take(partition, open, position, max),
        Err(error) => Read { part: None, bytes: 0, position, rest: None, flaw: Some(error) },
    }
}

fn checked(batch: &Batch, check_crcs: bool) -> Result<(), BatchError> {
    if check_crcs { batch.check_crc() } else { Ok(()) }
}

fn open(batch: &Batch, check_crcs: bool, decompressor: &mut Decompressor) -> Result<Open, BatchError> {
    checked(batch, check_crcs)?;
    let body = batch.body(decompressor)?;
    Ok(Open {
        cursor: body.start(),
        body,
        last_offset: batch.last_offset(),
        epoch: batch.header.partition_leader_epoch,
        timestamp_type: batch.header.timestamp_type,
        bytes: batch.bytes().len(),
    })
}

fn take(partition: &TopicPartition, mut open: Open, position: Position, max: usize) -> Read {
    let mut records = open.body.records_from(open.cursor);
    let mut start = open.cursor;
    let mut count = 0;
    let mut read = Read { part: None, bytes: 0, position, rest: None, flaw: None };
    loop {
        if count == max {
            break;
        }
        match records.next_offset() {
            // Records before the position are not wanted (edge 33).
            Some(Ok(offset)) if offset < position.offset && count == 0 => start = records.cursor(),
            Some(Ok(offset)) => {
                count += 1;
                read.position = Position { offset: offset.saturating_add(1), epoch: open.epoch };
            }
            Some(Err(error)) => {
                read.flaw = Some(flaw(partition, read.position.offset, error));
                break;
            }
            None => break,
        }
    }
    open.cursor = records.cursor();
    if count > 0 {
        read.bytes = open.cursor.position().saturating_sub(start.position());
        read.part = Some(Part {
            partition: partition.clone(),
            body: open.body.clone(),
            start,
            count,
            timestamp_type: open.timestamp_type,
            epoch: open.epoch,
            delivery_count: None,
        });
    }
    if read.flaw.is_some() {
        return read;
    }
    if open.cursor.remaining() > 0 {
        read.rest = Some(Item::Open(open));
    } else {
        // Past the batch, not past its last record: compaction may have removed what came after (edge 32).
        let offset = open.last_offset.saturating_add(1).max(read.position.offset);
        read.position = Position { offset, epoch: open.epoch };
    }
    read
}

fn after(batch: &Batch, position: Position) -> Position {
    let offset = batch.last_offset().saturating_add(1).max(position.offset);
    Position { offset, epoch: batch.header.partition_leader_epoch }
}

fn flaw(partition: &TopicPartition, offset: i64, error: BatchError) -> Error {
    Error::caused_by(Kind::Protocol, format!("{partition} at offset {offset} cannot be read"), error).about(partition)
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::fetch_response::AbortedTransaction;
    use ottla_wire::records::{BodyCrc, BodyEncoder, HEADER_LEN};

    use super::*;
    use crate::consume::testing;

    const VALUES: &[&[u8]] = &[b"a", b"b", b"c", b"d"];

    fn orders() -> TopicPartition {
        TopicPartition::new("orders", 3)
    }

    fn at(offset: i64) -> Position {
        Position { offset, epoch: -1 }
    }

    fn read_from(item: Item, offset: i64, max: usize) -> Read {
        read(&orders(), item, at(offset), max, true, &mut Decompressor::new(1 << 20))
    }

    fn offsets(read: &Read) -> Vec<i64> {
        let mut records = crate::consume::Records::default();
        read.part.iter().cloned().for_each(|part| records.push(part));
        records.iter().map(|record| record.offset()).collect()
    }

    fn raw(bytes: Bytes) -> Item {
        Item::Raw(testing::parse(bytes))
    }

    fn split(bytes: Bytes, from: i64) -> Split {
        super::split(&orders(), bytes, from, None)
    }

    /// As in an answer that names these aborted transactions: producer, first offset.
    fn split_aborted(bytes: Bytes, from: i64, named: &[(i64, i64)]) -> Split {
        let named = named.iter().map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id: *producer_id,
            first_offset: *first_offset,
        });
        super::split(&orders(), bytes, from, Aborted::of(named.collect()))
    }

    /// Offsets handed out, and where the position then stands.
    fn read_all(split: Split, from: i64) -> (Vec<i64>, i64) {
        let (mut seen, mut position) = (Vec::new(), from);
        for item in split.items {
            let read = read_from(item, position, 500);
            assert!(read.rest.is_none() && read.flaw.is_none());
            seen.extend(offsets(&read));
            position = read.position.offset;
        }
        (seen, position)
    }

    #[test]
    fn a_batch_is_handed_out_in_parts_and_each_record_once() {
        let mut item = Some(raw(testing::bytes(10, VALUES)));
        let mut position = at(10);
        let mut seen = Vec::new();
        while let Some(next) = item {
            let read = read_from(next, position.offset, 3);
            seen.push(offsets(&read));
            position = read.position;
            item = read.rest;
        }
        assert_eq!(seen, [vec![10, 11, 12], vec![13]]);
        assert_eq!(position.offset, 14);
    }

    #[test]
    fn a_part_that_ends_with_its_batch_leaves_nothing_behind() {
        let read = read_from(raw(testing::bytes(10, VALUES)), 10, 4);
        assert_eq!(offsets(&read).len(), 4);
        assert!(read.rest.is_none());
    }

    /// edge 33
    #[test]
    fn records_before_the_position_are_dropped() {
        let read = read_from(raw(testing::bytes(10, VALUES)), 12, 500);
        assert_eq!(offsets(&read), [12, 13]);
    }

    /// edge 32: compaction took records from the middle and from the end.
    #[test]
    fn the_position_goes_past_the_batch_and_not_past_its_last_record() {
        let bytes = testing::bytes_with(10, &[(None, Some(b"a"), &[]), (None, Some(b"b"), &[])], |header| {
            header.last_offset_delta = 7;
            header.partition_leader_epoch = 5;
        });
        let read = read_from(raw(bytes), 10, 500);
        assert_eq!(offsets(&read), [10, 11]);
        assert_eq!(read.position, Position { offset: 18, epoch: 5 });
    }

    /// edges 31, 32
    #[test]
    fn markers_and_empty_batches_move_the_position_alone() {
        let marker = testing::bytes_with(10, &[(None, Some(b"m"), &[])], |header| header.control = true);
        let empty = testing::bytes_with(11, &[], |header| header.last_offset_delta = 3);
        for (bytes, next) in [(marker, 11), (empty, 15)] {
            let item = split(bytes, 10).items.pop().unwrap();
            let read = read_from(item, 10, 500);
            assert!(read.part.is_none() && read.rest.is_none() && read.flaw.is_none());
            assert_eq!(read.position.offset, next);
        }
    }

    /// edge 36
    #[test]
    fn every_record_of_a_batch_stamped_by_the_broker_has_its_time() {
        let bytes = testing::bytes_with(0, &[(None, None, &[]), (None, None, &[])], |header| {
            header.timestamp_type = TimestampType::LogAppendTime;
            header.max_timestamp = 77;
        });
        let mut records = crate::consume::Records::default();
        records.push(read_from(raw(bytes), 0, 500).part.unwrap());
        assert!(
            records
                .iter()
                .all(|record| record.timestamp() == 77 && record.timestamp_type() == TimestampType::LogAppendTime)
        );
    }

    /// edge 37
    #[test]
    fn timestamps_further_apart_than_32_bits_are_read() {
        let mut encoder = BodyEncoder::new(0);
        let mut body = Vec::new();
        let times = [0, 3 * i64::from(i32::MAX), -5 * i64::from(i32::MAX)];
        for time in times {
            encoder.push(&mut body, time, None, None, [].into_iter()).unwrap();
        }
        let bytes = [&encoder.header().encode(&BodyCrc::of(&body)), body.as_slice()].concat();
        let mut records = crate::consume::Records::default();
        records.push(read_from(raw(bytes.into()), 0, 500).part.unwrap());
        assert_eq!(records.iter().map(|record| record.timestamp()).collect::<Vec<_>>(), times);
    }

    /// edge 35
    #[test]
    fn a_wrong_checksum_names_partition_and_offset_and_moves_nothing() {
        for control in [false, true] {
            let mut bytes =
                testing::bytes_with(10, &[(None, Some(b"a"), &[])], |header| header.control = control).to_vec();
            let value = bytes.len() - 2;
            bytes[value] ^= 1;
            let item = split(bytes.into(), 10).items.pop().unwrap();
            let read = read_from(item, 10, 500);
            assert!(read.part.is_none());
            assert_eq!(read.position.offset, 10);
            let flaw = read.flaw.unwrap().to_string();
            assert!(flaw.starts_with("orders[3] at offset 10 cannot be read: batch at offset 10"), "{flaw}");
        }
    }

    #[test]
    fn what_comes_before_a_malformed_record_is_handed_out() {
        let mut bytes = testing::bytes(10, VALUES).to_vec();
        // The third record says that its key is longer than the batch.
        let record = HEADER_LEN + 2 * (bytes.len() - HEADER_LEN) / 4;
        bytes[record + 4] = 0x7e;
        let read = read(&orders(), raw(bytes.into()), at(10), 500, false, &mut Decompressor::new(1 << 20));
        assert_eq!(offsets(&read), [10, 11]);
        assert_eq!(read.position.offset, 12);
        assert!(read.flaw.unwrap().to_string().contains("orders[3] at offset 12"));
    }

    #[test]
    fn an_answer_is_split_from_the_position_on() {
        let bytes = [testing::bytes(0, VALUES), testing::bytes(4, VALUES), testing::bytes(8, VALUES)].concat();
        let split = split(bytes.into(), 5);
        assert_eq!(split.items.len(), 2, "the first is over");
        assert_eq!(split.next, 12);
    }

    /// edges 30, 31: also at the end, where nothing comes after.
    #[test]
    fn records_of_aborted_transactions_and_markers_move_the_position_alone() {
        let log = [
            testing::of_transaction(7, 0, 2),
            testing::of_transaction(8, 2, 2),
            testing::abort(7, 4),
            testing::commit(8, 5),
            testing::of_transaction(7, 6, 2),
            testing::abort(7, 8),
        ];
        let split = split_aborted(log.concat().into(), 0, &[(7, 0), (7, 6)]);
        assert_eq!(read_all(split, 0), (vec![2, 3], 9));
    }

    #[test]
    fn a_marker_before_the_position_ends_its_transaction() {
        let log = [testing::of_transaction(7, 0, 1), testing::abort(7, 1), testing::of_transaction(7, 2, 2)];
        assert_eq!(read_all(split_aborted(log.concat().into(), 3, &[(7, 0)]), 3), (vec![3], 4));
    }

    /// edge 35: what is not handed out is not believed either.
    #[test]
    fn an_aborted_batch_with_a_wrong_checksum_is_a_flaw() {
        let mut bytes = testing::of_transaction(7, 0, 1).to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let item = split_aborted(bytes.into(), 0, &[(7, 0)]).items.pop().unwrap();
        let read = read_from(item, 0, 500);
        assert!(read.flaw.unwrap().to_string().starts_with("orders[3] at offset 0 cannot be read"));
        assert_eq!(read.position.offset, 0);
    }

    #[test]
    fn nothing_behind_a_marker_that_cannot_be_read_is_taken_in() {
        let marker = testing::bytes_with(2, &[(Some(b""), None, &[])], |header| {
            (header.control, header.transactional, header.producer_id) = (true, true, 7);
        });
        let log = [testing::of_transaction(8, 0, 2), marker, testing::of_transaction(7, 3, 1)];
        let split = split_aborted(log.concat().into(), 0, &[(7, 0)]);
        assert!(matches!(&split.items[..], [Item::Raw(_), Item::Flaw(_)]), "{:?}", split.items);
        assert_eq!(split.next, 2);
    }

    /// edge 34
    #[test]
    fn a_batch_that_was_cut_short_is_fetched_again() {
        let whole = testing::bytes(0, VALUES);
        let bytes = [whole.clone(), whole.slice(..whole.len() - 1)].concat();
        let cut = split(bytes.into(), 0);
        assert_eq!((cut.items.len(), cut.next), (1, 4));
        let nothing_whole = split(whole.slice(..20), 0);
        assert!(matches!(&nothing_whole.items[..], [Item::Flaw(_)]));
        assert_eq!(nothing_whole.next, 0);
    }

    /// edge 41
    #[test]
    fn an_old_format_is_named_after_what_comes_before_it() {
        let mut old = testing::bytes(4, VALUES).to_vec();
        old[16] = 1;
        let bytes = [testing::bytes(0, VALUES), old.into()].concat();
        let split = split(bytes.into(), 0);
        assert_eq!(split.next, 4);
        let [Item::Raw(_), Item::Flaw(flaw)] = &split.items[..] else { panic!("{:?}", split.items) };
        assert!(flaw.to_string().contains("orders[3] at offset 4"), "{flaw}");
        assert!(flaw.to_string().contains("format 1"), "{flaw}");
    }

    #[test]
    fn offsets_at_the_end_of_the_numbers_do_not_panic() {
        for (base, delta) in [(i64::MAX, 0), (i64::MAX - 1, i32::MAX), (5, -9), (i64::MIN, 0)] {
            let bytes = testing::bytes_with(base, &[(None, None, &[])], |header| header.last_offset_delta = delta);
            for item in split(bytes.clone(), 0).items {
                read_from(item, 0, 500);
            }
            read_from(raw(bytes), 0, 500);
        }
    }
}
