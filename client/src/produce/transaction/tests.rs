#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::Code;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::request::{Answer, Meaning, Request};
use super::state::{Change, End, Transactions};
use crate::connection::Backoff;
use crate::error::{Error, Kind, Retry};
use crate::group::metadata::GroupMetadata;
use crate::produce::batch::Slot;
use crate::produce::queue::Identity;
use crate::{OffsetAndMetadata, TopicPartition};

const FIRST: Identity = Identity { id: 7, epoch: 0 };
const SECOND: Identity = Identity { id: 7, epoch: 1 };

type Waiting<T> = oneshot::Receiver<Result<T, Error>>;

/// The transactions of `copy-1`, and the time.
struct Fixture {
    transactions: Transactions,
    now: Instant,
    random: fastrand::Rng,
    /// What the last call or answer changed.
    change: Change,
}

impl Fixture {
    /// A producer that has its id; the newer protocol or the older.
    fn ready(is_v2: bool) -> Self {
        let mut fixture = Self::new();
        fixture.transactions.learn(if is_v2 { 2 } else { 1 });
        let (reply, mut done) = oneshot::channel();
        fixture.transactions.init(reply);
        assert_eq!(fixture.next(), Some(Request::Init(None)));
        fixture.succeed(Answer::Identity(FIRST, true));
        assert!(done.try_recv().unwrap().is_ok());
        fixture
    }

    fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        Self {
            transactions: Transactions::new("copy-1".into(), backoff),
            now: Instant::now(),
            random: fastrand::Rng::with_seed(7),
            change: Change::default(),
        }
    }

    /// A producer in a transaction, its first.
    fn open(is_v2: bool) -> Self {
        let mut fixture = Self::ready(is_v2);
        fixture.begin();
        fixture
    }

    fn begin(&mut self) {
        let (reply, _wait) = oneshot::channel();
        self.change = self.transactions.begin(reply);
        assert!(self.change.began.is_some());
    }

    fn next(&mut self) -> Option<Request> {
        self.next_if(true)
    }

    fn next_if(&mut self, is_idle: bool) -> Option<Request> {
        let (request, change) = self.transactions.next(self.now, is_idle);
        self.change = change;
        request
    }

    fn succeed(&mut self, answer: Answer) {
        self.change = self.transactions.on_answer(Ok(answer), self.now, &mut self.random);
    }

    fn refuse(&mut self, code: Code) {
        let error = Error::broker(code, "coordinator");
        self.change = self.transactions.on_answer(Err(error), self.now, &mut self.random);
    }

    fn write(&mut self, partition: i32) {
        self.transactions.on_batch(&Slot::new("orders".into(), partition, partition as usize));
    }

    fn end(&mut self, commit: bool) -> Waiting<()> {
        let (reply, wait) = oneshot::channel();
        self.change = self.transactions.end(self.transactions.number(), commit, reply);
        wait
    }

    fn offsets(&mut self) -> Waiting<()> {
        let (reply, wait) = oneshot::channel();
        let offsets = BTreeMap::from([(TopicPartition::new("from", 0), OffsetAndMetadata::from(5))]);
        let group =
            GroupMetadata { group_id: "g".into(), generation_id: 3, member_id: "m".into(), group_instance_id: None };
        self.transactions.send_offsets(self.transactions.number(), offsets, group, reply);
        wait
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn add_partitions(&mut self) -> Vec<i32> {
        match self.next() {
            Some(Request::AddPartitions(FIRST | SECOND, places)) => {
                places.into_iter().map(|place| place.partition).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn fail_a_batch(&mut self) {
        self.change = self.transactions.on_send_failed(&Error::new(Kind::Timeout, "produce to orders[0]"));
    }
}

fn result(mut wait: Waiting<()>) -> Result<(), Error> {
    wait.try_recv().expect("an outcome")
}

const COMMIT: Request = Request::End { identity: FIRST, commit: true };
const ABORT: Request = Request::End { identity: FIRST, commit: false };

#[test]
fn the_older_protocol_adds_each_partition_once_before_anything_is_sent_to_it() {
    let mut fixture = Fixture::open(false);
    fixture.write(1);
    fixture.write(0);
    fixture.write(1);
    assert_eq!(fixture.add_partitions(), [0, 1]);
    fixture.write(2);
    assert_eq!(fixture.next(), None, "one request at a time");
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.change.admitted, [0, 1]);
    fixture.write(0);
    assert_eq!(fixture.add_partitions(), [2]);
}

/// edge 27: the newer protocol needs no adding, and its end brings the next epoch.
#[test]
fn the_newer_protocol_adds_nothing_and_ends_with_a_new_epoch() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    let committed = fixture.end(true);
    assert_eq!(fixture.change.ends, Some(End::Commit));
    assert_eq!(fixture.next_if(false), None, "records are on their way");
    assert_eq!(fixture.next(), Some(COMMIT));
    fixture.succeed(Answer::Identity(SECOND, true));
    assert_eq!(fixture.change.identity, Some(SECOND));
    result(committed).unwrap();
    fixture.begin();
}

/// edge 27: nothing was sent, so there is nothing to end.
#[test]
fn a_transaction_without_records_is_not_told_to_the_coordinator() {
    for is_v2 in [false, true] {
        for commit in [false, true] {
            let mut fixture = Fixture::open(is_v2);
            let ended = fixture.end(commit);
            assert_eq!(fixture.next(), None);
            result(ended).unwrap();
            fixture.begin();
        }
    }
}

/// edge 27: a cluster that was upgraded is followed between transactions, under a new epoch.
#[test]
fn an_upgraded_cluster_is_followed_between_transactions() {
    let mut fixture = Fixture::open(false);
    fixture.transactions.learn(2);
    fixture.write(0);
    fixture.add_partitions();
    fixture.succeed(Answer::Done);
    let committed = fixture.end(true);
    assert_eq!(fixture.next(), Some(COMMIT));
    assert!(!fixture.transactions.is_v2, "this one is still of the older protocol");
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.next(), Some(Request::Init(Some(FIRST))));
    fixture.succeed(Answer::Identity(SECOND, true));
    result(committed).unwrap();
    assert!(fixture.transactions.is_v2);
}

/// edge 27: and one that was downgraded.
#[test]
fn a_downgraded_cluster_is_followed_between_transactions() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    fixture.transactions.learn(1);
    let _committed = fixture.end(true);
    assert_eq!(fixture.next(), Some(COMMIT));
    fixture.succeed(Answer::Identity(SECOND, true));
    assert!(!fixture.transactions.is_v2);
    fixture.begin();
    fixture.write(0);
    assert_eq!(fixture.add_partitions(), [0]);
}

/// edge 22: the first partition waits 20 ms while the transaction before is being completed, later ones the backoff.
#[test]
fn the_first_partition_is_added_again_soon() {
    let mut fixture = Fixture::open(false);
    fixture.write(0);
    for _ in 0..5 {
        assert_eq!(fixture.add_partitions(), [0]);
        fixture.refuse(Code::ConcurrentTransactions);
        assert_eq!(fixture.next(), None);
        fixture.pass(Duration::from_millis(20));
    }
    fixture.add_partitions();
    fixture.succeed(Answer::Done);
    fixture.write(1);
    fixture.add_partitions();
    fixture.refuse(Code::ConcurrentTransactions);
    fixture.pass(Duration::from_millis(20));
    assert_eq!(fixture.next(), None);
    fixture.pass(Duration::from_millis(100));
    assert_eq!(fixture.add_partitions(), [1]);
}

/// edge 23: after an abortable error only an abort is allowed.
#[test]
fn an_abortable_error_allows_an_abort_alone() {
    let mut fixture = Fixture::open(false);
    fixture.write(0);
    fixture.add_partitions();
    fixture.refuse(Code::TransactionAbortable);
    let error = result(fixture.end(true)).unwrap_err();
    assert_eq!((error.retry(), error.code()), (Retry::Abort, Some(Code::TransactionAbortable)));
    assert_eq!(result(fixture.offsets()).unwrap_err().retry(), Retry::Abort);
    let aborted = fixture.end(false);
    assert_eq!(fixture.change.ends, Some(End::Abort));
    assert_eq!(fixture.next(), None, "nothing was added");
    result(aborted).unwrap();
    fixture.begin();
}

/// edge 23: an abort that is to be aborted is the end of the producer.
#[test]
fn an_abortable_error_of_an_abort_is_fatal() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    let aborted = fixture.end(false);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.refuse(Code::TransactionAbortable);
    assert_eq!(result(aborted).unwrap_err().retry(), Retry::Restart);
    assert!(fixture.transactions.is_fatal());
}

/// edge 24: a record that failed forbids the commit, also while it is under way.
#[test]
fn a_failed_record_forbids_the_commit() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    let committed = fixture.end(true);
    fixture.fail_a_batch();
    assert_eq!(result(committed).unwrap_err().retry(), Retry::Abort);
    assert_eq!(fixture.next(), None, "no end is told before it is asked for");
    let aborted = fixture.end(false);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Identity(SECOND, true));
    result(aborted).unwrap();
}

/// edges 3, 6, 9: under the older protocol the producer raises its epoch after a failure, since the brokers may be at
/// other numbers (KIP-360).
#[test]
fn a_failed_record_raises_the_epoch_of_the_older_protocol() {
    let mut fixture = Fixture::open(false);
    fixture.write(0);
    fixture.add_partitions();
    fixture.succeed(Answer::Done);
    fixture.fail_a_batch();
    let aborted = fixture.end(false);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.next(), Some(Request::Init(Some(FIRST))));
    fixture.succeed(Answer::Identity(SECOND, true));
    assert_eq!(fixture.change.identity, Some(SECOND));
    result(aborted).unwrap();
}

#[test]
fn without_a_way_to_raise_the_epoch_a_failed_record_is_fatal() {
    let mut fixture = Fixture::new();
    let (reply, _wait) = oneshot::channel();
    fixture.change = fixture.transactions.begin(reply);
    assert_eq!(fixture.next(), Some(Request::Init(None)));
    fixture.succeed(Answer::Identity(FIRST, false));
    assert!(fixture.change.began.is_some(), "begin starts the producer");
    fixture.write(0);
    fixture.fail_a_batch();
    assert!(fixture.transactions.is_fatal());
}

/// edge 25: a commit of unknown outcome may only be repeated.
#[test]
fn the_opposite_of_an_end_under_way_is_refused() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    let given_up = fixture.end(true);
    assert_eq!(fixture.next(), Some(COMMIT));
    drop(given_up);
    assert_eq!(result(fixture.end(false)).unwrap_err().kind(), Kind::State);
    let again = fixture.end(true);
    assert_eq!(fixture.next(), None, "it is still under way");
    fixture.succeed(Answer::Identity(SECOND, true));
    result(again).unwrap();
    result(fixture.end(true)).unwrap();
    assert!(result(fixture.end(false)).is_err(), "it was committed");
}

/// edge 25: the commit of a transaction that nobody holds any more goes on; the next begins when it is over.
#[test]
fn an_abandoned_commit_goes_on_and_the_next_waits_for_it() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    drop(fixture.end(true));
    let change = fixture.transactions.abandon(1);
    assert_eq!(change.ends, None);
    let (reply, _begun) = oneshot::channel();
    assert!(fixture.transactions.begin(reply).began.is_none());
    assert_eq!(fixture.next(), Some(COMMIT));
    fixture.succeed(Answer::Identity(SECOND, true));
    assert!(fixture.change.began.is_some());
}

/// Nothing that fails goes unreported: not even the commit that nobody waits for.
#[test]
fn an_abandoned_commit_that_fails_is_aborted_and_told_once() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    drop(fixture.end(true));
    fixture.transactions.abandon(1);
    fixture.fail_a_batch();
    assert_eq!(fixture.change.ends, Some(End::Abort));
    assert_eq!(fixture.next(), Some(ABORT));
    let (reply, mut told) = oneshot::channel();
    fixture.transactions.begin(reply);
    assert_eq!(told.try_recv().unwrap().unwrap_err().retry(), Retry::Abort);
    fixture.succeed(Answer::Identity(SECOND, true));
    fixture.begin();
}

#[test]
fn a_dropped_transaction_is_aborted() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    assert_eq!(fixture.transactions.abandon(1).ends, Some(End::Abort));
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Identity(SECOND, true));
    fixture.begin();
    assert_eq!(fixture.transactions.abandon(1).ends, None, "that one is over");
}

#[test]
fn one_transaction_is_open_at_a_time() {
    let mut fixture = Fixture::open(true);
    let (reply, mut refused) = oneshot::channel();
    fixture.transactions.begin(reply);
    assert_eq!(refused.try_recv().unwrap().unwrap_err().kind(), Kind::State);
}

#[test]
fn a_begin_that_was_given_up_opens_nothing() {
    let mut fixture = Fixture::ready(true);
    let (reply, given_up) = oneshot::channel();
    drop(given_up);
    assert!(fixture.transactions.begin(reply).began.is_none());
    fixture.begin();
}

/// edge 26: a coordinator that moved, loads or is lost is asked again, whatever it takes.
#[test]
fn an_end_is_told_again_until_a_coordinator_takes_it() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    let mut committed = fixture.end(true);
    for code in [Code::NotCoordinator, Code::CoordinatorLoadInProgress, Code::ConcurrentTransactions] {
        assert_eq!(fixture.next(), Some(COMMIT));
        fixture.refuse(code);
        assert_eq!(fixture.next(), None, "{code:?}");
        fixture.pass(Duration::from_secs(2));
    }
    assert_eq!(fixture.next(), Some(COMMIT));
    let lost = Error::new(Kind::Connection, "connection lost");
    fixture.change = fixture.transactions.on_answer(Err(lost), fixture.now, &mut fixture.random);
    fixture.pass(Duration::from_secs(2));
    assert_eq!(fixture.next(), Some(COMMIT));
    assert!(committed.try_recv().is_err());
    fixture.succeed(Answer::Identity(SECOND, true));
    result(committed).unwrap();
}

/// edge 28: offsets of a member that the group has gone on without abort the transaction, and not the producer.
#[test]
fn offsets_of_a_lost_member_abort_the_transaction() {
    for code in [Code::IllegalGeneration, Code::UnknownMemberId, Code::FencedInstanceId] {
        let mut fixture = Fixture::open(true);
        let sent = fixture.offsets();
        assert!(matches!(fixture.next(), Some(Request::Offsets(..))));
        fixture.refuse(code);
        let error = result(sent).unwrap_err();
        assert_eq!((error.retry(), error.code()), (Retry::Abort, Some(code)));
        let _aborted = fixture.end(false);
        assert_eq!(fixture.next(), Some(ABORT), "offsets may have been added");
    }
}

#[test]
fn the_older_protocol_adds_a_group_once() {
    let mut fixture = Fixture::open(false);
    let first = fixture.offsets();
    assert_eq!(fixture.next(), Some(Request::AddOffsets(FIRST, "g".into())));
    fixture.succeed(Answer::Done);
    assert!(matches!(fixture.next(), Some(Request::Offsets(..))));
    fixture.succeed(Answer::Done);
    result(first).unwrap();
    let second = fixture.offsets();
    assert!(matches!(fixture.next(), Some(Request::Offsets(..))));
    fixture.succeed(Answer::Done);
    result(second).unwrap();
    let _committed = fixture.end(true);
    assert_eq!(fixture.next(), Some(COMMIT));
}

#[test]
fn the_commit_waits_for_offsets_and_partitions() {
    let mut fixture = Fixture::open(false);
    let _sent = fixture.offsets();
    fixture.write(0);
    let _committed = fixture.end(true);
    assert_eq!(fixture.add_partitions(), [0]);
    fixture.succeed(Answer::Done);
    assert!(matches!(fixture.next(), Some(Request::AddOffsets(..))));
    fixture.succeed(Answer::Done);
    assert!(matches!(fixture.next(), Some(Request::Offsets(..))));
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.next_if(false), None);
    assert_eq!(fixture.next(), Some(COMMIT));
}

/// edge 29: what an earlier producer left open is completed first, however long that takes.
#[test]
fn an_id_is_asked_for_until_the_earlier_transaction_is_completed() {
    let mut fixture = Fixture::new();
    let (reply, mut done) = oneshot::channel();
    fixture.transactions.init(reply);
    for _ in 0..100 {
        assert_eq!(fixture.next(), Some(Request::Init(None)));
        fixture.refuse(Code::ConcurrentTransactions);
        fixture.pass(Duration::from_secs(2));
    }
    assert!(done.try_recv().is_err());
    assert_eq!(fixture.next(), Some(Request::Init(None)));
    fixture.succeed(Answer::Identity(FIRST, true));
    assert!(done.try_recv().unwrap().is_ok());
}

#[test]
fn a_producer_without_authorization_may_try_again() {
    let mut fixture = Fixture::new();
    let (reply, mut refused) = oneshot::channel();
    fixture.transactions.init(reply);
    fixture.next();
    fixture.refuse(Code::TransactionalIdAuthorizationFailed);
    assert_eq!(refused.try_recv().unwrap().unwrap_err().code(), Some(Code::TransactionalIdAuthorizationFailed));
    let (reply, _wait) = oneshot::channel();
    fixture.transactions.init(reply);
    assert_eq!(fixture.next(), Some(Request::Init(None)));
}

/// edge 9: whoever was fenced is told so by every call.
#[test]
fn a_fenced_producer_can_do_no_more() {
    for code in [Code::ProducerFenced, Code::InvalidProducerEpoch] {
        let mut fixture = Fixture::open(true);
        fixture.write(0);
        let committed = fixture.end(true);
        fixture.next();
        fixture.refuse(code);
        let error = result(committed).unwrap_err();
        assert_eq!((error.retry(), error.code()), (Retry::Restart, Some(Code::ProducerFenced)));
        let (reply, mut refused) = oneshot::channel();
        fixture.transactions.begin(reply);
        assert_eq!(refused.try_recv().unwrap().unwrap_err().retry(), Retry::Restart);
        assert_eq!(fixture.next(), None);
    }
}

/// edge 26: brokers come and go; that ends no producer.
#[test]
fn a_coordinator_that_has_left_the_cluster_is_looked_for_elsewhere() {
    let gone = [Error::broker(Code::BrokerNotAvailable, "broker 1 is not in the metadata"), Error::closed("client")];
    for error in gone {
        let mut fixture = Fixture::open(true);
        fixture.write(0);
        let committed = fixture.end(true);
        assert_eq!(fixture.next(), Some(COMMIT));
        fixture.change = fixture.transactions.on_answer(Err(error), fixture.now, &mut fixture.random);
        assert_eq!(fixture.next(), None, "not at once");
        fixture.pass(Duration::from_secs(1));
        assert_eq!(fixture.next(), Some(COMMIT));
        fixture.succeed(Answer::Identity(SECOND, true));
        result(committed).unwrap();
    }
}

/// The classes of KIP-588, KIP-654 and KIP-1050, request by request.
#[test]
fn each_code_means_what_java_takes_it_for() {
    let offsets = Arc::new((
        BTreeMap::new(),
        GroupMetadata { group_id: "g".into(), generation_id: -1, member_id: "".into(), group_instance_id: None },
    ));
    let init = Request::Init(None);
    let add = Request::AddPartitions(FIRST, std::collections::BTreeSet::new());
    let add_offsets = Request::AddOffsets(FIRST, "g".into());
    let offsets = Request::Offsets(FIRST, offsets);
    let table = [
        (&init, Code::CoordinatorNotAvailable, Meaning::RetryElsewhere),
        (&COMMIT, Code::BrokerNotAvailable, Meaning::RetryElsewhere),
        (&init, Code::ConcurrentTransactions, Meaning::Retry),
        (&init, Code::InvalidTransactionTimeout, Meaning::Fatal),
        (&init, Code::ClusterAuthorizationFailed, Meaning::NotStarted),
        (&init, Code::TransactionAbortable, Meaning::Abortable),
        (&add, Code::ConcurrentTransactions, Meaning::RetrySoon),
        (&add, Code::UnknownTopicOrPartition, Meaning::Retry),
        (&add, Code::TopicAuthorizationFailed, Meaning::Abortable),
        (&add, Code::OperationNotAttempted, Meaning::Abortable),
        (&add, Code::InvalidProducerIdMapping, Meaning::Fatal),
        (&add, Code::InvalidTxnState, Meaning::Fatal),
        (&add, Code::UnknownProducerId, Meaning::AbortableWithNewEpoch),
        (&add_offsets, Code::GroupAuthorizationFailed, Meaning::Abortable),
        (&add_offsets, Code::InvalidTxnState, Meaning::Fatal),
        (&offsets, Code::RequestTimedOut, Meaning::RetryElsewhere),
        (&offsets, Code::CoordinatorLoadInProgress, Meaning::Retry),
        (&offsets, Code::ConcurrentTransactions, Meaning::RetrySoon),
        (&offsets, Code::IllegalGeneration, Meaning::Abortable),
        (&offsets, Code::UnsupportedForMessageFormat, Meaning::Fatal),
        (&COMMIT, Code::InvalidTxnState, Meaning::Fatal),
        (&COMMIT, Code::TransactionAbortable, Meaning::Abortable),
        (&ABORT, Code::TransactionAbortable, Meaning::Fatal),
        (&COMMIT, Code::InvalidProducerEpoch, Meaning::Fenced),
        (&COMMIT, Code::TransactionalIdAuthorizationFailed, Meaning::Fatal),
    ];
    for (request, code, meaning) in table {
        assert_eq!(request.meaning(code), meaning, "{} {code:?}", request.name());
    }
}

#[test]
fn a_transaction_on_its_way_to_nobody_is_abandoned() {
    let (events, mut received) = mpsc::unbounded_channel();
    drop(super::Begun { number: 4, events, is_over: false });
    let event = received.try_recv().unwrap();
    assert!(matches!(event, crate::produce::driver::Event::Transaction(crate::produce::driver::Command::Abandon(4))));
}

/// What the answer did not say may be in the coordinator's books: only what stands there can be ended.
#[test]
fn what_may_have_been_added_is_added_again_before_it_is_aborted() {
    let lost = || Err(Error::new(Kind::Connection, "broker 1: lost"));
    let mut fixture = Fixture::open(false);
    fixture.write(0);
    assert_eq!(fixture.add_partitions(), [0]);
    fixture.change = fixture.transactions.on_answer(lost(), fixture.now, &mut fixture.random);
    let aborted = fixture.end(false);
    fixture.pass(Duration::from_secs(1));
    assert_eq!(fixture.add_partitions(), [0]);
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Done);
    result(aborted).unwrap();

    let mut fixture = Fixture::open(false);
    let _offsets = fixture.offsets();
    assert_eq!(fixture.next(), Some(Request::AddOffsets(FIRST, "g".into())));
    let aborted = fixture.end(false);
    fixture.change = fixture.transactions.on_answer(lost(), fixture.now, &mut fixture.random);
    fixture.pass(Duration::from_secs(1));
    assert_eq!(fixture.next(), Some(Request::AddOffsets(FIRST, "g".into())));
    fixture.succeed(Answer::Done);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Done);
    result(aborted).unwrap();
}

/// Batches are closed for an abort, to be given up: they are no reason to add their partitions.
#[test]
fn what_is_closed_for_an_abort_is_not_added() {
    let mut fixture = Fixture::open(false);
    let aborted = fixture.end(false);
    fixture.write(0);
    assert_eq!(fixture.next(), None);
    result(aborted).unwrap();
}

#[test]
fn a_failure_of_a_commit_is_told_once() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    drop(fixture.end(true));
    fixture.fail_a_batch();
    assert_eq!(result(fixture.end(true)).unwrap_err().retry(), Retry::Abort);
    let aborted = fixture.end(false);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Identity(SECOND, true));
    result(aborted).unwrap();
    fixture.begin();
}

#[test]
fn whoever_waits_to_begin_is_told_of_the_commit_that_nobody_waits_for() {
    let mut fixture = Fixture::open(true);
    fixture.write(0);
    drop(fixture.end(true));
    fixture.transactions.abandon(1);
    let (reply, mut told) = oneshot::channel();
    fixture.transactions.begin(reply);
    fixture.fail_a_batch();
    assert_eq!(told.try_recv().unwrap().unwrap_err().retry(), Retry::Abort);
    assert_eq!(fixture.next(), Some(ABORT));
    fixture.succeed(Answer::Identity(SECOND, true));
    fixture.begin();
}

/// A commit that happened is not taken back by what comes after it.
#[test]
fn a_commit_is_told_before_the_epoch_is_raised_for_the_next() {
    for code in [Code::TransactionAbortable, Code::TransactionalIdAuthorizationFailed, Code::ProducerFenced] {
        let mut fixture = Fixture::open(false);
        fixture.transactions.learn(2);
        fixture.write(0);
        fixture.add_partitions();
        fixture.succeed(Answer::Done);
        let committed = fixture.end(true);
        assert_eq!(fixture.next(), Some(COMMIT));
        fixture.succeed(Answer::Done);
        result(committed).unwrap();
        result(fixture.end(true)).unwrap();
        let (reply, mut begun) = oneshot::channel();
        fixture.transactions.begin(reply);
        assert_eq!(fixture.next(), Some(Request::Init(Some(FIRST))));
        fixture.refuse(code);
        assert!(begun.try_recv().unwrap().is_err(), "{code:?}");
        assert_eq!(fixture.next(), None, "{code:?}: it is not asked for again and again");
    }
}

/// edge 27: also if nothing was sent in the last transaction of the older protocol.
#[test]
fn an_upgraded_cluster_is_followed_under_a_new_epoch_after_an_empty_transaction() {
    let mut fixture = Fixture::open(false);
    fixture.transactions.learn(2);
    let committed = fixture.end(true);
    assert_eq!(fixture.next(), Some(Request::Init(Some(FIRST))));
    fixture.succeed(Answer::Identity(SECOND, true));
    result(committed).unwrap();
    assert!(fixture.transactions.is_v2);
}
