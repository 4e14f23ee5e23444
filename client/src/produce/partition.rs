//! Which partition a record goes to: its own choice, its key's, or the one being filled.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// The seed of Kafka's murmur2.
const SEED: u32 = 0x9747_b28c;

/// The partition of a key, as every Kafka client places it: murmur2, made positive, modulo the partitions.
///
/// `partitions` must not be 0.
pub(crate) fn of_key(key: &[u8], partitions: usize) -> usize {
    let hash = murmur2::murmur2(key, SEED) & 0x7fff_ffff;
    hash as usize % partitions
}

/// The partition that records without a key go to, until a batch's worth of bytes went there (KIP-794).
#[derive(Debug)]
pub(super) struct Sticky {
    partition: AtomicI32,
    bytes: AtomicUsize,
}

impl Sticky {
    pub(super) fn new() -> Self {
        Self { partition: AtomicI32::new(-1), bytes: AtomicUsize::new(0) }
    }

    /// The partition for the next record, chosen by `choose` when none is being filled.
    pub(super) fn partition(&self, partitions: usize, choose: impl FnOnce() -> usize) -> usize {
        let current = self.partition.load(Ordering::Relaxed);
        match usize::try_from(current) {
            Ok(current) if current < partitions => current,
            _ => {
                let chosen = choose();
                self.partition.store(chosen as i32, Ordering::Relaxed);
                self.bytes.store(0, Ordering::Relaxed);
                chosen
            }
        }
    }

    /// Counts a record that went there: after `enough` bytes, the next goes elsewhere.
    pub(super) fn filled(&self, bytes: usize, enough: usize) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes >= enough {
            self.partition.store(-1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// edge 18: an empty key is hashed like any other.
    #[test]
    fn an_empty_key_has_a_partition_of_its_own() {
        assert_eq!(of_key(b"", 1000), (murmur2::murmur2(b"", SEED) & 0x7fff_ffff) as usize % 1000);
        assert_eq!(of_key(b"anything", 1), 0);
    }

    #[test]
    fn stays_until_a_batch_is_full() {
        let sticky = Sticky::new();
        assert_eq!(sticky.partition(6, || 4), 4);
        sticky.filled(90, 100);
        assert_eq!(sticky.partition(6, || 1), 4);
        sticky.filled(10, 100);
        assert_eq!(sticky.partition(6, || 1), 1);
    }

    #[test]
    fn picks_again_when_the_partition_is_gone() {
        let sticky = Sticky::new();
        assert_eq!(sticky.partition(6, || 5), 5);
        assert_eq!(sticky.partition(3, || 2), 2);
    }
}
