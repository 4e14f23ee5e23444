//! Offsets with what belongs to them.

use super::known_epoch;
use super::position::Position;

/// An offset to commit, or as it was committed: that of the next record to read.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record.
    pub offset: i64,
    /// The leader epoch of the record before it, if it is known.
    pub leader_epoch: Option<i32>,
    /// Any text, kept with the offset; empty by default.
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

impl From<Position> for OffsetAndMetadata {
    fn from(position: Position) -> Self {
        Self { offset: position.offset, leader_epoch: known_epoch(position.epoch), metadata: String::new() }
    }
}

/// The first offset of a partition at or after a time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OffsetAndTimestamp {
    /// The offset of the record.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since 1970.
    pub timestamp: i64,
    /// The epoch of the leader that took the record, if the broker says.
    pub leader_epoch: Option<i32>,
}
