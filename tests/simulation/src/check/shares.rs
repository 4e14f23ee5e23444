//! Rules of share groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::Evidence;
use crate::ledger::{Operation, Place};

/// What one life had to do with one record.
#[derive(Clone, Copy, Debug, Default)]
struct Dealings {
    taken: u32,
    acknowledged: u32,
    released: u32,
    answers: u32,
}

type Record<'a> = (&'a Place, i64);

/// Records that would be delivered again though a member was told that they were done with: all it said of them was that
/// they were accepted or rejected, and that was taken down.
///
/// A member that took a record twice, and was answered once, may have been answered for the first time. What another has
/// in its buffer since before, under a lock that is over, may still be handed out: no client can know.
pub fn comes_again(evidence: &Evidence) -> Vec<String> {
    let mut dealings: BTreeMap<(&str, Record<'_>), Dealings> = BTreeMap::new();
    let mut open = BTreeSet::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Took { place, offset } => {
                dealings.entry((&entry.by, (place, *offset))).or_default().taken += 1;
            }
            Operation::Acknowledge { place, offset, comes_again } => {
                let own = dealings.entry((&entry.by, (place, *offset))).or_default();
                own.acknowledged += 1;
                own.released += u32::from(*comes_again);
            }
            Operation::Acknowledged { place, offset, error, is_done } => {
                let own = dealings.entry((&entry.by, (place, *offset))).or_default();
                own.answers += 1;
                if error.is_none() && !is_done && own.acknowledged > 0 {
                    open.insert((&*entry.by, (place, *offset)));
                }
            }
            _ => {}
        }
    }
    // Another answer is about another delivery, which was let go of without having been handed out.
    let is_about_it = |own: &Dealings| own.taken == 1 && own.acknowledged == 1 && own.released == 0 && own.answers == 1;
    let again = open.into_iter().filter(|key| dealings.get(key).is_some_and(is_about_it));
    again
        .map(|(by, (place, offset))| format!("{by} was told that {offset} of {}-{} is done", place.0, place.1))
        .collect()
}

/// Records that a share group is done with though nobody accepted or rejected them: they were handed out to nobody, or
/// only to those that let them go.
///
/// Not where a batch could not be read, since its records are rejected.
pub fn skipped(evidence: &Evidence) -> Vec<String> {
    let mut finished: BTreeMap<Record<'_>, bool> = BTreeMap::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Unreadable => return Vec::new(),
            Operation::Took { place, offset } => drop(finished.entry((place, *offset)).or_default()),
            Operation::Acknowledge { place, offset, comes_again: false } => {
                finished.insert((place, *offset), true);
            }
            _ => {}
        }
    }
    let mut skipped = Vec::new();
    for (place, start) in &evidence.share_starts {
        let log = evidence.logs.get(place).map(Vec::as_slice).unwrap_or_default();
        for written in log.iter().filter(|written| written.offset < *start) {
            let what = match finished.get(&(place, written.offset)) {
                Some(true) => continue,
                Some(false) => "accepted or rejected",
                None => "handed out",
            };
            skipped.push(format!("{} of {}-{} is done and was never {what}", written.offset, place.0, place.1));
        }
    }
    skipped
}

/// Records that a member took and, once it was closed, had another number of answers for than there were
/// acknowledgements.
///
/// What was let go of on the way, without having been handed out, has answers as well: those are no more than one for
/// each record that was not taken. A member that died, or was let go of, need not hear all.
pub fn answers(evidence: &Evidence) -> Vec<String> {
    let mut dealings: BTreeMap<(&str, Record<'_>), Dealings> = BTreeMap::new();
    let mut silent: Vec<&str> = Vec::new();
    for entry in &evidence.entries {
        match &entry.operation {
            Operation::Took { place, offset } => {
                dealings.entry((&entry.by, (place, *offset))).or_default().taken += 1;
            }
            Operation::Acknowledge { place, offset, .. } => {
                dealings.entry((&entry.by, (place, *offset))).or_default().acknowledged += 1;
            }
            Operation::Acknowledged { place, offset, .. } => {
                dealings.entry((&entry.by, (place, *offset))).or_default().answers += 1;
            }
            Operation::Died | Operation::LetGo => silent.push(&entry.by),
            _ => {}
        }
    }
    let missing = dealings.into_iter().filter(|((by, _), own)| own.answers < own.acknowledged && !silent.contains(by));
    missing
        .map(|((by, (place, offset)), own)| {
            format!(
                "{by} said {} times what becomes of {offset} of {}-{}, and heard {}",
                own.acknowledged, place.0, place.1, own.answers
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::evidence::Written;
    use crate::ledger::Entry;

    fn place() -> Place {
        ("orders".to_owned(), 0)
    }

    fn took(offset: i64) -> Operation {
        Operation::Took { place: place(), offset }
    }

    fn says(offset: i64, comes_again: bool) -> Operation {
        Operation::Acknowledge { place: place(), offset, comes_again }
    }

    fn hears(offset: i64, is_done: bool) -> Operation {
        Operation::Acknowledged { place: place(), offset, error: None, is_done }
    }

    /// The group is done with offset 0, the one record there is.
    fn evidence<'a>(entries: impl IntoIterator<Item = (&'a str, Operation)>) -> Evidence {
        let entries = entries.into_iter().map(|(by, operation)| Entry { at: Duration::ZERO, by: by.into(), operation });
        Evidence {
            entries: entries.collect(),
            logs: [(place(), vec![Written { offset: 0, id: 1, is_committed: true }])].into(),
            share_starts: [(place(), 1)].into(),
            ..Evidence::default()
        }
    }

    #[test]
    fn what_is_done_must_not_come_again() {
        let history = |comes_again, is_done| {
            super::comes_again(&evidence([("a", took(0)), ("a", says(0, comes_again)), ("a", hears(0, is_done))]))
        };
        assert_eq!(history(false, false), ["a was told that 0 of orders-0 is done"]);
        assert_eq!(history(false, true), [""; 0]);
        assert_eq!(history(true, false), [""; 0]);
    }

    #[test]
    fn nothing_is_done_without_anybody_who_did_it() {
        assert_eq!(skipped(&evidence([])), ["0 of orders-0 is done and was never handed out"]);
        let released = [("a", took(0)), ("a", says(0, true))];
        assert_eq!(skipped(&evidence(released)), ["0 of orders-0 is done and was never accepted or rejected"]);
        assert_eq!(skipped(&evidence([("a", took(0)), ("a", says(0, false))])), [""; 0]);
        assert_eq!(skipped(&evidence([("a", Operation::Unreadable)])), [""; 0]);
    }

    #[test]
    fn every_acknowledgement_is_answered() {
        let unheard = [("a", took(0)), ("a", says(0, false))];
        assert_eq!(answers(&evidence(unheard.clone())), ["a said 1 times what becomes of 0 of orders-0, and heard 0"]);
        assert_eq!(answers(&evidence(unheard.clone().into_iter().chain([("a", hears(0, true))]))), [""; 0]);
        assert_eq!(answers(&evidence(unheard.into_iter().chain([("a", Operation::Died)]))), [""; 0]);
    }
}
