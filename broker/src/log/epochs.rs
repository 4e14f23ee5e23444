//! Which leader epoch began at which offset (KIP-101).

/// The leader epochs of a log, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Epochs(Vec<(i32, i64)>);

impl Epochs {
    /// Notes that records from `offset` on belong to `epoch`. An epoch that is no newer than the last changes nothing.
    pub(crate) fn assign(&mut self, epoch: i32, offset: i64) {
        if self.0.last().is_none_or(|(last, _)| *last < epoch) {
            // Epochs in which nothing was written leave no trace.
            self.0.retain(|(_, start)| *start < offset);
            self.0.push((epoch, offset));
        }
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.0.last().map(|(epoch, _)| *epoch)
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn at(&self, offset: i64) -> Option<i32> {
        self.0.iter().rev().find(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch)
    }

    /// The greatest epoch not above `epoch`, and the offset at which it ended; `end_offset` is the log's.
    pub(crate) fn end_of(&self, epoch: i32, end_offset: i64) -> Option<(i32, i64)> {
        if epoch < 0 {
            return None;
        }
        if self.latest() == Some(epoch) {
            return Some((epoch, end_offset));
        }
        let next = self.0.iter().position(|(known, _)| *known > epoch)?;
        let end = self.0[next].1;
        Some(next.checked_sub(1).map_or((epoch, end), |floor| (self.0[floor].0, end)))
    }

    /// Forgets epochs that ended before `offset`, the log's new start.
    pub(crate) fn start_at(&mut self, offset: i64) {
        let ended = self.0.iter().filter(|(_, start)| *start <= offset).count();
        self.0.drain(..ended.saturating_sub(1));
        if let Some(first) = self.0.first_mut() {
            first.1 = first.1.max(offset);
        }
    }

    /// Forgets epochs that began at or after `offset`, the log's new end.
    pub(crate) fn truncate(&mut self, offset: i64) {
        self.0.retain(|(_, start)| *start < offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> Epochs {
        Epochs(vec![(0, 0), (2, 10), (5, 20)])
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        assert_eq!(epochs().end_of(0, 30), Some((0, 10)));
        assert_eq!(epochs().end_of(5, 30), Some((5, 30)));
    }

    #[test]
    fn an_epoch_without_records_leaves_no_trace() {
        let mut epochs = epochs();
        epochs.assign(6, 30);
        epochs.assign(7, 30);
        assert_eq!(epochs.0.last(), Some(&(7, 30)));
        assert_eq!(epochs.end_of(6, 30), Some((5, 30)));
    }

    #[test]
    fn an_epoch_never_seen_falls_back_to_the_one_before() {
        assert_eq!(epochs().end_of(4, 30), Some((2, 20)));
        assert_eq!(epochs().end_of(6, 30), None, "the future is unknown");
        assert_eq!(epochs().end_of(-1, 30), None, "and so is no epoch");
    }

    #[test]
    fn a_new_start_keeps_the_epoch_it_falls_in() {
        let mut epochs = epochs();
        epochs.start_at(15);
        assert_eq!(epochs.0, [(2, 15), (5, 20)]);
    }

    #[test]
    fn a_new_end_forgets_later_epochs() {
        let mut epochs = epochs();
        epochs.truncate(20);
        assert_eq!(epochs.latest(), Some(2));
        assert_eq!(epochs.at(9), Some(0));
    }
}
