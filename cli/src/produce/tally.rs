//! How many records were written, and how many were not.

use std::collections::VecDeque;

use ottla::{Delivery, Error};

/// Counts what becomes of records, in the order they were sent.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waiting: VecDeque<(Delivery, u32)>,
    /// Records that are written.
    pub(super) records: u64,
    /// Their lines, in bytes.
    pub(super) bytes: u64,
    /// Records that are not.
    pub(super) failed: u64,
    first: Option<String>,
}

impl Tally {
    /// Takes over a record of `bytes` that is on its way.
    pub(super) fn sent(&mut self, delivery: Delivery, bytes: usize) {
        self.waiting.push_back((delivery, u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    /// Counts a record that was never on its way.
    pub(super) fn refused(&mut self, why: String) {
        self.failed += 1;
        self.first.get_or_insert(why);
    }

    /// Counts what is settled by now.
    pub(super) fn settle(&mut self) {
        while let Some((delivery, bytes)) = self.waiting.front_mut() {
            match delivery.now() {
                Some(Ok(_)) => {
                    self.records += 1;
                    self.bytes += u64::from(*bytes);
                }
                Some(Err(error)) => self.lost(&error),
                None => return,
            }
            self.waiting.pop_front();
        }
    }

    /// Counts what was not acknowledged, at the end, as failed. Why the first record failed, if one did.
    pub(super) fn close(&mut self) -> Option<String> {
        self.settle();
        if !self.waiting.is_empty() {
            self.failed += self.waiting.len() as u64;
            self.first.get_or_insert_with(|| "it was not acknowledged in time".to_owned());
            self.waiting.clear();
        }
        self.first.take()
    }

    fn lost(&mut self, error: &Error) {
        self.failed += 1;
        self.first.get_or_insert_with(|| error.to_string());
    }
}
