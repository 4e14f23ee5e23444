//! Which partition a record goes to that names none: its key's, or the one whose turn it is (KIP-794).
//!
//! A turn lasts until a batch's worth of bytes went to the partition, and ends where a batch ends; the bytes are counted
//! by the [`Slot`](super::batch::Slot), under the lock it holds anyway.

use std::sync::atomic::{AtomicI32, Ordering};

/// The seed of Kafka's murmur2.
const SEED: u32 = 0x9747_b28c;

/// How many partitions one choice compares: all of a usual topic, a sample of a large one. Whatever the number of
/// partitions, a choice costs no more than this.
const COMPARED: usize = 16;

/// The partition of a key, as every Kafka client places it: murmur2, made positive, modulo the partitions.
///
/// `partitions` must not be 0, and is an `i32` in the protocol: to divide as much takes a third of the time.
#[inline]
pub(crate) fn of_key(key: &[u8], partitions: usize) -> usize {
    let hash = murmur2::murmur2(key, SEED) & 0x7fff_ffff;
    (hash % partitions as u32) as usize
}

/// Whose turn it is among a topic's partitions, for records that may go to any.
#[derive(Debug)]
pub(super) struct Sticky(AtomicI32);

impl Sticky {
    pub(super) fn new() -> Self {
        Self(AtomicI32::new(-1))
    }

    /// The partition whose turn it is; `choose` names the first.
    pub(super) fn partition(&self, choose: impl FnOnce() -> usize) -> usize {
        // Relaxed: a turn ends under the lock of its partition, and who comes late looks again under that lock.
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or_else(|_| {
            let first = choose();
            match self.0.compare_exchange(-1, first as i32, Ordering::Relaxed, Ordering::Relaxed) {
                Err(other) if other >= 0 => other as usize,
                _ => first,
            }
        })
    }

    /// Whether a record goes elsewhere than into a new batch of partition `of`, whose lock the caller holds.
    ///
    /// `is_over`: enough went there, so if it is its turn, that ends in favour of the one that `choose` names.
    /// `is_bound`: the record belongs there, whosever turn it is.
    pub(super) fn is_elsewhere(&self, of: usize, is_over: bool, is_bound: bool, choose: impl Fn() -> usize) -> bool {
        let mut turn = self.partition(&choose);
        if is_over && turn == of {
            turn = choose();
            self.0.store(turn as i32, Ordering::Relaxed);
        }
        !is_bound && turn != of
    }
}

/// One of the partitions `among`, the more likely the fewer batches wait for it: with the longest queue of `most`, one of
/// length n weighs `most` + 1 - n. None of none.
pub(super) fn choose(among: &[i32], waiting: impl Fn(i32) -> u32, random: &mut fastrand::Rng) -> Option<i32> {
    let mut queues = [(0, 0_u64); COMPARED];
    let compared = match among {
        [] | [_] => return among.first().copied(),
        few if few.len() <= COMPARED => {
            queues.iter_mut().zip(few).for_each(|(queue, partition)| queue.0 = *partition);
            few.len()
        }
        many => {
            queues.iter_mut().for_each(|queue| queue.0 = many[random.usize(..many.len())]);
            COMPARED
        }
    };
    let queues = &mut queues[..compared];
    queues.iter_mut().for_each(|queue| queue.1 = u64::from(waiting(queue.0)));
    let most = queues.iter().map(|(_, waiting)| *waiting).max().unwrap_or_default();
    let total: u64 = queues.iter().map(|(_, waiting)| most + 1 - waiting).sum();
    let mut drawn = random.u64(..total);
    queues.iter().find_map(|(partition, waiting)| {
        let weight = most + 1 - waiting;
        if drawn < weight {
            return Some(*partition);
        }
        drawn -= weight;
        None
    })
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

    /// How often each of `partitions` is chosen of 30,000 times, with these queues.
    fn frequencies(partitions: usize, waiting: impl Fn(i32) -> u32) -> Vec<usize> {
        let among: Vec<_> = (0..partitions as i32).collect();
        let mut random = fastrand::Rng::with_seed(7);
        let mut chosen = vec![0; partitions];
        for _ in 0..30_000 {
            chosen[choose(&among, &waiting, &mut random).unwrap() as usize] += 1;
        }
        chosen
    }

    fn assert_near(actual: usize, expected: usize) {
        assert!(actual.abs_diff(expected) < expected / 10, "{actual}, not about {expected}");
    }

    #[test]
    fn equal_queues_are_chosen_equally() {
        for waiting in [0, 9] {
            for chosen in frequencies(6, |_| waiting) {
                assert_near(chosen, 5_000);
            }
        }
    }

    /// The example of KIP-794: queues of 0, 3 and 1 batches weigh 4, 1 and 3.
    #[test]
    fn a_longer_queue_is_chosen_less_in_proportion() {
        let chosen = frequencies(3, |partition| [0, 3, 1][partition as usize]);
        for (chosen, weight) in chosen.into_iter().zip([4, 1, 3]) {
            assert_near(chosen, 30_000 * weight / 8);
        }
    }

    #[test]
    fn in_a_large_topic_slow_partitions_get_little_and_the_rest_the_same() {
        let chosen = frequencies(300, |partition| if partition % 3 == 0 { 99 } else { 0 });
        let slow: usize = chosen.iter().step_by(3).sum();
        assert!(slow < 300, "a third of the partitions got {slow} of 30,000");
        let (least, most) = (chosen[1..].iter().step_by(3).min(), chosen[1..].iter().step_by(3).max());
        assert!(*least.unwrap() > 100 && *most.unwrap() < 210, "{least:?} {most:?}");
    }

    #[test]
    fn a_choice_among_ten_thousand_looks_at_few() {
        let among: Vec<_> = (0..10_000).collect();
        let mut random = fastrand::Rng::with_seed(7);
        let looks = std::cell::Cell::new(0);
        let mut chosen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            chosen.extend(choose(
                &among,
                |_| {
                    looks.set(looks.get() + 1);
                    0
                },
                &mut random,
            ));
        }
        assert_eq!(looks.get(), 1_000 * COMPARED);
        assert!(chosen.len() > 900, "only {} different ones", chosen.len());
    }

    #[test]
    fn nothing_to_choose_from_is_no_partition() {
        let mut random = fastrand::Rng::with_seed(7);
        assert_eq!(choose(&[], |_| 0, &mut random), None);
        assert_eq!(choose(&[4], |_| 9, &mut random), Some(4));
    }

    #[test]
    fn a_turn_ends_once_and_who_comes_late_follows_it() {
        let sticky = Sticky::new();
        assert_eq!(sticky.partition(|| 4), 4);
        assert_eq!(sticky.partition(|| 1), 4);
        assert!(!sticky.is_elsewhere(4, false, false, || 2), "it goes on");
        assert!(sticky.is_elsewhere(4, true, false, || 2));
        assert!(sticky.is_elsewhere(4, false, false, || 3), "another caller still thought it was 4's turn");
        assert!(sticky.is_elsewhere(4, true, false, || 3));
        assert_eq!(sticky.partition(|| 1), 2, "a turn that is over is not ended again");
    }

    #[test]
    fn a_record_with_a_key_ends_a_turn_and_stays() {
        let sticky = Sticky::new();
        sticky.partition(|| 4);
        assert!(!sticky.is_elsewhere(4, true, true, || 2));
        assert_eq!(sticky.partition(|| 1), 2);
    }

    #[test]
    fn a_turn_may_be_followed_by_another_of_the_same_partition() {
        let sticky = Sticky::new();
        sticky.partition(|| 0);
        assert!(!sticky.is_elsewhere(0, true, false, || 0));
    }
}
