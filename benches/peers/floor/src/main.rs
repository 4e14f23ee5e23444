//! What reading costs without a client: no records, checksums, groups, metadata, retries or tasks.
//!
//! One thread asks the one broker for all partitions, reads the answer with blocking calls into a buffer that stays,
//! looks at the headers of its batches, and asks for what comes next. Then it decompresses what is compressed, with
//! Ottla's codecs.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod fetch;

use std::ops::Range;
use std::time::Instant;

use ottla_wire::compression::{Compression, Decompressor};
use peer_job::{Failure, Job, Meter, Report, Tally, Work};

use self::fetch::{Answer, Fetches, Fields};

/// Bytes of a batch's header.
const HEADER: usize = 61;

/// The most that a body decompresses to.
const LIMIT: usize = 64 << 20;

/// What is compressed: where it is in the answer, and how.
type Body = (Range<usize>, Compression);

fn main() -> Result<(), Failure> {
    let job = Job::from_args()?;
    let Work::Consume { records, warm_up } = job.work else { return Err("the floor does nothing but read".into()) };
    if job.group.is_some() {
        return Err("the floor has no groups".into());
    }
    read(&job, records, warm_up)?.print()
}

fn read(job: &Job, records: u64, warm_up: u64) -> Result<Report, Failure> {
    let began = Instant::now();
    let mut fetches = Fetches::start(job)?;
    let mut offsets = vec![0; job.partitions.into()];
    let mut decompressor = Decompressor::new(LIMIT);
    let mut bodies = Vec::new();
    let (mut read, mut first, mut measured) = (0, None, None);
    fetches.ask(&offsets)?;
    while read < warm_up + records {
        let answer = fetches.answer()?;
        for (partition, batches) in answer.partitions()? {
            let offset = offsets.get_mut(partition).ok_or("a partition that was not asked for")?;
            read += walk(&answer, batches, offset, &mut bodies)?;
        }
        if read < warm_up + records {
            fetches.ask(&offsets)?;
        }
        for (body, codec) in bodies.drain(..) {
            std::hint::black_box(decompressor.decompress(codec, answer.bytes(body)?)?);
        }
        fetches.done(answer);
        if read > 0 && first.is_none() {
            first = Some(began.elapsed());
        }
        if read >= warm_up && measured.is_none() {
            measured = Some((Meter::start()?, read));
        }
    }
    let (meter, before) = measured.ok_or("nothing was read")?;
    let tally = Tally { acked: read - before, failed: 0 };
    Ok(Report::read(tally, before, meter.stop()?, first.unwrap_or_default()))
}

/// How many records are in whole batches from `offset` on, which is moved behind them.
fn walk(answer: &Answer, batches: Range<usize>, offset: &mut i64, bodies: &mut Vec<Body>) -> Result<u64, Failure> {
    let mut at = batches.start;
    let mut records = 0;
    while batches.end - at >= HEADER {
        let mut header = Fields::of(answer.bytes(at..at + HEADER)?);
        let (base, length) = (header.i64()?, usize::try_from(header.i32()?)?);
        let end = at + 12 + length;
        if end > batches.end {
            break;
        }
        // Leader epoch, magic, checksum.
        header.skip(4 + 1 + 4)?;
        let (attributes, last) = (header.i16()?, header.i32()?);
        // Timestamps, the producer's identity and sequence.
        header.skip(8 + 8 + 8 + 2 + 4)?;
        let count = u64::try_from(header.i32()?)?;
        // All batches are as they were written: what is asked for is the first of one.
        records += count;
        *offset = base + i64::from(last) + 1;
        let codec = match attributes & 0b111 {
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        };
        bodies.extend(codec.map(|codec| (at + HEADER..end, codec)));
        at = end;
    }
    Ok(records)
}
