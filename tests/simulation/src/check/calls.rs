//! Rules of what callers are told, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::evidence::Evidence;
use crate::ledger::{Id, Operation};

/// What a call may take beyond its deadline: the time of some messages on a slow network.
const SLACK: Duration = Duration::from_secs(1);

/// Records that were sent and have no outcome, or more than one.
pub fn outcomes(evidence: &Evidence) -> Vec<String> {
    let mut sent: BTreeMap<Id, (&str, u32)> = BTreeMap::new();
    let mut dead = BTreeSet::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Send { id, .. } => drop(sent.insert(*id, (&entry.by, 0))),
            Operation::Acked { id, .. } | Operation::Failed { id, .. } => {
                if let Some((_, outcomes)) = sent.get_mut(id) {
                    *outcomes += 1;
                }
            }
            Operation::Died => drop(dead.insert(&*entry.by)),
            _ => {}
        }
    }
    let wrong = sent.into_iter().filter(|(_, (by, outcomes))| *outcomes > 1 || (*outcomes == 0 && !dead.contains(by)));
    wrong.map(|(id, (by, outcomes))| format!("{id}, sent by {by}, has {outcomes} outcomes")).collect()
}

/// Calls that ended later than they promise, or not at all.
pub fn late(evidence: &Evidence) -> Vec<String> {
    let mut open: BTreeMap<(&str, &str), (Duration, Duration)> = BTreeMap::new();
    let mut late = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Begin { call, within } => drop(open.insert((&entry.by, call), (entry.at, *within))),
            Operation::StoodStill { time } => {
                let own = open.iter_mut().filter(|((by, _), _)| **by == *entry.by);
                own.for_each(|(_, (_, within))| *within += *time);
            }
            Operation::End { call } => {
                let Some((began, within)) = open.remove(&(&*entry.by, call.as_str())) else { continue };
                if entry.at - began > within + SLACK {
                    late.push(format!("{call} of {} took {:?} of {within:?}", entry.by, entry.at - began));
                }
            }
            Operation::Died => open.retain(|(by, _), _| **by != *entry.by),
            _ => {}
        }
    }
    late.extend(open.into_keys().map(|(by, call)| format!("{call} of {by} has not ended")));
    late
}
