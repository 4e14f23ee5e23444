//! InitProducerId: a producer begins, or begins anew.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{LAST_EPOCH, NO_EPOCH, State, Transaction};

impl Transaction {
    /// Gives the producer its id and the next epoch, which fences whoever has the one before.
    ///
    /// A producer that had an id and epoch says so (`expected`, KIP-360): it is fenced unless they are the newest, and
    /// given the same answer if it asks again. Ids for producers whose epochs are used up come from `new_id`.
    ///
    /// # Errors
    /// - `PRODUCER_FENCED` if another producer was initialized since.
    /// - `CONCURRENT_TRANSACTIONS` while a transaction is open, or being ended: the caller aborts the open one.
    pub(crate) fn init(
        &mut self,
        expected: Option<(i64, i16)>,
        timeout: Duration,
        new_id: &mut dyn FnMut() -> i64,
    ) -> Result<(i64, i16), ResponseError> {
        if expected.is_some_and(|expected| !self.knows(expected)) {
            return Err(ResponseError::ProducerFenced);
        }
        if self.state == State::Ongoing || self.state.is_preparing() {
            return Err(ResponseError::ConcurrentTransactions);
        }
        let expected = expected.map(|(_, epoch)| epoch);
        let next = if self.is_exhausted() && expected.is_none_or(|epoch| epoch == self.epoch) {
            (Some(new_id()), 0, if expected.is_some() { self.epoch } else { NO_EPOCH })
        } else {
            let (epoch, last_epoch) = self.next_epoch(expected)?;
            (None, epoch, last_epoch)
        };
        self.enter(State::Empty);
        let (producer_id, epoch, last_epoch) = next;
        self.producer_id = producer_id.unwrap_or(self.producer_id);
        self.epoch = epoch;
        self.last_epoch = last_epoch;
        self.timeout = timeout;
        self.partitions.clear();
        self.groups.clear();
        self.started = None;
        Ok((self.producer_id, self.epoch))
    }

    /// True if whoever has this id and epoch may be the present producer, or missed how it became another.
    fn knows(&self, (producer_id, epoch): (i64, i16)) -> bool {
        self.epoch == NO_EPOCH
            || producer_id == self.producer_id
            || (producer_id == self.previous_producer_id && epoch >= LAST_EPOCH)
    }

    /// The epoch to give, and the one after which it may be asked for again.
    fn next_epoch(&self, expected: Option<i16>) -> Result<(i16, i16), ResponseError> {
        if self.is_exhausted() {
            // Someone asks with an epoch that isn't the last: Kafka has no better answer either.
            return Err(ResponseError::UnknownServerError);
        }
        match expected {
            None => Ok((self.epoch + 1, NO_EPOCH)),
            Some(epoch) if self.epoch == NO_EPOCH || epoch == self.epoch => Ok((self.epoch + 1, self.epoch)),
            Some(epoch) if epoch == self.last_epoch => Ok((self.epoch, self.last_epoch)),
            Some(_) => Err(ResponseError::ProducerFenced),
        }
    }
}
