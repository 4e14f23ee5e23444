//! Histories by hand, in which a rule is broken or kept.

use std::time::Duration;

use crate::evidence::{Evidence, Written};
use crate::ledger::{Entry, Member, Operation, Place, Terms};

/// The one partition there is.
pub(super) fn place() -> Place {
    ("orders".to_owned(), 0)
}

/// What processes did, one after the other; the partition has the records 0 to 9.
pub(super) fn history(steps: impl IntoIterator<Item = (&'static str, Operation)>) -> Evidence {
    let entry = |(at, (by, operation)): (u64, (&str, Operation))| Entry {
        at: Duration::from_secs(at),
        by: by.into(),
        operation,
    };
    let log = (0..10).map(|offset| Written { offset, id: offset as u64, is_committed: true }).collect();
    Evidence { entries: (1..).zip(steps).map(entry).collect(), logs: [(place(), log)].into(), ..Evidence::default() }
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
