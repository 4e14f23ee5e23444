//! Calling the listener: by whoever polls, unsubscribes or closes, on their task, never under a lock.

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::listening::{Call, Event};
use super::{Consumer, Core};
use crate::error::{Error, Kind};

tokio::task_local! {
    /// The consumer whose listener runs on this task.
    static CALLED_BY: usize;
}

/// A call on its way: over when it is dropped, and told if it came to its end.
struct Calling<'a> {
    core: &'a Core,
    call: Call,
    began: Instant,
    is_told: bool,
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        let now = self.core.cluster.runtime().now();
        {
            let mut state = self.core.state.lock();
            if self.is_told {
                state.listening.ended(&self.call);
                let took = now.saturating_duration_since(self.began);
                state.metrics.coordinator.listened(self.call.event, took, now);
            }
            state.call_ended(now);
        }
        // The group may have waited for it.
        self.core.changed();
    }
}

/// The right to call the listener. When it is given back, other polls look for what is still due: the call may have
/// been dropped, or have failed before others.
struct Turn<'a> {
    core: &'a Core,
    held: Option<MutexGuard<'a, ()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        self.core.ready.notify_waiters();
    }
}

impl Core {
    /// Whether this is called by this consumer's own listener.
    pub(super) fn is_in_listener(&self) -> bool {
        CALLED_BY.try_with(|core| *core == self.address()).unwrap_or(false)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Tells the listener all that is due, unless another does so now: then there is nothing to do but wait. True if
    /// something was told.
    ///
    /// # Errors
    /// That of the listener. The call counts all the same.
    pub(super) async fn tell_listener(&self, consumer: &Consumer) -> Result<bool, Error> {
        let Ok(held) = self.calling.try_lock() else { return Ok(false) };
        self.tell(consumer, Turn { core: self, held: Some(held) }).await?;
        Ok(true)
    }

    /// Tells the listener that all is given up, for a consumer that unsubscribes or is closed.
    pub(super) async fn tell_of_parting(&self, consumer: &Consumer, deadline: Option<Instant>) -> Result<(), Error> {
        if self.is_in_listener() || !self.state.lock().part_from_listener() {
            return Ok(());
        }
        let told = async {
            let held = self.calling.lock().await;
            self.tell(consumer, Turn { core: self, held: Some(held) }).await
        };
        let Some(deadline) = deadline else { return told.await };
        self.cluster.until(deadline, told).await.unwrap_or_else(|| {
            Err(Error::new(Kind::Timeout, "close: the rebalance listener did not come to its end in time"))
        })
    }

    async fn tell(&self, consumer: &Consumer, _turn: Turn<'_>) -> Result<(), Error> {
        loop {
            let now = self.cluster.runtime().now();
            let Some(call) = self.state.lock().begin_call(now) else { return Ok(()) };
            let mut calling = Calling { core: self, call, began: now, is_told: false };
            let outcome = CALLED_BY.scope(self.address(), calling.call.run(consumer)).await;
            calling.is_told = true;
            if let Err(error) = outcome {
                let event = match calling.call.event {
                    Event::Assigned => "assigned",
                    Event::Lost => "lost",
                    Event::Revoked => "revoked",
                };
                let context =
                    format!("the rebalance listener, told of {} {event} partitions", calling.call.partitions.len());
                return Err(Error::caused_by(Kind::Listener, context, error));
            }
        }
    }
}
