//! What clients did and were told, in the order in which it happened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The number of a record, which no other of its history has; its value is this number.
pub type Id = u64;

/// A partition of a topic.
pub type Place = (String, i32);

/// What a client did, or was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Gave a record to a producer.
    Send {
        /// The record.
        id: Id,
        /// Its topic.
        topic: String,
        /// Which of the process's producers, in the order they were built.
        producer: u32,
    },
    /// Was told that a record is written.
    Acked {
        /// The record.
        id: Id,
        /// Where it is.
        place: Place,
        /// At which offset.
        offset: i64,
    },
    /// Was told that a record is not known to be written.
    Failed {
        /// The record.
        id: Id,
        /// Why.
        error: String,
    },
    /// Began something that must end within a time.
    Begin {
        /// What.
        call: String,
        /// The longest it may take.
        within: Duration,
    },
    /// Ended it.
    End {
        /// What.
        call: String,
    },
    /// Was given a transaction.
    Begins {
        /// Its number, which no other of its history has.
        transaction: u64,
    },
    /// Gives a record to a transaction.
    Includes {
        /// The record.
        id: Id,
        /// The transaction.
        transaction: u64,
        /// The record that it is a copy of.
        of: Option<Id>,
    },
    /// Was told that a record is a part of its transaction.
    Included {
        /// The record.
        id: Id,
    },
    /// Asks for the end of a transaction.
    Ends {
        /// The transaction.
        transaction: u64,
        /// Commits, else aborts.
        commit: bool,
    },
    /// Was told that a transaction has ended so.
    Ended {
        /// The transaction.
        transaction: u64,
        /// Committed, else aborted.
        commit: bool,
    },
    /// Was told that a transaction has not ended so, or is not known to.
    NotEnded {
        /// The transaction.
        transaction: u64,
        /// Certainly not committed: it is to be aborted.
        is_aborted: bool,
        /// Why.
        error: String,
    },
    /// Was handed records of one partition, by a consumer that reads them all from the start.
    Read {
        /// Whence.
        place: Place,
        /// Reads committed records alone.
        is_committed: bool,
        /// The last stable offset when they were handed out.
        stable: i64,
        /// Offset and number of each, in their order.
        records: Vec<(i64, Id)>,
    },
    /// Has read up to the end, as far as anything comes.
    ReadAll {
        /// Reads committed records alone.
        is_committed: bool,
    },
    /// One topic is copied into another, as far as it comes to an end.
    Copied {
        /// The topic that was read.
        from: String,
        /// The topic that was written.
        to: String,
    },
    /// Subscribed through a consumer, for the first time or anew.
    Subscribed {
        /// Which of the process's consumers, in the order they were built.
        consumer: u32,
        /// What holds of it.
        terms: Terms,
    },
    /// Gave up all partitions of a consumer, whether or not the group hears of it.
    Left {
        /// The consumer.
        consumer: u32,
    },
    /// Is done with all that the consumer handed out until now: by polling again, committing, leaving.
    Done {
        /// The consumer.
        consumer: u32,
    },
    /// Was handed records of one partition by a poll.
    Handed {
        /// The consumer.
        consumer: u32,
        /// Whence.
        place: Place,
        /// As whom.
        member: Member,
        /// Offset and number of each, in their order.
        records: Vec<(i64, Id)>,
    },
    /// The rebalance listener was called.
    Told {
        /// The consumer.
        consumer: u32,
        /// Of what.
        event: Rebalance,
        /// Of which partitions.
        places: Vec<Place>,
        /// Whether the call came to its end; else it begins.
        is_over: bool,
    },
    /// Is assigned these partitions.
    Holds {
        /// The consumer.
        consumer: u32,
        /// As whom.
        member: Member,
        /// All of them.
        places: Vec<Place>,
    },
    /// Chose the partitions of a consumer itself. Those that it read already go on where they are.
    Assigned {
        /// The consumer.
        consumer: u32,
        /// All of them.
        places: Vec<Place>,
        /// Where those begin that are new; None if that is not known.
        from: Option<i64>,
    },
    /// Sent a consumer elsewhere in a partition.
    Sought {
        /// The consumer.
        consumer: u32,
        /// The partition.
        place: Place,
        /// Whereto.
        to: Target,
    },
    /// Paused a partition, or resumed it.
    Paused {
        /// The consumer.
        consumer: u32,
        /// The partition.
        place: Place,
        /// Whether it is to be paused.
        is_paused: bool,
    },
    /// A consumer does not come to the end of a partition, though nothing goes wrong any more.
    Stuck {
        /// The consumer.
        consumer: u32,
        /// The partition.
        place: Place,
        /// Where it stands, and why, as far as that is known.
        at: String,
    },
    /// Records are in the log from now on, one behind the other.
    Wrote {
        /// The partition.
        place: Place,
        /// Of the first.
        offset: i64,
        /// Their numbers.
        ids: Vec<Id>,
    },
    /// Something is in the log that nobody can read.
    Damaged {
        /// The partition.
        place: Place,
        /// Where.
        offset: i64,
    },
    /// A record was compacted away.
    Compacted {
        /// The partition.
        place: Place,
        /// The record.
        offset: i64,
    },
    /// The coordinator has this offset for the group from now on.
    GroupCommitted {
        /// The partition.
        place: Place,
        /// The next to be read.
        offset: i64,
    },
    /// So many are members of the group in the end, of so many that poll.
    Joined {
        /// As the coordinator knows.
        members: usize,
        /// Those that poll.
        of: usize,
    },

    // Of share groups.
    /// Was handed a record of a share group.
    Took {
        /// Where it is.
        place: Place,
        /// At which offset.
        offset: i64,
    },
    /// Said, or let a poll or commit say, what is to become of a record it took.
    Acknowledge {
        /// Where it is.
        place: Place,
        /// At which offset.
        offset: i64,
        /// Whether it may come again: it is released.
        comes_again: bool,
    },
    /// Was told what became of an acknowledgement.
    Acknowledged {
        /// Where the record is.
        place: Place,
        /// At which offset.
        offset: i64,
        /// Why it was not taken down, if so.
        error: Option<String>,
        /// Whether the group is then done with the record.
        is_done: bool,
    },
    /// Met a batch that cannot be read: its records are rejected.
    Unreadable,
    /// Let a client go without closing it: what it had begun ends without a word.
    LetGo,

    // Of admin clients.
    /// Was told something, while this was so.
    Compared {
        /// What it asked for.
        what: String,
        /// The answer.
        said: String,
        /// What is so.
        is: String,
    },
    /// A topic was reported as created, or as deleted.
    Reported {
        /// The topic.
        topic: String,
        /// Created; else deleted.
        created: bool,
    },
    /// An error of a call about one thing.
    Refused {
        /// The thing's name.
        about: String,
        /// The error.
        error: String,
    },

    // Of all.
    /// Looked at how much of `buffer.memory` is free.
    Memory {
        /// Bytes that no batch holds.
        available: u64,
        /// `buffer.memory`.
        total: u64,
        /// Nothing was under way.
        is_idle: bool,
    },
    /// Began something that needs nothing but a client that goes on.
    Awaits {
        /// What.
        what: String,
        /// The longest it may take.
        within: Duration,
    },
    /// It came about.
    Came {
        /// What.
        what: String,
    },
    /// Connected, or tried to.
    Connected {
        /// Where.
        to: String,
    },

    // Of processes.
    /// The process was killed: what it had begun ends without a word.
    Died,
    /// The process stood still for a while: what it promised takes longer by so much.
    StoodStill {
        /// So long.
        time: Duration,
    },
}

/// As whom a consumer takes part in its group.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Member {
    /// The generation or member epoch; -1 outside of the group.
    pub generation: i32,
    /// The id that the coordinator knows.
    pub id: String,
}

/// What a rebalance listener is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rebalance {
    /// Partitions came.
    Assigned,
    /// Partitions are gone.
    Lost,
    /// Partitions go.
    Revoked,
}

/// Where a seek leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// Not before this offset: the end, as it is when it is looked up.
    NotBefore(i64),
    /// To this one.
    Offset(i64),
    /// Wherever the reset policy says, as there is no such offset.
    Somewhere,
}

/// What holds of a consumer in a group.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Sees records of committed transactions alone.
    pub is_read_committed: bool,
    /// Has a `group.instance.id`.
    pub is_static: bool,
    /// Has a rebalance listener.
    pub listens: bool,
}

/// An operation, whose and when.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Simulated time since the start.
    pub at: Duration,
    /// The process, with the number of its life: `producer-0#2`.
    pub by: Arc<str>,
    /// What.
    pub operation: Operation,
}

/// All entries, in order. Handles are cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    /// Adds an entry.
    pub fn write(&self, entry: Entry) {
        self.0.lock().push(entry);
    }

    /// What was written so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().clone()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.by, self.operation)
    }
}
