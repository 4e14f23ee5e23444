//! The rules: each looks at the evidence of a history and names what breaks it.

pub mod admin;
pub mod bounds;
pub mod calls;
pub mod pace;
#[cfg(test)]
mod planted;
pub mod shares;
pub mod writes;

use std::fmt;

use crate::evidence::Evidence;

/// What must hold in every history.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// What was acknowledged is in the log, where it was said to be.
    NoLostWrite,
    /// No record is in the logs twice.
    NoDuplicate,
    /// A producer's records are in each partition in the order in which it was given them.
    InOrder,
    /// Every record that was sent has one outcome.
    OneOutcome,
    /// Calls with a deadline end by it.
    InTime,

    /// What a share group's member was told to be done with comes to nobody again.
    DoneOnce,
    /// A share group is done with no record that nobody accepted or rejected.
    NoneSkipped,
    /// Each acknowledgement of a share group's member has one outcome.
    OneAnswer,

    /// What an admin client says is so.
    Truth,
    /// A topic is reported as created once, and is there unless it was deleted later.
    Topics,
    /// What is wrong with one thing says which.
    NamedErrors,

    /// A producer takes no more than `buffer.memory`, and gives all of it back.
    Memory,
    /// Nobody is asked more often than backoffs allow.
    NoStorm,
    /// Once nothing goes wrong, clients go on.
    NotStuck,
}

/// Finds what breaks a rule.
type Breaches = fn(&Evidence) -> Vec<String>;

/// A rule that was broken, and by what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What breaks it.
    pub what: String,
}

/// Everything in a history that breaks a rule.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let rules: [(Rule, Breaches); 14] = [
        (Rule::NoLostWrite, writes::lost),
        (Rule::NoDuplicate, writes::duplicates),
        (Rule::InOrder, writes::out_of_order),
        (Rule::OneOutcome, calls::outcomes),
        (Rule::InTime, calls::late),
        (Rule::DoneOnce, shares::comes_again),
        (Rule::NoneSkipped, shares::skipped),
        (Rule::OneAnswer, shares::answers),
        (Rule::Truth, admin::untrue),
        (Rule::Topics, admin::topics),
        (Rule::NamedErrors, admin::nameless),
        (Rule::Memory, bounds::memory),
        (Rule::NoStorm, pace::storms),
        (Rule::NotStuck, calls::stuck),
    ];
    rules
        .into_iter()
        .flat_map(|(rule, breaks)| breaks(evidence).into_iter().map(move |what| Violation { rule, what }))
        .collect()
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}
