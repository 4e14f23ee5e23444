//! Partitioners of the user's: a trait, what it is shown, and the one that Java's client brings along.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::config::Setting;
use crate::record::Record;

/// Chooses partitions in place of the built-in way. Set by [`ProducerBuilder::partitioner`](crate::ProducerBuilder).
///
/// Called for every record that names no partition, on the thread of whoever sends it, by many at once, and with no lock
/// of the producer's held. A record that waits for memory keeps what was chosen for it; one that
/// [`try_enqueue`](crate::Producer::try_enqueue) gives back is asked about again. If it panics, so does the call that
/// sends, and the producer goes on.
///
/// ```
/// use ottla::{PartitionInput, Partitioner};
///
/// /// Everything urgent to partition 0; the rest as usual.
/// struct UrgentFirst;
///
/// impl Partitioner for UrgentFirst {
///     fn partition(&self, input: &PartitionInput<'_>) -> Option<i32> {
///         input.headers().any(|(name, _)| name == b"urgent").then_some(0)
///     }
/// }
///
/// let builder = ottla::Producer::builder("localhost:9092").partitioner(UrgentFirst);
/// ```
pub trait Partitioner: Send + Sync + 'static {
    /// The partition for a record, from 0. None leaves it to the built-in way: by its key, or, without one, to whose
    /// turn it is.
    ///
    /// A partition that the topic does not have fails the record with [`Kind::State`](crate::Kind::State).
    fn partition(&self, input: &PartitionInput<'_>) -> Option<i32>;
}

/// What a [`Partitioner`] chooses by.
#[derive(Clone, Copy, Debug)]
pub struct PartitionInput<'a> {
    record: &'a Record<'a>,
    partitions: usize,
    available: &'a [i32],
}

impl<'a> PartitionInput<'a> {
    pub(super) fn new(record: &'a Record<'a>, partitions: usize, available: &'a [i32]) -> Self {
        Self { record, partitions, available }
    }

    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.record.topic()
    }

    /// The key. An empty one is a key.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key_bytes()
    }

    /// The value.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.record.value_bytes()
    }

    /// Names and values of the headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone + use<'a> {
        self.record.header_bytes()
    }

    /// All partitions of the topic. Never empty.
    pub fn all_partitions(&self) -> Range<i32> {
        0..self.partitions as i32
    }

    /// Those that have a leader now, in order. May be empty.
    pub fn available_partitions(&self) -> &'a [i32] {
        self.available
    }
}

/// Each topic's records to one partition after the other, whatever their keys: Java's class of that name.
///
/// Partitions without a leader are left out, unless none has one. Every record may open a batch of its own: for
/// throughput, the built-in way is better.
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    next: RwLock<HashMap<String, AtomicU32>>,
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, input: &PartitionInput<'_>) -> Option<i32> {
        // Of 31 bits, as Java's counter made positive is.
        let next = self.next(input.topic()) & 0x7fff_ffff;
        Some(match input.available_partitions() {
            [] => (next % input.all_partitions().end as u32) as i32,
            available => available[next as usize % available.len()],
        })
    }
}

impl RoundRobinPartitioner {
    fn next(&self, topic: &str) -> u32 {
        if let Some(next) = self.next.read().get(topic) {
            return next.fetch_add(1, Ordering::Relaxed);
        }
        self.next.write().entry(topic.to_owned()).or_default().fetch_add(1, Ordering::Relaxed)
    }
}

/// Who chooses partitions: `partitioner.class`. Made by `into()` from any [`Partitioner`].
#[derive(Clone, Default)]
pub struct PartitionerClass(Option<Arc<dyn Partitioner>>);

impl PartitionerClass {
    /// The built-in way: by key, else whose turn it is.
    pub fn built_in() -> Self {
        Self(None)
    }

    pub(super) fn chosen(&self) -> Option<&dyn Partitioner> {
        self.0.as_deref()
    }
}

impl<P: Partitioner> From<P> for PartitionerClass {
    fn from(partitioner: P) -> Self {
        Self(Some(Arc::new(partitioner)))
    }
}

impl From<Arc<dyn Partitioner>> for PartitionerClass {
    fn from(partitioner: Arc<dyn Partitioner>) -> Self {
        Self(Some(partitioner))
    }
}

impl Setting for PartitionerClass {
    const ALLOWED: &'static str = "empty, for the built-in way, or \
        `org.apache.kafka.clients.producer.RoundRobinPartitioner` (short: `RoundRobinPartitioner`, `roundrobin`); Rust \
        code gives a `Partitioner` of its own to `ProducerBuilder::partitioner`";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "null" => Self::built_in(),
            "roundrobin" | "RoundRobinPartitioner" | "org.apache.kafka.clients.producer.RoundRobinPartitioner" => {
                RoundRobinPartitioner::default().into()
            }
            _ => return None,
        })
    }
}

impl fmt::Debug for PartitionerClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "PartitionerClass(a partitioner)" } else { "PartitionerClass(built in)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(partitioner: &RoundRobinPartitioner, topic: &str, partitions: usize, available: &[i32]) -> i32 {
        let record = Record::to(topic).key("always the same");
        partitioner.partition(&PartitionInput::new(&record, partitions, available)).unwrap()
    }

    #[test]
    fn round_robin_counts_each_topic_alone_and_leaves_out_what_has_no_leader() {
        let partitioner = RoundRobinPartitioner::default();
        let orders: Vec<_> = (0..6).map(|_| next(&partitioner, "orders", 4, &[0, 1, 3])).collect();
        assert_eq!(orders, [0, 1, 3, 0, 1, 3]);
        assert_eq!(next(&partitioner, "users", 4, &[0, 1, 2, 3]), 0);
        let without_leaders: Vec<_> = (0..4).map(|_| next(&partitioner, "orders", 4, &[])).collect();
        assert_eq!(without_leaders, [2, 3, 0, 1]);
    }

    #[test]
    fn round_robin_goes_on_past_the_largest_i32() {
        let partitioner = RoundRobinPartitioner::default();
        partitioner.next.write().insert("orders".into(), AtomicU32::new(i32::MAX as u32));
        let chosen: Vec<_> = (0..3).map(|_| next(&partitioner, "orders", 4, &[0, 1, 2, 3])).collect();
        assert_eq!(chosen, [3, 0, 1]);
    }
}
