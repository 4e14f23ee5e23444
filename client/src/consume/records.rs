//! What a poll hands out: records as slices of the fetched bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::records::{Body, Cursor, RecordRef};
pub use ottla_wire::records::{HeaderRefs, TimestampType};

use super::OffsetAndMetadata;
use super::position::Position;
use crate::TopicPartition;

/// The records of one [`poll`](crate::Consumer::poll), in order within each partition.
///
/// They borrow the bytes as they were fetched, or, if the batch was compressed, one buffer per batch. Kept for long,
/// they keep all that was fetched with them in memory: [`to_owned`](ConsumedRecord::to_owned) makes a copy.
///
/// ```no_run
/// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
/// let records = consumer.poll(std::time::Duration::from_secs(1)).await?;
/// for record in &records {
///     println!("{}[{}] {}: {:?}", record.topic(), record.partition(), record.offset(), record.value());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Records {
    parts: Vec<Part>,
    len: usize,
    /// Where each partition stands now that moved, once for each run of its batches: the last one counts.
    moved: Vec<(TopicPartition, Position)>,
}

/// A run of records of one batch. All of them were checked.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) partition: TopicPartition,
    pub(crate) body: Body,
    pub(crate) start: Cursor,
    pub(crate) count: usize,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) epoch: i32,
    /// How often they were delivered, if by a share group.
    pub(crate) delivery_count: Option<i16>,
}

impl Records {
    pub(crate) fn push(&mut self, part: Part) {
        self.len += part.count;
        self.parts.push(part);
    }

    /// The position of a partition moved, past records or past what is not handed out.
    pub(super) fn moved(&mut self, partition: &TopicPartition, to: Position) {
        match self.moved.last_mut().filter(|(last, _)| last == partition) {
            Some((_, position)) => *position = to,
            None => self.moved.push((partition.clone(), to)),
        }
    }

    /// Whether the poll had nothing to tell: no record, and no position that moved.
    pub(super) fn tells_nothing(&self) -> bool {
        self.is_empty() && self.moved.is_empty()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none: nothing came before the poll's timeout, or nothing that is handed out.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps the records of which `keep` says so, in their order. Those left out count as handed out all the same:
    /// [`next_offsets`](Self::next_offsets) stays as it is.
    pub fn retain(&mut self, mut keep: impl FnMut(&ConsumedRecord<'_>) -> bool) {
        let parts = std::mem::take(&mut self.parts);
        self.len = 0;
        for part in parts {
            part.runs(&mut keep, |run| self.push(run));
        }
    }

    /// All records.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { parts: self.parts.iter(), current: None, left: self.len }
    }

    /// The partitions that have records here, each once, in the order of their first.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        let is_first =
            |index: &usize| !self.parts[..*index].iter().any(|part| part.partition == self.parts[*index].partition);
        (0..self.parts.len()).filter(is_first).map(|index| &self.parts[index].partition)
    }

    /// What to commit once these records are done with: the offset of the next record of each partition, and the leader
    /// epoch of what came before it.
    ///
    /// A partition is here if this poll moved its position, even where it handed out none of its records: transaction
    /// markers, records of aborted transactions and gaps are moved past as well, so that an offset may be larger than
    /// that of the last record by more than one.
    pub fn next_offsets(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        self.moved.iter().map(|(partition, position)| (partition.clone(), (*position).into())).collect()
    }

    /// The records of one partition.
    pub fn of<'a>(&'a self, partition: &'a TopicPartition) -> impl Iterator<Item = ConsumedRecord<'a>> {
        self.parts.iter().filter(move |part| part.partition == *partition).flat_map(Part::records)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions: Vec<_> = self.partitions().map(ToString::to_string).collect();
        f.debug_struct("Records").field("len", &self.len).field("partitions", &partitions).finish()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = ConsumedRecord<'a>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

impl Part {
    /// The runs of records of which `keep` says so.
    fn runs(&self, keep: &mut impl FnMut(&ConsumedRecord<'_>) -> bool, mut each: impl FnMut(Self)) {
        let mut records = self.body.records_from(self.start);
        let mut start = self.start;
        let mut count = 0;
        let mut end_run = |start, count| {
            if count > 0 {
                each(Self { start, count, ..self.clone() });
            }
        };
        for _ in 0..self.count {
            let Some(Ok(record)) = records.next() else { break };
            if keep(&ConsumedRecord { record, part: self }) {
                count += 1;
            } else {
                end_run(start, count);
                (start, count) = (records.cursor(), 0);
            }
        }
        end_run(start, count);
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = ConsumedRecord<'_>> {
        // Every one was read once before: none fails now.
        self.body
            .records_from(self.start)
            .take(self.count)
            .filter_map(|record| Some(ConsumedRecord { record: record.ok()?, part: self }))
    }
}

/// Iterates over [`Records`].
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    parts: std::slice::Iter<'a, Part>,
    current: Option<Reading<'a>>,
    left: usize,
}

#[derive(Clone, Debug)]
struct Reading<'a> {
    part: &'a Part,
    records: ottla_wire::records::Records<'a>,
    left: usize,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = ConsumedRecord<'a>;

    #[inline]
    fn next(&mut self) -> Option<ConsumedRecord<'a>> {
        loop {
            if let Some(reading) = &mut self.current
                && let Some(left) = reading.left.checked_sub(1)
                && let Some(Ok(record)) = reading.records.next()
            {
                reading.left = left;
                self.left -= 1;
                return Some(ConsumedRecord { record, part: reading.part });
            }
            let part = self.parts.next()?;
            self.current = Some(Reading { part, records: part.body.records_from(part.start), left: part.count });
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RecordIter<'_> {}
impl FusedIterator for RecordIter<'_> {}

/// One record, borrowed from its [`Records`] or [`ShareRecords`](crate::ShareRecords).
#[derive(Clone)]
pub struct ConsumedRecord<'a> {
    record: RecordRef<'a>,
    part: &'a Part,
}

impl<'a> ConsumedRecord<'a> {
    /// The topic it was read from.
    pub fn topic(&self) -> &'a str {
        &self.part.partition.topic
    }

    /// The number of its partition.
    pub fn partition(&self) -> i32 {
        self.part.partition.partition
    }

    /// Topic and partition in one.
    pub fn topic_partition(&self) -> &'a TopicPartition {
        &self.part.partition
    }

    /// Its offset in the partition.
    pub fn offset(&self) -> i64 {
        self.record.offset
    }

    /// Milliseconds since 1970; [`timestamp_type`](Self::timestamp_type) says by whose clock.
    pub fn timestamp(&self) -> i64 {
        self.record.timestamp
    }

    /// Whose clock gave it its timestamp.
    pub fn timestamp_type(&self) -> TimestampType {
        self.part.timestamp_type
    }

    /// The key; a null key is `None`, an empty one is not.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key
    }

    /// The value; a tombstone's is `None`, which is not the same as an empty one.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.record.value
    }

    /// The headers in their order, names that repeat included. Names are UTF-8 by custom only.
    pub fn headers(&self) -> HeaderRefs<'a> {
        self.record.headers.clone()
    }

    /// The epoch of the leader that took the record, if the broker says.
    pub fn leader_epoch(&self) -> Option<i32> {
        known_epoch(self.part.epoch)
    }

    /// How often the record was delivered by its share group, this time included: 1 or more. None where it was read by
    /// a [`Consumer`](crate::Consumer).
    pub fn delivery_count(&self) -> Option<i16> {
        self.part.delivery_count
    }

    /// A copy that keeps nothing else in memory.
    pub fn to_owned(&self) -> OwnedRecord {
        let headers = self.headers();
        let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let header_sizes: usize = headers.clone().map(|(name, value)| name.len() + size(value)).sum();
        let mut text = Vec::with_capacity(size(self.key()) + size(self.value()) + header_sizes);
        for bytes in [self.key(), self.value()].into_iter().flatten() {
            text.extend_from_slice(bytes);
        }
        for (name, value) in headers.clone() {
            text.extend_from_slice(name);
            text.extend_from_slice(value.unwrap_or_default());
        }
        // One allocation for all of them.
        let mut rest = Bytes::from(text);
        let key = self.key().map(|key| rest.split_to(key.len()));
        let value = self.value().map(|value| rest.split_to(value.len()));
        let headers = headers
            .map(|(name, value)| (rest.split_to(name.len()), value.map(|value| rest.split_to(value.len()))))
            .collect();
        OwnedRecord {
            topic: self.part.partition.topic.clone(),
            partition: self.partition(),
            offset: self.offset(),
            timestamp: self.timestamp(),
            timestamp_type: self.timestamp_type(),
            key,
            value,
            headers,
            leader_epoch: self.leader_epoch(),
        }
    }
}

impl fmt::Debug for ConsumedRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No payload: records end up in logs.
        f.debug_struct("ConsumedRecord")
            .field("partition", &self.part.partition.to_string())
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .finish_non_exhaustive()
    }
}

/// One record that borrows nothing: an item of [`Consumer::stream`](crate::Consumer::stream).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OwnedRecord {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Whose clock gave it its timestamp.
    pub timestamp_type: TimestampType,
    /// The key; a null key is `None`.
    pub key: Option<Bytes>,
    /// The value; a tombstone's is `None`.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// The epoch of the leader that took the record, if the broker says.
    pub leader_epoch: Option<i32>,
}

/// Brokers write -1 for an epoch that they don't know.
pub(crate) fn known_epoch(epoch: i32) -> Option<i32> {
    (epoch >= 0).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use ottla_wire::compression::Decompressor;

    use super::*;
    use crate::consume::testing;

    fn records() -> Records {
        let mut records = Records::default();
        let mut decompressor = Decompressor::new(1 << 20);
        for (partition, base) in [(0, 10), (1, 70), (0, 12)] {
            let batch = testing::batch(base, &[b"a", b"b"]);
            let body = batch.body(&mut decompressor).unwrap();
            records.push(Part {
                partition: TopicPartition::new("t", partition),
                start: body.start(),
                body,
                count: 2,
                timestamp_type: TimestampType::CreateTime,
                epoch: -1,
                delivery_count: None,
            });
        }
        records
    }

    #[test]
    fn every_record_comes_once_and_in_order() {
        let records = records();
        assert_eq!(records.len(), 6);
        assert_eq!(records.iter().len(), 6);
        let seen: Vec<_> = records.iter().map(|record| (record.partition(), record.offset())).collect();
        assert_eq!(seen, [(0, 10), (0, 11), (1, 70), (1, 71), (0, 12), (0, 13)]);
    }

    #[test]
    fn the_records_of_a_partition_are_found_over_all_its_batches() {
        let records = records();
        let partitions: Vec<_> = records.partitions().cloned().collect();
        assert_eq!(partitions, [TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        let offsets: Vec<_> = records.of(&partitions[0]).map(|record| record.offset()).collect();
        assert_eq!(offsets, [10, 11, 12, 13]);
    }

    #[test]
    fn what_is_retained_stays_in_order_and_what_is_not_is_moved_past_all_the_same() {
        let mut records = records();
        records.moved(&TopicPartition::new("t", 0), Position { offset: 14, epoch: -1 });
        records.retain(|record| ![11, 70, 13].contains(&record.offset()));
        let offsets = |records: &Records| records.iter().map(|record| record.offset()).collect::<Vec<_>>();
        assert_eq!((offsets(&records), records.len()), (vec![10, 71, 12], 3));
        assert_eq!(records.partitions().count(), 2);
        records.retain(|record| record.partition() == 1);
        assert_eq!((offsets(&records), records.iter().len()), (vec![71], 1));
        records.retain(|_| false);
        assert!(records.is_empty() && records.partitions().next().is_none());
        assert_eq!(records.next_offsets()[&TopicPartition::new("t", 0)].offset, 14);
    }

    #[test]
    fn the_next_offset_of_a_partition_is_that_after_the_last_of_its_batches() {
        let mut records = Records::default();
        assert!(records.tells_nothing());
        for (partition, offset, epoch) in [(0, 12, 4), (0, 14, 5), (1, 72, -1), (0, 15, 6)] {
            records.moved(&TopicPartition::new("t", partition), Position { offset, epoch });
        }
        let next: Vec<_> = records.next_offsets().into_iter().collect();
        let expected = [(0, 15, Some(6)), (1, 72, None)].map(|(partition, offset, leader_epoch)| {
            let next = OffsetAndMetadata { offset, leader_epoch, metadata: String::new() };
            (TopicPartition::new("t", partition), next)
        });
        assert_eq!(next, expected);
        assert!(records.is_empty() && !records.tells_nothing());
    }

    /// edges 38, 39: order and repetitions of headers, null apart from empty, names that are no UTF-8.
    #[test]
    fn a_copy_has_all_and_tells_null_from_empty() {
        let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", Some(b"1")), (b"\xff", None), (b"h", Some(b""))];
        let batch = testing::batch_of(0, &[(Some(b""), None, headers), (None, Some(b""), &[])]);
        let body = batch.body(&mut Decompressor::new(1 << 20)).unwrap();
        let start = body.start();
        let part = Part {
            partition: TopicPartition::new("t", 0),
            body,
            start,
            count: 2,
            timestamp_type: TimestampType::LogAppendTime,
            epoch: 4,
            delivery_count: None,
        };
        let mut records = Records::default();
        records.push(part);
        let copies: Vec<_> = records.iter().map(|record| record.to_owned()).collect();
        assert_eq!((copies[0].key.as_deref(), copies[0].value.as_deref()), (Some(&b""[..]), None));
        assert_eq!((copies[1].key.as_deref(), copies[1].value.as_deref()), (None, Some(&b""[..])));
        let expected: Vec<(Bytes, Option<Bytes>)> =
            headers.iter().map(|(name, value)| (Bytes::from_static(name), value.map(Bytes::from_static))).collect();
        assert_eq!(copies[0].headers, expected);
        assert_eq!(copies[0].leader_epoch, Some(4));
    }
}
