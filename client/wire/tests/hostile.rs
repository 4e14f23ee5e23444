//! Golden bytes, changed: whatever comes from a network, reading it ends in a value or an error, in bounded memory.
//!
//! The fuzz targets do the checking; here they run on some hundred inputs from a fixed seed, or on as many times more
//! as the environment variable `HOSTILE_ROUNDS` says.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::PathBuf;
use std::{env, fs};

use allocation_counter::measure;
use ottla_wire::compression::{Compression, Compressor, DecompressError, Decompressor};
use twox_hash::XxHash32;

#[expect(unreachable_pub, reason = "a crate of its own for the fuzzers")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// How many inputs are made of each seed.
const CHANGED: usize = 12;

/// Golden bytes up to this size are worth changing: in larger ones most places are alike.
const LARGEST: usize = 40_000;

/// A generator that starts the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    /// Cuts, overwrites, flips, doubles or swaps something.
    fn change(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                break;
            }
            let (at, other) = (self.below(bytes.len()), self.below(bytes.len()));
            let (start, end) = (at.min(other), at.max(other));
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes[at] = self.below(256) as u8,
                2 => bytes[at] ^= 1 << self.below(8),
                // Headers, where the lengths are, come first.
                3 => bytes[at % 32.min(seed.len().min(other + 1))] = self.below(256) as u8,
                4 => bytes[start..(start + 8).min(end)].fill(0xff),
                5 => {
                    let to = self.below(bytes.len() - (end - start) + 1);
                    bytes.copy_within(start..end, to);
                }
                _ => bytes.extend_from_within(start..end.min(start + 1_000)),
            }
        }
        bytes
    }
}

/// The golden bytes whose name ends so.
fn seeds(subfolder: &str, ending: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(subfolder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.to_str().unwrap().ends_with(ending));
    let seeds: Vec<_> = files.into_iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty());
    seeds.into_iter().filter(|seed| seed.len() <= LARGEST).collect()
}

fn drive(seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let rounds = env::var("HOSTILE_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let mut random = Random(0x0077_1a00);
    for seed in seeds {
        target(seed);
        for _ in 0..CHANGED * rounds {
            target(&random.change(seed));
        }
    }
}

#[test]
fn changed_batches_are_read_or_refused() {
    let seeds = seeds("batches", ".bin");
    drive(&seeds, targets::read_batches);

    // With a right checksum, so that what is behind it gets its share.
    drive(&seeds, |bytes| {
        let mut bytes = bytes.to_vec();
        if let Some(crc) =
            bytes.get(21..).map(|covered| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, covered))
        {
            bytes[17..21].copy_from_slice(&(crc as u32).to_be_bytes());
        }
        targets::read_batches(&bytes);
    });
}

#[test]
fn changed_gzip_is_read_or_refused() {
    drive(&compressed(Compression::Gzip), |bytes| targets::decompress(Compression::Gzip, bytes));
}

#[test]
fn changed_snappy_is_read_or_refused() {
    drive(&compressed(Compression::Snappy), |bytes| targets::decompress(Compression::Snappy, bytes));
}

#[test]
fn changed_lz4_is_read_or_refused() {
    drive(&compressed(Compression::Lz4), |bytes| targets::decompress(Compression::Lz4, bytes));
}

#[test]
fn changed_zstd_is_read_or_refused() {
    drive(&compressed(Compression::Zstd), |bytes| targets::decompress(Compression::Zstd, bytes));
}

#[test]
fn anything_compressed_comes_back() {
    drive(&seeds("batches", "none.bin"), targets::round_trip);
}

#[test]
fn changed_connections_are_read_or_refused() {
    let framed =
        |seed: Vec<u8>| [&[7, 0, 0, 0, 9], &b"a frame.."[..], &(seed.len() as u32).to_be_bytes(), &seed].concat();
    let seeds: Vec<_> = seeds("batches", ".bin").into_iter().map(framed).collect();
    drive(&seeds, targets::read_frames);
}

/// Frames of other writers, and the bodies of the Java client's batches.
fn compressed(codec: Compression) -> Vec<Vec<u8>> {
    let mut all = seeds("frames", codec.name());
    all.extend(seeds("batches", &format!(".{}.bin", codec.name())).into_iter().map(|batch| batch[61..].to_vec()));
    all
}

/// Reads `bytes` within `limit`, and checks that this took no more than `most` bytes of memory at any time.
fn frugal(codec: Compression, bytes: &[u8], limit: usize, most: u64) -> Result<usize, DecompressError> {
    let mut decompressor = Decompressor::new(limit);
    // The context of zstd is there whatever comes.
    let _ = decompressor.decompress(codec, &[]);
    let mut read = None;
    let memory = measure(|| read = Some(decompressor.decompress(codec, bytes).map(|body| body.len())));
    assert!(memory.bytes_max <= most, "{codec:?} of {} bytes took {memory:?}", bytes.len());
    read.unwrap()
}

#[test]
fn a_claim_of_size_takes_no_memory() {
    let limit = 1 << 30;
    let claims: [(Compression, Vec<u8>); 6] = [
        // The trailer says 4 GiB.
        (Compression::Gzip, [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0][..], &[0; 4], &[255; 4]].concat()),
        // 1 GiB, bare and framed.
        (Compression::Snappy, vec![0x80, 0x80, 0x80, 0x80, 4, 0]),
        (
            Compression::Snappy,
            [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &[0, 0, 0, 6, 0x80, 0x80, 0x80, 0x80, 4, 0]].concat(),
        ),
        // Blocks of 4 MiB and a content of 1 GiB.
        (Compression::Lz4, {
            let descriptor = [&[0x68, 0x70][..], &(1u64 << 30).to_le_bytes()].concat();
            let checksum = (XxHash32::oneshot(0, &descriptor) >> 8) as u8;
            [&[4, 0x22, 0x4d, 0x18][..], &descriptor, &[checksum, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
        }),
        // A content of 1 GiB in a single segment, and one empty block.
        (Compression::Zstd, [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(1u32 << 30).to_le_bytes(), &[1, 0, 0]].concat()),
        // A window of 2 GiB.
        (Compression::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0]),
    ];
    for (codec, claim) in claims {
        let _ = frugal(codec, &claim, limit, 200_000);
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bombs: [(Compression, Vec<u8>); 3] = [
        (Compression::Gzip, bomb(Compression::Gzip)),
        (Compression::Lz4, bomb(Compression::Lz4)),
        // A thousand blocks of one byte, repeated 128 KiB.
        (Compression::Zstd, {
            let block = [(128 << 10 << 3 | 2) as u8, (128 << 10 << 3 >> 8) as u8, (128 << 10 << 3 >> 16) as u8, b'x'];
            [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x50][..], &block.repeat(1_000), &[1, 0, 0]].concat()
        }),
    ];
    for (codec, bomb) in bombs {
        let read = frugal(codec, &bomb, 1 << 20, 3 << 20);
        assert_eq!(read, Err(DecompressError::TooLarge { limit: 1 << 20 }), "{codec:?} of {} bytes", bomb.len());
    }
}

/// 4 MiB of zeros.
fn bomb(codec: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    let zeros = vec![0; 4 << 20];
    Compressor::new(codec, None).unwrap().compress(&zeros, &mut out).unwrap();
    out
}
