//! All transactional ids, which node coordinates each, and the markers that end transactions.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::timers::TimerKey;
use super::{Cluster, Timer};
use crate::api;
use crate::log::encode;
use crate::log::marker::Marker;
use crate::transaction::{End, Ending, Protocol, Transaction};

/// All transactional ids.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    by_id: BTreeMap<String, Entry>,
    /// Coordinators that were moved from where the id puts them.
    moved: BTreeMap<String, i32>,
    /// Markers wait until this is false again.
    pub(crate) holds_markers: bool,
}

#[derive(Debug)]
struct Entry {
    transaction: Transaction,
    timer: Option<(Duration, TimerKey)>,
}

impl Transactions {
    pub(crate) fn get(&self, id: &str) -> Option<&Transaction> {
        self.by_id.get(id).map(|entry| &entry.transaction)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Transaction> {
        self.by_id.get_mut(id).map(|entry| &mut entry.transaction)
    }

    /// In order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Transaction)> {
        self.by_id.iter().map(|(id, entry)| (id.as_str(), &entry.transaction))
    }
}

impl Cluster {
    /// The node that coordinates a transactional id: the one it falls to or was moved to, or the next that is up.
    pub(crate) fn transaction_coordinator(&self, id: &str) -> Option<i32> {
        self.first_up(self.transactions.moved.get(id).copied().unwrap_or_else(|| self.home(id)))
    }

    /// Checks that `node` coordinates a transactional id.
    ///
    /// # Errors
    /// `NOT_COORDINATOR`.
    pub(crate) fn check_transaction_coordinator(&self, node: i32, id: &str) -> Result<(), ResponseError> {
        if self.transaction_coordinator(id) == Some(node) { Ok(()) } else { Err(ResponseError::NotCoordinator) }
    }

    /// Checks that a transactional id's coordinator would answer another broker.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE`.
    pub(crate) fn check_transaction_coordinator_acts(&self, id: &str) -> Result<(), ResponseError> {
        let acts = self.acts(self.transaction_coordinator(id));
        if acts { Ok(()) } else { Err(ResponseError::CoordinatorNotAvailable) }
    }

    /// Makes `node` coordinate a transactional id. Tells whether it is up.
    pub(crate) fn move_transaction_coordinator(&mut self, id: &str, node: i32, now: Duration) -> bool {
        if !self.is_up(node) {
            return false;
        }
        self.transactions.moved.insert(id.to_owned(), node);
        self.settle_transaction(id, now);
        true
    }

    /// Gives a transactional producer its id and the next epoch. A transaction that is open is aborted first: the
    /// producer is to ask again.
    ///
    /// # Errors
    /// `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`.
    pub(crate) fn init_transaction(
        &mut self,
        id: &str,
        expected: Option<(i64, i16)>,
        timeout: Duration,
        now: Duration,
    ) -> Result<(i64, i16), ResponseError> {
        if self.transactions.get(id).is_none() {
            let transaction = Transaction::new(self.new_producer_id());
            self.transactions.by_id.insert(id.to_owned(), Entry { transaction, timer: None });
        }
        let next = &mut self.next_producer_id;
        let entry = self.transactions.by_id.get_mut(id).ok_or(ResponseError::UnknownServerError)?;
        let initialized = entry.transaction.init(expected, timeout, &mut || give(next));
        if initialized == Err(ResponseError::ConcurrentTransactions) {
            self.abort_transaction(id, now);
        }
        initialized
    }

    /// Adds partitions, or a group, to a transaction, and opens it if it isn't.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`.
    pub(crate) fn add_to_transaction(
        &mut self,
        id: &str,
        producer: (i64, i16),
        partitions: impl IntoIterator<Item = (String, i32)>,
        group: Option<&str>,
        protocol: Protocol,
        now: Duration,
    ) -> Result<(), ResponseError> {
        let transaction = self.transactions.get_mut(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        transaction.add(producer, partitions, group, protocol, now)?;
        self.settle_transaction(id, now);
        Ok(())
    }

    /// Checks that a partition was added to the transaction that is open.
    ///
    /// # Errors
    /// As [`Self::add_to_transaction`], and `TRANSACTION_ABORTABLE` if it wasn't (KIP-890).
    pub(crate) fn verify_partition(
        &self,
        id: &str,
        producer: (i64, i16),
        partition: &(String, i32),
    ) -> Result<(), ResponseError> {
        self.verify(id, producer, |transaction| transaction.partitions().contains(partition))
    }

    /// Checks that a group was added to the transaction that is open.
    ///
    /// # Errors
    /// As [`Self::verify_partition`].
    pub(crate) fn verify_group(&self, id: &str, producer: (i64, i16), group: &str) -> Result<(), ResponseError> {
        self.verify(id, producer, |transaction| transaction.groups().contains(group))
    }

    fn verify(
        &self,
        id: &str,
        producer: (i64, i16),
        is_in: impl FnOnce(&Transaction) -> bool,
    ) -> Result<(), ResponseError> {
        let transaction = self.transactions.get(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        transaction.check(producer)?;
        if is_in(transaction) { Ok(()) } else { Err(ResponseError::TransactionAbortable) }
    }

    /// Begins to end a transaction, and ends it wherever someone leads.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`, `INVALID_TXN_STATE`.
    pub(crate) fn end_transaction(&mut self, id: &str, end: End, now: Duration) -> Result<Ending, ResponseError> {
        let next = &mut self.next_producer_id;
        let entry = self.transactions.by_id.get_mut(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        let ending = entry.transaction.end(end, now, &mut || give(next))?;
        self.settle_transaction(id, now);
        Ok(ending)
    }

    /// Aborts the transaction that is open, if one is, and fences its producer.
    pub(crate) fn abort_transaction(&mut self, id: &str, now: Duration) {
        let protocol = Protocol::of_feature(self.features.transaction_version);
        let next = &mut self.next_producer_id;
        if let Some(entry) = self.transactions.by_id.get_mut(id) {
            entry.transaction.fence(protocol, &mut || give(next));
        }
        self.settle_transaction(id, now);
    }

    /// Goes on with every transaction that waits for a node. To be called when nodes or leaders have changed.
    pub(crate) fn settle_transactions(&mut self, now: Duration) {
        let ids: Vec<String> = self.transactions.by_id.keys().cloned().collect();
        for id in ids {
            self.settle_transaction(&id, now);
        }
    }

    /// Writes the markers that are due and sets the transaction's timer. To be called after anything was done to it.
    fn settle_transaction(&mut self, id: &str, now: Duration) {
        self.write_markers(id, now);
        let Some(entry) = self.transactions.by_id.get_mut(id) else { return };
        let deadline = entry.transaction.deadline();
        if entry.timer.map(|(at, _)| at) != deadline {
            if let Some((_, timer)) = entry.timer {
                self.timers.stop(timer);
            }
            entry.timer = deadline.map(|at| (at, self.timers.set(at, Timer::Transaction(id.to_owned()))));
        }
    }

    /// A transaction's timer fired.
    pub(super) fn transaction_on_time(&mut self, id: &str, now: Duration) {
        let Some(entry) = self.transactions.by_id.get_mut(id) else { return };
        entry.timer = None;
        let is_over = entry.transaction.deadline().is_some_and(|deadline| deadline <= now);
        // A coordinator that is away looks again when it is back.
        if is_over && self.acts(self.transaction_coordinator(id)) {
            self.abort_transaction(id, now);
        }
    }

    /// Writes a marker to each partition of a transaction that is ending, and tells its groups, as far as their nodes
    /// are there.
    fn write_markers(&mut self, id: &str, now: Duration) {
        let Some(transaction) = self.transactions.get(id) else { return };
        let Some(marker) = transaction.marker() else { return };
        if self.transactions.holds_markers || !self.acts(self.transaction_coordinator(id)) {
            return;
        }
        let bumps_epochs = transaction.protocol() == Protocol::V2;
        let (partitions, groups) = (transaction.partitions().clone(), transaction.groups().clone());
        let is_told = |cluster: &mut Self, (topic, index): &(String, i32)| {
            cluster.write_marker(topic, *index, marker, bumps_epochs, now)
        };
        let marked: Vec<_> = partitions.into_iter().filter(|partition| is_told(self, partition)).collect();
        let told: Vec<_> = groups.into_iter().filter(|group| self.tell_group(group, marker)).collect();
        let Some(transaction) = self.transactions.get_mut(id) else { return };
        marked.iter().for_each(|partition| transaction.marked(partition));
        told.iter().for_each(|group| transaction.told(group));
        transaction.complete();
    }

    /// Tells whether nothing is left to do about a partition: its marker is written, it is gone, or a newer epoch has
    /// written to it.
    fn write_marker(&mut self, topic: &str, index: i32, marker: Marker, bumps_epochs: bool, now: Duration) -> bool {
        let (keep, now_ms) = (!self.config.discard, self.config.wall_ms(now));
        let Some(leader) = self.topics.partition(topic, index).map(|partition| partition.leader) else { return true };
        if !self.acts(Some(leader)) {
            return false;
        }
        let Some(topic) = self.topics.get_mut(topic) else { return true };
        let slot = usize::try_from(index).unwrap_or(usize::MAX);
        let (id, Some(partition)) = (topic.id, topic.partitions.get_mut(slot)) else { return true };
        if partition.log.producers.check_marker(marker, bumps_epochs).is_ok() {
            partition.log.append(encode::marker(marker, now_ms), partition.leader_epoch, keep);
            api::fetch::wake(self, id, slot, now);
        }
        true
    }

    /// Tells whether nothing is left to do about a group: it knows how the transaction ended, or it is gone.
    fn tell_group(&mut self, group: &str, marker: Marker) -> bool {
        if !self.acts(self.coordinator(group)) {
            return false;
        }
        if let Some(told) = self.groups.get_mut(group) {
            told.offsets.end((marker.producer_id, marker.producer_epoch), marker.is_commit);
        }
        true
    }

    /// Whether a node is up and not paused.
    fn acts(&self, node: Option<i32>) -> bool {
        node.and_then(|node| self.node(node)).is_some_and(|node| node.is_up && !node.is_paused)
    }
}

/// A producer id no one had before.
pub(super) fn give(next_producer_id: &mut i64) -> i64 {
    *next_producer_id += 1;
    *next_producer_id - 1
}
