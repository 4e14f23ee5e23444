//! Compressed bytes that writers other than the Java client wrote, with every option of the formats.

use std::fmt::Write as _;

use ottla_wire::compression::{Compression, Decompressor};

use crate::files;

/// What nearly every frame holds: see `frames.py`.
fn text() -> String {
    let mut text = String::new();
    for i in 0..4_500 {
        writeln!(text, "record {}: {}{}", i % 300, "again and again, ".repeat(i % 9), i / 600).unwrap();
    }
    text
}

/// What no codec makes smaller: see `frames.py`.
fn noise() -> Vec<u8> {
    let mut state = 0u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..20_000).map(next).collect()
}

/// edge 40
#[test]
fn every_option_of_every_format_is_read() {
    let text = text();
    let frames = files("frames");
    assert_eq!(frames.len(), 21);
    for (name, frame) in frames {
        let codec = Compression::from_name(name.rsplit_once('.').unwrap().1).unwrap();
        let read = Decompressor::new(1 << 20).decompress(codec, &frame);
        let expected = match name.as_str() {
            "stored.lz4" => noise(),
            "zeros.zstd" => vec![0; 300_000],
            _ => text.clone().into_bytes(),
        };
        assert!(read.as_deref() == Ok(expected.as_slice()), "{name}: {:?}", read.map(|read| read.len()));
    }
}

#[test]
fn a_changed_byte_under_a_checksum_is_noticed() {
    for (name, frame) in files("frames") {
        if !["checksum", "all", "named"].iter().any(|summed| name.contains(summed)) {
            continue;
        }
        let codec = Compression::from_name(name.rsplit_once('.').unwrap().1).unwrap();
        // In the middle, so in the content; padding and headers without a checksum are elsewhere.
        for at in (frame.len() / 2..frame.len() / 2 + 200).step_by(40) {
            let mut changed = frame.clone();
            changed[at] ^= 0x10;
            assert!(Decompressor::new(1 << 20).decompress(codec, &changed).is_err(), "{name}, byte {at}");
        }
    }
}
