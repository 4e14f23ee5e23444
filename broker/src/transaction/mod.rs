//! A transactional id, as its coordinator knows it: the producer, and the transaction that is open.
//!
//! ```text
//!          ┌────────── init ───────────┐
//!          ▼        add                │              commit                    all markers written
//!        Empty ───────────► Ongoing ───┼──────────► PrepareCommit ───────────────────────────► CompleteCommit
//!                              ▲       └──────────► PrepareAbort  ───────────────────────────► CompleteAbort
//!                              │                abort, timeout, init                                 │
//!                              └──────────────────────────── add ────────────────────────────────────┘
//! ```
//!
//! There are two protocols. In the older one (here [`Protocol::V1`], features `transaction.version` 0 and 1) an epoch
//! lasts until the producer is initialized anew. In the newer one (KIP-890) each transaction ends with the next epoch.
//! Which one holds is said by each request's version, not by the feature.

mod end;
mod init;

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::log::marker::Marker;
pub(crate) use end::{End, Ending};

/// The id of no producer.
const NO_PRODUCER: i64 = -1;

/// The epoch before the first.
const NO_EPOCH: i16 = -1;

/// The last epoch a client is given; the one after it is left for fencing.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Where a transactional id is in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A producer was initialized and has begun nothing.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// It is to be committed; markers are on their way.
    PrepareCommit,
    /// It is to be aborted; markers are on their way.
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    /// In the order of Kafka's numbers for them.
    const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// The name that ListTransactions and DescribeTransactions use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// The state of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// True while markers are on their way.
    pub(crate) fn is_preparing(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// Who raises the epoch when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The coordinator, when a producer is initialized.
    V1,
    /// The coordinator too, whenever a transaction ends (KIP-890).
    V2,
}

impl Protocol {
    /// The protocol that the feature `transaction.version` stands for.
    pub(crate) fn of_feature(level: i16) -> Self {
        if level >= 2 { Self::V2 } else { Self::V1 }
    }
}

/// A transactional id's producer and its transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    producer_id: i64,
    /// The producer id before the last step.
    previous_producer_id: i64,
    /// The id that the end of this transaction brings, the epochs of the present one being used up.
    next_producer_id: Option<i64>,
    epoch: i16,
    /// The epoch before this one, if its owner may come again for an answer it missed; else -1.
    last_epoch: i16,
    timeout: Duration,
    state: State,
    /// Under which protocol the transaction was begun, or ended.
    protocol: Protocol,
    /// Partitions written to, until each has its marker.
    partitions: BTreeSet<(String, i32)>,
    /// Groups for which offsets were committed, until each was told how it ended.
    groups: BTreeSet<String>,
    /// When the transaction began.
    started: Option<Duration>,
}

impl Transaction {
    /// Sets the producer's epoch, as if it had been raised so often.
    pub(crate) fn set_epoch(&mut self, epoch: i16) {
        self.epoch = epoch;
        self.last_epoch = NO_EPOCH;
    }

    /// A transactional id that was never used. It has a producer id, but no epoch before [`Self::init`].
    pub(crate) fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER,
            next_producer_id: None,
            epoch: NO_EPOCH,
            last_epoch: NO_EPOCH,
            timeout: Duration::ZERO,
            state: State::Empty,
            protocol: Protocol::V1,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            started: None,
        }
    }

    pub(crate) fn producer_id(&self) -> i64 {
        self.producer_id
    }

    pub(crate) fn epoch(&self) -> i16 {
        self.epoch
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When the transaction that is open, or ended last, began.
    pub(crate) fn started(&self) -> Option<Duration> {
        self.started
    }

    /// Partitions in the transaction; while it ends, those still without a marker.
    pub(crate) fn partitions(&self) -> &BTreeSet<(String, i32)> {
        &self.partitions
    }

    /// Groups with offsets in the transaction; while it ends, those that aren't told yet.
    pub(crate) fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// When the open transaction is to be aborted.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.started.filter(|_| self.state == State::Ongoing).map(|started| started + self.timeout)
    }

    /// Adds partitions and groups, and opens a transaction if none is.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`.
    pub(crate) fn add(
        &mut self,
        producer: (i64, i16),
        partitions: impl IntoIterator<Item = (String, i32)>,
        group: Option<&str>,
        protocol: Protocol,
        now: Duration,
    ) -> Result<(), ResponseError> {
        self.check(producer)?;
        if self.state != State::Ongoing {
            self.started = Some(now);
        }
        self.partitions.extend(partitions);
        self.groups.extend(group.map(str::to_owned));
        self.protocol = protocol;
        self.enter(State::Ongoing);
        Ok(())
    }

    /// Checks that the producer may go on with a transaction.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn check(&self, (producer_id, epoch): (i64, i16)) -> Result<(), ResponseError> {
        if self.producer_id != producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if self.epoch != epoch {
            return Err(ResponseError::ProducerFenced);
        }
        if self.state.is_preparing() {
            return Err(ResponseError::ConcurrentTransactions);
        }
        Ok(())
    }

    /// The marker that each partition of the transaction is to get now; `None` if it isn't ending.
    pub(crate) fn marker(&self) -> Option<Marker> {
        self.state.is_preparing().then_some(Marker {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            is_commit: self.state == State::PrepareCommit,
            coordinator_epoch: 0,
        })
    }

    /// Notes that a partition has its marker, or is gone.
    pub(crate) fn marked(&mut self, partition: &(String, i32)) {
        self.partitions.remove(partition);
    }

    /// Notes that a group knows how the transaction ended, or is gone.
    pub(crate) fn told(&mut self, group: &str) {
        self.groups.remove(group);
    }

    /// Completes the end, if nobody is left to be told.
    pub(crate) fn complete(&mut self) {
        if !(self.state.is_preparing() && self.partitions.is_empty() && self.groups.is_empty()) {
            return;
        }
        let is_commit = self.state == State::PrepareCommit;
        self.enter(if is_commit { State::CompleteCommit } else { State::CompleteAbort });
        (self.producer_id, self.epoch) = self.completed();
        self.next_producer_id = None;
    }

    /// The producer id and epoch once the end that is under way is complete.
    fn completed(&self) -> (i64, i16) {
        self.next_producer_id.map_or((self.producer_id, self.epoch), |id| (id, 0))
    }

    fn enter(&mut self, state: State) {
        self.previous_producer_id = self.producer_id;
        self.state = state;
    }

    fn is_exhausted(&self) -> bool {
        self.epoch >= LAST_EPOCH
    }
}

#[cfg(test)]
mod tests;
