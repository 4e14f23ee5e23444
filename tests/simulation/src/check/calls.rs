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
    overdue(evidence, |operation| match operation {
        Operation::Begin { call, within } => Some((call, Some(*within))),
        Operation::End { call } => Some((call, None)),
        _ => None,
    })
}

/// What did not come about though nothing went wrong any more.
pub fn stuck(evidence: &Evidence) -> Vec<String> {
    overdue(evidence, |operation| match operation {
        Operation::Awaits { what, within } => Some((what, Some(*within))),
        Operation::Came { what } => Some((what, None)),
        _ => None,
    })
}

/// What took too long: `of` says what begins, with its limit, and what ends.
fn overdue(evidence: &Evidence, of: impl Fn(&Operation) -> Option<(&String, Option<Duration>)>) -> Vec<String> {
    let mut open: BTreeMap<(&str, &str), (Duration, Duration)> = BTreeMap::new();
    let mut late = Vec::new();
    for entry in &evidence.entries {
        match (of(&entry.operation), &entry.operation) {
            (Some((call, Some(within))), _) => drop(open.insert((&entry.by, call), (entry.at, within))),
            (Some((call, None)), _) => {
                let Some((began, within)) = open.remove(&(&*entry.by, call.as_str())) else { continue };
                if entry.at - began > within + SLACK {
                    late.push(format!("{call} of {} took {:?} of {within:?}", entry.by, entry.at - began));
                }
            }
            (_, Operation::StoodStill { time }) => {
                let own = open.iter_mut().filter(|((by, _), _)| **by == *entry.by);
                own.for_each(|(_, (_, within))| *within += *time);
            }
            (_, Operation::Died) => open.retain(|(by, _), _| **by != *entry.by),
            _ => {}
        }
    }
    late.extend(open.into_keys().map(|(by, call)| format!("{call} of {by} has not ended")));
    late
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{entry, entry_at, evidence};

    fn send(id: Id) -> Operation {
        Operation::Send { id, topic: "orders".into(), producer: 1 }
    }

    fn failed(id: Id) -> Operation {
        Operation::Failed { id, error: "timed out".into() }
    }

    #[test]
    fn a_record_must_have_one_outcome() {
        assert!(outcomes(&evidence(&[entry("a", send(1)), entry("a", failed(1))], [])).is_empty());
        assert_eq!(outcomes(&evidence(&[entry("a", send(1))], [])).len(), 1);
        assert_eq!(
            outcomes(&evidence(&[entry("a", send(1)), entry("a", failed(1)), entry("a", failed(1))], [])).len(),
            1
        );
    }

    #[test]
    fn the_dead_are_told_nothing() {
        assert!(outcomes(&evidence(&[entry("a", send(1)), entry("a", Operation::Died)], [])).is_empty());
        assert_eq!(outcomes(&evidence(&[entry("a", send(1)), entry("b", Operation::Died)], [])).len(), 1);
    }

    #[test]
    fn a_call_must_end_in_time_unless_its_process_stood_still() {
        let begin = || Operation::Begin { call: "close".into(), within: Duration::from_secs(5) };
        let end = || Operation::End { call: "close".into() };
        let stood = Operation::StoodStill { time: Duration::from_secs(20) };
        assert!(late(&evidence(&[entry_at(0, "a", begin()), entry_at(5, "a", end())], [])).is_empty());
        assert_eq!(late(&evidence(&[entry_at(0, "a", begin()), entry_at(9, "a", end())], [])).len(), 1);
        assert_eq!(late(&evidence(&[entry_at(0, "a", begin())], [])).len(), 1, "it has not ended");
        let stood = [entry_at(0, "a", begin()), entry_at(22, "a", stood), entry_at(24, "a", end())];
        assert!(late(&evidence(&stood, [])).is_empty());
    }
}
