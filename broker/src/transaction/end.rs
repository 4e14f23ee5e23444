//! EndTxn, and the aborts that the coordinator decides itself.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{LAST_EPOCH, NO_EPOCH, Protocol, State, Transaction};

/// What a producer asks for: the end of its transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) is_commit: bool,
    pub(crate) protocol: Protocol,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Markers are to be written. The producer goes on with this id and epoch.
    Begun(i64, i16),
    /// It has ended so already: the producer asks again. It goes on with this id and epoch.
    Again(i64, i16),
}

impl Transaction {
    /// Begins to end the transaction.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS` while it is being ended, however,
    /// `INVALID_TXN_STATE` if it ended otherwise or there is none.
    pub(crate) fn end(
        &mut self,
        end: End,
        now: Duration,
        new_id: &mut dyn FnMut() -> i64,
    ) -> Result<Ending, ResponseError> {
        match end.protocol {
            Protocol::V1 => self.end_as_v1(end),
            Protocol::V2 => self.end_as_v2(end, now, new_id),
        }
    }

    /// Aborts the transaction that is open, under an epoch that fences its producer. No one is told that epoch.
    pub(crate) fn fence(&mut self, protocol: Protocol, new_id: &mut dyn FnMut() -> i64) {
        if self.state != State::Ongoing {
            return;
        }
        match protocol {
            Protocol::V1 => {
                self.epoch = self.epoch.saturating_add(1);
                self.last_epoch = NO_EPOCH;
                self.prepare(State::PrepareAbort, Protocol::V1, None);
            }
            Protocol::V2 => self.prepare_next_epoch(State::PrepareAbort, new_id),
        }
    }

    fn end_as_v1(&mut self, end: End) -> Result<Ending, ResponseError> {
        if self.producer_id != end.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if self.epoch != end.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        if self.state.is_preparing() {
            return Err(ResponseError::ConcurrentTransactions);
        }
        match (self.state, end.is_commit) {
            (State::Ongoing, true) => self.prepare(State::PrepareCommit, Protocol::V1, None),
            (State::Ongoing, false) => self.prepare(State::PrepareAbort, Protocol::V1, None),
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => {
                return Ok(Ending::Again(self.producer_id, self.epoch));
            }
            _ => return Err(ResponseError::InvalidTxnState),
        }
        Ok(Ending::Begun(self.producer_id, self.epoch))
    }

    fn end_as_v2(&mut self, end: End, now: Duration, new_id: &mut dyn FnMut() -> i64) -> Result<Ending, ResponseError> {
        // Whoever asks: it may be the producer under the id and epoch that this end brings.
        if self.state.is_preparing() {
            return Err(ResponseError::ConcurrentTransactions);
        }
        // An epoch that is one behind says that the answer to this same request was missed.
        let is_one_behind = end.epoch.checked_add(1) == Some(self.epoch);
        let had_last_epoch = self.previous_producer_id == end.producer_id && end.epoch == LAST_EPOCH && self.epoch == 0;
        if self.producer_id != end.producer_id && !had_last_epoch {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        let is_valid = match self.state {
            State::Empty | State::Ongoing => self.epoch == end.epoch,
            _ => is_one_behind || had_last_epoch || self.epoch == end.epoch,
        };
        if !is_valid {
            return Err(ResponseError::ProducerFenced);
        }
        let is_again = is_one_behind || had_last_epoch;
        match (self.state, end.is_commit) {
            (State::Ongoing, true) => self.prepare_next_epoch(State::PrepareCommit, new_id),
            (State::Ongoing, false) => self.prepare_next_epoch(State::PrepareAbort, new_id),
            (State::CompleteCommit, true) | (State::CompleteAbort, false) if is_again => {
                return Ok(Ending::Again(self.producer_id, self.epoch));
            }
            // A producer that doesn't know whether anything arrived aborts to be sure.
            (State::Empty | State::CompleteAbort, false) => self.abort_nothing(now, new_id),
            (State::CompleteCommit, false) if !is_again => self.abort_nothing(now, new_id),
            _ => return Err(ResponseError::InvalidTxnState),
        }
        let (producer_id, epoch) = self.completed();
        Ok(Ending::Begun(producer_id, epoch))
    }

    fn abort_nothing(&mut self, now: Duration, new_id: &mut dyn FnMut() -> i64) {
        self.started = Some(now);
        self.prepare_next_epoch(State::PrepareAbort, new_id);
    }

    fn prepare_next_epoch(&mut self, state: State, new_id: &mut dyn FnMut() -> i64) {
        let next_producer_id = self.is_exhausted().then(new_id);
        self.last_epoch = self.epoch;
        self.epoch = self.epoch.saturating_add(1);
        self.prepare(state, Protocol::V2, next_producer_id);
    }

    fn prepare(&mut self, state: State, protocol: Protocol, next_producer_id: Option<i64>) {
        self.protocol = protocol;
        self.next_producer_id = next_producer_id;
        self.enter(state);
    }
}
