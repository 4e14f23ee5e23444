//! The jobs.

use serde::Serialize;

/// A scenario, the same for every client.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
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
}

/// The row of a quick run.
pub(super) const QUICK: &str = "100 B none";

const SMALL: Row = Row {
    name: QUICK,
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
};

const LARGE: Row = Row { name: "1 KiB none", size: 1024, records: 600_000, warm_up: 200_000, ..SMALL };

const LATENCY: Row = Row { linger_ms: 0, records: 10_000, warm_up: 3_000, rate: 1_000, ..SMALL };

/// All of them: 6 partitions, linger 5 ms, batches of 1 MB, no key, unless the name says otherwise.
pub(super) const ROWS: [Row; 14] = [
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
];

impl Row {
    /// Whether the time to an ack is what counts.
    pub(super) fn is_of_latency(&self) -> bool {
        self.rate > 0
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
    fn names_are_different_and_the_quick_row_is_one_of_them() {
        for (number, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..number].iter().all(|other| other.name != row.name), "{}", row.name);
        }
        assert!(ROWS.iter().any(|row| row.name == QUICK));
    }
}
