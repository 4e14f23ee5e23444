//! Rules of copies: what is read from one topic and written to another in transactions.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, Written};
use crate::ledger::{Id, Operation};

/// Committed records that are not copied, or more than once.
pub fn not_once(evidence: &Evidence) -> Vec<String> {
    let sources = sources(evidence);
    let mut wrong = Vec::new();
    for (from, to) in copied(evidence) {
        let mut copies: BTreeMap<Id, Vec<String>> = committed(evidence, from).map(|(_, it)| (it.id, vec![])).collect();
        for (partition, written) in committed(evidence, to) {
            let copy = format!("{} at {} of {to}-{partition}", written.id, written.offset);
            match sources.get(&written.id).and_then(|source| copies.get_mut(source)) {
                Some(copies) => copies.push(copy),
                None => wrong.push(format!("{copy} is a copy of nothing that is committed in {from}")),
            }
        }
        let others = copies.into_iter().filter(|(_, copies)| copies.len() != 1);
        wrong.extend(others.map(|(source, copies)| format!("{source} of {from} is copied as {copies:?}")));
    }
    wrong
}

/// Copies in another order than what they are copies of; each partition is copied into the one of its number.
pub fn out_of_order(evidence: &Evidence) -> Vec<String> {
    let sources = sources(evidence);
    let mut wrong = Vec::new();
    for (from, to) in copied(evidence) {
        let offsets: BTreeMap<Id, i64> = committed(evidence, from).map(|(_, it)| (it.id, it.offset)).collect();
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        for (partition, written) in committed(evidence, to) {
            let Some(offset) = sources.get(&written.id).and_then(|source| offsets.get(source)) else { continue };
            if let Some(before) = last.insert(partition, *offset).filter(|before| before > offset) {
                let id = written.id;
                wrong.push(format!("{id}, copy of {offset} of {from}-{partition}, comes after the one of {before}"));
            }
        }
    }
    wrong
}

/// What each copy is a copy of.
fn sources(evidence: &Evidence) -> BTreeMap<Id, Id> {
    let source = |operation: &Operation| match operation {
        Operation::Includes { id, of, .. } => Some((*id, (*of)?)),
        _ => None,
    };
    evidence.entries.iter().filter_map(|entry| source(&entry.operation)).collect()
}

fn copied(evidence: &Evidence) -> impl Iterator<Item = (&str, &str)> {
    evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Copied { from, to } => Some((from.as_str(), to.as_str())),
        _ => None,
    })
}

/// A topic's committed records, with their partitions, each partition's in order.
fn committed<'a>(evidence: &'a Evidence, topic: &'a str) -> impl Iterator<Item = (i32, &'a Written)> {
    let logs = evidence.logs.iter().filter(move |((name, _), _)| name == topic);
    logs.flat_map(|((_, partition), log)| {
        log.iter().filter(|written| written.is_committed).map(|written| (*partition, written))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records 1, 2 and 3 in `from`, and copies of them, numbered from 11, in `to`.
    fn evidence(copies: &[Id]) -> Evidence {
        let written = |(offset, id)| Written { offset, id, is_committed: true };
        let ids = (11..).zip(copies);
        let mut operations: Vec<_> =
            ids.clone().map(|(id, of)| Operation::Includes { id, transaction: 1, of: Some(*of) }).collect();
        operations.push(Operation::Copied { from: "from".to_owned(), to: "to".to_owned() });
        Evidence::of("copier#1", operations)
            .with_log(("from".to_owned(), 0), (0..).zip(1..=3).map(written).collect())
            .with_log(("to".to_owned(), 0), (0..).zip(ids.map(|(id, _)| id)).map(written).collect())
    }

    #[test]
    fn a_record_that_is_copied_twice_or_not_at_all_is_named() {
        assert_eq!(not_once(&evidence(&[1, 2, 3, 2])).len(), 1);
        assert_eq!(not_once(&evidence(&[1, 3])).len(), 1);
        assert_eq!(not_once(&evidence(&[1, 2, 3, 4])).len(), 1, "4 is not there");
        assert!(not_once(&evidence(&[1, 2, 3])).is_empty());
    }

    #[test]
    fn copies_in_another_order_are_named() {
        assert_eq!(out_of_order(&evidence(&[1, 3, 2])).len(), 1);
        assert!(out_of_order(&evidence(&[1, 2, 3])).is_empty());
    }
}
