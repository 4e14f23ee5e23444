//! The jobs.

use serde::Serialize;

/// A scenario, the same for every client.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) work: Work,
    /// Bytes of a value.
    pub(super) size: u32,
    pub(super) compression: &'static str,
    /// Whether records have a key, of 12 bytes.
    pub(super) keyed: bool,
    pub(super) topics: u32,
    /// Partitions of each topic.
    pub(super) partitions: u16,
    pub(super) linger_ms: u32,
    pub(super) batch_bytes: u32,
    /// Records measured.
    pub(super) records: u64,
    /// Records before them.
    pub(super) warm_up: u64,
    /// Records a second; 0 for as many as it goes.
    pub(super) rate: u64,
    /// What members of a group speak: `classic` or `consumer`.
    pub(super) protocol: &'static str,
}

/// What a job does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work {
    /// Reads what was written before, all of it.
    Consume,
    /// Reads it as the only member of a group.
    ConsumeInGroup,
    /// Writes at a fixed rate, and reads the same.
    EndToEnd,
    /// Writes one record to each partition.
    OneEach,
    Produce,
    /// Joins a group of one, which owns all partitions.
    Rebalance,
}

/// The rows of a quick run.
pub(super) const QUICK: [&str; 2] = ["100 B none", "consume 100 B none"];

const SMALL: Row = Row {
    name: QUICK[0],
    work: Work::Produce,
    size: 100,
    compression: "none",
    keyed: false,
    topics: 1,
    partitions: 6,
    linger_ms: 5,
    batch_bytes: 1_000_000,
    records: 3_000_000,
    warm_up: 1_000_000,
    rate: 0,
    protocol: "classic",
};

const LARGE: Row = Row { name: "1 KiB none", size: 1024, records: 600_000, warm_up: 200_000, ..SMALL };

const LATENCY: Row = Row { linger_ms: 0, records: 10_000, warm_up: 3_000, rate: 1_000, ..SMALL };

/// Batches as a producer with a linger makes them, and enough of them for the slowest client to be measured.
const READ: Row = Row { name: QUICK[1], work: Work::Consume, batch_bytes: 100_000, ..SMALL };

const READ_LARGE: Row = Row { name: "consume 1 KiB none", size: 1024, records: 600_000, warm_up: 200_000, ..READ };

const IN_A_GROUP: Row = Row { name: "consume 100 B none in a group", work: Work::ConsumeInGroup, ..READ };

/// Its records are the partitions.
const REBALANCE: Row = Row {
    name: "rebalance 1,000 partitions",
    work: Work::Rebalance,
    partitions: 1000,
    records: 1000,
    warm_up: 0,
    linger_ms: 0,
    ..SMALL
};

/// All of them: 6 partitions, linger 5 ms, batches of 1 MB (100 kB where they are read), no key, unless the name says otherwise.
pub(super) const ROWS: [Row; 27] = [
    SMALL,
    Row { name: "100 B lz4", compression: "lz4", ..SMALL },
    Row { name: "100 B zstd", compression: "zstd", ..SMALL },
    LARGE,
    Row { name: "1 KiB lz4", compression: "lz4", ..LARGE },
    Row { name: "1 KiB zstd", compression: "zstd", ..LARGE },
    Row { name: "100 B keyed", keyed: true, ..SMALL },
    Row { name: "100 B keyed batch 16 KiB", keyed: true, batch_bytes: 16_384, ..SMALL },
    Row { name: "100 B none batch 16 KiB", batch_bytes: 16_384, ..SMALL },
    Row { name: "100 B none 1 partition", partitions: 1, ..SMALL },
    // Some clients set a whole batch aside for each partition: 500 of 1 MB are more than the buffer.
    Row { name: "100 B none 500 topics", topics: 500, partitions: 1, batch_bytes: 16_384, ..SMALL },
    Row { name: "100 B linger 0", linger_ms: 0, ..SMALL },
    Row { name: "latency 1k/s", ..LATENCY },
    Row { name: "latency 50k/s", records: 250_000, warm_up: 100_000, rate: 50_000, ..LATENCY },
    READ,
    Row { name: "consume 100 B lz4", compression: "lz4", ..READ },
    Row { name: "consume 100 B zstd", compression: "zstd", ..READ },
    READ_LARGE,
    Row { name: "consume 1 KiB lz4", compression: "lz4", ..READ_LARGE },
    Row { name: "consume 1 KiB zstd", compression: "zstd", ..READ_LARGE },
    Row { name: "consume 100 B none 1 partition", partitions: 1, records: 1_500_000, warm_up: 500_000, ..READ },
    IN_A_GROUP,
    Row { name: "consume 100 B none in a group, consumer protocol", protocol: "consumer", ..IN_A_GROUP },
    REBALANCE,
    Row { name: "rebalance 1,000 partitions, consumer protocol", protocol: "consumer", ..REBALANCE },
    Row { name: "end to end 1k/s", work: Work::EndToEnd, ..LATENCY },
    Row { name: "end to end 50k/s", work: Work::EndToEnd, records: 250_000, warm_up: 100_000, rate: 50_000, ..LATENCY },
];

impl Row {
    /// Whether the time to an ack is what counts.
    pub(super) fn is_of_latency(&self) -> bool {
        self.rate > 0
    }

    /// Whether it reads what another job has written.
    pub(super) fn is_of_reading(&self) -> bool {
        matches!(self.work, Work::Consume | Work::ConsumeInGroup)
    }

    /// Whether partitions change hands.
    pub(super) fn is_of_rebalancing(&self) -> bool {
        self.work == Work::Rebalance
    }

    /// Whether as many records are read or written as one likes.
    pub(super) fn has_any_length(&self) -> bool {
        self.rate == 0 && !self.is_of_rebalancing()
    }

    /// Divides the numbers of records.
    pub(super) fn shorten(&mut self, by: u64) {
        self.records /= by;
        self.warm_up /= by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different_and_the_quick_rows_are_among_them() {
        for (number, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..number].iter().all(|other| other.name != row.name), "{}", row.name);
        }
        assert!(QUICK.iter().all(|name| ROWS.iter().any(|row| row.name == *name)));
    }
}
