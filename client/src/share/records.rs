//! What a poll of a share consumer hands out.

use crate::consume::{ConsumedRecord, Part, RecordIter, Records};

/// The records of one [`poll`](crate::ShareConsumer::poll): slices of the fetched bytes, each with its
/// [`delivery_count`](ConsumedRecord::delivery_count).
///
/// Kept for long, they keep all that was fetched with them in memory: [`to_owned`](ConsumedRecord::to_owned) copies one.
#[derive(Clone, Debug, Default)]
pub struct ShareRecords(Records);

impl ShareRecords {
    pub(super) fn push(&mut self, parts: Vec<Part>) {
        for part in parts {
            self.0.push(part);
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none: nothing came before the poll's timeout.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All records.
    pub fn iter(&self) -> RecordIter<'_> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ShareRecords {
    type Item = ConsumedRecord<'a>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}
