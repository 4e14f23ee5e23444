//! Offsets in runs: what many offsets in a row have in common is kept once.

use std::collections::BTreeMap;

/// A value for each of some offsets. Neighbours with the same value are one run, so that neither memory nor time
/// follows a range that a broker claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Runs<T>(BTreeMap<i64, (i64, T)>);

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + Eq> Runs<T> {
    /// Gives the offsets from `first` to `last` this value, whatever they had before.
    pub(super) fn insert(&mut self, mut first: i64, mut last: i64, value: T) {
        if first > last {
            return;
        }
        self.remove(first, last);
        if let Some((start, (end, other))) = self.0.range(..first).next_back().map(|(start, run)| (*start, *run))
            && end.checked_add(1) == Some(first)
            && other == value
        {
            self.0.remove(&start);
            first = start;
        }
        if let Some(after) = last.checked_add(1)
            && let Some((end, other)) = self.0.get(&after).copied()
            && other == value
        {
            self.0.remove(&after);
            last = end;
        }
        self.0.insert(first, (last, value));
    }

    /// Takes out the offsets from `first` to `last`.
    pub(super) fn remove(&mut self, first: i64, last: i64) {
        for (start, end, value) in self.overlapping(first, last) {
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, (first - 1, value));
            }
            if end > last {
                self.0.insert(last + 1, (end, value));
            }
        }
    }

    /// The runs between `first` and `last`, cut to these, taken out.
    pub(super) fn take(&mut self, first: i64, last: i64) -> Self {
        let mut taken = Self::default();
        for (start, end, value) in self.overlapping(first, last) {
            taken.insert(start.max(first), end.min(last), value);
        }
        self.remove(first, last);
        taken
    }

    fn overlapping(&self, first: i64, last: i64) -> Vec<(i64, i64, T)> {
        if first > last {
            return Vec::new();
        }
        let before = self.0.range(..=last).rev().take_while(|(_, (end, _))| *end >= first);
        let mut runs: Vec<_> = before.map(|(start, (end, value))| (*start, *end, *value)).collect();
        runs.reverse();
        runs
    }

    pub(super) fn get(&self, offset: i64) -> Option<T> {
        let (_, (end, value)) = self.0.range(..=offset).next_back()?;
        (*end >= offset).then_some(*value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First and last offset of each run, and the value, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64, T)> {
        self.0.iter().map(|(first, (last, value))| (*first, *last, *value))
    }

    /// Adds what `other` has; where both have an offset, the other's value counts.
    pub(super) fn extend(&mut self, other: &Self) {
        for (first, last, value) in other.iter() {
            self.insert(first, last, value);
        }
    }

    /// Takes out every offset that `other` has.
    pub(super) fn subtract<U: Copy + Eq>(&mut self, other: &Runs<U>) {
        for (first, last, _) in other.iter() {
            self.remove(first, last);
        }
    }

    /// The same offsets, each with this value.
    pub(super) fn with<U: Copy + Eq>(&self, value: U) -> Runs<U> {
        let mut runs = Runs::default();
        for (first, last, _) in self.iter() {
            runs.insert(first, last, value);
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(given: &[(i64, i64, u8)]) -> Runs<u8> {
        let mut runs = Runs::default();
        for (first, last, value) in given {
            runs.insert(*first, *last, *value);
        }
        runs
    }

    fn list(runs: &Runs<u8>) -> Vec<(i64, i64, u8)> {
        runs.iter().collect()
    }

    #[test]
    fn neighbours_of_one_value_are_one_run() {
        assert_eq!(list(&runs(&[(1, 1, 7), (3, 3, 7), (2, 2, 7), (4, 5, 8)])), [(1, 3, 7), (4, 5, 8)]);
    }

    #[test]
    fn what_is_given_later_counts() {
        assert_eq!(list(&runs(&[(0, 9, 1), (3, 5, 2), (5, 5, 1)])), [(0, 2, 1), (3, 4, 2), (5, 9, 1)]);
    }

    #[test]
    fn a_part_is_taken_out_and_the_rest_stays() {
        let mut all = runs(&[(0, 4, 1), (6, 9, 2)]);
        assert_eq!(list(&all.take(3, 7)), [(3, 4, 1), (6, 7, 2)]);
        assert_eq!(list(&all), [(0, 2, 1), (8, 9, 2)]);
        assert_eq!((all.get(2), all.get(3), all.get(9)), (Some(1), None, Some(2)));
        all.subtract(&runs(&[(0, 8, 3)]));
        assert_eq!(list(&all.with(5)), [(9, 9, 5)]);
    }

    #[test]
    fn the_ends_of_all_offsets_are_offsets_too() {
        let mut all = runs(&[(i64::MIN, i64::MAX, 1)]);
        all.remove(0, i64::MAX);
        assert_eq!(list(&all), [(i64::MIN, -1, 1)]);
        all.insert(i64::MAX, i64::MAX, 2);
        all.remove(5, 4);
        assert_eq!(list(&all), [(i64::MIN, -1, 1), (i64::MAX, i64::MAX, 2)]);
    }
}
