//! Batches whose records part ways: split because they are too large, or refused record by record.

use ottla_wire::compression::{Compression, Compressor, Decompressor};
use ottla_wire::messages::produce_response::BatchIndexAndErrorMessage;
use ottla_wire::records::BodyEncoder;

use super::*;
use crate::produce::compress::Press;
use crate::produce::split::split;

/// A body of `count` records of 100 bytes, and its header.
fn records(count: i32, codec: Compression) -> (BatchHeader, Sealed) {
    let mut encoder = BodyEncoder::new(1_000);
    let mut body = Vec::new();
    for n in 0..count {
        let value = format!("{n:0100}");
        let headers = [(&b"n"[..], Some(&b"1"[..])), (b"n", None)].into_iter();
        encoder.push(&mut body, 1_000 + i64::from(n), Some(b"k"), Some(value.as_bytes()), headers).unwrap();
    }
    let sealed = match codec {
        Compression::None => Sealed::plain(body),
        codec => Press::new(Compressor::new(codec, None).unwrap()).seal(body).0,
    };
    (BatchHeader { compression: codec, ..encoder.header() }, sealed)
}

impl Fixture {
    /// A batch of real records for partition 0, and all of their deliveries.
    fn records(&mut self, count: i32, codec: Compression) -> Vec<Delivery> {
        let slot = self.slots[0].clone();
        let (header, sealed) = records(count, codec);
        let outcome = Outcome::new(slot.clone(), Arc::<Unreported>::default());
        let deliveries = (0..count as u32).map(|index| Delivery::new(outcome.clone(), index, 0)).collect();
        let id = self.next_batch;
        self.next_batch += 1;
        let closed = ClosedBatch { id, header, body: Vec::with_capacity(20_000), outcome, opened: self.now };
        self.add(&slot, &closed);
        self.sender.sealed(0, id, sealed, 20_000);
        deliveries
    }

    /// Splits what is to be split, at once.
    fn split(&mut self) {
        for due in std::mem::take(&mut self.sender.to_split) {
            let pieces = split(&due.header, &due.sealed, &mut Decompressor::new(1 << 20)).unwrap();
            let pieces = pieces.into_iter().map(|(piece, body)| (piece, Sealed::plain(body))).collect();
            self.sender.on_split(due.queue, due.id, pieces);
        }
    }
}

fn values(request: &Outgoing) -> Vec<String> {
    let mut values = Vec::new();
    for data in request.request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let bytes = data.records.as_ref().unwrap().0.concat();
        let batch = batches(bytes.into()).next().unwrap().unwrap();
        let body = batch.body(&mut Decompressor::new(1 << 20)).unwrap();
        for record in body.records() {
            let record = record.unwrap();
            let headers: Vec<_> =
                record.headers.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect();
            assert_eq!(headers, [(b"n".to_vec(), Some(b"1".to_vec())), (b"n".to_vec(), None)]);
            assert_eq!(record.key, Some(&b"k"[..]));
            let n: i64 = std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
            assert_eq!(record.timestamp, 1_000 + n);
            values.push(n.to_string());
        }
    }
    values
}

/// edge 10: split until it fits, in order, with the numbers that the records had; nothing overtakes.
#[test]
fn a_batch_too_large_is_split_until_it_fits() {
    for codec in [Compression::None, Compression::Lz4] {
        let mut fixture = Fixture::new(&[1]);
        let mut deliveries = fixture.records(8, codec);
        let mut next = fixture.batch(0, 1, 100);
        let (whole, behind) = (fixture.take().unwrap(), fixture.take().unwrap());
        fixture.reply(&whole, Code::MessageTooLarge, -1);
        fixture.reply(&behind, Code::OutOfOrderSequenceNumber, -1);
        assert!(fixture.take().is_none(), "what is behind waits for the parts");
        fixture.split();
        let halves: Vec<_> = std::iter::from_fn(|| fixture.take()).take(2).collect();
        assert_eq!(halves.iter().flat_map(|half| numbers(&half.request)).collect::<Vec<_>>(), [(0, 0), (0, 4)]);
        fixture.reply(&halves[0], Code::MessageTooLarge, -1);
        fixture.reply(&halves[1], Code::OutOfOrderSequenceNumber, -1);
        fixture.split();
        let sent: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
        assert_eq!(
            sent.iter().flat_map(|part| numbers(&part.request)).collect::<Vec<_>>(),
            [(0, 0), (0, 2), (0, 4), (0, 8)],
            "{codec:?}"
        );
        let all: Vec<_> = sent[..3].iter().flat_map(values).collect();
        assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        for (part, offset) in sent.iter().zip([10, 12, 14]) {
            assert!(deliveries[0].now().is_none(), "one result for the whole batch");
            fixture.reply(part, Code::None, offset);
        }
        fixture.reply(&sent[3], Code::None, 18);
        let offsets: Vec<_> = deliveries.iter_mut().map(|delivery| delivery.now().unwrap().unwrap().offset()).collect();
        assert_eq!(offsets, (10..18).map(Some).collect::<Vec<_>>());
        assert_eq!(next.now().unwrap().unwrap().offset(), Some(18));
        assert!(fixture.sender.is_idle());
    }
}

/// What is behind a batch may start the numbers anew while the batch is being split.
#[test]
fn the_parts_of_a_batch_have_the_numbers_that_it_has_when_they_take_its_place() {
    let mut fixture = Fixture::new(&[1]);
    fixture.records(8, Compression::None);
    fixture.batch(0, 1, 100);
    let (whole, behind) = (fixture.take().unwrap(), fixture.take().unwrap());
    fixture.reply(&whole, Code::MessageTooLarge, -1);
    fixture.reply(&behind, Code::InvalidProducerEpoch, -1);
    fixture.split();
    fixture.pass(SECOND);
    let sent: Vec<_> = std::iter::from_fn(|| fixture.take()).flat_map(|sent| numbers(&sent.request)).collect();
    assert_eq!(sent, [(1, 0), (1, 4), (1, 8)]);
}

/// edge 10: one record is not divisible, and its failure is its own.
#[test]
fn a_single_record_too_large_fails_alone() {
    let mut fixture = Fixture::new(&[1]);
    let mut deliveries = fixture.records(2, Compression::None);
    let whole = fixture.take().unwrap();
    fixture.reply(&whole, Code::MessageTooLarge, -1);
    fixture.split();
    let parts: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    fixture.reply(&parts[0], Code::MessageTooLarge, -1);
    fixture.reply(&parts[1], Code::OutOfOrderSequenceNumber, -1);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    fixture.reply(&again, Code::None, 5);
    assert_eq!(deliveries[0].now().unwrap().unwrap_err().code(), Some(Code::MessageTooLarge));
    assert_eq!(deliveries[1].now().unwrap().unwrap().offset(), Some(5));
}

/// edge 10: a batch whose time is over is not split.
#[test]
fn a_batch_whose_time_is_over_is_not_split() {
    let mut fixture = Fixture::new(&[1]);
    let mut deliveries = fixture.records(2, Compression::None);
    let whole = fixture.take().unwrap();
    fixture.now += Duration::from_secs(120);
    fixture.reply(&whole, Code::MessageTooLarge, -1);
    assert_eq!(deliveries[0].now().unwrap().unwrap_err().code(), Some(Code::MessageTooLarge));
    assert!(fixture.sender.to_split.is_empty() && fixture.sender.is_idle());
}

#[test]
fn a_flush_waits_for_every_part() {
    let mut fixture = Fixture::new(&[1]);
    fixture.records(4, Compression::None);
    let whole = fixture.take().unwrap();
    fixture.reply(&whole, Code::MessageTooLarge, -1);
    fixture.split();
    let parts: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    for part in &parts {
        assert!(!fixture.sender.is_idle());
        fixture.reply(part, Code::None, 0);
    }
    assert!(fixture.sender.is_idle());
}

/// edge 21: the records that were named fail for their reason, those in a batch with them because of it.
#[test]
fn refused_records_fail_by_name_and_their_siblings_as_such() {
    let mut fixture = Fixture::new(&[1]);
    let mut deliveries = fixture.records(4, Compression::None);
    let sent = fixture.take().unwrap();
    let refused = |batch_index, message: &str| BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(message.into()),
    };
    fixture.reply_with(&sent, |answer| {
        answer.error_code = Code::InvalidTimestamp;
        answer.record_errors = vec![refused(1, "from the future"), refused(2, "no key"), refused(9, "nobody")];
    });
    let errors: Vec<_> = deliveries.iter_mut().map(|delivery| delivery.now().unwrap().unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.code() == Some(Code::InvalidRecord)));
    assert!(errors[1].to_string().contains("from the future") && errors[2].to_string().contains("no key"));
    for sibling in [&errors[0], &errors[3]] {
        assert!(sibling.to_string().contains("record 1 of the same batch is invalid"), "{sibling}");
    }
    let sent = {
        deliveries = fixture.records(2, Compression::None);
        fixture.take().unwrap()
    };
    assert_eq!(numbers(&sent.request), [(0, 0)], "nothing was written, so the numbers are used again");
    fixture.reply_with(&sent, |answer| {
        answer.error_code = Code::InvalidTimestamp;
        answer.record_errors = vec![refused(1, "from the future")];
    });
    assert_eq!(deliveries[1].now().unwrap().unwrap_err().code(), Some(Code::InvalidTimestamp), "one alone: its reason");
    assert_eq!(deliveries[0].now().unwrap().unwrap_err().code(), Some(Code::InvalidRecord));
}
