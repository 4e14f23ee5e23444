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
    Told {
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
