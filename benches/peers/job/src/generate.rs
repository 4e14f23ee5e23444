//! Values as services write them: JSON with ids that never repeat and words that do, the common ones most.

use fastrand::Rng;

const WORDS: usize = 4_000;
const SYLLABLES: [&str; 32] = [
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve", "wi", "xo",
    "yu", "za", "bre", "cli", "dro", "fru", "gra", "ple", "sti", "tro", "an", "er", "in",
];

/// `count` values of `size` bytes each, one after the other: the same ones for the same seed.
#[must_use]
pub fn values(size: usize, count: usize, seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    let words = Words::new(&mut random);
    let mut all = Vec::with_capacity(size * count);
    let mut value = String::new();
    for number in 0..count {
        value.clear();
        value.push_str(&format!(
            r#"{{"id":"{:012x}","at":{},"#,
            random.u64(..) >> 16,
            1_767_225_600_000_u64 + 7 * number as u64 + random.u64(..7),
        ));
        while value.len() < size {
            let name = words.pick(&mut random);
            match random.u8(..8) {
                0 => value.push_str(&format!(r#""{name}":{},"#, random.u32(..1_000_000))),
                1 => value.push_str(&format!(r#""{name}":"{:08x}","#, random.u32(..))),
                _ => value.push_str(&format!(r#""{name}":"{} {}","#, words.pick(&mut random), words.pick(&mut random))),
            }
        }
        all.extend_from_slice(&value.as_bytes()[..size - 1]);
        all.push(b'}');
    }
    all
}

/// Words whose frequency falls with their rank, as in every language (Zipf).
struct Words {
    words: Vec<String>,
    /// For each word the sum of its and all commoner words' weights.
    sums: Vec<f64>,
}

impl Words {
    fn new(random: &mut Rng) -> Self {
        let word = |random: &mut Rng| {
            let syllables = random.usize(1..=3);
            (0..syllables).map(|_| SYLLABLES[random.usize(..SYLLABLES.len())]).collect()
        };
        let mut sum = 0.0;
        let weight = |rank: usize| {
            sum += 1.0 / rank as f64;
            sum
        };
        Self { words: (0..WORDS).map(|_| word(random)).collect(), sums: (1..=WORDS).map(weight).collect() }
    }

    fn pick(&self, random: &mut Rng) -> &str {
        let point = random.f64() * self.sums[WORDS - 1];
        &self.words[self.sums.partition_point(|sum| *sum < point).min(WORDS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_value_repeats() {
        for size in [100, 1024] {
            let all = values(size, 20_000, 1);
            assert_eq!(all.len(), size * 20_000);
            let different: HashSet<_> = all.chunks(size).collect();
            assert_eq!(different.len(), 20_000, "values of {size} bytes");
        }
    }

    #[test]
    fn a_seed_gives_the_same_values_again() {
        assert_eq!(values(100, 10, 1), values(100, 10, 1));
        assert_ne!(values(100, 10, 1), values(100, 10, 2));
    }

    #[test]
    fn a_batch_compresses_as_json_does() {
        for size in [100, 1024] {
            let batch = values(size, 1_000_000 / size, 1);
            let lz4 = batch.len() as f64 / lz4_flex::block::compress(&batch).len() as f64;
            let zstd = batch.len() as f64 / zstd::bulk::compress(&batch, 3).unwrap().len() as f64;
            println!("{size} bytes: lz4 {lz4:.2}, zstd {zstd:.2}");
            assert!((1.4..2.0).contains(&lz4), "lz4 {lz4:.2} at {size} bytes");
            assert!((2.0..3.5).contains(&zstd), "zstd {zstd:.2} at {size} bytes");
        }
    }
}
