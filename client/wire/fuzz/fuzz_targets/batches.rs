#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ottla_wire_fuzz::read_batches(bytes));
