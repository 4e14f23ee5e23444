//! The least that must go wrong for a history to fail.

use super::schedule::Schedule;

/// Takes events out as long as `fails` says that what is left still fails; asks at most `tries` times.
///
/// Halves first, then quarters, down to single events (Zeller's delta debugging).
pub(super) fn shrink(schedule: &Schedule, mut tries: usize, mut fails: impl FnMut(&Schedule) -> bool) -> Schedule {
    let mut least = schedule.clone();
    let mut piece = least.len().div_ceil(2);
    while piece > 0 && !least.is_empty() {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < least.len() {
            if tries == 0 {
                return least;
            }
            tries -= 1;
            let without = least.only(|event| event < at || event >= at + piece);
            if fails(&without) {
                least = without;
                has_shrunk = true;
            } else {
                at += piece;
            }
        }
        if !has_shrunk {
            piece /= 2;
        }
        piece = piece.min(least.len());
    }
    least
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulation::{Event, Fault};

    fn pauses(nodes: impl IntoIterator<Item = i32>) -> Schedule {
        let pause = |node| Event { at: Duration::ZERO, lasts: Duration::ZERO, fault: Fault::Pause { node } };
        Schedule(nodes.into_iter().map(pause).collect())
    }

    #[test]
    fn only_what_it_takes_is_left() {
        let needed = pauses([3, 11]);
        let fails = |schedule: &Schedule| needed.0.iter().all(|event| schedule.0.contains(event));
        assert_eq!(shrink(&pauses(0..16), 1_000, fails), needed);
    }

    #[test]
    fn what_fails_by_itself_needs_no_fault() {
        assert!(shrink(&pauses(0..16), 1_000, |_| true).is_empty());
    }

    #[test]
    fn it_stops_in_time() {
        let mut asked = 0;
        shrink(&pauses(0..64), 10, |_| {
            asked += 1;
            false
        });
        assert_eq!(asked, 10);
    }
}
