//! Histories written by hand, in which a rule is kept or broken.

use std::time::Duration;

use ottla_broker::simulation::Loss;

use crate::evidence::{Evidence, Written};
use crate::ledger::{Entry, Id, Operation};

pub(super) fn entry(by: &str, operation: Operation) -> Entry {
    entry_at(0, by, operation)
}

pub(super) fn entry_at(seconds: u64, by: &str, operation: Operation) -> Entry {
    Entry { at: Duration::from_secs(seconds), by: by.into(), operation }
}

/// What clients did, and the records of the only partition, `orders-0`, one after the other.
pub(super) fn evidence(entries: &[Entry], log: &[Id]) -> Evidence {
    let written = |(offset, id): (i64, &Id)| Written { offset, id: *id, is_committed: true };
    let log = (0..).zip(log).map(written).collect();
    Evidence { entries: entries.to_vec(), logs: [(("orders".to_owned(), 0), log)].into(), ..Evidence::default() }
}

/// All of the topic from this offset on.
pub(super) fn loss(topic: &str, from_offset: i64) -> Loss {
    Loss::of(topic, None, from_offset, Duration::ZERO)
}
