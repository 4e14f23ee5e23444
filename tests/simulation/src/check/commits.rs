//! Rules of what a group commits.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::{Frontier, visible};
use crate::evidence::Evidence;
use crate::ledger::{Operation, Place};

/// Offsets that were committed over records with which no member was done: handed out by an earlier poll than the one that
/// commits, or before the commit that was asked for.
pub fn ahead(evidence: &Evidence) -> Vec<String> {
    let Some(visible) = visible(evidence) else { return Vec::new() };
    let mut done: BTreeMap<&Place, Frontier> = BTreeMap::new();
    let mut in_work: BTreeMap<(&str, u32), Vec<(&Place, i64)>> = BTreeMap::new();
    let mut ahead = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Handed { consumer, place, records, .. } => {
                let offsets = records.iter().map(|(offset, _)| (place, *offset));
                in_work.entry((&*entry.by, *consumer)).or_default().extend(offsets);
            }
            Operation::Done { consumer } => {
                for (place, offset) in in_work.remove(&(&*entry.by, *consumer)).unwrap_or_default() {
                    let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
                    done.entry(place).or_default().add(offset, log);
                }
            }
            Operation::GroupCommitted { place, offset } => {
                let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
                if let Some(gap) = done.entry(place).or_default().gap(*offset, log) {
                    let at = entry.at.as_secs_f64();
                    ahead.push(format!(
                        "{offset} of {}-{} was committed by {at:.3} s, and nobody was done with {gap}",
                        place.0, place.1
                    ));
                }
            }
            _ => {}
        }
    }
    ahead
}

/// Commits that went back behind those of another member, to which the partition had gone meanwhile.
///
/// Those of one member may arrive out of order, after its connection broke: it read what is before either of the two offsets.
pub fn undone(evidence: &Evidence) -> Vec<String> {
    let Some(visible) = visible(evidence) else { return Vec::new() };
    let mut read: BTreeMap<(&Place, i64), BTreeSet<(&str, u32)>> = BTreeMap::new();
    let mut committed: BTreeMap<&Place, i64> = BTreeMap::new();
    let mut undone = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Handed { consumer, place, records, .. } => {
                for (offset, _) in records {
                    read.entry((place, *offset)).or_default().insert((&entry.by, *consumer));
                }
            }
            Operation::GroupCommitted { place, offset } => {
                let Some(before) = committed.insert(place, *offset).filter(|before| before > offset) else { continue };
                let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
                let readers = |offset: i64| {
                    let last = *log.get(log.partition_point(|known| *known < offset).checked_sub(1)?)?;
                    Some(read.get(&(place, last)).cloned().unwrap_or_default())
                };
                let (Some(then), Some(now)) = (readers(before), readers(*offset)) else { continue };
                if then.is_disjoint(&now) {
                    undone.push(format!(
                        "{before} of {}-{} was committed, and {offset} after it by somebody else",
                        place.0, place.1
                    ));
                }
            }
            _ => {}
        }
    }
    undone
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DONE, committed, handed, history, subscribed};
    use super::*;

    #[test]
    fn what_nobody_is_done_with_must_not_be_committed() {
        let broken = history([("a", subscribed(false)), ("a", handed(1, 0..4)), ("cluster", committed(4))]);
        assert_eq!(ahead(&broken), ["4 of orders-0 was committed by 3.000 s, and nobody was done with 0"]);
        let steps = [("a", subscribed(false)), ("a", handed(1, 0..4)), ("a", DONE), ("cluster", committed(4))];
        assert_eq!(ahead(&history(steps)), [""; 0]);
    }

    #[test]
    fn a_member_must_not_undo_anothers_commit() {
        let steps = |second| {
            [
                ("a", subscribed(false)),
                ("a", handed(1, 0..4)),
                (second, handed(2, 4..8)),
                ("cluster", committed(8)),
                ("cluster", committed(4)),
            ]
        };
        let broken = history(steps("b"));
        assert_eq!(undone(&broken), ["8 of orders-0 was committed, and 4 after it by somebody else"]);
        assert_eq!(undone(&history(steps("a"))), [""; 0]);
    }
}
