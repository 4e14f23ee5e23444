//! Fetched bytes into batches, and batches into records that are known to be sound.
//!
//! Splitting happens as an answer arrives, and looks at headers alone: the next fetch goes out at once. Checksums,
//! decompression and the records themselves wait until a poll asks for them; that poll checks every record it hands
//! out, so that reading them cannot fail.

use bytes::Bytes;
use ottla_wire::compression::Decompressor;
use ottla_wire::records::{Batch, BatchError, Body, Cursor, TimestampType, batches};

use super::position::Position;
use super::records::Part;
use crate::TopicPartition;
use crate::error::{Error, Kind};

/// A body that decompresses to more is not believed.
pub(super) const MAX_DECOMPRESSED: usize = 512 << 20;

/// One thing to hand out.
#[derive(Debug)]
pub(super) enum Item {
    /// What follows cannot be read: said once everything before it was handed out.
    Flaw(Error),
    /// A batch of which some records were handed out.
    Open(Open),
    /// A batch as it was fetched.
    Raw(Batch),
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
}

/// What a poll gets out of one item.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) part: Option<Part>,
    /// Where the position then stands.
    pub(super) position: Position,
    pub(super) rest: Option<Item>,
    pub(super) flaw: Option<Error>,
}

impl Item {
    /// Bytes as they were fetched.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Flaw(_) => 0,
            Self::Open(open) => open.bytes,
            Self::Raw(batch) => batch.bytes().len(),
        }
    }
}

/// Splits the records of one partition's answer to a fetch from `from`.
pub(super) fn split(partition: &TopicPartition, bytes: Bytes, from: i64) -> Split {
    let mut split = Split { items: Vec::new(), next: from };
    let received = bytes.len();
    let mut rest = batches(bytes);
    let mut any = false;
    for batch in &mut rest {
        any = true;
        match batch {
            Ok(batch) => {
                // A batch before the position: what was asked for may lie in the middle of one, or be compacted away.
                let Some(next) = batch.last_offset().checked_add(1).filter(|next| *next > split.next) else { continue };
                split.next = next;
                split.items.push(Item::Raw(batch));
            }
            Err(error) => split.items.push(Item::Flaw(flaw(partition, split.next, error))),
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
        Item::Raw(batch) if batch.header.control => match checked(&batch, check_crcs) {
            Ok(()) => return Read { part: None, position: after(&batch, position), rest: None, flaw: None },
            Err(error) => Err(flaw(partition, position.offset, error)),
        },
        Item::Raw(batch) => {
            open(&batch, check_crcs, decompressor).map_err(|error| flaw(partition, position.offset, error))
        }
    };
    match opened {
        Ok(open) => take(partition, open, position, max),
        Err(error) => Read { part: None, position, rest: None, flaw: Some(error) },
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
    let mut read = Read { part: None, position, rest: None, flaw: None };
    loop {
        if count == max {
            break;
        }
        match records.next() {
            // Records before the position are not wanted (edge 33).
            Some(Ok(record)) if record.offset < position.offset && count == 0 => start = records.cursor(),
            Some(Ok(record)) => {
                count += 1;
                read.position = Position { offset: record.offset.saturating_add(1), epoch: open.epoch };
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
        read.part = Some(Part {
            partition: partition.clone(),
            body: open.body.clone(),
            start,
            count,
            timestamp_type: open.timestamp_type,
            epoch: open.epoch,
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
    Error::caused_by(Kind::Protocol, format!("{partition} at offset {offset} cannot be read"), error)
}
