//! Rules of transactions, and of who reads their records.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Evidence, Written};
use crate::ledger::{Id, Operation, Place};

/// Records that are not committed in the end, and were handed to somebody who reads committed records.
pub fn aborted_reads(evidence: &Evidence) -> Vec<String> {
    let fates = fates(evidence);
    let mut wrong = Vec::new();
    for (by, place, records) in committed_reads(evidence) {
        for (offset, id) in records {
            if fates.get(id) != Some(&true) {
                wrong.push(format!("{by} was handed {id} at {offset} of {}, which is not committed", name(place)));
            }
        }
    }
    wrong
}

/// Records that were handed to somebody who reads committed records, and were behind the last stable offset then.
///
/// A history in which the cluster itself loses records has no place for this rule: the offset goes back in it.
pub fn early_reads(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        let Operation::Read { place, is_committed: true, stable, records } = &entry.operation else { continue };
        if let Some((offset, id)) = records.iter().find(|(offset, _)| offset >= stable) {
            let place = name(place);
            wrong.push(format!("{} was handed {id} at {offset} of {place}, stable up to {stable}", entry.by));
        }
    }
    wrong
}

/// Records that were handed to a reader out of order or again, or not at all though it came to the end.
pub fn not_read_once(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut read: BTreeMap<(&str, &Place), Vec<i64>> = BTreeMap::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Read { place, records, .. } => {
                let before = read.entry((&entry.by, place)).or_default();
                for (offset, id) in records {
                    if let Some(last) = before.last().filter(|last| *last >= offset) {
                        let place = name(place);
                        wrong.push(format!("{} was handed {id} at {offset} of {place} after {last}", entry.by));
                    }
                    before.push(*offset);
                }
            }
            Operation::ReadAll { is_committed } => {
                for (place, log) in &evidence.logs {
                    let before = read.get(&(&*entry.by, place)).map(Vec::as_slice).unwrap_or_default();
                    let seen: BTreeSet<i64> = before.iter().copied().collect();
                    let visible = log.iter().filter(|written| written.is_committed || !is_committed);
                    let missing = visible.filter(|written| !seen.contains(&written.offset));
                    let missing = missing.map(|Written { offset, id, .. }| {
                        format!("{} was never handed {id} at {offset} of {}", entry.by, name(place))
                    });
                    wrong.extend(missing);
                }
            }
            _ => {}
        }
    }
    wrong
}

/// A transaction, as far as its producer knows it.
#[derive(Debug, Default)]
struct Told<'a> {
    by: &'a str,
    /// Its records, and whether each certainly is a part of it.
    records: BTreeMap<Id, bool>,
    commit_asked: bool,
    is_committed: bool,
    is_aborted: bool,
}

/// Transactions of which some records are committed and others are not, or that ended otherwise than their producers were
/// told.
///
/// A commit that was asked for, and whose end nobody told, may have happened or not. One that was not asked for has not.
pub fn torn(evidence: &Evidence) -> Vec<String> {
    let fates = fates(evidence);
    let mut wrong = Vec::new();
    for (number, told) in told(evidence) {
        let is_committed = |id: &Id| fates.get(id) == Some(&true);
        let committed: Vec<_> = told.records.keys().filter(|id| is_committed(id)).collect();
        // A record that was given up may not be written at all; if it is, it goes with the others.
        let uncommitted = told.records.iter().filter(|(id, is_part)| **is_part || fates.contains_key(id));
        let uncommitted: Vec<_> = uncommitted.map(|(id, _)| id).filter(|id| !is_committed(id)).collect();
        let by = told.by;
        if told.is_committed && !uncommitted.is_empty() {
            wrong.push(format!("{by} was told that {number} is committed, and {uncommitted:?} of it are not"));
        } else if (told.is_aborted || !told.commit_asked) && !committed.is_empty() {
            let why = if told.is_aborted { "was told that it is not" } else { "did not ask for it" };
            wrong.push(format!("{committed:?} of {number} are committed, and {by} {why}"));
        } else if !committed.is_empty() && !uncommitted.is_empty() {
            wrong.push(format!("of {number} of {by} {committed:?} are committed, and {uncommitted:?} are not"));
        }
    }
    wrong
}

fn told(evidence: &Evidence) -> BTreeMap<u64, Told<'_>> {
    let mut all: BTreeMap<u64, Told<'_>> = BTreeMap::new();
    let mut holders = BTreeMap::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Begins { transaction } => {
                all.insert(*transaction, Told { by: &entry.by, ..Told::default() });
            }
            Operation::Includes { id, transaction, .. } => {
                holders.insert(*id, *transaction);
                all.entry(*transaction).or_default().records.insert(*id, false);
            }
            Operation::Included { id } => {
                let told = holders.get(id).and_then(|transaction| all.get_mut(transaction));
                if let Some(told) = told {
                    told.records.insert(*id, true);
                }
            }
            Operation::Ends { transaction, commit: true } => all.entry(*transaction).or_default().commit_asked = true,
            Operation::Ended { transaction, commit: true } => all.entry(*transaction).or_default().is_committed = true,
            Operation::Ended { transaction, commit: false }
            | Operation::NotEnded { transaction, is_aborted: true, .. } => {
                all.entry(*transaction).or_default().is_aborted = true;
            }
            _ => {}
        }
    }
    all
}

/// Whether each record that is in a log is committed.
fn fates(evidence: &Evidence) -> BTreeMap<Id, bool> {
    evidence.logs.values().flatten().map(|written| (written.id, written.is_committed)).collect()
}

fn committed_reads(evidence: &Evidence) -> impl Iterator<Item = (&str, &Place, &[(i64, Id)])> {
    evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Read { place, is_committed: true, records, .. } => Some((&*entry.by, place, records.as_slice())),
        _ => None,
    })
}

fn name((topic, partition): &Place) -> String {
    format!("{topic}-{partition}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        ("orders".to_owned(), 0)
    }

    /// A log of records 1, 2 and so on, each committed or not.
    fn log(committed: &[bool]) -> Vec<Written> {
        let written = |(offset, is_committed): (i64, &bool)| Written {
            offset,
            id: offset as Id + 1,
            is_committed: *is_committed,
        };
        (0..).zip(committed).map(written).collect()
    }

    fn evidence(committed: &[bool], operations: impl IntoIterator<Item = Operation>) -> Evidence {
        Evidence::of("one#1", operations).with_log(place(), log(committed))
    }

    fn read(stable: i64, offsets: impl IntoIterator<Item = i64>) -> Operation {
        let records = offsets.into_iter().map(|offset| (offset, offset as Id + 1)).collect();
        Operation::Read { place: place(), is_committed: true, stable, records }
    }

    fn transaction(records: impl IntoIterator<Item = Id>, then: &[Operation]) -> Vec<Operation> {
        let includes = |id| [Operation::Includes { id, transaction: 9, of: None }, Operation::Included { id }];
        let mut all = vec![Operation::Begins { transaction: 9 }];
        all.extend(records.into_iter().flat_map(includes));
        all.extend_from_slice(then);
        all
    }

    const COMMITS: Operation = Operation::Ends { transaction: 9, commit: true };
    const COMMITTED: Operation = Operation::Ended { transaction: 9, commit: true };
    const ABORTED: Operation = Operation::Ended { transaction: 9, commit: false };

    #[test]
    fn a_read_of_an_aborted_record_is_named() {
        assert_eq!(aborted_reads(&evidence(&[true, false], [read(2, [0, 1])])).len(), 1);
        assert!(aborted_reads(&evidence(&[true, false], [read(2, [0])])).is_empty());
    }

    #[test]
    fn a_read_behind_the_last_stable_offset_is_named() {
        assert_eq!(early_reads(&evidence(&[true, true], [read(1, [0, 1])])).len(), 1);
        assert!(early_reads(&evidence(&[true, true], [read(2, [0, 1])])).is_empty());
    }

    #[test]
    fn a_record_that_a_reader_lacks_or_gets_twice_is_named() {
        let all = Operation::ReadAll { is_committed: true };
        assert_eq!(not_read_once(&evidence(&[true, true], [read(2, [0]), all.clone()])).len(), 1);
        assert_eq!(not_read_once(&evidence(&[true, true], [read(2, [0, 1]), read(2, [1])])).len(), 1);
        assert!(not_read_once(&evidence(&[true, false, true], [read(3, [0]), read(3, [2]), all])).is_empty());
    }

    #[test]
    fn a_transaction_that_ended_in_part_is_named() {
        let unknown = transaction([1, 2], &[COMMITS]);
        assert_eq!(torn(&evidence(&[true, false], unknown.clone())).len(), 1);
        assert!(torn(&evidence(&[true, true], unknown.clone())).is_empty());
        assert!(torn(&evidence(&[false, false], unknown)).is_empty());
    }

    #[test]
    fn a_transaction_that_ended_otherwise_than_was_told_is_named() {
        assert_eq!(torn(&evidence(&[false, false], transaction([1, 2], &[COMMITS, COMMITTED]))).len(), 1);
        assert_eq!(torn(&evidence(&[true, true], transaction([1, 2], &[ABORTED]))).len(), 1);
        assert_eq!(torn(&evidence(&[true], transaction([1], &[]))).len(), 1, "nobody committed it");
        assert_eq!(torn(&evidence(&[true], transaction([1, 2], &[COMMITS, COMMITTED]))).len(), 1, "2 is lost");
        assert!(torn(&evidence(&[true, true], transaction([1, 2], &[COMMITS, COMMITTED]))).is_empty());
        assert!(torn(&evidence(&[false], transaction([1, 2], &[ABORTED]))).is_empty());
    }
}
