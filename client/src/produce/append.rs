//! A record on the caller's thread: which partition, into which batch, and what it waits for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_wire::records::HEADER_LEN;
use tokio::time::Instant;

use super::Core;
use super::batch::{self, NeedsMemory, Opening, Slot, Source};
use super::delivery::{Delivery, Outcome};
use super::memory::Reserved;
use super::metrics::Call;
use super::partition;
use super::partitioner::PartitionInput;
use super::topics::TopicSlots;
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::record::Record;

/// What became of an attempt to append.
pub(super) enum Append {
    Done(Delivery),
    Failed(Error),
    /// So many bytes, for a partition that a partitioner chose: it is not asked again.
    NeedsMemory(usize, Option<i32>),
    /// The topic, or the partition asked for, is not known yet.
    NeedsTopic,
}

/// A partition that the topic does not have, and who wants it.
#[derive(Clone, Copy)]
enum Misplaced {
    ByPartitioner(i32),
    ByRecord(i32),
}

impl Core {
    /// One attempt: takes locks for moments only, and waits for nothing.
    pub(super) fn append(&self, record: &Record<'_>, reserved: Option<&mut Reserved>) -> Append {
        if self.closing.load(Ordering::Relaxed) {
            return Append::Failed(Error::closed("producer"));
        }
        let bound = record.size_bound();
        if bound + HEADER_LEN > self.config.max_request_size.min(self.memory.total())
            && let Err(error) = self.check_size(record)
        {
            return Append::Failed(error);
        }
        let appended = self.topics.with(record.topic(), |topic| self.append_to(topic, record, bound, reserved));
        appended.unwrap_or(Append::NeedsTopic)
    }

    /// `bound`: no less than the bytes that the record takes.
    #[inline]
    fn append_to(
        &self,
        topic: &TopicSlots,
        record: &Record<'_>,
        bound: usize,
        mut reserved: Option<&mut Reserved>,
    ) -> Append {
        let clock = self.cluster.runtime().epoch_ms();
        let timestamp = record.chosen_timestamp().unwrap_or(clock);
        topic.touch(clock);
        let placed = match self.place(topic, record) {
            Ok(placed) => placed,
            Err(misplaced) => return self.misplaced(topic, record, misplaced),
        };
        loop {
            let partition = placed.unwrap_or_else(|| topic.sticky.partition(|| self.choose(topic)));
            let slot = &topic.slots[partition];
            let is_sticky = placed.is_none();
            if let Some(delivery) = slot.add(record, bound, timestamp, self.limits, is_sticky, &self.closed) {
                return Append::Done(delivery);
            }
            let source = Source {
                limits: self.limits,
                memory: &self.memory,
                reserved: reserved.as_deref_mut(),
                closed: &self.closed,
                is_sticky,
                opening: &OpeningIn { core: self, topic, partition, is_sticky },
            };
            let appended = slot.append(record, timestamp, source);
            if appended.filled {
                self.inbox.filled(slot);
            }
            return match appended.added {
                Ok(delivery) => Append::Done(delivery),
                Err(batch::Refusal::Elsewhere) => continue,
                Err(batch::Refusal::Memory(NeedsMemory(bytes))) => {
                    let chosen = self.config.partitioner.chosen().and(placed);
                    Append::NeedsMemory(bytes, chosen.map(|partition| partition as i32))
                }
                Err(batch::Refusal::Closed) => Append::Failed(Error::closed("producer")),
            };
        }
    }

    /// The partition that the record, the partitioner or the key says. None if any will do.
    #[inline]
    fn place(&self, topic: &TopicSlots, record: &Record<'_>) -> Result<Option<usize>, Misplaced> {
        let partitions = topic.slots.len();
        let within = |chosen: i32| usize::try_from(chosen).ok().filter(|chosen| *chosen < partitions);
        if let Some(chosen) = record.chosen_partition() {
            return within(chosen).map(Some).ok_or(Misplaced::ByRecord(chosen));
        }
        if let Some(partitioner) = self.config.partitioner.chosen()
            && let Some(chosen) = partitioner.partition(&PartitionInput::new(record, partitions, &topic.available))
        {
            return within(chosen).map(Some).ok_or(Misplaced::ByPartitioner(chosen));
        }
        let key = record.key_bytes().filter(|_| !self.config.partitioner_ignore_keys);
        Ok(key.map(|key| partition::of_key(key, partitions)))
    }

    #[cold]
    fn misplaced(&self, topic: &TopicSlots, record: &Record<'_>, misplaced: Misplaced) -> Append {
        let what = match misplaced {
            // It may be added.
            Misplaced::ByRecord(0..) => return Append::NeedsTopic,
            Misplaced::ByRecord(chosen) => format!("there is no partition {chosen}"),
            Misplaced::ByPartitioner(chosen) => {
                format!("the partitioner chose {chosen}, and partitions go from 0 to {}", topic.slots.len() - 1)
            }
        };
        Append::Failed(Error::new(Kind::State, format!("enqueue to {}: {what}", record.topic())))
    }

    /// Whose turn it is next.
    #[cold]
    fn choose(&self, topic: &TopicSlots) -> usize {
        self.cluster.runtime().random(|random| topic.choose(self.config.adaptive_partitioning, random))
    }

    /// Appends if that needs no waiting.
    pub(super) fn try_append(&self, record: &Record<'_>) -> Result<Delivery, Error> {
        match self.append(record, None) {
            Append::Done(delivery) => Ok(delivery),
            Append::Failed(error) => Err(error),
            Append::NeedsMemory(..) => {
                self.memory.press();
                self.inbox.wake.notify_one();
                Err(Error::new(Kind::WouldBlock, format!("enqueue to {}: `buffer.memory` is full", record.topic())))
            }
            Append::NeedsTopic => {
                self.cluster.want(record.topic());
                Err(Error::new(Kind::WouldBlock, format!("enqueue to {}: its metadata is on its way", record.topic())))
            }
        }
    }

    /// Appends after waiting for what was missing, within `max.block.ms` in all (edge 13).
    pub(super) async fn append_waiting(
        self: &Arc<Self>,
        mut record: Record<'_>,
        mut blocked: Append,
    ) -> Result<Delivery, Error> {
        let start = self.cluster.runtime().now();
        let deadline = after(start, self.config.max_block);
        loop {
            let mut reserved = None;
            match blocked {
                Append::Done(delivery) => return Ok(delivery),
                Append::Failed(error) => return Err(error),
                Append::NeedsTopic => {
                    let _timed = self.timed(Call::Metadata);
                    self.wait_for_topic(&record, deadline).await?;
                }
                Append::NeedsMemory(bytes, chosen) => {
                    let _timed = self.timed(Call::Memory);
                    if let Some(chosen) = chosen {
                        record = record.partition(chosen);
                    }
                    // The driver sends what lingers: it is what holds the memory.
                    let take = self.memory.take(bytes);
                    self.inbox.wake.notify_one();
                    reserved = Some(self.cluster.until(deadline, take).await.ok_or_else(|| {
                        self.metrics.exhausted(deadline);
                        let waited = self.config.max_block.as_millis();
                        let context = format!(
                            "enqueue to {}: `buffer.memory` stayed full for max.block.ms, {waited} ms",
                            record.topic()
                        );
                        match self.cluster.failure() {
                            Some(failure) => Error::caused_by(Kind::Timeout, context, failure),
                            None => Error::new(Kind::Timeout, context),
                        }
                    })?);
                }
            }
            blocked = self.append(&record, reserved.as_mut());
        }
    }

    async fn wait_for_topic(&self, record: &Record<'_>, deadline: Instant) -> Result<(), Error> {
        let mut views = self.cluster.watch();
        loop {
            views.mark_unchanged();
            let topic = self.cluster.topic(record.topic(), deadline).await?;
            self.topics.learn(&topic, self.cluster.runtime().epoch_ms());
            let partitions = topic.partitions.len();
            let Some(chosen) = record.chosen_partition().filter(|chosen| *chosen as usize >= partitions) else {
                return Ok(());
            };
            // It may have been added just now.
            self.cluster.refresh();
            if self.cluster.until(deadline, views.changed()).await.is_none() {
                let context = format!("enqueue to {}[{chosen}]: the topic has {partitions} partitions", record.topic());
                return Err(Error::new(Kind::Timeout, context));
            }
        }
    }

    fn check_size(&self, record: &Record<'_>) -> Result<(), Error> {
        let encoder = ottla_wire::records::BodyEncoder::new(0);
        let timestamp = record.chosen_timestamp().unwrap_or_default();
        let size =
            HEADER_LEN + encoder.size_of(timestamp, record.key_bytes(), record.value_bytes(), record.header_bytes());
        let (limit, setting) = if self.config.max_request_size <= self.memory.total() {
            (self.config.max_request_size, "max.request.size")
        } else {
            (self.memory.total(), "buffer.memory")
        };
        if size > limit {
            let context =
                format!("enqueue to {}: the record takes {size} bytes, `{setting}` is {limit}", record.topic());
            return Err(Error::new(Kind::TooLarge, context));
        }
        Ok(())
    }
}

/// A batch about to be opened in one partition.
struct OpeningIn<'a> {
    core: &'a Core,
    topic: &'a TopicSlots,
    partition: usize,
    is_sticky: bool,
}

impl Opening for OpeningIn<'_> {
    fn is_elsewhere(&self, is_over: bool) -> bool {
        let choose = || self.core.choose(self.topic);
        self.topic.sticky.is_elsewhere(self.partition, is_over, !self.is_sticky, choose)
    }

    fn next_id(&self) -> u64 {
        self.core.next_batch.fetch_add(1, Ordering::Relaxed)
    }

    fn now(&self) -> Instant {
        self.core.cluster.runtime().now()
    }

    fn outcome(&self, slot: &Arc<Slot>) -> Arc<Outcome> {
        let (slot, unreported) = (slot.clone(), self.core.unreported.clone());
        match self.core.config.interceptors.watch() {
            Some(watched) => Outcome::watched(slot, unreported, watched),
            None => Outcome::new(slot, unreported),
        }
    }

    fn opened(&self, slot: &Arc<Slot>, id: u64, since: Instant) {
        self.core.inbox.opened(after(since, self.core.config.linger), slot, id);
    }
}
