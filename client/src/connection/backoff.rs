//! Waits that double with each failure, up to a limit, spread by a fifth either way.

use std::time::Duration;

use crate::planted::{Bug, has};

/// Exponential backoff with jitter (KIP-144, KIP-580).
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    failures: u32,
}

const JITTER: f64 = 0.2;
const LONGEST: Duration = Duration::from_secs(86_400);

impl Backoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        // A day is for ever, and leaves room to add to it.
        let (initial, max) = (initial.min(LONGEST), max.min(LONGEST));
        Self { initial, max: max.max(initial), failures: 0 }
    }

    /// One that has failed so often already.
    pub(crate) fn after(initial: Duration, max: Duration, failures: u32) -> Self {
        Self { failures, ..Self::new(initial, max) }
    }

    /// How often in a row it failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, random: &mut fastrand::Rng) -> Duration {
        let wait = self.peek(random);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// What the wait after one more failure would be.
    pub(crate) fn peek(&self, random: &mut fastrand::Rng) -> Duration {
        // Not the time that a connection may take.
        if has(Bug::NoBackoff) && self.initial < Duration::from_secs(1) {
            return Duration::from_millis(1);
        }
        // 2^30 times anything above a nanosecond is past every limit.
        let doubled = self.initial.saturating_mul(1 << self.failures.min(30)).min(self.max);
        doubled.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// edge 78: reconnect backoff grows from 50 ms to 1 s, with jitter.
    #[test]
    fn doubles_up_to_the_limit_within_a_fifth() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        for expected in [50, 100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&mut random).as_secs_f64() * 1000.0;
            assert!((0.8..=1.2).contains(&(wait / f64::from(expected))), "{wait} ms instead of {expected}");
        }
        backoff.reset();
        assert!(backoff.next(&mut random) <= Duration::from_millis(60));
    }

    #[test]
    fn two_clients_do_not_wait_alike() {
        let wait = |seed| {
            Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).next(&mut fastrand::Rng::with_seed(seed))
        };
        assert_ne!(wait(1), wait(2));
    }
}
