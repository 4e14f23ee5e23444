//! The loop that fetches from one broker, independent of those of the others.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the task")]

use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::FetchRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Core;
use super::call::{self, PATIENCE};
use super::fetch::{Next, Plan};
use super::state::Subject;
use crate::cluster::{Lane, Metadata};
use crate::connection::Backoff;
use crate::error::Error;

/// How long to wait after a fetch that brought nothing, though the broker was not told to wait for something.
const PACE: Duration = Duration::from_millis(100);

/// Fetches from `broker` as long as it leads an assigned partition.
pub(super) async fn run(core: Arc<Core>, broker: i32, wake: Arc<Notify>) {
    let client = core.cluster.config();
    let mut backoff = Backoff::new(client.retry_backoff, client.retry_backoff_max);
    loop {
        let next = core.state.lock().next_fetch(broker, Instant::now());
        let plan = match next {
            Next::Done => return,
            Next::Fetch(plan) => plan,
            Next::Wait(until) => {
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = call::sleep_until(until) => {}
                }
                continue;
            }
        };
        match fetch(&core, broker, &plan).await {
            Ok(bytes) => {
                backoff.reset();
                if bytes == 0 && plan.is_partial {
                    pause(PACE, &wake).await;
                }
            }
            Err(error) => {
                tracing::debug!(broker, %error, "fetch failed");
                if !error.is_retriable() {
                    core.state.lock().faults.insert(Subject::Fetch(broker), error);
                    core.ready.notify_waiters();
                }
                core.cluster.refresh();
                let wait = core.cluster.runtime().random(|random| backoff.next(random));
                pause(wait, &wake).await;
            }
        }
    }
}

async fn pause(wait: Duration, wake: &Notify) {
    // Not less than a moment, lest a caller that polls and polls makes it a busy loop (edge 86).
    const LEAST: Duration = Duration::from_millis(5);
    tokio::time::sleep(LEAST.min(wait)).await;
    tokio::select! {
        biased;
        () = wake.notified() => {}
        () = tokio::time::sleep(wait.saturating_sub(LEAST)) => {}
    }
}

/// One fetch; returns how many bytes it brought.
async fn fetch(core: &Arc<Core>, broker: i32, plan: &Plan) -> Result<usize, Error> {
    let config = &core.config;
    let max_wait = if plan.is_partial { Duration::ZERO } else { config.fetch_max_wait };
    let timeout = config.client.request_timeout.max(max_wait.saturating_add(PATIENCE));
    let (limits, asked) = (core.state.lock().limits.clone(), plan.clone());
    let is_replaced = |metadata: &Metadata| {
        plan.asked.iter().any(|asked| {
            let known = metadata.partition(&asked.partition.topic, asked.partition.partition);
            known.is_some_and(|known| {
                known.leader.is_some_and(|leader| leader != broker) && known.leader_epoch > asked.leader_epoch
            })
        })
    };
    let started = Instant::now();
    let (response, version) = call::ask_leader::<FetchRequest>(
        &core.cluster,
        broker,
        Lane::Fetch,
        move |versions| asked.request(&limits, versions),
        timeout,
        max_wait.saturating_add(PATIENCE),
        is_replaced,
    )
    .await?;
    let now = Instant::now();
    let answers = plan.read(&response, version);
    let arrived = core.state.lock().on_fetched(answers, now);
    for (partition, leader) in &arrived.leaders {
        core.cluster.learn_leader(&partition.topic, partition.partition, leader.broker, leader.epoch);
    }
    if arrived.is_outdated {
        core.cluster.refresh();
    }
    if arrived.is_ready {
        core.ready.notify_waiters();
    }
    // Positions may have become unknown.
    if arrived.resets {
        core.work.notify_one();
    }
    if arrived.bytes == 0 && now.duration_since(started) < max_wait / 2 {
        // The broker did not wait as it was told to.
        tokio::time::sleep(PACE.min(max_wait / 2)).await;
    }
    Ok(arrived.bytes)
}
