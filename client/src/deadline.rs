//! The points in time that waits end at.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// As good as for ever, and an [`Instant`] still reaches so far.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The instant `wait` after `start`, or one too far away to matter.
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOR_EVER)
}

/// Sleeps until then, or for ever.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One timer for a task whose next deadline changes all the time, mostly to a later one.
///
/// A timer made anew for each wait wakes the runtime's own driver whenever it is the earliest: two writes and a poll of
/// the system for each request that has a deadline. This one stays where it is when the deadline moves later, and
/// looks again when it has come.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// Not later than the deadline last waited for. None as long as there was none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Waits until then, or for ever.
    pub(crate) async fn until(&mut self, at: Option<Instant>) {
        match at {
            Some(at) => poll_fn(|context| self.poll_until(at, context)).await,
            None => std::future::pending().await,
        }
    }

    fn poll_until(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        loop {
            std::task::ready!(timer.as_mut().poll(context));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_at_the_deadline_of_each_wait() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = Alarm::default();
        for (given_up, waited_for) in [(9, 5), (60, 20), (30, 25), (26, 60)] {
            let never = alarm.until(Some(at(given_up)));
            assert!(tokio::time::timeout(Duration::ZERO, never).await.is_err());
            alarm.until(Some(at(waited_for))).await;
            assert_eq!(Instant::now(), at(waited_for));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_is_past_goes_off_at_once_and_one_without_a_deadline_never() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        tokio::time::advance(Duration::from_secs(1)).await;
        alarm.until(Some(start)).await;
        assert_eq!(Instant::now(), start + Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_secs(9), alarm.until(None)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_later_leaves_the_timer_alone() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        for seconds in [5, 6, 7] {
            let wait = alarm.until(Some(start + Duration::from_secs(seconds)));
            assert!(tokio::time::timeout(Duration::ZERO, wait).await.is_err());
            assert_eq!(alarm.timer.as_ref().map(|timer| timer.deadline()), Some(start + Duration::from_secs(5)));
        }
    }

    #[test]
    fn the_longest_wait_there_is_ends_later_than_any_other() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(5)), now + Duration::from_secs(5));
        assert!(after(now, Duration::MAX) > now + Duration::from_secs(86_400 * 365));
    }
}
