//! Rules of what admin clients say.

use std::collections::BTreeSet;

use crate::evidence::Evidence;
use crate::ledger::Operation;

/// Answers that are not what is so.
pub fn untrue(evidence: &Evidence) -> Vec<String> {
    let told = evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Compared { what, said, is } if said != is => {
            Some(format!("{} was told of {what}: {said}; it is {is}", entry.by))
        }
        _ => None,
    });
    told.collect()
}

/// Topics that were reported as created twice, or as deleted twice, without the other between.
pub fn topics(evidence: &Evidence) -> Vec<String> {
    let mut there = BTreeSet::new();
    let mut deleted = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in &evidence.entries {
        let Operation::Reported { topic, created } = &entry.operation else { continue };
        let (into, from) = if *created { (&mut there, &mut deleted) } else { (&mut deleted, &mut there) };
        from.remove(topic);
        if !into.insert(topic) {
            let what = if *created { "created" } else { "deleted" };
            wrong.push(format!("{} was told twice that {topic} was {what}", entry.by));
        }
    }
    wrong
}

/// Errors that do not say what they are about.
pub fn nameless(evidence: &Evidence) -> Vec<String> {
    let refused = evidence.entries.iter().filter_map(|entry| match &entry.operation {
        Operation::Refused { about, error } if !error.contains(about.as_str()) => {
            Some(format!("{} was told of {about}: {error}", entry.by))
        }
        _ => None,
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Entry;

    fn evidence(operations: impl IntoIterator<Item = Operation>) -> Evidence {
        let entry = |operation| Entry { at: Duration::ZERO, by: "a".into(), operation };
        Evidence { entries: operations.into_iter().map(entry).collect(), ..Evidence::default() }
    }

    fn reported(created: bool) -> Operation {
        Operation::Reported { topic: "new".to_owned(), created }
    }

    #[test]
    fn what_is_said_must_be_so() {
        let told =
            |said: &str| Operation::Compared { what: "topics".to_owned(), said: said.to_owned(), is: "2".to_owned() };
        assert_eq!(untrue(&evidence([told("1")])), ["a was told of topics: 1; it is 2"]);
        assert_eq!(untrue(&evidence([told("2")])), [""; 0]);
    }

    #[test]
    fn a_topic_is_created_once_unless_it_is_deleted() {
        assert_eq!(topics(&evidence([reported(true), reported(true)])), ["a was told twice that new was created"]);
        assert_eq!(topics(&evidence([reported(true), reported(false), reported(true)])), [""; 0]);
    }

    #[test]
    fn an_error_says_what_it_is_about() {
        let refused = |error: &str| Operation::Refused { about: "new".to_owned(), error: error.to_owned() };
        assert_eq!(nameless(&evidence([refused("no")])), ["a was told of new: no"]);
        assert_eq!(nameless(&evidence([refused("create topic new: no")])), [""; 0]);
    }
}
