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
    /// The process was killed: what it had begun ends without a word.
    Died,
    /// The process stood still for a while: what it promised takes longer by so much.
    StoodStill {
        /// So long.
        time: Duration,
    },
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
