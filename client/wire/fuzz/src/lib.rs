//! What is done to hostile bytes: one function per target.
//!
//! The fuzzers in `fuzz_targets/` call these, and so do the tests of `ottla-wire`, which feed them changed golden bytes:
//! so every build runs them, without a nightly compiler. Each panics if something that must hold does not.

use bytes::Bytes;
use ottla_wire::FrameReader;
use ottla_wire::compression::{Compression, Compressor, Decompressor};
use ottla_wire::records::{Batch, BodyCrc, ControlType, EndTransactionMarker, HEADER_LEN, batches};

/// The cap on what a body decompresses to.
pub const LIMIT: usize = 1 << 20;

/// The records of one partition, as a Fetch response brings them.
pub fn read_batches(bytes: &[u8]) {
    let mut decompressor = Decompressor::new(LIMIT);
    let mut all = batches(Bytes::copy_from_slice(bytes));
    let mut read = 0;
    for batch in all.by_ref() {
        let Ok(batch) = batch else { return };
        read += batch.bytes().len();
        read_batch(&batch, &mut decompressor);
    }
    assert_eq!(read + all.cut_off(), bytes.len(), "every byte is of a batch, or of one cut off");
}

fn read_batch(batch: &Batch, decompressor: &mut Decompressor) {
    let header = batch.header;
    let sum = BodyCrc::of(&batch.bytes()[HEADER_LEN..]);
    let written = header.encode(&sum);
    if batch.check_crc().is_ok() {
        // But for attributes that nobody has defined, what was read is all there is.
        let reread = batches(Bytes::copy_from_slice(&[&written, &batch.bytes()[HEADER_LEN..]].concat())).next();
        assert_eq!(reread.and_then(Result::ok).map(|batch| batch.header), Some(header));
    }
    let Ok(body) = batch.body(decompressor) else { return };
    assert!(body.bytes().len() <= LIMIT.max(batch.bytes().len()));
    assert!(body.count() * 7 <= body.bytes().len(), "memory for the records may be taken");

    let mut records = body.records();
    let mut read = 0;
    loop {
        let cursor = records.cursor();
        assert_eq!(cursor.remaining() + read, body.count());
        let Some(record) = records.next() else { break };
        let Ok(record) = record else {
            assert_eq!(records.cursor(), cursor, "the position stays before what cannot be read");
            assert!(records.next().is_none());
            break;
        };
        read += 1;
        assert!(body.record_at(record.position).is_ok_and(|again| again.offset == record.offset));
        assert_eq!(record.headers.clone().count(), record.headers.len());
        let _ = (ControlType::of(&record), EndTransactionMarker::of(&record));
        let resumed = body.records_from(cursor).next();
        assert!(resumed.is_some_and(|again| again.is_ok_and(|again| again.value == record.value)));
    }
}

/// A compressed body.
pub fn decompress(codec: Compression, bytes: &[u8]) {
    if let Ok(body) = Decompressor::new(LIMIT).decompress(codec, bytes) {
        assert!(body.len() <= LIMIT);
        // The limit is what decides, not what a body states of itself.
        assert_eq!(Decompressor::new(body.len()).decompress(codec, bytes).ok(), Some(body.clone()));
        if let Some(less) = body.len().checked_sub(1) {
            assert!(Decompressor::new(less).decompress(codec, bytes).is_err());
        }
    }
}

/// A body that is compressed by every codec, and decompressed. The first byte chooses the level.
pub fn round_trip(bytes: &[u8]) {
    let (level, body) = bytes.split_first().unwrap_or((&0, &[]));
    let level = i32::from(level % 24) - 8;
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let level = Some(level).filter(|&level| codec.check_level(level).is_ok());
        let Ok(mut compressor) = Compressor::new(codec, level) else { panic!("{codec:?} has its default level") };
        let mut compressed = Vec::new();
        assert_eq!(compressor.compress(body, &mut compressed), Ok(()));
        assert!(compressed.len() <= body.len() + body.len() / 64 + 64, "{codec:?}: {} bytes", compressed.len());
        let read = Decompressor::new(body.len()).decompress(codec, &compressed);
        assert_eq!(read.as_deref(), Ok(body), "{codec:?}");
    }
}

/// The bytes of a connection, in pieces: the first byte is the size of each.
pub fn read_frames(bytes: &[u8]) {
    let (piece, bytes) = bytes.split_first().unwrap_or((&1, &[]));
    let mut reader = FrameReader::new(LIMIT);
    let mut read = 0;
    for piece in bytes.chunks(usize::from(*piece).max(1)) {
        reader.space().extend_from_slice(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => read += 4 + frame.len(),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert!(read <= bytes.len());
}
