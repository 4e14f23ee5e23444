//! Ends the waits of polls whose time is up.
//!
//! Most polls are handed records long before that. A timer of its own for each of them would wake the client's thread
//! twice, once to set it and once to take it back: so what a poll has set stays, and serves those that come after it. A
//! poll that it rings for too early sets it anew.

use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::runtime::Runtime;

/// One timer for all polls of a consumer.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    set: Mutex<Set>,
    rang: Notify,
}

#[derive(Debug, Default)]
struct Set {
    /// How often it was set.
    number: u64,
    at: Option<Instant>,
    task: Option<AbortHandle>,
    /// The runtime has ended, and its timers with it.
    has_ended: bool,
}

impl Alarm {
    /// Waits until `deadline`, for ever if there is none. None if the runtime has ended.
    pub(super) async fn rings(&self, runtime: &Runtime, deadline: Option<Instant>) -> Option<()> {
        let Some(deadline) = deadline else { return std::future::pending().await };
        loop {
            let mut rang = pin!(self.bell.rang.notified());
            rang.as_mut().enable();
            if runtime.now() >= deadline {
                return Some(());
            }
            self.set(runtime, deadline);
            if self.bell.set.lock().has_ended {
                return None;
            }
            rang.await;
        }
    }

    /// Sees to it that it rings at `deadline` or before.
    fn set(&self, runtime: &Runtime, deadline: Instant) {
        let (number, later) = {
            let mut set = self.bell.set.lock();
            if set.has_ended || set.at.is_some_and(|at| at <= deadline) {
                return;
            }
            set.number += 1;
            set.at = Some(deadline);
            (set.number, set.task.take())
        };
        // Not under the lock: a runtime that has ended drops what is spawned at once.
        let ringing = Ringing { bell: self.bell.clone(), number };
        let task = runtime.spawn(async move {
            tokio::time::sleep_until(deadline).await;
            ringing.ring();
        });
        if let Some(later) = later {
            later.abort();
        }
        let mut set = self.bell.set.lock();
        if set.number == number && set.at.is_some() {
            set.task = Some(task);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let task = {
            let mut set = self.bell.set.lock();
            set.at = None;
            set.task.take()
        };
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// The timer as it was set last, or one that another took the place of.
#[derive(Debug)]
struct Ringing {
    bell: Arc<Bell>,
    number: u64,
}

impl Ringing {
    fn ring(&self) {
        if self.is_set() {
            self.bell.rang.notify_waiters();
        }
    }

    /// Whether it was still set: it is no more.
    fn is_set(&self) -> bool {
        let mut set = self.bell.set.lock();
        let is_set = set.number == self.number && set.at.take().is_some();
        if is_set {
            set.task = None;
        }
        is_set
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        // It has neither rung, nor did another take its place.
        if self.is_set() {
            self.bell.set.lock().has_ended = true;
            self.bell.rang.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "looks at the time that the tests move")]

    use std::time::Duration;

    use tokio::runtime::{Builder, Handle};

    use super::*;
    use crate::runtime::Environment;

    const SECOND: Duration = Duration::from_secs(1);

    fn runtime(handle: Handle) -> Arc<Runtime> {
        Runtime::start(&Environment { runtime: Some(handle), ..Environment::default() }, "test").unwrap()
    }

    fn times_set(alarm: &Alarm) -> u64 {
        alarm.bell.set.lock().number
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_poll_set_serves_those_after_it() {
        let (alarm, runtime, began) = (Alarm::default(), runtime(Handle::current()), Instant::now());
        for round in 0..100 {
            let deadline = began + SECOND + round * Duration::from_millis(1);
            let short = tokio::time::timeout(Duration::from_millis(1), alarm.rings(&runtime, Some(deadline)));
            assert!(short.await.is_err(), "it rang early");
        }
        assert_eq!(times_set(&alarm), 1);
        alarm.rings(&runtime, Some(began + 2 * SECOND)).await.unwrap();
        assert_eq!((began.elapsed(), times_set(&alarm)), (2 * SECOND, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_several_is_rung_for_in_time() {
        let (alarm, runtime, began) = (Alarm::default(), runtime(Handle::current()), Instant::now());
        let ring = async |seconds| {
            alarm.rings(&runtime, Some(began + seconds * SECOND)).await.unwrap();
            began.elapsed().as_secs()
        };
        assert_eq!(tokio::join!(ring(3), ring(1), ring(2), ring(1)), (3, 1, 2, 1));
        assert_eq!(ring(0).await, 3, "a time that has passed");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_nothing_is_set() {
        let (alarm, runtime) = (Alarm::default(), runtime(Handle::current()));
        assert!(tokio::time::timeout(SECOND, alarm.rings(&runtime, None)).await.is_err());
        assert_eq!(times_set(&alarm), 0);
    }

    #[test]
    fn a_runtime_that_ends_ends_the_wait_and_those_after_it() {
        let other = Builder::new_current_thread().enable_time().build().unwrap();
        let (alarm, runtime) = (Alarm::default(), runtime(other.handle().clone()));
        let deadline = Some(runtime.now() + 3600 * SECOND);
        let own = Builder::new_current_thread().build().unwrap();
        own.block_on(async {
            let waits = alarm.rings(&runtime, deadline);
            let ends = async { other.shutdown_background() };
            assert_eq!(tokio::join!(waits, ends).0, None);
            assert_eq!(alarm.rings(&runtime, deadline).await, None);
        });
    }
}
