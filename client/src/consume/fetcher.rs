//! The loop that fetches from one broker, independent of those of the others.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the task")]

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::FetchRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Core;
use super::call::{self, PATIENCE};
use super::fetch::{FetchKind, Next, Plan, is_by_ids};
use super::session::{LeftOut, Session};
use super::state::Subject;
use crate::TopicPartition;
use crate::cluster::{Lane, Metadata};
use crate::connection::Backoff;
use crate::deadline::sleep_until;
use crate::error::Error;

/// How long to wait after a fetch that brought nothing, though it came back at once.
const PACE: Duration = Duration::from_millis(100);

/// Not less than this lies between two attempts, lest a caller that polls and polls makes it a busy loop (edge 86).
const LEAST: Duration = Duration::from_millis(5);

/// How long the end of a session may take: it is worth no more, the broker forgets it in any case.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Fetches from `broker` as long as it leads an assigned partition, or one is read from it instead of its leader.
pub(super) async fn run(core: Arc<Core>, broker: i32, wake: Arc<Notify>) {
    let client = core.cluster.config();
    let mut backoff = Backoff::new(client.retry_backoff, client.retry_backoff_max);
    let mut session = Session::default();
    loop {
        let next = core.state.lock().next_fetch(broker, Instant::now());
        let outcome = match next {
            Next::Done => break,
            Next::Fetch(plan) => fetch_and_refill(&core, broker, plan, &mut session, &wake).await,
            Next::Wait(until) => {
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = sleep_until(until) => {}
                }
                continue;
            }
        };
        match outcome {
            Ok(()) => backoff.reset(),
            Err(error) => {
                let wait = core.cluster.runtime().random(|random| backoff.next(random));
                report(&core, broker, error);
                tokio::time::sleep(LEAST.min(wait)).await;
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = tokio::time::sleep(wait.saturating_sub(LEAST)) => {}
                }
            }
        }
    }
    end(&core, broker, session).await;
}

/// Tells the broker that its session is over, so that others may have its place.
async fn end(core: &Core, broker: i32, session: Session) {
    let Some(request) = session.end() else { return };
    // Not behind a fetch that still waits.
    let told = core.cluster.call::<FetchRequest>(
        broker,
        Lane::Main,
        |versions| Ok((request, versions.choose::<FetchRequest>()?)),
        LAST_WORDS,
    );
    if let Ok(Err(error)) = tokio::time::timeout(LAST_WORDS, told).await {
        tracing::debug!(broker, %error, "the end of the fetch session was not told");
    }
}

/// One fetch that waits, and beside it whatever becomes fetchable until it is answered.
async fn fetch_and_refill(
    core: &Arc<Core>,
    broker: i32,
    plan: Plan,
    session: &mut Session,
    wake: &Notify,
) -> Result<(), Error> {
    let mut more_at = plan.more_at;
    let mut fetch = pin!(fetch(core, broker, plan, session));
    loop {
        tokio::select! {
            biased;
            outcome = &mut fetch => return outcome,
            () = wake.notified() => {}
            () = sleep_until(more_at) => {}
        }
        let next = core.state.lock().next_refill(broker, Instant::now());
        let refill = match next {
            Next::Done if core.state.lock().is_closed => return Ok(()),
            Next::Done => {
                more_at = None;
                continue;
            }
            Next::Fetch(refill) => refill,
            Next::Wait(until) => {
                more_at = until;
                continue;
            }
        };
        more_at = refill.more_at;
        let mut outside = Session::default();
        let mut refill = pin!(self::fetch(core, broker, refill, &mut outside));
        tokio::select! {
            biased;
            outcome = &mut refill => match outcome {
                // What it brought may not be enough, or too much: only who is known to be full asks for more later.
                Ok(()) => wake.notify_one(),
                Err(error) => {
                    report(core, broker, error);
                    tokio::time::sleep(PACE).await;
                }
            },
            outcome = &mut fetch => {
                // It is answered at once; the next fetch then asks for all.
                let _ = tokio::time::timeout(PATIENCE, refill).await;
                return outcome;
            }
        }
    }
}

/// A fetch failed as a whole.
fn report(core: &Core, broker: i32, error: Error) {
    tracing::debug!(broker, %error, "fetch failed");
    if !error.is_retriable() {
        core.state.lock().faults.insert(Subject::Fetch(broker), error);
        core.ready.notify_waiters();
    }
    core.cluster.refresh();
}

/// A fetch in flight: however it ends, its partitions may be asked for again.
struct InFlight<'a>(&'a Core, Plan);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state.lock().fetch_ended(&self.1);
    }
}

/// One fetch, and what it brings into the buffer.
async fn fetch(core: &Arc<Core>, broker: i32, plan: Plan, session: &mut Session) -> Result<(), Error> {
    let limits = core.state.lock().limits.clone();
    let max_wait = plan.max_wait(&limits);
    let patience = max_wait.saturating_add(PATIENCE);
    let lane = if plan.kind == FetchKind::Waiting { Lane::Fetch } else { Lane::Refill };
    let asked = plan.clone();
    let plan = InFlight(core, plan);
    let InFlight(_, sent) = &plan;
    let is_replaced = |metadata: &Metadata| {
        sent.asked.iter().any(|asked| {
            let TopicPartition { topic, partition } = &asked.partition;
            if asked.is_follower && !metadata.is_replica(topic, *partition, broker) {
                return true;
            }
            let known = metadata.partition(topic, *partition);
            known.is_some_and(|known| {
                known.leader.is_some_and(|leader| leader != broker) && known.leader_epoch > asked.leader_epoch
            })
        })
    };
    let started = Instant::now();
    let told = session.clone();
    let answer = call::ask_leader::<FetchRequest>(
        &core.cluster,
        broker,
        lane,
        move |versions| asked.request(&told, &limits, versions),
        core.config.client.request_timeout.max(patience),
        patience,
        is_replaced,
    )
    .await;
    // Whatever became of it: the broker may have counted it or not.
    let (response, version) = answer.inspect_err(|_| {
        session.start_over();
        core.state.lock().on_fetch_failed(sent);
    })?;
    let now = Instant::now();
    let left_out = session.on_answer(&sent.asked, is_by_ids(version), &response);
    if left_out == LeftOut::Unasked {
        tracing::debug!(broker, code = %response.error_code, "the fetch session starts over");
        return Ok(());
    }
    let (answers, has_others) = sent.read(&response, version, left_out);
    if has_others {
        // It remembers something else than was asked for.
        session.start_over();
    }
    let arrived = core.state.lock().on_fetched(sent.kind, answers, now);
    drop(plan);
    let leaders = arrived.leaders.iter();
    core.cluster.learn_leaders(
        leaders.map(|(partition, leader)| (&*partition.topic, partition.partition, leader.broker, leader.epoch)),
    );
    if arrived.is_outdated {
        core.cluster.refresh();
    }
    if arrived.is_ready {
        core.ready.notify_waiters();
    }
    if arrived.resets || arrived.moves {
        core.work.notify_one();
    }
    if arrived.bytes == 0 && now.duration_since(started) < max_wait / 2 {
        // The broker did not wait as it was told to.
        tokio::time::sleep(PACE.min(max_wait / 2)).await;
    } else if arrived.bytes == 0 && arrived.moves && lane == Lane::Refill {
        // It may name a follower that cannot be read from, again and again (edge 86).
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}
