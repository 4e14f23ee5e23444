//! What is to happen at which time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Times of type `T`, earliest first; at the same time in the order they were set.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    due: BTreeMap<(Duration, u64), T>,
    set: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), set: 0 }
    }
}

impl<T> Timers<T> {
    /// Sets a timer and returns its key, with which it can be stopped.
    pub(crate) fn set(&mut self, at: Duration, timer: T) -> TimerKey {
        self.set += 1;
        self.due.insert((at, self.set), timer);
        TimerKey(at, self.set)
    }

    /// Stops a timer; one that fired already is no matter.
    pub(crate) fn stop(&mut self, key: TimerKey) {
        self.due.remove(&(key.0, key.1));
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// The earliest timer, if its time has come.
    pub(crate) fn fire(&mut self, now: Duration) -> Option<T> {
        self.next().filter(|at| *at <= now)?;
        self.due.pop_first().map(|(_, timer)| timer)
    }
}

/// Names a timer that was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerKey(Duration, u64);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timers_fire_in_order_and_not_before_their_time() {
        let mut timers = Timers::default();
        timers.set(SECOND * 2, "later");
        timers.set(SECOND, "first");
        timers.set(SECOND, "second");
        assert_eq!(timers.next(), Some(SECOND));
        assert_eq!(timers.fire(SECOND / 2), None);
        assert_eq!(timers.fire(SECOND), Some("first"));
        assert_eq!(timers.fire(SECOND), Some("second"));
        assert_eq!(timers.fire(SECOND), None);
    }

    #[test]
    fn a_stopped_timer_never_fires() {
        let mut timers = Timers::default();
        let key = timers.set(SECOND, ());
        timers.stop(key);
        assert_eq!(timers.fire(SECOND), None);
    }
}
