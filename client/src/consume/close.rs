//! Leaving the group: by unsubscribing, or for good.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::state::Farewell;
use super::{Consumer, Core, LAST_WORDS, call, committer, deadline};
use crate::deadline::after;
use crate::error::Error;
use crate::group::GroupMembershipOperation;

/// How a consumer is closed (KIP-1092).
///
/// ```no_run
/// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
/// use ottla::{CloseOptions, GroupMembershipOperation};
///
/// // A restart that is soon over moves nothing.
/// consumer.close_with(CloseOptions::new().group_membership(GroupMembershipOperation::RemainInGroup)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "nothing is closed until `close_with`"]
pub struct CloseOptions {
    timeout: Duration,
    operation: GroupMembershipOperation,
}

impl CloseOptions {
    /// In at most 30 seconds, as is the default for the member.
    pub fn new() -> Self {
        Self { timeout: Duration::from_secs(30), operation: GroupMembershipOperation::Default }
    }

    /// How long closing may take. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the member leaves its group. Default: it does, unless it has a `group.instance.id`.
    pub fn group_membership(mut self, operation: GroupMembershipOperation) -> Self {
        self.operation = operation;
        self
    }
}

impl Default for CloseOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Consumer {
    /// Commits what was handed out, if that is automatic, leaves the group, and ends the consumer and all its clones.
    ///
    /// Closing says that all records handed out are done with. The [listener](super::RebalanceListener) hears first that
    /// the partitions go. Takes at most `timeout`; the consumer is closed whatever comes of it, also if the future is
    /// dropped. A member with a `group.instance.id` leaves nothing to others:
    /// [`close_with`](Self::close_with) can have it otherwise.
    ///
    /// Where the coordinator has moved, refuses, or cannot be reached, the last commit and the leave are tried again until
    /// `timeout` has passed: the group waits for a member that did not say so until its session has timed out. So a
    /// cluster that is not there, also one that refuses connections, costs all of `timeout` where there is something to
    /// commit or to leave. Java's client says once that it leaves, and not at all while it knows no coordinator; for the last
    /// commit it takes as long.
    ///
    /// # Errors
    /// That of the listener, why the last commit failed, or why the group could not be told.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.close_with(CloseOptions::new().timeout(timeout)).await
    }

    /// As [`close`](Self::close), and says whether the member leaves its group.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub async fn close_with(&self, options: CloseOptions) -> Result<(), Error> {
        if self.core.state.lock().is_closed {
            return Ok(());
        }
        let until = after(self.core.cluster.runtime().now(), options.timeout);
        let parted = self.part(Parting::close(&self.core, options.operation), Some(until)).await;
        if let Some(telemetry) = &self.handle.telemetry {
            let now = self.core.cluster.runtime().now();
            telemetry.close(until.saturating_duration_since(now)).await;
        }
        parted
    }

    pub(super) async fn part(&self, parting: Parting, until: Option<Instant>) -> Result<(), Error> {
        let told = self.core.tell_of_parting(self, until).await;
        let until = until.unwrap_or_else(|| self.core.deadline());
        let farewell = parting.done();
        if farewell.commit.is_none() && farewell.leave.is_none() {
            return told;
        }
        let core = self.core.clone();
        let work = async move { committer::take_leave(&core, farewell, until).await };
        // Goes on in the background: what was given up is to be told either way.
        let done = call::run(&self.core.cluster, work).detached();
        told.and(done.await.unwrap_or_else(|| Err(Error::closed("consumer"))))
    }
}

/// A consumer about to give up all that it has: it does so whatever becomes of the future that began this.
pub(super) struct Parting {
    core: Arc<Core>,
    /// As which kind of member it is closed; None where it only unsubscribes.
    closes: Option<GroupMembershipOperation>,
    is_done: bool,
}

impl Parting {
    pub(super) fn unsubscribe(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), closes: None, is_done: false }
    }

    fn close(core: &Arc<Core>, operation: GroupMembershipOperation) -> Self {
        Self { core: core.clone(), closes: Some(operation), is_done: false }
    }

    /// Gives up everything. Returns what remains to be said.
    fn done(mut self) -> Farewell {
        self.give_up()
    }

    fn give_up(&mut self) -> Farewell {
        self.is_done = true;
        match self.closes {
            Some(operation) => self.core.close(true, operation).unwrap_or_default(),
            None => {
                let now = self.core.cluster.runtime().now();
                let farewell = self.core.state.lock().unsubscribe(now).unwrap_or_default();
                self.core.changed();
                farewell
            }
        }
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        if !self.is_done {
            let farewell = self.give_up();
            self.core.say(farewell);
        }
    }
}

impl Core {
    /// Ends everything but what remains to be said, which is returned. None if that was done before.
    pub(super) fn close(&self, handed_out: bool, operation: GroupMembershipOperation) -> Option<Farewell> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let farewell = state.close(handed_out, operation, self.cluster.runtime().now());
        state.wake_fetchers();
        self.closed.send_replace(true);
        self.ready.notify_waiters();
        self.moved.notify_waiters();
        Some(farewell)
    }

    /// Takes leave in the background, where nobody waits for it.
    pub(super) fn say(self: &Arc<Self>, farewell: Farewell) {
        if farewell.commit.is_none() && farewell.leave.is_none() {
            return;
        }
        let core = self.clone();
        self.cluster.runtime().spawn(async move {
            let outcome = committer::take_leave(&core, farewell, deadline(LAST_WORDS)).await;
            if let Err(error) = outcome {
                tracing::debug!(%error, "the consumer did not take its leave");
            }
        });
    }
}
