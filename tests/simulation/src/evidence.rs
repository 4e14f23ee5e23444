//! What the rules look at: the ledger, and what the cluster's logs hold at the end.

use std::collections::BTreeMap;

use ottla_broker::simulation::{Loss, World};
use ottla_broker::{Broker, Request};

use crate::ledger::{Entry, Id, Ledger, Place};

/// A record in a log at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Written {
    /// Its offset.
    pub offset: i64,
    /// Its number.
    pub id: Id,
    /// Whether readers of committed records see it.
    pub is_committed: bool,
}

/// A history, as far as rules know it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What clients did and were told.
    pub entries: Vec<Entry>,
    /// What each partition holds at the end, by offset.
    pub logs: BTreeMap<Place, Vec<Written>>,
    /// What the cluster itself lost.
    pub losses: Vec<Loss>,
    /// The requests that nodes got, in order.
    pub requests: Vec<Request>,
    /// The share group is done with what is before.
    pub share_starts: BTreeMap<Place, i64>,
}

/// The share group of all workloads.
pub const SHARE_GROUP: &str = "packers";

impl Evidence {
    /// Gathers it at the end of a history.
    pub fn gather(world: &World, ledger: &Ledger, topics: &[(String, u16)]) -> Self {
        let places = topics.iter().flat_map(|(topic, partitions)| {
            (0..i32::from(*partitions)).map(move |partition| (topic.clone(), partition))
        });
        let broker = world.broker();
        let logs: BTreeMap<Place, Vec<Written>> = places.map(|place| (place.clone(), log(broker, &place))).collect();
        let start = |(topic, partition): &Place| broker.share_start_offset(SHARE_GROUP, topic, *partition);
        let share_starts = logs.keys().filter_map(|place| Some((place.clone(), start(place)?))).collect();
        Self { entries: ledger.entries(), logs, losses: world.losses(), requests: broker.requests(), share_starts }
    }

    /// What one process did, one thing after the other: to see what a rule makes of it.
    #[cfg(test)]
    pub(crate) fn of(by: &str, operations: impl IntoIterator<Item = crate::ledger::Operation>) -> Self {
        let entry = |operation| Entry { at: std::time::Duration::ZERO, by: by.into(), operation };
        Self { entries: operations.into_iter().map(entry).collect(), ..Self::default() }
    }

    /// The same, with what a partition holds.
    #[cfg(test)]
    pub(crate) fn with_log(mut self, place: Place, log: Vec<Written>) -> Self {
        self.logs.insert(place, log);
        self
    }

    /// Whether the cluster itself lost what was at this offset, at some time.
    pub fn is_lost_by_cluster(&self, (topic, partition): &Place, offset: i64) -> bool {
        self.losses.iter().any(|loss| {
            loss.topic == *topic && loss.partition.is_none_or(|lost| lost == *partition) && loss.from_offset <= offset
        })
    }
}

fn log(broker: &Broker, (topic, partition): &Place) -> Vec<Written> {
    let log = broker.log(topic, *partition);
    let committed: std::collections::BTreeSet<i64> =
        log.committed_records().iter().map(|record| record.offset).collect();
    let records = log.records().into_iter();
    records
        .map(|record| Written {
            offset: record.offset,
            id: id(record.value.as_deref().unwrap_or_default()),
            is_committed: committed.contains(&record.offset),
        })
        .collect()
}

/// The number of a record, from its value: digits, and perhaps padding after a space.
pub fn id(value: &[u8]) -> Id {
    let text = std::str::from_utf8(value).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The value of a record: its number, padded to at least so many bytes.
pub fn value(id: Id, bytes: usize) -> String {
    let number = id.to_string();
    if number.len() >= bytes { number } else { format!("{number} {}", "x".repeat(bytes - number.len() - 1)) }
}
