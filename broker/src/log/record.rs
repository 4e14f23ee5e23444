//! The records within a batch: decoded to answer searches by time and to show a log, checked before an append.

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;

use super::batch::{Batch, Header, Refused};
use super::{Stored, codec};

/// One record of a partition's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's time, or the broker's with `LogAppendTime`.
    pub timestamp: i64,
    /// The key; `None` differs from an empty one.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in the order they were written, duplicates included. Keys need not be UTF-8.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The records of a stored batch. Damage ends the iteration.
pub(crate) fn records(batch: &Stored) -> impl Iterator<Item = Record> {
    decode(&batch.header, &batch.body)
}

/// The records of a batch. Damage ends the iteration.
pub(crate) fn decode(header: &Header, body: &Bytes) -> impl Iterator<Item = Record> + use<> {
    Records::new(header, body).into_iter().flatten().map_while(Result::ok)
}

/// The records of a batch, each with its bytes, length included. Damage ends the iteration.
pub(crate) fn raw(header: &Header, body: &Bytes) -> impl Iterator<Item = (Record, Bytes)> + use<> {
    let mut records = Records::new(header, body);
    std::iter::from_fn(move || {
        let records = records.as_mut()?;
        let before = records.rest.clone();
        let record = records.next()?.ok()?;
        let length = before.len() - records.rest.len();
        Some((record, before.slice(..length)))
    })
}

/// Checks that a batch holds the records its header says, in order.
///
/// # Errors
/// `INVALID_RECORD` if the count, an offset or a length is wrong; `CORRUPT_MESSAGE` if decompression fails.
pub(crate) fn check(batch: &Batch) -> Result<(), Refused> {
    let invalid = |message: String| Refused::new(ResponseError::InvalidRecord, message);
    let Some(mut records) = Records::new(&batch.header, &batch.body) else {
        let codec = codec::name(batch.header.codec());
        return Err(Refused::new(ResponseError::CorruptMessage, format!("The {codec} data is damaged")));
    };
    for expected in 0..i64::from(batch.header.count) {
        let Some(Ok(record)) = records.next() else {
            return Err(invalid(format!("Record {expected} of {} is damaged", batch.header.count)));
        };
        if record.offset - batch.header.base_offset != expected {
            return Err(invalid(format!("Record {expected} has another offset delta")));
        }
    }
    if records.rest.is_empty() { Ok(()) } else { Err(invalid("Bytes follow the last record".to_owned())) }
}

/// A record doesn't end where it says it does.
#[derive(Debug)]
struct Damaged;

/// Reads one record after another.
struct Records {
    rest: Bytes,
    left: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl Records {
    /// `None` if decompression fails.
    fn new(header: &Header, body: &Bytes) -> Option<Self> {
        Some(Self {
            rest: codec::decompress(header.codec(), body).ok()?,
            left: header.count,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: header.is_log_append_time().then_some(header.max_timestamp),
        })
    }

    fn record(&mut self) -> Result<Record, Damaged> {
        let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| Damaged)?;
        let mut bytes = take(&mut self.rest, length)?;
        let _attributes = take(&mut bytes, 1)?;
        let timestamp = self.base_timestamp.wrapping_add(varint(&mut bytes)?);
        let offset = self.base_offset.wrapping_add(varint(&mut bytes)?);
        let key = nullable(&mut bytes)?;
        let value = nullable(&mut bytes)?;
        let mut headers = Vec::new();
        for _ in 0..varint(&mut bytes)? {
            headers.push((nullable(&mut bytes)?.ok_or(Damaged)?, nullable(&mut bytes)?));
        }
        if !bytes.is_empty() {
            return Err(Damaged);
        }
        Ok(Record { offset, timestamp: self.append_time.unwrap_or(timestamp), key, value, headers })
    }
}

impl Iterator for Records {
    type Item = Result<Record, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = self.record();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, Damaged> {
    if length > bytes.len() {
        return Err(Damaged);
    }
    Ok(bytes.split_to(length))
}

/// Bytes after their length; -1 is null.
fn nullable(bytes: &mut Bytes) -> Result<Option<Bytes>, Damaged> {
    match varint(bytes)? {
        -1 => Ok(None),
        length => take(bytes, usize::try_from(length).map_err(|_| Damaged)?).map(Some),
    }
}

/// A zigzag-coded number of at most 64 bits.
fn varint(bytes: &mut Bytes) -> Result<i64, Damaged> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        if bytes.is_empty() {
            return Err(Damaged);
        }
        let byte = bytes.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::batch;
    use super::*;

    /// A record whose timestamp delta needs more than 32 bits, with a doubled header and a null one.
    const RECORD: [u8; 25] = [
        48, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 2, b'k', 1, 6, 2, b'h', 2, b'1', 2, b'h', 2, b'2', 4, 0xff, b'n',
        1,
    ];

    fn one_record(record: &'static [u8]) -> Batch {
        Batch { body: Bytes::from_static(record), ..batch(1) }
    }

    fn stored(batch: Batch) -> Stored {
        Stored { head: batch.header.write(), header: batch.header, body: batch.body }
    }

    #[test]
    fn headers_keep_order_duplicates_and_nulls() {
        let record = records(&stored(one_record(&RECORD))).next().unwrap();
        let text = |bytes: &'static [u8]| Bytes::from_static(bytes);
        assert_eq!(record.headers[0], (text(b"h"), Some(text(b"1"))));
        assert_eq!(record.headers[1], (text(b"h"), Some(text(b"2"))));
        assert_eq!(record.headers[2], (text(b"\xffn"), None), "a key need not be UTF-8");
        assert_eq!((record.key, record.value), (Some(text(b"k")), None));
    }

    #[test]
    fn a_timestamp_delta_may_need_more_than_32_bits() {
        let record = records(&stored(one_record(&RECORD))).next().unwrap();
        assert_eq!(record.timestamp, 1_000 + (1 << 34));
    }

    #[test]
    fn log_append_time_is_every_records_time() {
        let mut batch = batch(2);
        let body = batch.body.clone();
        batch.header.set_log_append_time(77, &body);
        assert!(records(&stored(batch)).all(|record| record.timestamp == 77));
    }

    #[test]
    fn a_sound_batch_passes() {
        assert_eq!(check(&batch(3)), Ok(()));
        assert_eq!(check(&one_record(&RECORD)), Ok(()));
    }

    #[test]
    fn a_record_cut_short_is_invalid_at_every_length() {
        for end in 0..RECORD.len() {
            let refused = check(&one_record(&RECORD[..end])).unwrap_err();
            assert_eq!(refused.code, ResponseError::InvalidRecord, "cut at {end}");
        }
    }

    #[test]
    fn records_out_of_order_are_invalid() {
        let mut batch = batch(1);
        batch.body = Bytes::from_static(&[12, 0, 0, 2, 1, 1, 0]);
        assert_eq!(check(&batch).unwrap_err().code, ResponseError::InvalidRecord);
    }

    #[test]
    fn more_bytes_than_records_are_invalid() {
        let mut two = batch(2);
        two.header.count = 1;
        assert_eq!(check(&two).unwrap_err().code, ResponseError::InvalidRecord);
    }
}
