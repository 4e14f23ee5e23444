//! Histories by hand, in which a rule is broken or kept.

use std::time::Duration;

use ottla_broker::simulation::Loss;

use crate::evidence::{Evidence, Written};
use crate::ledger::{Entry, Id, Member, Operation, Place, Terms};

/// The one partition there is.
pub(super) fn place() -> Place {
    ("orders".to_owned(), 0)
}

pub(super) fn entry(by: &str, operation: Operation) -> Entry {
    entry_at(0, by, operation)
}

pub(super) fn entry_at(seconds: u64, by: &str, operation: Operation) -> Entry {
    Entry { at: Duration::from_secs(seconds), by: by.into(), operation }
}

/// What clients did, and the records of the partition, one after the other.
pub(super) fn evidence(entries: &[Entry], log: impl IntoIterator<Item = Id>) -> Evidence {
    let written = |(offset, id)| Written { offset, id, is_committed: true };
    let log = (0..).zip(log).map(written).collect();
    Evidence { entries: entries.to_vec(), logs: [(place(), log)].into(), ..Evidence::default() }
}

/// What processes did, one after the other; the partition has the records 0 to 9.
pub(super) fn history(steps: impl IntoIterator<Item = (&'static str, Operation)>) -> Evidence {
    let entries: Vec<_> = (1..).zip(steps).map(|(at, (by, operation))| entry_at(at, by, operation)).collect();
    evidence(&entries, 0..10)
}

/// All of a topic from this offset on.
pub(super) fn loss(topic: &str, from_offset: i64) -> Loss {
    Loss::of(topic, None, from_offset, Duration::ZERO)
}

pub(super) fn subscribed(listens: bool) -> Operation {
    Operation::Subscribed { consumer: 1, terms: Terms { listens, ..Terms::default() } }
}

pub(super) fn handed(generation: i32, offsets: impl IntoIterator<Item = i64>) -> Operation {
    let records = offsets.into_iter().map(|offset| (offset, offset as u64)).collect();
    let member = Member { generation, id: "m".to_owned() };
    Operation::Handed { consumer: 1, place: place(), member, records }
}

pub(super) fn committed(offset: i64) -> Operation {
    Operation::GroupCommitted { place: place(), offset }
}

pub(super) const DONE: Operation = Operation::Done { consumer: 1 };
