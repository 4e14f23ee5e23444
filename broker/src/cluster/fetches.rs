//! Fetches that wait for records, and which partitions they wait on.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::api::fetch::Fetch;

use super::Ticket;
use super::timers::TimerKey;

/// All fetches that wait.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    waiting: BTreeMap<Ticket, Waiting>,
    by_partition: BTreeMap<(Uuid, usize), BTreeSet<Ticket>>,
}

/// A fetch, until enough bytes are there or its time is over.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) fetch: Fetch,
    pub(crate) timer: TimerKey,
    partitions: Vec<(Uuid, usize)>,
}

impl Fetches {
    pub(crate) fn park(&mut self, ticket: Ticket, fetch: Fetch, timer: TimerKey, partitions: Vec<(Uuid, usize)>) {
        for partition in &partitions {
            self.by_partition.entry(*partition).or_default().insert(ticket);
        }
        self.waiting.insert(ticket, Waiting { fetch, timer, partitions });
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Waiting> {
        self.waiting.get(&ticket)
    }

    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        for partition in &waiting.partitions {
            if let Some(tickets) = self.by_partition.get_mut(partition) {
                tickets.remove(&ticket);
                if tickets.is_empty() {
                    self.by_partition.remove(partition);
                }
            }
        }
        Some(waiting)
    }

    /// Who waits for records of this partition, in the order they came.
    pub(crate) fn waiting_on(&self, topic: Uuid, partition: usize) -> Vec<Ticket> {
        self.by_partition.get(&(topic, partition)).into_iter().flatten().copied().collect()
    }
}
