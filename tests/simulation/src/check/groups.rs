//! Rules of what a group reads.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::evidence::Evidence;
use crate::ledger::{Member, Operation, Place, Rebalance, Terms};

/// Records of each partition that the group's members see, by offset; None without a group.
pub(super) fn visible(evidence: &Evidence) -> Option<BTreeMap<&Place, Vec<i64>>> {
    let terms = evidence.entries.iter().find_map(|entry| match &entry.operation {
        Operation::Subscribed { terms, .. } => Some(*terms),
        _ => None,
    })?;
    let of = |log: &[crate::evidence::Written]| {
        let seen = log.iter().filter(|written| written.is_committed || !terms.is_read_committed);
        seen.map(|written| written.offset).collect()
    };
    Some(evidence.logs.iter().map(|(place, log)| (place, of(log))).collect())
}

/// How far a group has come in one partition without leaving out a record.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    seen: BTreeSet<i64>,
    next: usize,
}

impl Frontier {
    pub(super) fn add(&mut self, offset: i64, visible: &[i64]) {
        self.seen.insert(offset);
        while visible.get(self.next).is_some_and(|next| self.seen.contains(next)) {
            self.next += 1;
        }
    }

    /// The first record below an offset that was left out.
    pub(super) fn gap(&self, below: i64, visible: &[i64]) -> Option<i64> {
        visible.get(self.next).copied().filter(|next| *next < below)
    }
}

/// Records that no member was handed before a later one of their partition: a group that begins at the beginning goes on
/// where somebody was.
pub fn skipped(evidence: &Evidence) -> Vec<String> {
    let Some(visible) = visible(evidence) else { return Vec::new() };
    let mut frontiers: BTreeMap<&Place, Frontier> = BTreeMap::new();
    let mut skipped = BTreeMap::new();
    for entry in &evidence.entries {
        let Operation::Handed { place, records, .. } = &entry.operation else { continue };
        let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
        let frontier = frontiers.entry(place).or_default();
        for (offset, _) in records {
            if let Some(gap) = frontier.gap(*offset, log) {
                let what =
                    || format!("{} was handed {offset} of {}-{}, and nobody {gap} before", entry.by, place.0, place.1);
                skipped.entry(place).or_insert_with(what);
            }
            frontier.add(*offset, log);
        }
    }
    skipped.into_values().collect()
}

/// Records that no member was ever handed, though nothing went wrong any more for a long time.
pub fn unread(evidence: &Evidence) -> Vec<String> {
    let Some(visible) = visible(evidence) else { return Vec::new() };
    let mut read: BTreeSet<(&Place, i64)> = BTreeSet::new();
    for entry in &evidence.entries {
        if let Operation::Handed { place, records, .. } = &entry.operation {
            read.extend(records.iter().map(|(offset, _)| (place, *offset)));
        }
    }
    let unread = visible.iter().filter_map(|(place, log)| {
        let of_place = log.iter().filter(|offset| !read.contains(&(*place, **offset)));
        let (first, count) = (of_place.clone().next()?, of_place.count());
        Some(format!("{count} records of {}-{} were never handed out, the first {first}", place.0, place.1))
    });
    unread.collect()
}

/// Records that a consumer was handed elsewhere than behind the last one, though it held the partition all the time.
///
/// It is known to do so between two calls of its listener; without one, as long as it is the same member of the same
/// generation. That tells nothing of a static one: it comes back as what it was.
pub fn stepped(evidence: &Evidence) -> Vec<String> {
    let Some(visible) = visible(evidence) else { return Vec::new() };
    let mut last: BTreeMap<Reader<'_>, (i64, &Member)> = BTreeMap::new();
    let mut terms: BTreeMap<(&str, u32), Terms> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            // A topic that went with one subscription and came with the next begins where the group is.
            Operation::Subscribed { consumer, terms: new } => {
                terms.insert((&entry.by, *consumer), *new);
                last.retain(|(by, other, _), _| (*by, *other) != (&*entry.by, *consumer));
            }
            Operation::Left { consumer } => last.retain(|(by, other, _), _| (*by, *other) != (&*entry.by, *consumer)),
            Operation::Told { consumer, event: Rebalance::Assigned, places, .. } => {
                for place in places {
                    last.remove(&(&*entry.by, *consumer, place));
                }
            }
            Operation::Handed { consumer, place, member, records } => {
                let key = (&*entry.by, *consumer, place);
                let terms = terms.get(&(&*entry.by, *consumer)).copied();
                let Terms { is_static, listens, .. } = terms.unwrap_or_default();
                let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
                let before = last.get(&key).filter(|(_, as_who)| listens || (!is_static && *as_who == member));
                let mut before = before.map(|(offset, _)| *offset);
                for (offset, _) in records {
                    if let Some(previous) = before {
                        let behind = log.partition_point(|known| *known <= previous);
                        if log.get(behind) != Some(offset) {
                            wrong.push(format!(
                                "{} was handed {offset} of {}-{} after {previous}",
                                entry.by, place.0, place.1
                            ));
                        }
                    }
                    before = Some(*offset);
                }
                if let Some(offset) = before {
                    last.insert(key, (offset, member));
                }
            }
            _ => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::super::testing::{handed, history, place, subscribed};
    use super::*;

    #[test]
    fn a_record_that_nobody_was_handed_before_a_later_one_is_skipped() {
        let broken = history([("a", subscribed(false)), ("a", handed(1, 0..2)), ("b", handed(2, 3..5))]);
        assert_eq!(skipped(&broken), ["b was handed 3 of orders-0, and nobody 2 before"]);
        let kept = history([("a", subscribed(false)), ("a", handed(1, 0..3)), ("b", handed(2, 1..5))]);
        assert_eq!(skipped(&kept), [""; 0]);
    }

    #[test]
    fn a_record_that_nobody_is_ever_handed_is_unread() {
        let broken = history([("a", subscribed(false)), ("a", handed(1, 0..9))]);
        assert_eq!(unread(&broken), ["1 records of orders-0 were never handed out, the first 9"]);
        let kept = history([("a", subscribed(false)), ("a", handed(1, 0..4)), ("b", handed(2, 4..10))]);
        assert_eq!(unread(&kept), [""; 0]);
    }

    #[test]
    fn within_one_generation_one_record_follows_the_other() {
        let broken = history([("a", subscribed(false)), ("a", handed(1, 0..4)), ("a", handed(1, 2..6))]);
        assert_eq!(stepped(&broken), ["a was handed 2 of orders-0 after 3"]);
        let kept = history([("a", subscribed(false)), ("a", handed(1, 0..4)), ("a", handed(2, 2..6))]);
        assert_eq!(stepped(&kept), [""; 0]);
    }

    #[test]
    fn between_two_calls_of_a_listener_one_record_follows_the_other() {
        let broken = history([("a", subscribed(true)), ("a", handed(1, 0..4)), ("a", handed(2, 2..6))]);
        assert_eq!(stepped(&broken), ["a was handed 2 of orders-0 after 3"]);
        let told = Operation::Told { consumer: 1, event: Rebalance::Assigned, places: vec![place()], is_over: false };
        let steps = [("a", subscribed(true)), ("a", handed(1, 0..4)), ("a", told), ("a", handed(2, 2..6))];
        assert_eq!(stepped(&history(steps)), [""; 0]);
    }
}
