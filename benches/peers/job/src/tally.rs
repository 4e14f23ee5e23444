//! How many records were acknowledged.

use std::fmt::Debug;

/// Records acknowledged and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Records that were written.
    pub acked: u64,
    /// Records that were not.
    pub failed: u64,
}

impl Tally {
    /// Counts one result, and tells the first failures to whoever reads stderr.
    #[inline]
    pub fn count<T>(&mut self, result: Result<T, impl Debug>) {
        match result {
            Ok(_) => self.acked += 1,
            Err(error) => self.fail(1, error),
        }
    }

    /// Counts `records` that failed for one reason.
    #[cold]
    pub fn fail(&mut self, records: u64, error: impl Debug) {
        if self.failed == 0 {
            eprintln!("failed: {error:?}");
        }
        self.failed += records;
    }
}
