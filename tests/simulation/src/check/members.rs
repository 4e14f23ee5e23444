//! Rules of who holds what in a group, and what listeners hear of it.

use std::collections::BTreeMap;

use crate::evidence::Evidence;
use crate::ledger::{Member, Operation, Place, Rebalance, Terms};

/// Partitions that two members hold in one generation, or at one member epoch.
pub fn two_owners(evidence: &Evidence) -> Vec<String> {
    let mut held: BTreeMap<(&str, u32), (&Member, &[Place])> = BTreeMap::new();
    let mut shared = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Holds { consumer, member, places } => {
                for ((by, other), (as_who, theirs)) in &held {
                    let is_same = (*by, *other) == (&*entry.by, *consumer);
                    if is_same || as_who.generation != member.generation || member.generation < 0 {
                        continue;
                    }
                    let both = places.iter().filter(|place| theirs.contains(place));
                    shared.extend(both.map(|(topic, partition)| {
                        format!("{} and {by} hold {topic}-{partition} in generation {}", entry.by, member.generation)
                    }));
                }
                held.insert((&entry.by, *consumer), (member, places));
            }
            Operation::Left { consumer } => drop(held.remove(&(&*entry.by, *consumer))),
            Operation::Died => held.retain(|(by, _), _| *by != &*entry.by),
            _ => {}
        }
    }
    shared
}

/// What a listener was told of a partition.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Known {
    #[default]
    Nothing,
    /// That it comes; the call has not ended.
    Coming,
    Here,
    /// That it goes; the call has not ended.
    Going,
}

/// Calls of a listener that do not follow from those before, and records of partitions that it does not know of.
///
/// A call that did not end is made again, if what it was about still holds.
pub fn listeners(evidence: &Evidence) -> Vec<String> {
    let mut known: BTreeMap<(&str, u32), BTreeMap<&Place, Known>> = BTreeMap::new();
    let mut listens: BTreeMap<(&str, u32), Terms> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Subscribed { consumer, terms } => drop(listens.insert((&entry.by, *consumer), *terms)),
            Operation::Left { consumer } => drop(known.remove(&(&*entry.by, *consumer))),
            Operation::Told { consumer, event, places, is_over } => {
                let known = known.entry((&entry.by, *consumer)).or_default();
                for place in places {
                    let before = known.get(place).copied().unwrap_or_default();
                    let after = match (event, is_over) {
                        (Rebalance::Assigned, false) => Known::Coming,
                        (Rebalance::Assigned, true) => Known::Here,
                        (Rebalance::Lost | Rebalance::Revoked, false) => Known::Going,
                        (Rebalance::Lost | Rebalance::Revoked, true) => Known::Nothing,
                    };
                    let is_expected = match (event, is_over) {
                        (_, true) => true,
                        (Rebalance::Assigned, false) => matches!(before, Known::Nothing | Known::Coming),
                        (Rebalance::Lost | Rebalance::Revoked, false) => before != Known::Nothing,
                    };
                    if !is_expected {
                        wrong.push(format!(
                            "the listener of {} was told of {}-{}: {event:?}, and knew {before:?}",
                            entry.by, place.0, place.1
                        ));
                    }
                    known.insert(place, after);
                }
            }
            Operation::Handed { consumer, place, .. } => {
                let key = (&*entry.by, *consumer);
                let before = known.get(&key).and_then(|known| known.get(place)).copied().unwrap_or_default();
                if listens.get(&key).is_some_and(|terms| terms.listens) && before != Known::Here {
                    let (topic, partition) = place;
                    wrong.push(format!(
                        "{} was handed records of {topic}-{partition}, and its listener knew {before:?}",
                        entry.by
                    ));
                }
            }
            _ => {}
        }
    }
    wrong
}
