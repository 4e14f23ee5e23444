#![no_main]

use ottla_wire::compression::Compression;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ottla_wire_fuzz::decompress(Compression::Snappy, bytes));
