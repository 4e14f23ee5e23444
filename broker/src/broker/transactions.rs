//! Transactions: what their coordinators know, and what can happen to them.

use std::io;
use std::time::Duration;

use super::Broker;
use crate::cluster::Cluster;
use crate::config::LATEST_TRANSACTION_VERSION;
use crate::transaction::Transaction;

/// A transactional id at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionView {
    /// `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit` or `CompleteAbort`.
    pub state: &'static str,
    /// The producer that has the id now.
    pub producer_id: i64,
    /// Its epoch; while a transaction is ended for it, perhaps one that nobody has been told.
    pub producer_epoch: i16,
    /// Partitions written to, in order; while the transaction ends, those that have no marker yet.
    pub partitions: Vec<(String, i32)>,
    /// Groups for which offsets were committed, in order; while the transaction ends, those that don't know of it yet.
    pub groups: Vec<String>,
    /// How long a transaction may stay open.
    pub timeout: Duration,
}

impl Broker {
    /// A transactional id; `None` if no producer was initialized for it.
    pub fn transaction(&self, id: &str) -> Option<TransactionView> {
        self.shared().with(|cluster, _| cluster.transactions.get(id).map(TransactionView::new))
    }

    /// Aborts the open transaction of an id, if there is one, and fences its producer: as a timeout does.
    pub fn abort_transaction(&self, id: &str) {
        self.shared().change(|cluster, now| cluster.abort_transaction(id, now));
    }

    /// Leaves transactions half ended: their ends are decided, but no marker is written until [`Self::release_markers`].
    /// Meanwhile their coordinators answer `CONCURRENT_TRANSACTIONS`, and readers of committed records wait.
    pub fn hold_markers(&self) {
        self.shared().with(|cluster, _| cluster.transactions.holds_markers = true);
    }

    /// Writes the markers that were held back, and holds none any more.
    pub fn release_markers(&self) {
        self.shared().change(|cluster, now| {
            cluster.transactions.holds_markers = false;
            cluster.settle_transactions(now);
        });
    }

    /// Changes the level of the feature `transaction.version`, as [`Builder::transaction_version`] sets it. Clients are
    /// told when they next ask for versions: on their next connection.
    ///
    /// [`Builder::transaction_version`]: crate::Builder::transaction_version
    pub fn set_transaction_version(&self, level: u16) {
        let level = i16::try_from(level).unwrap_or(i16::MAX).min(LATEST_TRANSACTION_VERSION);
        self.shared().with(|cluster, _| {
            cluster.features.transaction_version = level;
            cluster.features.epoch += 1;
        });
    }

    /// Sets the epoch of a transactional id's producer, while no transaction is open: so that a test need not raise it
    /// 32,767 times to see what comes after the last.
    ///
    /// # Errors
    /// If no producer was initialized for the id.
    pub fn set_producer_epoch(&self, id: &str, epoch: i16) -> io::Result<()> {
        let set = |cluster: &mut Cluster, _| cluster.transactions.get_mut(id).map(|known| known.set_epoch(epoch));
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no producer of transactional id {id}"));
        self.shared().change(set).ok_or_else(unknown)
    }

    /// The node that coordinates a transactional id; `None` if no node is up.
    pub fn transaction_coordinator(&self, id: &str) -> Option<i32> {
        self.shared().with(|cluster, _| cluster.transaction_coordinator(id))
    }

    /// Makes another node coordinate a transactional id; the old one then answers `NOT_COORDINATOR`. What is known of
    /// the id moves too.
    ///
    /// # Errors
    /// If the node is not up.
    pub fn move_transaction_coordinator(&self, id: &str, node: i32) -> io::Result<()> {
        if self.shared().change(|cluster, now| cluster.move_transaction_coordinator(id, node, now)) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("node {node} is not up")))
    }
}

impl TransactionView {
    fn new(transaction: &Transaction) -> Self {
        Self {
            state: transaction.state().name(),
            producer_id: transaction.producer_id(),
            producer_epoch: transaction.epoch(),
            partitions: transaction.partitions().iter().cloned().collect(),
            groups: transaction.groups().iter().cloned().collect(),
            timeout: transaction.timeout(),
        }
    }
}
