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

/// Whether all who poll are members in the end, and nobody else is.
pub fn not_joined(evidence: &Evidence) -> Vec<String> {
    let wrong = evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Joined { members, of } if members != of => {
            Some(format!("the group has {members} members, and {of} poll"))
        }
        _ => None,
    });
    wrong.collect()
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

#[cfg(test)]
mod tests {
    use super::super::testing::{handed, history, place, subscribed};
    use super::*;

    fn holds(generation: i32) -> Operation {
        let member = Member { generation, id: String::new() };
        Operation::Holds { consumer: 1, member, places: vec![place()] }
    }

    fn told(event: Rebalance, is_over: bool) -> Operation {
        Operation::Told { consumer: 1, event, places: vec![place()], is_over }
    }

    #[test]
    fn two_members_must_not_hold_a_partition_in_one_generation() {
        let broken = history([("a", holds(3)), ("b", holds(3))]);
        assert_eq!(two_owners(&broken), ["b and a hold orders-0 in generation 3"]);
        assert_eq!(two_owners(&history([("a", holds(3)), ("b", holds(4))])), [""; 0]);
        let gone = history([("a", holds(3)), ("a", Operation::Left { consumer: 1 }), ("b", holds(3))]);
        assert_eq!(two_owners(&gone), [""; 0]);
    }

    #[test]
    fn all_who_poll_are_members() {
        let joined = |members| history([("cluster", Operation::Joined { members, of: 2 })]);
        assert_eq!(not_joined(&joined(1)), ["the group has 1 members, and 2 poll"]);
        assert_eq!(not_joined(&joined(2)), [""; 0]);
    }

    #[test]
    fn a_listener_hears_that_a_partition_comes_before_its_records_do() {
        let broken = history([("a", subscribed(true)), ("a", handed(1, 0..1))]);
        assert_eq!(listeners(&broken), ["a was handed records of orders-0, and its listener knew Nothing"]);
        let (begins, ends) = (told(Rebalance::Assigned, false), told(Rebalance::Assigned, true));
        let kept = history([("a", subscribed(true)), ("a", begins), ("a", ends), ("a", handed(1, 0..1))]);
        assert_eq!(listeners(&kept), [""; 0]);
    }

    #[test]
    fn a_listener_hears_that_a_partition_goes_before_it_comes_again() {
        let comes = [("a", told(Rebalance::Assigned, false)), ("a", told(Rebalance::Assigned, true))];
        let goes = [("a", told(Rebalance::Lost, false)), ("a", told(Rebalance::Lost, true))];
        let broken = history(comes.clone().into_iter().chain(comes.clone()));
        assert_eq!(listeners(&broken), ["the listener of a was told of orders-0: Assigned, and knew Here"]);
        let kept = history(comes.clone().into_iter().chain(goes.clone()).chain(comes));
        assert_eq!(listeners(&kept), [""; 0]);
        assert_eq!(listeners(&history(goes)).len(), 1);
    }
}
