//! What only a compacted, damaged or old log holds.

use std::io;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::Broker;
use super::topics::unknown;
use crate::api;
use crate::log::Log;
use crate::log::batch::{Batch, Refused};
use crate::log::record::Record;

impl Broker {
    /// Appends a record batch as it is, CRC and records unchecked, and returns its offset: for what only a damaged, a
    /// compacted or a transactional log holds. Its base offset and leader epoch are written anew.
    ///
    /// # Errors
    /// If there is no such partition, or `bytes` are not one batch of magic 2 by length, or its last offset is before its
    /// first.
    pub fn append_batch(&self, topic: &str, partition: i32, bytes: impl Into<Bytes>) -> io::Result<i64> {
        let batch = raw(&bytes.into())?;
        self.on_log(topic, partition, |log, epoch| Ok(log.append(batch, epoch, true)))
    }

    /// The same at a given offset, not before the log's end: what is between was compacted away.
    ///
    /// # Errors
    /// As [`Self::append_batch`], and if the log ends after `offset`.
    pub fn append_batch_at(&self, topic: &str, partition: i32, offset: i64, bytes: impl Into<Bytes>) -> io::Result<()> {
        let batch = raw(&bytes.into())?;
        self.on_log(topic, partition, |log, epoch| {
            if !log.skip_to(offset) {
                let message = format!("the log ends at {}, after {offset}", log.end_offset());
                return Err(Refused::new(ResponseError::OffsetOutOfRange, message));
            }
            log.append(batch, epoch, true);
            Ok(())
        })
    }

    /// Appends any bytes, which take so many offsets (at least one), and returns the first: batches cut short, message
    /// sets of magic 0 and 1, noise. Nothing is checked; only the first eight bytes, where a batch has its base offset, are
    /// written anew. A view of the log finds no records in them.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn append_bytes(&self, topic: &str, partition: i32, bytes: &[u8], offsets: u16) -> io::Result<i64> {
        let offsets = i32::from(offsets.max(1));
        self.on_log(topic, partition, |log, _| Ok(log.append_bytes(bytes, offsets)))
    }

    /// Takes out the records that `keep` doesn't want, as compaction does: offsets stay, with gaps. A batch without any
    /// record goes, or stays as a mere header if it has a producer id.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let broker = ottla_broker::Broker::start().topic("orders", 1).await;
    /// broker.append("orders", 0, ["tea", "milk", "sugar"])?;
    /// broker.compact("orders", 0, |record| record.offset != 1)?;
    /// assert_eq!(broker.log("orders", 0).values(), ["tea", "sugar"]);
    /// assert_eq!(broker.log("orders", 0).end_offset(), 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn compact(&self, topic: &str, partition: i32, keep: impl Fn(&Record) -> bool) -> io::Result<()> {
        self.on_log(topic, partition, |log, _| {
            log.compact(keep);
            Ok(())
        })
    }

    /// Acts on a partition's log, told the leader epoch, and wakes who waits for its records.
    fn on_log<T>(
        &self,
        topic: &str,
        index: i32,
        act: impl FnOnce(&mut Log, i32) -> Result<T, Refused>,
    ) -> io::Result<T> {
        self.on_topic(topic, |cluster, now| {
            let id = cluster.topics.get(topic).ok_or_else(unknown)?.id;
            let partition = cluster.topics.partition_mut(topic, index).ok_or_else(unknown)?;
            let result = act(&mut partition.log, partition.leader_epoch)?;
            api::fetch::wake(cluster, id, usize::try_from(index).unwrap_or(0), now);
            Ok(result)
        })
    }
}

fn raw(bytes: &Bytes) -> io::Result<Batch> {
    Batch::raw(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no record batch of magic 2"))
}
