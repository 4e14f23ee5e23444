//! Which transactions were aborted: told to readers of committed records, who skip their batches.

/// A transaction that was aborted, as far as it has records in this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    /// Its first record.
    pub(crate) first_offset: i64,
    /// Its marker.
    pub(crate) last_offset: i64,
}

/// All aborted transactions of a log, in the order of their markers.
#[derive(Clone, Debug, Default)]
pub(crate) struct AbortedTransactions(Vec<Aborted>);

impl AbortedTransactions {
    pub(crate) fn add(&mut self, aborted: Aborted) {
        self.0.push(aborted);
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Aborted] {
        &self.0
    }

    /// Those with records or a marker from `offset` on and records before `end`: what a reader of that span must know.
    pub(crate) fn between(&self, offset: i64, end: i64) -> Vec<Aborted> {
        let overlaps = |aborted: &&Aborted| aborted.last_offset >= offset && aborted.first_offset < end;
        self.0.iter().filter(overlaps).copied().collect()
    }

    /// True if the producer's record at `offset` belongs to a transaction that was aborted.
    pub(crate) fn has(&self, producer_id: i64, offset: i64) -> bool {
        let spans = |aborted: &Aborted| (aborted.first_offset..aborted.last_offset).contains(&offset);
        self.0.iter().any(|aborted| aborted.producer_id == producer_id && spans(aborted))
    }

    /// Forgets those that ended before `offset`, the log's new start.
    pub(crate) fn start_at(&mut self, offset: i64) {
        self.0.retain(|aborted| aborted.last_offset >= offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(producer_id: i64, first_offset: i64, last_offset: i64) -> Aborted {
        Aborted { producer_id, first_offset, last_offset }
    }

    fn producers(found: &[Aborted]) -> Vec<i64> {
        found.iter().map(|aborted| aborted.producer_id).collect()
    }

    #[test]
    fn a_reader_is_told_what_overlaps_its_span_in_the_order_of_the_markers() {
        let all = AbortedTransactions(vec![aborted(1, 0, 5), aborted(2, 3, 9), aborted(3, 12, 14)]);
        assert_eq!(producers(&all.between(0, 20)), [1, 2, 3]);
        assert_eq!(producers(&all.between(6, 20)), [2, 3], "1 ended before");
        assert_eq!(producers(&all.between(0, 3)), [1], "2 began after");
        assert_eq!(producers(&all.between(5, 6)), [1, 2], "the marker itself counts");
    }

    #[test]
    fn a_record_is_aborted_only_within_its_producers_transaction() {
        let all = AbortedTransactions(vec![aborted(1, 2, 5)]);
        assert!(all.has(1, 2) && all.has(1, 4));
        assert!(!all.has(1, 1) && !all.has(1, 6) && !all.has(2, 3));
    }
}
