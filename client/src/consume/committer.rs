//! Sending commits: one at a time, so that none overtakes another.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, OffsetCommitRequest};
use ottla_wire::{Code, Str};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::call::{PATIENCE, Questions};
use super::commit;
use super::state::{Farewell, State};
use super::{Core, call, milliseconds};
use crate::TopicPartition;
use crate::cluster::Lane;
use crate::connection::Backoff;
use crate::error::{Error, Kind, Retry};
use crate::group::offsets::{self, LAST_COMMIT_BY_NAME, Offsets};
use crate::group::{Identity, Leave, modern};
use crate::telemetry::spans;

/// A commit on its way, in the order in which commits were asked for: see
/// [`Consumer::enqueue_commit`](super::Consumer::enqueue_commit).
///
/// Resolves once it is done. Goes on if it is dropped.
#[derive(Debug)]
#[must_use = "it alone tells whether the offsets were committed; `drop` it if that does not matter"]
pub struct PendingCommit(call::Running<Result<(), Error>>);

impl Future for PendingCommit {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let done = std::task::ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(done.unwrap_or_else(|| Err(Error::closed("consumer"))))
    }
}

/// A commit as it was asked for; by default one of nothing.
pub(super) struct Asked {
    pub(super) identity: Identity,
    pub(super) offsets: Offsets,
    /// Since when each of the partitions was held; it may be lost, and back, before the commit has its turn.
    since: Vec<Option<u64>>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { identity: Identity::NOBODY, offsets: Offsets::new(), since: Vec::new() }
    }
}

impl Asked {
    pub(super) fn now(state: &State, identity: Identity, offsets: Offsets) -> Self {
        let since = state.held_since(&offsets);
        Self { identity, offsets, since }
    }
}

/// A commit's place in the line of all, taken by making it.
pub(super) struct Turn(Pin<Box<dyn Future<Output = OwnedMutexGuard<()>> + Send>>);

impl Turn {
    pub(super) fn take(core: &Core) -> Self {
        let mut turn = Box::pin(tokio::task::unconstrained(core.committing.clone().lock_owned()));
        // The lock is given in the order of the first polls.
        match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Self(Box::pin(std::future::ready(turn))),
            Poll::Pending => Self(turn),
        }
    }
}

/// Commits in the background, in one attempt: a later commit makes up for it.
pub(super) fn enqueue(core: &Arc<Core>, asked: Asked) -> PendingCommit {
    let Asked { identity, mut offsets, .. } = asked;
    let turn = Turn::take(core);
    let committer = core.clone();
    let work = async move {
        let _turn = turn.0.await;
        attempt(&committer, &identity, &mut offsets).await
    };
    PendingCommit(call::run(&core.cluster, work).detached())
}

/// Commits, and tries again what may pass until the deadline: as long as the partitions are held that were when it was
/// asked for.
pub(super) async fn commit(core: &Core, turn: Turn, asked: Asked, deadline: Instant) -> Result<(), Error> {
    let Asked { mut identity, mut offsets, since } = asked;
    let since: BTreeMap<_, _> = offsets.keys().cloned().zip(since).collect();
    let _turn = turn.0.await;
    let client = &core.config.client;
    let mut backoff = Backoff::new(client.retry_backoff, client.retry_backoff_max);
    loop {
        let error = match attempt(core, &identity, &mut offsets).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // A rebalance is over only after the next poll, unless it leaves the partitions where they are (edges 56, 62).
        let is_outrun =
            matches!(error.code(), Some(Code::RebalanceInProgress | Code::IllegalGeneration | Code::StaleMemberEpoch));
        let still = |state: &State| {
            let since: Vec<_> = offsets.keys().map(|partition| since.get(partition).copied().flatten()).collect();
            state.commits_again(&offsets, &since)
        };
        let may_pass = if is_outrun { still(&core.state.lock()).is_some() } else { error.is_retriable() };
        if !may_pass {
            return Err(too_late(error));
        }
        let wait = core.cluster.runtime().random(|random| backoff.next(random));
        if Instant::now() + wait >= deadline {
            return Err(Error::caused_by(Kind::Timeout, "commit timed out", error));
        }
        tokio::time::sleep(wait).await;
        let state = core.state.lock();
        if let Some(current) = still(&state) {
            identity = current;
        } else if is_outrun || state.committer().is_ok_and(|current| current != identity) {
            // Another generation's partitions may be others'.
            return Err(too_late(error));
        }
    }
}

/// What is said once the partitions went: under no epoch would the commit be right.
fn too_late(error: Error) -> Error {
    if error.code() != Some(Code::StaleMemberEpoch) {
        return error;
    }
    error.and_then("the partitions are not held any more", Retry::Never)
}

/// Commits what a poll found to be due. Failures are logged: the next commit makes up for them.
pub(super) async fn commit_by_itself(core: Arc<Core>, turn: Turn, identity: Identity, mut offsets: Offsets) {
    let outcome = {
        let _turn = turn.0.await;
        attempt(&core, &identity, &mut offsets).await
    };
    let mut retry_after = None;
    if let Err(error) = outcome {
        tracing::warn!(%error, "automatic commit failed");
        retry_after = error.is_retriable().then_some(core.config.client.retry_backoff);
    }
    core.state.lock().commits.ended(retry_after, Instant::now());
}

/// Commits before partitions are given up, in one attempt: the group's task tries again.
pub(crate) fn commit_before_rebalance(
    core: Arc<Core>,
    identity: Identity,
    mut offsets: Offsets,
) -> impl Future<Output = Result<(), Error>> + Send {
    let turn = Turn::take(&core);
    async move {
        let _turn = turn.0.await;
        finally(attempt(&core, &identity, &mut offsets).await)
    }
}

/// The coordinator did not answer in time.
fn never_committed(core: &Core) -> Error {
    let group = &core.config.group;
    let told = format!(
        "commit on leaving group {group}: no answer of its coordinator in time; what was read since the last commit is \
         read again by whoever goes on"
    );
    Error::new(Kind::Timeout, told)
}

/// Commits and leaves, as far as the deadline allows.
pub(super) async fn take_leave(core: &Core, farewell: Farewell, deadline: Instant) -> Result<(), Error> {
    let Farewell { commit: to_commit, leave } = farewell;
    let mut outcome = Ok(());
    if let Some((identity, offsets)) = to_commit {
        let heartbeat = match &leave {
            Some(Leave::Modern(farewell)) => Some(&farewell.heartbeat),
            _ => None,
        };
        let commit = commit_at_last(core, identity, offsets, heartbeat, deadline);
        outcome = match tokio::time::timeout_at(deadline, commit).await {
            Ok(outcome) => outcome,
            Err(_) => Err(never_committed(core)),
        };
    }
    if let (Some(request), Some(group)) = (leave, core.config.group_id()) {
        // What was asked to be committed before is committed by a member.
        let _ = tokio::time::timeout_at(deadline, core.committing.lock()).await;
        let timeout = deadline.saturating_duration_since(Instant::now());
        let leave = crate::group::driver::leave(&core.cluster, group, request, timeout);
        let left = match tokio::time::timeout_at(deadline, leave).await {
            Ok(left) => left,
            Err(_) => Err(Error::new(Kind::Timeout, format!("leave group {group}: timed out"))),
        };
        outcome = outcome.and(left);
        core.state.lock().on_left();
        core.membership.notify_one();
    }
    outcome
}

/// Nobody keeps the epoch of a member any more that is about to leave: its last `heartbeat` tells it (edge 62).
async fn commit_at_last(
    core: &Core,
    mut identity: Identity,
    mut offsets: Offsets,
    heartbeat: Option<&ConsumerGroupHeartbeatRequest>,
    deadline: Instant,
) -> Result<(), Error> {
    let _turn = core.committing.lock().await;
    let client = &core.config.client;
    let mut backoff = Backoff::new(client.retry_backoff, client.retry_backoff_max);
    loop {
        let outcome = finally(attempt(core, &identity, &mut offsets).await);
        let wait = core.cluster.runtime().random(|random| backoff.next(random));
        let is_stale = matches!(&outcome, Err(error) if error.code() == Some(Code::StaleMemberEpoch));
        if is_stale
            && let (Some(heartbeat), Some(group)) = (heartbeat, core.config.group_id())
            && let request = heartbeat.clone()
            && let timeout = core.config.client.request_timeout
            && let Ok(answer) = modern::driver::heartbeat(&core.cluster, &group.into(), request, timeout).await
            && answer.error_code.is_none()
        {
            identity.generation = answer.member_epoch;
        }
        match outcome {
            Err(error) if error.is_retriable() && Instant::now() + wait < deadline => tokio::time::sleep(wait).await,
            outcome => return outcome,
        }
    }
}

/// edge 51: what was read of a topic that is gone cannot be committed, and nobody will miss it.
fn finally(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.code() == Some(Code::UnknownTopicOrPartition) => {
            tracing::warn!(%error, "not committed");
            Ok(())
        }
        outcome => outcome,
    }
}

/// One OffsetCommit. Of `offsets` those remain that were not committed; the error is of the worst.
async fn attempt(core: &Core, identity: &Identity, offsets: &mut Offsets) -> Result<(), Error> {
    if offsets.is_empty() {
        return Ok(());
    }
    let Some(group) = core.config.group_id() else { return Ok(()) };
    let span = spans::commit(&core.config.client.client_id, group, offsets.len());
    send(core, group, identity, offsets).await.inspect_err(|error| {
        spans::failed(&span, error);
    })
}

async fn send(core: &Core, group: &str, identity: &Identity, offsets: &mut Offsets) -> Result<(), Error> {
    let began = Instant::now();
    let key: Str = group.into();
    let instance_id = core.config.instance_id().map(Str::from);
    // One that chose its partitions itself is no member, whatever its name.
    let instance_id = instance_id.filter(|_| *identity != Identity::NOBODY);
    let request = offsets::commit_request(&key, instance_id.as_ref(), identity, offsets);
    let timeout = core.config.client.request_timeout;
    let asked = crate::group::driver::ask_coordinator::<OffsetCommitRequest>(
        &core.cluster,
        group,
        Lane::Main,
        move |versions| Ok((request, versions.choose_up_to::<OffsetCommitRequest>(LAST_COMMIT_BY_NAME)?)),
        timeout,
        Questions::after(PATIENCE),
        call::deadline(timeout),
    );
    let (response, _, broker) = asked.await.map_err(|error| error.within("commit"))?;
    let failures = offsets::commit_failures(&response);
    let mut done = std::mem::take(offsets);
    for (partition, _) in &failures {
        if let Some((partition, offset)) = done.remove_entry(partition) {
            offsets.insert(partition, offset);
        }
    }
    core.config.interceptors.on_commit(&done);
    let now = Instant::now();
    let mut state = core.state.lock();
    commit::committed(&mut state.positions, &done, now);
    let Some((partition, code)) = worst(failures) else {
        state.metrics.coordinator.commit.record(milliseconds(now.saturating_duration_since(began)), now);
        return Ok(());
    };
    state.on_commit_code(identity, code, now);
    drop(state);
    core.membership.notify_one();
    if code.refreshes_metadata() && code != Code::UnknownTopicOrPartition || code == Code::RequestTimedOut {
        core.cluster.forget_coordinator(group, broker);
    }
    let offset = offsets.get(&partition).map_or(-1, |offset| offset.offset);
    Err(Error::broker(code, format!("commit of {partition} at offset {offset} by group {group}")))
}

/// The failure that decides what to do: one that trying again cannot mend, if there is one.
fn worst(failures: Vec<(TopicPartition, Code)>) -> Option<(TopicPartition, Code)> {
    failures.into_iter().min_by_key(|(_, code)| (code.retriable(), *code == Code::UnknownTopicOrPartition))
}
