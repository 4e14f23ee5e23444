//! A broker that does not take the producer's number, epoch or id.

use super::*;

fn transactional() -> Fixture {
    Fixture::with(&[1], |policy| policy.transactional_id = Some("t".into()))
}

/// edge 2: the first of several fails for good; the numbers of those behind it start anew.
#[test]
fn a_fatal_failure_leaves_no_gap_that_stops_the_others() {
    let mut fixture = Fixture::new(&[1]);
    let mut deliveries: Vec<_> = (0..2).map(|_| fixture.batch(0, 1, 100)).collect();
    let sent: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    fixture.reply(&sent[0], Code::TopicAuthorizationFailed, -1);
    assert_eq!(deliveries[0].now().unwrap().unwrap_err().code(), Some(Code::TopicAuthorizationFailed), "edge 20");
    fixture.reply(&sent[1], Code::OutOfOrderSequenceNumber, -1);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    assert_eq!(numbers(&again.request), [(1, 0)], "edge 3: the next epoch");
    fixture.reply(&again, Code::None, 0);
    assert_eq!(deliveries[1].now().unwrap().unwrap().offset(), Some(0));
}

#[test]
fn numbering_starts_anew_only_when_nothing_is_in_flight() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    fixture.batch(0, 1, 100);
    let sent: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    fixture.reply(&sent[0], Code::UnknownProducerId, -1);
    fixture.pass(SECOND);
    assert!(fixture.take().is_none(), "the second is still out under the old epoch");
    fixture.reply(&sent[1], Code::UnknownProducerId, -1);
    fixture.pass(SECOND);
    let again: Vec<_> = std::iter::from_fn(|| fixture.take()).flat_map(|request| numbers(&request.request)).collect();
    assert_eq!(again, [(1, 0), (1, 1)]);
}

/// edge 8: after the last epoch comes a new id.
#[test]
fn the_last_epoch_asks_for_a_new_id() {
    let mut fixture = Fixture::new(&[1]);
    fixture.sender.identified(Identity { id: 7, epoch: i16::MAX });
    fixture.batch(0, 1, 100);
    let sent = fixture.take().unwrap();
    fixture.reply(&sent, Code::UnknownProducerId, -1);
    fixture.pass(SECOND);
    assert!(fixture.sender.wants_identity);
    assert!(fixture.take().is_none());
    fixture.sender.identified(Identity { id: 8, epoch: 0 });
    assert_eq!(numbers(&fixture.take().unwrap().request), [(0, 0)]);
}

/// edge 1: a leader that does not know the producer would take the second batch as the first.
#[test]
fn the_first_batch_to_a_leader_is_sent_alone() {
    let mut fixture = Fixture::new(&[1]);
    fixture.is_unknown = true;
    for _ in 0..3 {
        fixture.batch(0, 1, 100);
    }
    let first = fixture.take().unwrap();
    assert!(fixture.take().is_none());
    fixture.reply(&first, Code::NotEnoughReplicas, -1);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    assert_eq!(numbers(&again.request), [(0, 0)]);
    assert!(fixture.take().is_none());
    fixture.reply(&again, Code::None, 0);
    assert_eq!(std::iter::from_fn(|| fixture.take()).count(), 2);
}

/// A leader that was not told for long may have forgotten the producer.
#[test]
fn after_a_long_rest_the_first_batch_is_sent_alone_again() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    let first = fixture.take().unwrap();
    fixture.reply(&first, Code::None, 0);
    fixture.is_unknown = true;
    fixture.pass(Duration::from_secs(3_600));
    fixture.batch(0, 1, 100);
    fixture.batch(0, 1, 100);
    assert!(fixture.take().is_some() && fixture.take().is_none());
}

/// edge 7: the broker could not say where its log starts, so nothing follows from its not knowing the producer.
#[test]
fn an_unknown_producer_without_a_log_start_is_only_sent_again() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    let sent = fixture.take().unwrap();
    fixture.log_start = -1;
    fixture.reply(&sent, Code::UnknownProducerId, -1);
    fixture.pass(SECOND);
    assert_eq!(numbers(&fixture.take().unwrap().request), [(0, 0)], "the same once more");
}

/// edge 7: retention removed all that the producer wrote; the transaction goes on with numbers from 0.
#[test]
fn a_transaction_goes_on_after_retention_removed_what_it_wrote() {
    let mut fixture = transactional();
    fixture.batch(0, 3, 100);
    let first = fixture.take().unwrap();
    fixture.reply(&first, Code::None, 0);
    let mut delivery = fixture.batch(0, 1, 100);
    let second = fixture.take().unwrap();
    assert_eq!(numbers(&second.request), [(0, 3)]);
    fixture.log_start = 3;
    fixture.reply(&second, Code::UnknownProducerId, -1);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    assert_eq!(numbers(&again.request), [(0, 0)], "under the same epoch");
    fixture.reply(&again, Code::None, 3);
    assert_eq!(delivery.now().unwrap().unwrap().offset(), Some(3));
}

/// edge 7: something that the broker should know is missing, so the transaction is to be aborted.
#[test]
fn a_transaction_fails_where_the_broker_forgot_what_is_still_there() {
    let mut fixture = transactional();
    fixture.batch(0, 3, 100);
    let first = fixture.take().unwrap();
    fixture.reply(&first, Code::None, 0);
    let mut delivery = fixture.batch(0, 1, 100);
    let second = fixture.take().unwrap();
    fixture.log_start = 1;
    fixture.reply(&second, Code::UnknownProducerId, -1);
    assert_eq!(delivery.now().unwrap().unwrap_err().code(), Some(Code::UnknownProducerId));
}

/// edges 3, 9: in a transaction a gap, or a newer epoch, fails the batch at once.
#[test]
fn a_transaction_fails_where_an_idempotent_producer_would_start_over() {
    for code in [Code::OutOfOrderSequenceNumber, Code::InvalidProducerEpoch] {
        let mut fixture = transactional();
        let mut delivery = fixture.batch(0, 1, 100);
        let sent = fixture.take().unwrap();
        fixture.reply(&sent, code, -1);
        assert_eq!(delivery.now().unwrap().unwrap_err().code(), Some(code));
        assert_eq!(fixture.sender.identity, Some(IDENTITY), "the epoch is the coordinator's to raise");
    }
}

/// edge 6: a batch given up in flight leaves a gap of unknown fate. If the broker takes what follows, there is none.
#[test]
fn a_batch_given_up_in_flight_may_have_been_written() {
    let mut fixture = Fixture::new(&[1]);
    let mut given_up = fixture.batch(0, 2, 100);
    let first = fixture.take().unwrap();
    fixture.pass(Duration::from_secs(60));
    let mut next = fixture.batch(0, 1, 100);
    let second = fixture.take().unwrap();
    fixture.pass(Duration::from_secs(60));
    assert_eq!(given_up.now().unwrap().unwrap_err().kind(), Kind::Timeout);
    fixture.reply(&first, Code::None, 0);
    fixture.reply(&second, Code::None, 2);
    assert_eq!(next.now().unwrap().unwrap().offset(), Some(2));
    fixture.batch(0, 1, 100);
    assert_eq!(numbers(&fixture.take().unwrap().request), [(0, 3)], "the epoch stays");
}

/// edge 6: it was not written, so the next is refused, and numbers start over under the next epoch.
#[test]
fn a_batch_given_up_and_not_written_costs_an_epoch() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 2, 100);
    let first = fixture.take().unwrap();
    fixture.lose(&first);
    fixture.pass(Duration::from_secs(120));
    let mut next = fixture.batch(0, 1, 100);
    let second = fixture.take().unwrap();
    assert_eq!(numbers(&second.request), [(0, 2)]);
    fixture.reply(&second, Code::OutOfOrderSequenceNumber, -1);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    assert_eq!(numbers(&again.request), [(1, 0)]);
    fixture.reply(&again, Code::None, 0);
    assert!(next.now().unwrap().is_ok());
}
/// Whatever the number of partitions: each looks after itself when the last of its batches is settled.
#[test]
fn ten_thousand_partitions_start_over_each_when_nothing_of_it_is_in_flight() {
    let mut fixture = Fixture::with(&[1; 10_000], |policy| policy.max_request_size = 100_000_000);
    for partition in (0..10_000).chain(0..10_000) {
        fixture.batch(partition, 1, 10);
    }
    let (first, second) = (fixture.take().unwrap(), fixture.take().unwrap());
    fixture.reply(&first, Code::InvalidProducerEpoch, -1);
    fixture.pass(SECOND);
    assert!(fixture.take().is_none(), "an answer under the old numbers may still come");
    fixture.reply(&second, Code::InvalidProducerEpoch, -1);
    fixture.pass(SECOND);
    assert_eq!(numbers(&fixture.take().unwrap().request), [(1, 0); 10_000]);
}
