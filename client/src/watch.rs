//! A value that many wait for changes of. As Tokio's `watch`, but waiters wake in the order in which they began to wait: there
//! the order is a matter of chance that no seed reaches, and a simulated history could not be repeated.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::Notify;

/// The one who changes it. What waits ends with an error when this is dropped.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// One who waits for changes.
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version last looked at.
    seen: u64,
}

/// The sender is gone: nothing changes any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gone;

struct Shared<T> {
    value: RwLock<T>,
    /// Raised under the value's lock.
    version: AtomicU64,
    is_closed: AtomicBool,
    changed: Notify,
}

/// A sender and its first receiver.
pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            value: RwLock::new(value),
            version: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            changed: Notify::new(),
        }))
    }

    /// A receiver to whom the value, as it is now, is no news.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.version.load(Ordering::Acquire);
        Receiver { shared: self.0.clone(), seen }
    }

    pub(crate) fn borrow(&self) -> RwLockReadGuard<'_, T> {
        self.0.value.read()
    }

    /// Puts another in its place, and gives back the one before.
    pub(crate) fn send_replace(&self, value: T) -> T {
        let mut before = value;
        self.send_modify(|value| std::mem::swap(value, &mut before));
        before
    }

    /// Changes it and wakes who waits.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes it, and wakes who waits if `change` says that it is news. Says the same.
    pub(crate) fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let is_news = {
            let mut value = self.0.value.write();
            let is_news = change(&mut value);
            if is_news {
                self.0.version.fetch_add(1, Ordering::AcqRel);
            }
            is_news
        };
        if is_news {
            self.0.changed.notify_waiters();
        }
        is_news
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}

impl<T> Receiver<T> {
    pub(crate) fn borrow(&self) -> RwLockReadGuard<'_, T> {
        self.shared.value.read()
    }

    /// The same; what it is now is no news any more.
    pub(crate) fn borrow_and_update(&mut self) -> RwLockReadGuard<'_, T> {
        let value = self.shared.value.read();
        self.seen = self.shared.version.load(Ordering::Acquire);
        value
    }

    /// What it is now is no news any more.
    pub(crate) fn mark_unchanged(&mut self) {
        self.seen = self.shared.version.load(Ordering::Acquire);
    }

    /// Waits for news, at once if there has been some. Dropped early, it has missed nothing.
    pub(crate) async fn changed(&mut self) -> Result<(), Gone> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Before the look: a change after it is not missed.
            changed.as_mut().enable();
            let version = self.shared.version.load(Ordering::Acquire);
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if self.shared.is_closed.load(Ordering::Acquire) {
                return Err(Gone);
            }
            changed.await;
        }
    }

    /// Waits until the value is as it should be, which it may be already.
    pub(crate) async fn wait_for(&mut self, is_so: impl Fn(&T) -> bool) -> Result<(), Gone> {
        while !is_so(&self.borrow_and_update()) {
            self.changed().await?;
        }
        Ok(())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&*self.borrow()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&*self.borrow()).finish()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests own the tasks")]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_changed_before_the_wait_is_news_once() {
        let (sender, mut receiver) = channel(1);
        sender.send_replace(2);
        sender.send_modify(|value| *value += 1);
        timeout(SOON, receiver.changed()).await.unwrap().unwrap();
        assert_eq!(*receiver.borrow(), 3);
        timeout(SOON, receiver.changed()).await.unwrap_err();
        assert!(!sender.send_if_modified(|_| false));
        timeout(SOON, receiver.changed()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_wakes_in_the_order_of_their_waiting() {
        let (sender, receiver) = channel(());
        let woken = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let (mut receiver, woken) = (receiver.clone(), woken.clone());
                tokio::spawn(async move {
                    receiver.changed().await.unwrap();
                    woken.lock().push(number);
                })
            })
            .collect();
        // All have had their turn when time moves.
        tokio::time::sleep(Duration::from_millis(1)).await;
        sender.send_replace(());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*woken.lock(), (0..100).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_sender_after_the_last_news() {
        let (sender, mut receiver) = channel(1);
        sender.send_replace(2);
        drop(sender);
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(receiver.changed().await, Err(Gone));
        assert_eq!(receiver.wait_for(|value| *value == 2).await, Ok(()));
        assert_eq!(receiver.wait_for(|value| *value == 3).await, Err(Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_that_is_as_it_should_be_need_not_change() {
        let (sender, mut receiver) = channel(1);
        assert_eq!(receiver.wait_for(|value| *value == 1).await, Ok(()));
        let waiting = tokio::spawn(async move { receiver.wait_for(|value| *value > 2).await });
        tokio::task::yield_now().await;
        sender.send_replace(2);
        tokio::task::yield_now().await;
        sender.send_replace(5);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
