//! Rules of consumers that choose partitions and offsets themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Reader;
use crate::evidence::Evidence;
use crate::ledger::{Id, Operation, Place, Target};

/// Where a consumer is to go on in a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// With the first record that is not before this offset.
    First(i64),
    /// With any record that is not before this offset.
    NotBefore(i64),
}

/// What is in the logs at a moment, and what ever was.
#[derive(Debug, Default)]
struct Logs<'a> {
    now: BTreeMap<&'a Place, BTreeSet<i64>>,
    ever: BTreeMap<(&'a Place, i64), BTreeSet<Id>>,
}

impl<'a> Logs<'a> {
    fn follow(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Wrote { place, offset, ids } => {
                for (offset, id) in (*offset..).zip(ids) {
                    self.now.entry(place).or_default().insert(offset);
                    self.ever.entry((place, offset)).or_default().insert(*id);
                }
            }
            Operation::Damaged { place, offset } => drop(self.now.entry(place).or_default().insert(*offset)),
            Operation::Compacted { place, offset } => drop(self.now.entry(place).or_default().remove(offset)),
            _ => {}
        }
    }

    /// The first offset of a range where there is something, perhaps what cannot be read.
    fn first(&self, place: &Place, from: i64, to: i64) -> Option<i64> {
        self.now.get(place)?.range(from..to.max(from)).next().copied()
    }
}

/// Records that were handed out elsewhere than a consumer was sent to, or behind one that was left out, or that were never
/// there.
///
/// Once the cluster lost records of a partition nothing is known of where its readers are.
pub fn out_of_place(evidence: &Evidence) -> Vec<String> {
    let mut logs = Logs::default();
    let mut next: BTreeMap<Reader<'_>, Next> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        logs.follow(&entry.operation);
        match &entry.operation {
            Operation::Assigned { consumer, places, from } => {
                next.retain(|(by, other, place), _| (*by, *other) != (&*entry.by, *consumer) || places.contains(place));
                for place in places {
                    let begins = from.map_or(Next::NotBefore(0), Next::First);
                    next.entry((&entry.by, *consumer, place)).or_insert(begins);
                }
            }
            Operation::Sought { consumer, place, to } => {
                let to = match to {
                    Target::NotBefore(offset) => Next::NotBefore(*offset),
                    Target::Offset(offset) => Next::First(*offset),
                    Target::Somewhere => Next::NotBefore(0),
                };
                next.insert((&entry.by, *consumer, place), to);
            }
            Operation::Handed { consumer, place, records, .. } => {
                let Some(at) = next.get_mut(&(&*entry.by, *consumer, place)) else { continue };
                let is_lossy = is_lossy(evidence, place, entry.at);
                for (offset, id) in records {
                    let (topic, partition) = place;
                    let what = format!("{} was handed {offset} of {topic}-{partition}", entry.by);
                    if !logs.ever.get(&(place, *offset)).is_some_and(|ids| ids.contains(id)) {
                        wrong.push(format!("{what}, {id}, which was never there"));
                    } else if !is_lossy {
                        let (least, left_out) = match *at {
                            Next::First(from) => (from, logs.first(place, from, *offset)),
                            Next::NotBefore(from) => (from, None),
                        };
                        if *offset < least {
                            wrong.push(format!("{what}, and is to go on at {least}"));
                        } else if let Some(left_out) = left_out {
                            wrong.push(format!("{what}, and not {left_out} before"));
                        }
                    }
                    *at = Next::First(offset + 1);
                }
            }
            _ => {}
        }
    }
    wrong
}

fn is_lossy(evidence: &Evidence, place: &Place, by: Duration) -> bool {
    evidence.losses.iter().any(|loss| {
        loss.at <= by && loss.topic == place.0 && loss.partition.is_none_or(|partition| partition == place.1)
    })
}

/// Records that were handed out of a paused partition.
pub fn paused(evidence: &Evidence) -> Vec<String> {
    let mut paused: BTreeSet<Reader<'_>> = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Assigned { consumer, places, .. } => {
                paused.retain(|(by, other, place)| (*by, *other) != (&*entry.by, *consumer) || places.contains(place));
            }
            Operation::Paused { consumer, place, is_paused } => {
                let reader = (&*entry.by, *consumer, place);
                if *is_paused {
                    paused.insert(reader)
                } else {
                    paused.remove(&reader)
                };
            }
            Operation::Handed { consumer, place, .. } if paused.contains(&(&*entry.by, *consumer, place)) => {
                wrong.push(format!("{} was handed records of {}-{}, which is paused", entry.by, place.0, place.1));
            }
            _ => {}
        }
    }
    wrong
}

/// Partitions of which a consumer does not come to the end.
pub fn stuck(evidence: &Evidence) -> Vec<String> {
    let stuck = evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Stuck { place, at, .. } => Some(format!("{} stands in {}-{} at {at}", entry.by, place.0, place.1)),
        _ => None,
    });
    stuck.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{handed, history, place};
    use super::*;

    fn wrote() -> (&'static str, Operation) {
        ("cluster", Operation::Wrote { place: place(), offset: 0, ids: (0..10).collect() })
    }

    fn assigned() -> (&'static str, Operation) {
        ("a", Operation::Assigned { consumer: 1, places: vec![place()], from: Some(0) })
    }

    fn sought(offset: i64) -> (&'static str, Operation) {
        ("a", Operation::Sought { consumer: 1, place: place(), to: Target::Offset(offset) })
    }

    #[test]
    fn reading_goes_on_where_it_was_sent_and_leaves_nothing_out() {
        let read = |offsets: std::ops::Range<i64>| ("a", handed(-1, offsets));
        let kept = history([wrote(), assigned(), read(0..3), sought(6), read(6..8), sought(1), read(1..2)]);
        assert_eq!(out_of_place(&kept), [""; 0]);
        let left_out = history([wrote(), assigned(), read(0..3), read(4..5)]);
        assert_eq!(out_of_place(&left_out), ["a was handed 4 of orders-0, and not 3 before"]);
        let again = history([wrote(), assigned(), read(0..3), read(2..3)]);
        assert_eq!(out_of_place(&again), ["a was handed 2 of orders-0, and is to go on at 3"]);
        let invented = history([wrote(), assigned(), sought(10), read(10..11)]);
        assert_eq!(out_of_place(&invented), ["a was handed 10 of orders-0, 10, which was never there"]);
    }

    #[test]
    fn what_was_compacted_away_is_not_missed_and_damage_is() {
        let read = |offsets: std::ops::Range<i64>| ("a", handed(-1, offsets));
        let gone = ("cluster", Operation::Compacted { place: place(), offset: 3 });
        let kept = history([wrote(), gone.clone(), assigned(), read(0..3), read(4..5)]);
        assert_eq!(out_of_place(&kept), [""; 0]);
        let damaged = ("cluster", Operation::Damaged { place: place(), offset: 3 });
        let broken = history([wrote(), gone, damaged, assigned(), read(0..3), read(4..5)]);
        assert_eq!(out_of_place(&broken).len(), 1);
    }

    #[test]
    fn nothing_comes_out_of_a_paused_partition() {
        let pause = |is_paused| ("a", Operation::Paused { consumer: 1, place: place(), is_paused });
        let broken = history([assigned(), pause(true), ("a", handed(-1, 0..1))]);
        assert_eq!(paused(&broken), ["a was handed records of orders-0, which is paused"]);
        let kept = history([assigned(), pause(true), pause(false), ("a", handed(-1, 0..1))]);
        assert_eq!(paused(&kept), [""; 0]);
    }

    #[test]
    fn who_does_not_come_to_the_end_is_stuck() {
        let stands = Operation::Stuck { consumer: 1, place: place(), at: "3 of 10".to_owned() };
        assert_eq!(stuck(&history([("a", stands)])), ["a stands in orders-0 at 3 of 10"]);
        assert_eq!(stuck(&history([assigned()])), [""; 0]);
    }
}
