//! The rules: each looks at the evidence of a history and names what breaks it.

pub mod admin;
pub mod bounds;
pub mod calls;
pub mod commits;
pub mod copies;
pub mod groups;
pub mod members;
pub mod pace;
pub mod seeks;
pub mod shares;
#[cfg(test)]
mod testing;
pub mod transactions;
pub mod writes;

use std::fmt;

use crate::evidence::Evidence;
use crate::ledger::Place;

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
    /// Who reads committed records is handed none of a transaction that was aborted.
    NoAbortedRead,
    /// Nor any before its transaction was committed.
    NoEarlyRead,
    /// Who reads to the end is handed every record there is for it once, in order.
    ReadOnce,
    /// Of a transaction all records are committed, or none; as its producer was told, where it was told.
    NoTornTransaction,
    /// Every record is copied once.
    CopiedOnce,
    /// A partition's records are copied in their order.
    CopiedInOrder,
    /// No member is handed a record before all those below it were handed to the group.
    NoSkip,
    /// As long as a member holds a partition it is handed one record after the other.
    NoStep,
    /// Every record is handed to the group in the end.
    EveryRecord,
    /// Only what members are done with is committed.
    CommitOfDone,
    /// No member undoes another's commits.
    CommitStands,
    /// All who poll are members in the end, and nobody else.
    AllJoined,
    /// A partition has one owner in each generation.
    OneOwner,
    /// A consumer that chooses partitions itself is handed what is there from where it was sent on, record after record.
    InPlace,
    /// Nothing is handed out of a paused partition.
    Paused,
    /// A consumer comes to the end of each of its partitions.
    ReachesEnd,
    /// Listeners hear of each partition that it comes, then that it goes, and records are handed out in between.
    Listener,

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

/// The consumer of a process, and one of its partitions.
type Reader<'a> = (&'a str, u32, &'a Place);

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
    let rules: [(Rule, Breaches); 31] = [
        (Rule::NoLostWrite, writes::lost),
        (Rule::NoDuplicate, writes::duplicates),
        (Rule::InOrder, writes::out_of_order),
        (Rule::OneOutcome, calls::outcomes),
        (Rule::InTime, calls::late),
        (Rule::NoAbortedRead, transactions::aborted_reads),
        (Rule::NoEarlyRead, transactions::early_reads),
        (Rule::ReadOnce, transactions::not_read_once),
        (Rule::NoTornTransaction, transactions::torn),
        (Rule::CopiedOnce, copies::not_once),
        (Rule::CopiedInOrder, copies::out_of_order),
        (Rule::NoSkip, groups::skipped),
        (Rule::NoStep, groups::stepped),
        (Rule::EveryRecord, groups::unread),
        (Rule::CommitOfDone, commits::ahead),
        (Rule::CommitStands, commits::undone),
        (Rule::AllJoined, members::not_joined),
        (Rule::OneOwner, members::two_owners),
        (Rule::Listener, members::listeners),
        (Rule::InPlace, seeks::out_of_place),
        (Rule::Paused, seeks::paused),
        (Rule::ReachesEnd, seeks::stuck),
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
