//! The coordinator's rules, tried on the bare state: ids and time are handed in.

use super::*;

const START: Duration = Duration::ZERO;
const TIMEOUT: Duration = Duration::from_secs(60);
const ID: i64 = 100;

/// A transactional id, and the ids that are given out for it.
struct Coordinator {
    transaction: Transaction,
    given: i64,
}

impl Coordinator {
    /// With producer id 100, not initialized.
    fn new() -> Self {
        Self { transaction: Transaction::new(ID), given: ID }
    }

    /// Initialized: producer id 100, epoch 0.
    fn started() -> Self {
        let mut coordinator = Self::new();
        assert_eq!(coordinator.init(None), Ok((ID, 0)));
        coordinator
    }

    fn at_epoch(epoch: i16) -> Self {
        let mut coordinator = Self::started();
        coordinator.transaction.epoch = epoch;
        coordinator
    }

    fn init(&mut self, expected: Option<(i64, i16)>) -> Result<(i64, i16), ResponseError> {
        let Self { transaction, given } = self;
        transaction.init(expected, TIMEOUT, &mut || {
            *given += 1;
            *given
        })
    }

    fn add(&mut self, epoch: i16) -> Result<(), ResponseError> {
        let partition = ("orders".to_owned(), 0);
        self.transaction.add((self.transaction.producer_id, epoch), [partition], None, Protocol::V2, START)
    }

    fn end(&mut self, id: i64, epoch: i16, is_commit: bool, protocol: Protocol) -> Result<Ending, ResponseError> {
        let Self { transaction, given } = self;
        transaction.end(End { producer_id: id, epoch, is_commit, protocol }, START, &mut || {
            *given += 1;
            *given
        })
    }

    fn fence(&mut self, protocol: Protocol) {
        let Self { transaction, given } = self;
        transaction.fence(protocol, &mut || {
            *given += 1;
            *given
        });
    }

    /// All markers are written.
    fn complete(&mut self) {
        self.transaction.partitions.clear();
        self.transaction.complete();
    }

    fn producer(&self) -> (i64, i16) {
        (self.transaction.producer_id, self.transaction.epoch)
    }
}

mod init {
    use super::*;

    #[test]
    fn each_producer_gets_the_next_epoch() {
        let mut coordinator = Coordinator::new();
        assert_eq!(coordinator.init(None), Ok((ID, 0)));
        assert_eq!(coordinator.init(None), Ok((ID, 1)));
    }

    #[test]
    fn a_producer_that_asks_again_gets_the_same_answer() {
        let mut coordinator = Coordinator::started();
        assert_eq!(coordinator.init(Some((ID, 0))), Ok((ID, 1)));
        assert_eq!(coordinator.init(Some((ID, 0))), Ok((ID, 1)));
        assert_eq!(coordinator.init(Some((ID, 1))), Ok((ID, 2)));
    }

    #[test]
    fn a_producer_is_fenced_once_another_was_initialized() {
        let mut coordinator = Coordinator::started();
        coordinator.init(None).unwrap();
        assert_eq!(coordinator.init(Some((ID, 0))), Err(ResponseError::ProducerFenced));
        assert_eq!(coordinator.init(Some((ID + 7, 1))), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn a_coordinator_that_knows_nothing_takes_any_producer() {
        let mut coordinator = Coordinator::new();
        assert_eq!(coordinator.init(Some((7, 5))), Ok((ID, 0)));
    }

    #[test]
    fn used_up_epochs_bring_a_new_id() {
        let mut coordinator = Coordinator::at_epoch(LAST_EPOCH - 1);
        assert_eq!(coordinator.init(None), Ok((ID, LAST_EPOCH)));
        assert_eq!(coordinator.init(None), Ok((ID + 1, 0)));
    }

    #[test]
    fn a_producer_that_missed_its_new_id_is_told_again() {
        let mut coordinator = Coordinator::at_epoch(LAST_EPOCH);
        assert_eq!(coordinator.init(Some((ID, LAST_EPOCH))), Ok((ID + 1, 0)));
        assert_eq!(coordinator.init(Some((ID, LAST_EPOCH))), Ok((ID + 1, 0)));
    }

    #[test]
    fn an_open_transaction_must_end_first() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        assert_eq!(coordinator.init(None), Err(ResponseError::ConcurrentTransactions));
        coordinator.fence(Protocol::V2);
        assert_eq!(coordinator.init(None), Err(ResponseError::ConcurrentTransactions));
        coordinator.complete();
        assert_eq!(coordinator.init(None), Ok((ID, 2)), "fenced with 1, which nobody was given");
    }
}

mod add {
    use super::*;

    #[test]
    fn only_the_present_producer_may_add() {
        let mut coordinator = Coordinator::at_epoch(3);
        assert_eq!(coordinator.add(2), Err(ResponseError::ProducerFenced));
        assert_eq!(coordinator.add(4), Err(ResponseError::ProducerFenced));
        let other = coordinator.transaction.add((ID + 1, 3), [], None, Protocol::V2, START);
        assert_eq!(other, Err(ResponseError::InvalidProducerIdMapping));
        assert_eq!(coordinator.add(3), Ok(()));
    }

    #[test]
    fn nothing_is_added_while_markers_are_on_their_way() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        coordinator.end(ID, 0, true, Protocol::V2).unwrap();
        assert_eq!(coordinator.add(1), Err(ResponseError::ConcurrentTransactions));
        coordinator.complete();
        assert_eq!(coordinator.add(1), Ok(()));
    }

    #[test]
    fn time_runs_from_the_first_partition_on() {
        let mut coordinator = Coordinator::started();
        assert_eq!(coordinator.transaction.deadline(), None);
        coordinator.add(0).unwrap();
        let later = Duration::from_secs(9);
        coordinator.transaction.add((ID, 0), [("orders".to_owned(), 1)], None, Protocol::V2, later).unwrap();
        assert_eq!(coordinator.transaction.deadline(), Some(TIMEOUT));
        coordinator.end(ID, 0, true, Protocol::V1).unwrap();
        coordinator.complete();
        assert_eq!((coordinator.transaction.deadline(), coordinator.transaction.started()), (None, Some(START)));
        coordinator.init(None).unwrap();
        assert_eq!(coordinator.transaction.started(), None, "the next producer has begun nothing");
    }
}

mod end_v1 {
    use super::*;

    fn end(coordinator: &mut Coordinator, epoch: i16, is_commit: bool) -> Result<Ending, ResponseError> {
        coordinator.end(ID, epoch, is_commit, Protocol::V1)
    }

    #[test]
    fn the_epoch_stays() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        assert_eq!(end(&mut coordinator, 0, true), Ok(Ending::Begun(ID, 0)));
        assert_eq!(coordinator.transaction.marker().unwrap().producer_epoch, 0);
        coordinator.complete();
        assert_eq!((coordinator.producer(), coordinator.transaction.state), ((ID, 0), State::CompleteCommit));
    }

    #[test]
    fn the_same_end_may_be_asked_for_again_and_the_other_may_not() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        end(&mut coordinator, 0, true).unwrap();
        for is_commit in [true, false] {
            assert_eq!(end(&mut coordinator, 0, is_commit), Err(ResponseError::ConcurrentTransactions), "not yet");
        }
        coordinator.complete();
        assert_eq!(end(&mut coordinator, 0, true), Ok(Ending::Again(ID, 0)));
        assert_eq!(end(&mut coordinator, 0, false), Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn what_was_never_begun_cant_end() {
        let mut coordinator = Coordinator::started();
        assert_eq!(end(&mut coordinator, 0, true), Err(ResponseError::InvalidTxnState));
        assert_eq!(end(&mut coordinator, 0, false), Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn another_epoch_is_fenced() {
        let mut coordinator = Coordinator::at_epoch(2);
        coordinator.add(2).unwrap();
        assert_eq!(end(&mut coordinator, 1, true), Err(ResponseError::ProducerFenced));
        assert_eq!(end(&mut coordinator, 3, true), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn an_abort_by_the_coordinator_fences_the_producer() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        coordinator.fence(Protocol::V1);
        assert_eq!(coordinator.transaction.marker().unwrap().producer_epoch, 1);
        coordinator.complete();
        assert_eq!(end(&mut coordinator, 0, true), Err(ResponseError::ProducerFenced));
        assert_eq!(coordinator.init(None), Ok((ID, 2)));
    }

    #[test]
    fn after_an_abort_by_the_coordinator_nobody_asks_again_for_an_answer_it_missed() {
        let mut coordinator = Coordinator::started();
        coordinator.init(Some((ID, 0))).unwrap();
        coordinator.add(1).unwrap();
        coordinator.fence(Protocol::V1);
        coordinator.complete();
        assert_eq!(coordinator.init(Some((ID, 0))), Err(ResponseError::ProducerFenced));
    }
}

mod end_v2 {
    use super::*;

    fn end(coordinator: &mut Coordinator, epoch: i16, is_commit: bool) -> Result<Ending, ResponseError> {
        coordinator.end(ID, epoch, is_commit, Protocol::V2)
    }

    fn ended(is_commit: bool) -> Coordinator {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        end(&mut coordinator, 0, is_commit).unwrap();
        coordinator.complete();
        coordinator
    }

    #[test]
    fn each_end_brings_the_next_epoch() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        assert_eq!(end(&mut coordinator, 0, true), Ok(Ending::Begun(ID, 1)));
        assert_eq!(coordinator.transaction.marker().unwrap().producer_epoch, 1);
        coordinator.complete();
        coordinator.add(1).unwrap();
        assert_eq!(end(&mut coordinator, 1, false), Ok(Ending::Begun(ID, 2)));
    }

    #[test]
    fn an_end_asked_for_again_is_answered_alike() {
        let mut coordinator = ended(true);
        assert_eq!(end(&mut coordinator, 0, true), Ok(Ending::Again(ID, 1)));
        assert_eq!(end(&mut coordinator, 0, false), Err(ResponseError::InvalidTxnState));
        let mut coordinator = ended(false);
        assert_eq!(end(&mut coordinator, 0, false), Ok(Ending::Again(ID, 1)));
        assert_eq!(end(&mut coordinator, 0, true), Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn while_it_ends_every_end_waits_also_that_of_the_next_transaction() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        end(&mut coordinator, 0, true).unwrap();
        for (epoch, is_commit) in [(0, true), (0, false), (1, true), (1, false)] {
            let ended = end(&mut coordinator, epoch, is_commit);
            assert_eq!(ended, Err(ResponseError::ConcurrentTransactions), "epoch {epoch}, commit {is_commit}");
        }
    }

    #[test]
    fn nothing_can_be_aborted_but_not_committed() {
        for mut coordinator in [ended(true), ended(false)] {
            assert_eq!(end(&mut coordinator, 1, true), Err(ResponseError::InvalidTxnState));
            assert_eq!(end(&mut coordinator, 1, false), Ok(Ending::Begun(ID, 2)));
            coordinator.complete();
            assert_eq!(coordinator.transaction.state, State::CompleteAbort);
        }
        let mut coordinator = Coordinator::started();
        assert_eq!(end(&mut coordinator, 0, true), Err(ResponseError::InvalidTxnState));
        assert_eq!(end(&mut coordinator, 0, false), Ok(Ending::Begun(ID, 1)));
    }

    #[test]
    fn before_anything_was_begun_an_older_epoch_is_fenced() {
        let mut coordinator = Coordinator::started();
        coordinator.init(None).unwrap();
        assert_eq!(end(&mut coordinator, 0, false), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn the_end_under_the_last_epoch_brings_a_new_id() {
        let mut coordinator = Coordinator::at_epoch(LAST_EPOCH);
        coordinator.add(LAST_EPOCH).unwrap();
        assert_eq!(end(&mut coordinator, LAST_EPOCH, true), Ok(Ending::Begun(ID + 1, 0)));
        let marker = coordinator.transaction.marker().unwrap();
        assert_eq!((marker.producer_id, marker.producer_epoch), (ID, i16::MAX), "the marker is the old id's");
        assert_eq!(end(&mut coordinator, LAST_EPOCH, true), Err(ResponseError::ConcurrentTransactions));
        coordinator.complete();
        assert_eq!(coordinator.producer(), (ID + 1, 0));
        assert_eq!(end(&mut coordinator, LAST_EPOCH, true), Ok(Ending::Again(ID + 1, 0)), "asked again by the old id");
    }

    #[test]
    fn an_abort_by_the_coordinator_fences_the_producer() {
        let mut coordinator = Coordinator::started();
        coordinator.add(0).unwrap();
        coordinator.fence(Protocol::V2);
        coordinator.complete();
        assert_eq!((coordinator.producer(), coordinator.transaction.state), ((ID, 1), State::CompleteAbort));
        assert_eq!(end(&mut coordinator, 0, true), Err(ResponseError::InvalidTxnState), "it looks like a late commit");
        assert_eq!(coordinator.add(0), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn an_abort_by_the_coordinator_may_use_up_the_epochs() {
        let mut coordinator = Coordinator::at_epoch(LAST_EPOCH);
        coordinator.add(LAST_EPOCH).unwrap();
        coordinator.fence(Protocol::V2);
        coordinator.complete();
        assert_eq!(coordinator.producer(), (ID + 1, 0));
    }
}

#[test]
fn an_end_is_complete_when_everyone_was_told() {
    let mut coordinator = Coordinator::started();
    let orders = ("orders".to_owned(), 0);
    coordinator.transaction.add((ID, 0), [orders.clone()], Some("billing"), Protocol::V2, START).unwrap();
    coordinator.end(ID, 0, true, Protocol::V2).unwrap();
    coordinator.transaction.marked(&orders);
    coordinator.transaction.complete();
    assert_eq!(coordinator.transaction.state, State::PrepareCommit, "the group isn't told yet");
    coordinator.transaction.told("billing");
    coordinator.transaction.complete();
    assert_eq!(coordinator.transaction.state, State::CompleteCommit);
}

#[test]
fn states_are_found_by_their_names() {
    for state in State::ALL {
        assert_eq!(State::of_name(state.name()), Some(state));
    }
    assert_eq!(State::of_name("Dead"), None);
}
