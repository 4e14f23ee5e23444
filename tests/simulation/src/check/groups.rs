//! Rules of what a group reads.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut last: BTreeMap<(&str, u32), BTreeMap<&Place, (i64, &Member)>> = BTreeMap::new();
    let mut terms: BTreeMap<(&str, u32), Terms> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Subscribed { consumer, terms: new } => drop(terms.insert((&entry.by, *consumer), *new)),
            Operation::Left { consumer } => drop(last.remove(&(&*entry.by, *consumer))),
            Operation::Told { consumer, event: Rebalance::Assigned, places, .. } => {
                if let Some(last) = last.get_mut(&(&*entry.by, *consumer)) {
                    last.retain(|place, _| !places.contains(place));
                }
            }
            Operation::Handed { consumer, place, member, records } => {
                let key = (&*entry.by, *consumer);
                let Terms { is_static, listens, .. } = terms.get(&key).copied().unwrap_or_default();
                let log = visible.get(place).map(Vec::as_slice).unwrap_or_default();
                let before = last.entry(key).or_default().get(place);
                let mut before = before.filter(|(_, as_who)| listens || (!is_static && *as_who == member));
                let mut latest;
                for (offset, _) in records {
                    if let Some((previous, _)) = before {
                        let behind = log.partition_point(|known| known <= previous);
                        if log.get(behind) != Some(offset) {
                            wrong.push(format!(
                                "{} was handed {offset} of {}-{} after {previous}",
                                entry.by, place.0, place.1
                            ));
                        }
                    }
                    latest = (*offset, member);
                    before = Some(&latest);
                }
                if let Some((offset, _)) = records.last() {
                    last.entry(key).or_default().insert(place, (*offset, member));
                }
            }
            _ => {}
        }
    }
    wrong
}
