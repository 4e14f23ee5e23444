//! Rules of what is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Evidence, Written};
use crate::ledger::{Id, Operation};

/// Records that were acknowledged and are not where they were said to be.
pub fn lost(evidence: &Evidence) -> Vec<String> {
    let mut lost = Vec::new();
    for entry in &evidence.entries {
        let Operation::Acked { id, place, offset } = &entry.operation else { continue };
        let log = evidence.logs.get(place).map(Vec::as_slice).unwrap_or_default();
        let is_there = log.iter().any(|written| written.id == *id && (written.offset == *offset || *offset < 0));
        if !is_there && !evidence.is_lost_by_cluster(place, *offset) {
            lost.push(format!(
                "{} was told that {id} is at {offset} of {}-{}, and it is not",
                entry.by, place.0, place.1
            ));
        }
    }
    lost
}

/// Records that are in the logs more than once.
pub fn duplicates(evidence: &Evidence) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let mut twice = Vec::new();
    for ((topic, partition), log) in &evidence.logs {
        for written in log {
            let here = format!("{} of {topic}-{partition}", written.offset);
            if let Some(first) = seen.insert(written.id, here.clone()) {
                twice.push(format!("{} is at {first} and at {here}", written.id));
            }
        }
    }
    twice
}

/// Records of one producer that are in a partition in another order than they were sent in. Numbers grow with each send.
pub fn out_of_order(evidence: &Evidence) -> Vec<String> {
    let sender: BTreeMap<Id, (&str, u32)> = evidence
        .entries
        .iter()
        .filter_map(|entry| match &entry.operation {
            Operation::Send { id, producer, .. } => Some((*id, (&*entry.by, *producer))),
            _ => None,
        })
        .collect();
    let mut wrong = Vec::new();
    let mut newest: BTreeSet<((&str, u32), Id)> = BTreeSet::new();
    for ((topic, partition), log) in &evidence.logs {
        newest.clear();
        for Written { offset, id, .. } in log {
            let Some(by) = sender.get(id) else { continue };
            let after = newest.range((*by, *id)..).find(|(other, _)| other == by);
            if let Some((_, later)) = after {
                wrong.push(format!("{id} at {offset} of {topic}-{partition} comes after {later}, both of {}", by.0));
            }
            newest.insert((*by, *id));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{entry, evidence};

    fn send(id: Id) -> Operation {
        Operation::Send { id, topic: "orders".into(), producer: 1 }
    }

    fn acked(id: Id, offset: i64) -> Operation {
        Operation::Acked { id, place: ("orders".into(), 0), offset }
    }

    #[test]
    fn what_was_acknowledged_must_be_where_it_was_said_to_be() {
        let told = [entry("a", send(1)), entry("a", acked(1, 0)), entry("a", send(2)), entry("a", acked(2, 1))];
        assert!(lost(&evidence(&told, [1, 2])).is_empty());
        assert_eq!(lost(&evidence(&told, [1])).len(), 1);
        assert_eq!(lost(&evidence(&told, [2, 1])).len(), 2);
    }

    #[test]
    fn what_the_cluster_itself_lost_is_no_fault_of_the_client() {
        let mut evidence = evidence(&[entry("a", send(1)), entry("a", acked(1, 0))], []);
        assert_eq!(lost(&evidence).len(), 1);
        evidence.losses.push(crate::check::testing::loss("orders", 0));
        assert!(lost(&evidence).is_empty());
    }

    #[test]
    fn a_record_must_not_be_there_twice() {
        assert!(duplicates(&evidence(&[], [1, 2, 3])).is_empty());
        assert_eq!(duplicates(&evidence(&[], [1, 2, 1])).len(), 1);
    }

    #[test]
    fn records_must_be_in_the_order_in_which_their_producer_was_given_them() {
        let sent = [entry("a", send(1)), entry("b", send(2)), entry("a", send(3))];
        assert!(out_of_order(&evidence(&sent, [1, 3, 2])).is_empty(), "of two producers");
        assert_eq!(out_of_order(&evidence(&sent, [3, 2, 1])).len(), 1);
    }
}
