//! What the Java client read from a batch, as `tests/vectors/README.md` says it is written down.

use ottla_wire::compression::{Compression, Decompressor};
use ottla_wire::records::{Batch, BatchHeader, TimestampType};

/// A batch, described.
#[derive(Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) header: BatchHeader,
    pub(crate) records: Vec<Record>,
}

/// A record, described.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Description {
    /// Parses a whole text, of any number of batches. The base timestamp is not in it, and left zero.
    pub(crate) fn parse(text: &str) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap();
            match kind {
                "batch" => batches.push(Self { header: header(words), records: Vec::new() }),
                "record" => batches.last_mut().unwrap().records.push(Record {
                    offset: number(&mut words),
                    timestamp: number(&mut words),
                    key: bytes(words.next().unwrap()),
                    value: bytes(words.next().unwrap()),
                    headers: Vec::new(),
                }),
                "header" => {
                    let key = bytes(words.next().unwrap()).unwrap();
                    let value = bytes(words.next().unwrap());
                    batches.last_mut().unwrap().records.last_mut().unwrap().headers.push((key, value));
                }
                other => panic!("{other} describes nothing"),
            }
        }
        batches
    }

    /// Describes what this crate reads from a batch.
    pub(crate) fn of(batch: &Batch) -> Self {
        batch.check_crc().unwrap();
        let body = batch.body(&mut Decompressor::new(1 << 20)).unwrap();
        let records = body.records().map(|record| {
            let record = record.unwrap();
            Record {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect(),
            }
        });
        let header = BatchHeader { base_timestamp: 0, ..batch.header };
        Self { header, records: records.collect() }
    }
}

fn header<'a>(mut words: impl Iterator<Item = &'a str>) -> BatchHeader {
    let base_offset = number(&mut words);
    let last_offset: i64 = number(&mut words);
    let partition_leader_epoch = number(&mut words);
    let timestamp_type = match words.next().unwrap() {
        "CreateTime" => TimestampType::CreateTime,
        "LogAppendTime" => TimestampType::LogAppendTime,
        other => panic!("{other} is no timestamp type"),
    };
    let max_timestamp = number(&mut words);
    let producer_id = number(&mut words);
    let producer_epoch = number(&mut words);
    let base_sequence = number(&mut words);
    let flags = words.next().unwrap();
    BatchHeader {
        base_offset,
        partition_leader_epoch,
        compression: Compression::None,
        timestamp_type,
        transactional: flags.contains('t'),
        control: flags.contains('c'),
        delete_horizon: flags.contains('d'),
        last_offset_delta: i32::try_from(last_offset - base_offset).unwrap(),
        base_timestamp: 0,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count: number(&mut words),
    }
}

fn number<'a, N: std::str::FromStr<Err: std::fmt::Debug>>(words: &mut impl Iterator<Item = &'a str>) -> N {
    words.next().unwrap().parse().unwrap()
}

/// `null`, `"text"` or `x` and hexadecimal digits.
fn bytes(word: &str) -> Option<Vec<u8>> {
    if word == "null" {
        return None;
    }
    if let Some(text) = word.strip_prefix('"') {
        return Some(text.strip_suffix('"').unwrap().into());
    }
    let digits = word.strip_prefix('x').unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    Some((0..digits.len()).step_by(2).map(byte).collect())
}
