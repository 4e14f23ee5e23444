//! The loop that fetches from one broker and acknowledges to it, one request at a time.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the task")]

use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{ShareAcknowledgeRequest, ShareFetchRequest};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Core;
use super::outbox::{Ask, Next, Sent};
use crate::cluster::{Broker, Lane, Metadata};
use crate::config::ShareAcquireMode;
use crate::connection::Versions;
use crate::consume::{PATIENCE, ask_leader};
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::net::Address;

/// How long to wait after a fetch that brought nothing, though it came back at once.
const PACE: Duration = Duration::from_millis(100);

/// From this version on there are renewals, and a limit on records.
const RENEWS: i16 = 2;

/// Counts the loops: [`Core::close`] waits for their last words.
pub(super) struct Running(Arc<Core>);

impl Running {
    pub(super) fn begin(core: &Arc<Core>) -> Self {
        core.running.send_modify(|running| *running += 1);
        Self(core.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

pub(super) async fn run(running: Running, broker: i32, wake: Arc<Notify>) {
    let core = running.0.clone();
    let mut ended = core.ended.subscribe();
    tokio::select! {
        biased;
        () = serve(&core, broker, &wake) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

async fn serve(core: &Arc<Core>, broker: i32, wake: &Notify) {
    loop {
        let next = core.state.lock().next_request(broker, Instant::now());
        match next {
            Next::Done => return,
            Next::Send(sent) => exchange(core, broker, sent).await,
            Next::Wait(until) => {
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = sleep_until(until) => {}
                }
            }
        }
    }
}

async fn exchange(core: &Arc<Core>, broker: i32, mut sent: Sent) {
    let config = &core.config;
    let started = Instant::now();
    let is_closed = core.state.lock().is_closed;
    let (answered, endpoints, is_hasty) = match &mut sent.ask {
        Ask::Fetch(request) => {
            request.max_wait_ms = milliseconds(config.fetch_max_wait);
            request.min_bytes = int(config.fetch_min_bytes);
            request.max_bytes = int(config.fetch_max_bytes);
            request.max_records = i32::try_from(config.max_poll_records).unwrap_or(i32::MAX);
            request.batch_size = request.max_records;
            request.share_acquire_mode = config.share_acquire_mode.to_wire();
            let is_limited = config.share_acquire_mode == ShareAcquireMode::RecordLimit;
            let request = request.clone();
            let wanted = sent.wanted.clone();
            let patience = config.fetch_max_wait.saturating_add(PATIENCE);
            let answer = ask_leader::<ShareFetchRequest>(
                &core.cluster,
                broker,
                Lane::Fetch,
                move |versions: &Versions| {
                    let version = versions.choose::<ShareFetchRequest>()?;
                    if is_limited && version < RENEWS {
                        let context = "`share.acquire.mode` `record_limit` needs ShareFetch 2 (Kafka 4.2)";
                        return Err(Error::new(Kind::UnsupportedVersion, context));
                    }
                    Ok((request, version))
                },
                config.client.request_timeout.max(patience),
                patience,
                move |metadata: &Metadata| {
                    wanted.iter().any(|(partition, epoch)| {
                        let at = &partition.topic_partition;
                        metadata.partition(&at.topic, at.partition).is_some_and(|known| {
                            known.leader.is_some_and(|leader| leader != broker) && known.leader_epoch > *epoch
                        })
                    })
                },
            );
            match answer.await {
                Ok((mut answer, _)) => {
                    let endpoints = std::mem::take(&mut answer.node_endpoints);
                    let now = Instant::now();
                    let answered = core.state.lock().on_fetched(broker, &sent, answer, now);
                    let is_hasty = !answered.delivered && now.duration_since(started) < config.fetch_max_wait / 2;
                    let endpoints: Vec<_> =
                        endpoints.into_iter().map(|it| (it.node_id, it.host, it.port, it.rack)).collect();
                    (answered, endpoints, is_hasty)
                }
                Err(error) => (core.state.lock().on_failed(broker, &sent, error, Instant::now()), Vec::new(), false),
            }
        }
        Ask::Acknowledge(request) | Ask::Close(request) => {
            let request = request.clone();
            let answer = core.cluster.call::<ShareAcknowledgeRequest>(
                broker,
                Lane::Fetch,
                move |versions| {
                    let version = versions.choose::<ShareAcknowledgeRequest>()?;
                    if request.is_renew_ack && version < RENEWS {
                        let context = "renewing needs ShareAcknowledge 2 (Kafka 4.2)";
                        return Err(Error::new(Kind::UnsupportedVersion, context));
                    }
                    Ok((request, version))
                },
                config.client.request_timeout,
            );
            match answer.await {
                Ok((mut answer, _)) => {
                    let endpoints = std::mem::take(&mut answer.node_endpoints);
                    let answered = core.state.lock().on_acknowledged(broker, &sent, answer, Instant::now());
                    let endpoints: Vec<_> =
                        endpoints.into_iter().map(|it| (it.node_id, it.host, it.port, it.rack)).collect();
                    (answered, endpoints, false)
                }
                Err(error) => (core.state.lock().on_failed(broker, &sent, error, Instant::now()), Vec::new(), false),
            }
        }
    };
    for (id, host, port, rack) in endpoints {
        if let Ok(port) = u16::try_from(port) {
            core.cluster.learn_broker(id, &Broker { address: Address { host: host.to_string(), port }, rack });
        }
    }
    let leaders = answered.leaders.iter();
    core.cluster.learn_leaders(leaders.map(|(partition, leader, epoch)| {
        (&*partition.topic_partition.topic, partition.topic_partition.partition, *leader, *epoch)
    }));
    if answered.refresh && !is_closed {
        core.cluster.refresh();
    }
    // Also what was acknowledged may be what a poll waits for.
    core.ready.notify_waiters();
    if config.share_acquire_mode == ShareAcquireMode::RecordLimit {
        core.state.lock().wake_all();
    }
    if is_hasty && !is_closed {
        // The broker did not wait as it was told to.
        tokio::time::sleep(PACE.min(config.fetch_max_wait / 2)).await;
    }
}

fn milliseconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
}

fn int(bytes: u32) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
