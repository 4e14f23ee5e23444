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
