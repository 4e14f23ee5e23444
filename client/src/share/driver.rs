//! The task that keeps the membership, follows metadata, and starts a loop for each broker that leads.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the tasks")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_wire::{Code, Str};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Core;
use super::broker::{self, Running};
use super::state::State;
use crate::cluster::{Cluster, Lane, Metadata};
use crate::connection::Backoff;
use crate::consume::{PATIENCE, Questions, deadline, milliseconds};
use crate::deadline::sleep_until;
use crate::error::Error;
use crate::group::driver::ask_coordinator;

/// Which attempt it was, when it began, and the answer.
type Reply = (u64, Instant, Result<ShareGroupHeartbeatResponse, Error>);

/// Runs until the consumer is closed.
pub(super) async fn run(core: Arc<Core>) {
    let mut views = core.cluster.watch();
    let mut closed = core.closed.subscribe();
    let mut heartbeats: JoinSet<Reply> = JoinSet::new();
    let client = &core.config.client;
    let mut missing = Missing {
        backoff: Backoff::new(client.retry_backoff, client.retry_backoff_max),
        at: None,
        wanted: BTreeSet::new(),
    };
    while !*closed.borrow_and_update() {
        let metadata = views.borrow_and_update().metadata.clone();
        let wake_at = step(&core, &metadata, &mut missing, &mut heartbeats);
        tokio::select! {
            biased;
            _ = closed.changed() => {}
            reply = heartbeats.join_next(), if !heartbeats.is_empty() => if let Some(Ok(reply)) = reply {
                let mut random = core.cluster.runtime().random(fastrand::Rng::fork);
                let has_failed = core.state.lock().on_heartbeat(reply, Instant::now(), &mut random);
                if has_failed {
                    core.ready.notify_waiters();
                }
            },
            changed = views.changed() => if changed.is_err() { return },
            () = core.work.notified() => {}
            () = sleep_until(wake_at) => {}
        }
    }
}

impl State {
    /// True if there is a failure for polls.
    fn on_heartbeat(&mut self, (attempt, began, answer): Reply, now: Instant, random: &mut fastrand::Rng) -> bool {
        let coordinator = &mut self.metrics.coordinator;
        if answer.as_ref().is_ok_and(|answer| answer.error_code.is_none()) {
            coordinator.heartbeat.record(milliseconds(now.saturating_duration_since(began)), now);
        }
        let has_failed = self.membership.on_heartbeat(attempt, answer, now, random);
        if std::mem::take(&mut self.membership.has_rebalanced) {
            coordinator.rebalance.record(0.0, now);
        }
        has_failed
    }
}

/// What metadata is missing, and when to ask for it again.
struct Missing {
    backoff: Backoff,
    at: Option<Instant>,
    wanted: BTreeSet<Arc<str>>,
}

/// Returns when to look again, whatever else happens.
fn step(
    core: &Arc<Core>,
    metadata: &Metadata,
    missing: &mut Missing,
    heartbeats: &mut JoinSet<Reply>,
) -> Option<Instant> {
    let now = Instant::now();
    let mut state = core.state.lock();
    if missing.wanted != *state.membership.topics() {
        missing.wanted.clone_from(state.membership.topics());
        core.cluster.want_only(missing.wanted.iter().map(|topic| &**topic));
    }
    if let Some((request, attempt)) = state.membership.heartbeat(now) {
        state.metrics.coordinator.heartbeat_sent(now);
        let runtime = core.cluster.runtime().clone();
        let core = core.clone();
        heartbeats.spawn(runtime.within(async move {
            let timeout = core.config.client.request_timeout;
            (attempt, now, tell(&core.cluster, &core.config.group, request, timeout).await)
        }));
    }
    if !state.is_closed {
        for broker in state.assign(metadata) {
            if let Some(outbox) = state.brokers.get(&broker) {
                let wake = outbox.wake.clone();
                core.cluster.runtime().spawn(broker::run(Running::begin(core), broker, wake));
            }
        }
    }
    let lacks = state.lacks_metadata
        || state
            .membership
            .topics()
            .iter()
            .any(|topic| metadata.topics.get(&**topic).is_none_or(|known| !known.is_usable()));
    let wake_at = state.membership.wake_at();
    let faults = tell_topics(core, metadata, &mut state);
    drop(state);
    if faults {
        core.ready.notify_waiters();
    }
    if !lacks {
        missing.backoff.reset();
        missing.at = None;
    } else if missing.at.is_none_or(|at| at <= now) {
        if missing.at.is_some() {
            core.cluster.refresh();
        }
        let wait = core.cluster.runtime().random(|random| missing.backoff.next(random));
        missing.at = now.checked_add(wait);
    }
    [wake_at, missing.at].into_iter().flatten().min()
}

/// What waiting cannot mend about a topic, once for each answer of metadata.
fn tell_topics(core: &Core, metadata: &Metadata, state: &mut State) -> bool {
    let mut seen = core.seen.lock();
    if *seen == metadata.version {
        return false;
    }
    *seen = metadata.version;
    let mut any = false;
    let topics: Vec<_> = state.membership.topics().iter().cloned().collect();
    for topic in topics {
        let code = metadata.topics.get(&*topic).map_or(Code::None, |known| known.error);
        if matches!(code, Code::TopicAuthorizationFailed | Code::InvalidTopicException) {
            state.faults.insert(format!("topic {topic}"), Error::broker(code, format!("metadata of topic {topic}")));
            any = true;
        }
    }
    any
}

/// One heartbeat. What it leaves in the way of other connections is nothing: coordinators answer at once.
pub(super) async fn tell(
    cluster: &Arc<Cluster>,
    group: &str,
    request: ShareGroupHeartbeatRequest,
    timeout: Duration,
) -> Result<ShareGroupHeartbeatResponse, Error> {
    let group = Str::from(group);
    let (response, _, broker) = ask_coordinator::<ShareGroupHeartbeatRequest>(
        cluster,
        &group,
        // Leaving must not overtake a join that is on its way.
        Lane::Group,
        move |versions| Ok((request, versions.choose::<ShareGroupHeartbeatRequest>()?)),
        timeout,
        Questions::after(PATIENCE),
        deadline(timeout),
    )
    .await?;
    if response.error_code.refreshes_metadata() {
        cluster.forget_coordinator(&group, broker);
    }
    Ok(response)
}
