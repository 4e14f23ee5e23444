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

    /// edge 18: the keys, the empty one among them, that Java's client placed.
    #[test]
    fn keys_go_where_java_puts_them() {
        let vectors = include_str!("../../../tests/vectors/murmur2.txt");
        assert_eq!(vectors.lines().count(), 1000);
        for line in vectors.lines() {
            let [key, _, positive] = line.rsplitn(3, ' ').collect::<Vec<_>>().try_into().map(reversed).unwrap();
            let positive: usize = positive.parse().unwrap();
            for partitions in [1, 6, 7, 1000] {
                assert_eq!(of_key(&bytes(key), partitions), positive % partitions, "{line}");
            }
        }
    }

    fn reversed(mut fields: [&str; 3]) -> [&str; 3] {
        fields.reverse();
        fields
    }

    /// A key as the vectors write it: text in quotes, or `x` and hexadecimal digits.
    fn bytes(key: &str) -> Vec<u8> {
        match key.strip_prefix('x') {
            Some(digits) => {
                (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
            }
            None => key.trim_matches('"').as_bytes().to_vec(),
        }
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
