//! Every codec, both ways, and against bytes that are not what they claim.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::Read as _;

use ottla_wire::compression::{Compression, Compressor, DecompressError, Decompressor};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

const LIMIT: usize = 8 << 20;

/// Text that compresses about as records do: numbers that do not repeat among words that do.
fn text(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut text = String::new();
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = ["order", "tea", "milk", "user", "paid", "Ottla"][(state >> 33) as usize % 6];
        text += &format!("{{\"{word}\":{}}},", state >> 44);
    }
    text.truncate(len);
    text.into_bytes()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

fn compressed(codec: Compression, level: Option<i32>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::new(codec, level).unwrap().compress(body, &mut out).unwrap();
    out
}

#[test]
fn every_size_and_kind_of_body_comes_back() {
    let mut decompressor = Decompressor::new(LIMIT);
    for codec in CODECS {
        let mut compressor = Compressor::new(codec, None).unwrap();
        for len in [0, 1, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000] {
            for body in [text(len), noise(len), vec![0; len]] {
                // Behind other bytes, which stay, and by a compressor used before.
                let mut out = b"before".to_vec();
                compressor.compress(&body, &mut out).unwrap();
                let compressed = out.strip_prefix(b"before").unwrap();
                assert_eq!(decompressor.decompress(codec, compressed).unwrap(), body, "{codec:?}, {len} bytes");
            }
        }
    }
}

#[test]
fn every_level_of_this_build_comes_back() {
    let body = text(100_000);
    for codec in CODECS {
        for level in (-20..=22).filter(|&level| codec.check_level(level).is_ok()) {
            let compressed = compressed(codec, Some(level), &body);
            assert!(
                level < -7 || compressed.len() < body.len() * 4 / 5,
                "{codec:?} {level}: {} bytes",
                compressed.len()
            );
            assert_eq!(Decompressor::new(LIMIT).decompress(codec, &compressed).unwrap(), body);
        }
    }
}

#[test]
fn a_higher_level_takes_fewer_bytes() {
    let body = text(200_000);
    for (codec, low, high) in [(Compression::Gzip, 1, 9), (Compression::Zstd, -7, 3)] {
        assert!(compressed(codec, Some(high), &body).len() < compressed(codec, Some(low), &body).len(), "{codec:?}");
    }
    // Zero is the default, as in C.
    assert_eq!(compressed(Compression::Zstd, Some(0), &body), compressed(Compression::Zstd, Some(3), &body));
    assert_eq!(compressed(Compression::Gzip, Some(-1), &body), compressed(Compression::Gzip, Some(6), &body));
}

#[test]
fn a_body_of_the_limit_is_read_and_one_of_a_byte_more_is_not() {
    for codec in CODECS {
        for body in [text(100_000), noise(100_000), vec![0; 100_000]] {
            let compressed = compressed(codec, None, &body);
            assert!(Decompressor::new(100_000).decompress(codec, &compressed).is_ok(), "{codec:?}");
            assert_eq!(
                Decompressor::new(99_999).decompress(codec, &compressed),
                Err(DecompressError::TooLarge { limit: 99_999 }),
                "{codec:?}"
            );
        }
    }
}

#[test]
fn a_body_cut_short_anywhere_is_refused() {
    let body = text(5_000);
    for codec in CODECS.into_iter().filter(|&codec| codec != Compression::None) {
        let compressed = compressed(codec, None, &body);
        for cut in 0..compressed.len() {
            let read = Decompressor::new(LIMIT).decompress(codec, &compressed[..cut]);
            // Where a block or frame ends, what is read so far stands; batches then miss records.
            assert_ne!(read.as_deref(), Ok(&body[..]), "{codec:?} cut at {cut}");
        }
    }
}

#[test]
fn a_codec_can_be_handed_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<Compressor>();
    sendable::<Decompressor>();
}

#[test]
fn other_libraries_read_what_is_written() {
    let body = text(300_000);
    let mut read = Vec::new();
    let frame = compressed(Compression::Lz4, None, &body);
    lz4_flex::frame::FrameDecoder::new(frame.as_slice()).read_to_end(&mut read).unwrap();
    assert_eq!(read, body);

    for level in -7..=4 {
        let frame = compressed(Compression::Zstd, Some(level), &body);
        let mut read = Vec::with_capacity(body.len());
        ruzstd::decoding::FrameDecoder::new().decode_all_to_vec(&frame, &mut read).unwrap();
        assert_eq!(read, body, "level {level}");
    }
}
