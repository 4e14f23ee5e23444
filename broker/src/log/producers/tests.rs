use super::super::batch::tests::{producer_batch, transactional_batch};
use super::*;

const ID: i64 = 4;

fn header(count: i32, epoch: i16, sequence: i32) -> Header {
    producer_batch(count, ID, epoch, sequence).header
}

fn transactional(count: i32, epoch: i16, sequence: i32) -> Header {
    transactional_batch(count, ID, epoch, sequence).header
}

fn marker(epoch: i16) -> Marker {
    Marker { producer_id: ID, producer_epoch: epoch, is_commit: true, coordinator_epoch: 0 }
}

fn after(batches: &[Header]) -> Producers {
    let mut producers = Producers::default();
    let mut offset = 0;
    for batch in batches {
        producers.appended(&Header { base_offset: offset, ..batch.clone() });
        offset += i64::from(batch.count);
    }
    producers
}

fn refused(producers: &Producers, batch: &Header) -> ResponseError {
    producers.check(batch, false).unwrap_err().code
}

#[test]
fn the_next_sequence_is_appended() {
    let producers = after(&[header(3, 0, 0)]);
    assert_eq!(producers.check(&header(1, 0, 3), false), Ok(Verdict::Append));
}

#[test]
fn any_of_the_last_five_is_a_duplicate_with_its_offset() {
    let producers = after(&(0..6).map(|n| header(2, 0, n * 2)).collect::<Vec<_>>());
    for n in 1..6 {
        let Ok(Verdict::Duplicate(written)) = producers.check(&header(2, 0, n * 2), false) else {
            panic!("batch {n} is in the log");
        };
        assert_eq!(written.base_offset, i64::from(n) * 2);
    }
    assert_eq!(refused(&producers, &header(2, 0, 0)), ResponseError::OutOfOrderSequenceNumber, "the sixth last");
}

#[test]
fn a_duplicate_has_the_same_end_too() {
    let producers = after(&[header(2, 0, 0)]);
    assert_eq!(refused(&producers, &header(1, 0, 0)), ResponseError::OutOfOrderSequenceNumber);
}

#[test]
fn a_gap_is_out_of_order() {
    let producers = after(&[header(1, 0, 0)]);
    assert_eq!(refused(&producers, &header(1, 0, 2)), ResponseError::OutOfOrderSequenceNumber);
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(Producers::default().check(&header(1, 3, 17), false), Ok(Verdict::Append));
}

#[test]
fn before_kip_360_an_unknown_producer_starts_at_zero() {
    let producers = Producers::default();
    assert_eq!(producers.check(&header(1, 3, 17), true).unwrap_err().code, ResponseError::UnknownProducerId);
    assert_eq!(producers.check(&header(1, 3, 0), true), Ok(Verdict::Append));
}

#[test]
fn before_kip_360_a_producer_is_forgotten_with_its_records() {
    let mut producers = after(&[header(2, 0, 0), header(2, 0, 2)]);
    producers.forget_before(3);
    assert_eq!(producers.check(&header(1, 0, 4), true), Ok(Verdict::Append), "its last record is there");
    producers.forget_before(4);
    assert_eq!(producers.check(&header(1, 0, 4), true).unwrap_err().code, ResponseError::UnknownProducerId);

    let mut open = after(&[transactional(1, 0, 0)]);
    open.forget_before(1);
    assert_eq!(open.open_from(), None, "and so is its transaction");
}

#[test]
fn a_new_epoch_starts_at_zero() {
    let producers = after(&[header(1, 0, 0)]);
    assert_eq!(producers.check(&header(1, 1, 0), false), Ok(Verdict::Append));
    assert_eq!(refused(&producers, &header(1, 1, 1)), ResponseError::OutOfOrderSequenceNumber);
}

#[test]
fn batches_of_an_older_epoch_are_no_duplicates() {
    let producers = after(&[header(1, 0, 0), header(1, 0, 1), header(1, 1, 0)]);
    assert_eq!(producers.check(&header(1, 1, 1), false), Ok(Verdict::Append));
}

#[test]
fn an_older_epoch_is_invalid_even_for_a_duplicate() {
    let producers = after(&[header(1, 0, 0), header(1, 1, 0)]);
    assert_eq!(refused(&producers, &header(1, 0, 0)), ResponseError::InvalidProducerEpoch);
}

#[test]
fn sequences_wrap_around() {
    let producers = after(&[header(2, 0, i32::MAX - 1)]);
    assert_eq!(producers.check(&header(1, 0, 0), false), Ok(Verdict::Append));
    let across = after(&[header(2, 0, i32::MAX)]);
    assert_eq!(across.check(&header(1, 0, 1), false), Ok(Verdict::Append));
}

#[test]
fn the_coordinator_is_asked_until_the_transaction_has_written() {
    let mut producers = Producers::default();
    assert_eq!(producers.verify(&transactional(1, 0, 0), true), Ok(true));
    assert_eq!(producers.verify(&transactional(1, 0, 0), true), Ok(true), "nothing was written");
    producers.appended(&transactional(1, 0, 0));
    assert_eq!(producers.verify(&transactional(1, 0, 1), true), Ok(false));
    producers.marked(marker(1), 0);
    assert_eq!(producers.verify(&transactional(1, 1, 0), true), Ok(true), "the next transaction");
}

#[test]
fn a_marker_of_the_next_epoch_fences_the_last_one() {
    let mut producers = after(&[transactional(1, 0, 0)]);
    assert_eq!(producers.marked(marker(1), 0), Some(0));
    assert_eq!(producers.verify(&transactional(1, 0, 1), true).unwrap_err().code, ResponseError::InvalidProducerEpoch);
    assert_eq!(refused(&producers, &transactional(1, 0, 1)), ResponseError::InvalidProducerEpoch);
    assert_eq!(refused(&producers, &transactional(1, 1, 1)), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(producers.check(&transactional(1, 1, 0), false), Ok(Verdict::Append));
}

#[test]
fn a_marker_of_the_same_epoch_leaves_the_sequences_as_they_are() {
    let mut producers = after(&[transactional(2, 0, 0)]);
    producers.marked(marker(0), 0);
    assert_eq!(producers.check(&transactional(1, 0, 2), false), Ok(Verdict::Append));
    let Ok(Verdict::Duplicate(_)) = producers.check(&transactional(2, 0, 0), false) else { panic!("it is remembered") };
}

#[test]
fn a_transaction_that_bumps_epochs_begins_with_sequence_zero_even_if_nothing_is_known() {
    let mut producers = Producers::default();
    producers.verify(&transactional(1, 5, 3), true).unwrap();
    assert_eq!(refused(&producers, &transactional(1, 5, 3)), ResponseError::OutOfOrderSequenceNumber);

    let mut older = Producers::default();
    older.verify(&transactional(1, 5, 3), false).unwrap();
    assert_eq!(older.check(&transactional(1, 5, 3), false), Ok(Verdict::Append));
}

#[test]
fn while_the_coordinator_is_asked_no_later_sequence_goes_first() {
    let mut producers = Producers::default();
    producers.verify(&transactional(1, 5, 3), false).unwrap();
    producers.verify(&transactional(1, 5, 4), false).unwrap();
    assert_eq!(refused(&producers, &transactional(1, 5, 4)), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(producers.check(&transactional(1, 5, 3), false), Ok(Verdict::Append));
}

#[test]
fn data_outside_the_open_transaction_is_invalid() {
    let producers = after(&[transactional(1, 0, 0)]);
    assert_eq!(refused(&producers, &header(1, 0, 1)), ResponseError::InvalidTxnState);
}

#[test]
fn the_first_of_several_open_transactions_counts() {
    let other = transactional_batch(1, 9, 0, 0).header;
    let mut producers = after(&[transactional(2, 0, 0), other]);
    assert_eq!(producers.open_from(), Some(0));
    assert_eq!(producers.marked(marker(0), 0), Some(0));
    assert_eq!(producers.open_from(), Some(2));
}

#[test]
fn a_marker_without_records_ends_nothing_but_raises_the_epoch() {
    let mut producers = Producers::default();
    assert_eq!(producers.marked(marker(3), 0), None);
    assert_eq!(refused(&producers, &header(1, 2, 0)), ResponseError::InvalidProducerEpoch);
}

#[test]
fn a_late_marker_is_refused() {
    let producers = after(&[transactional(1, 2, 0)]);
    assert_eq!(producers.check_marker(marker(1), false), Err(ResponseError::InvalidProducerEpoch));
    assert_eq!(producers.check_marker(marker(2), false), Ok(()));
    assert_eq!(producers.check_marker(marker(2), true), Err(ResponseError::InvalidProducerEpoch), "epochs rise");
    assert_eq!(producers.check_marker(marker(3), true), Ok(()));
}

#[test]
fn a_marker_may_be_repeated() {
    let mut producers = after(&[transactional(1, 2, 0)]);
    producers.marked(marker(3), 0);
    assert_eq!(producers.check_marker(marker(3), true), Ok(()));
}
