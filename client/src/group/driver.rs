//! The task of a member: it alone speaks to the coordinator about membership.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the task")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{ConsumerGroupHeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, SyncGroupResponse};
use ottla_wire::{Code, Request, Str};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::classic::Step;
use super::{Identity, Leave, modern};
use crate::cluster::{Cluster, Coordinated, Lane};
use crate::connection::{Backoff, Versions};
use crate::consume::{
    CoordinatorSensors, Core, GroupWork, PATIENCE, Questions, commit_before_rebalance, deadline, milliseconds,
};
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::telemetry::Sensor;

/// What a join may take beyond the time that the group waits for its members (edge 58).
const JOIN_SLACK: Duration = Duration::from_secs(5);

/// From this version on LeaveGroup names members in a list.
const LEAVE_BY_LIST: i16 = 3;

/// What came of a request.
enum Reply {
    Heartbeat(Identity, Result<Code, Error>),
    Joined(u64, Result<JoinGroupResponse, Error>),
    Left,
    /// The answer to the heartbeat of that number, in the newer protocol.
    Modern(u64, Result<ConsumerGroupHeartbeatResponse, Error>),
    /// What came of the commit of that number.
    Released(u64, Result<(), Error>),
    Synced(u64, Result<SyncGroupResponse, Error>),
}

/// Keeps the membership of `group` until the consumer is closed.
pub(crate) async fn run(core: Arc<Core>, group: Str) {
    let mut views = core.cluster.watch();
    let mut closed = core.closed.subscribe();
    let mut requests: JoinSet<Reply> = JoinSet::new();
    while !*closed.borrow_and_update() {
        let metadata = views.borrow_and_update().metadata.clone();
        loop {
            let work = core.state.lock().group_work(Instant::now(), &metadata);
            match work {
                Some(GroupWork::Commit(number, identity, offsets)) => {
                    let commit = commit_before_rebalance(core.clone(), identity, offsets);
                    requests.spawn(async move { Reply::Released(number, commit.await) });
                }
                Some(GroupWork::Send(super::Step::Classic(step))) => send(&core, &group, *step, &mut requests),
                Some(GroupWork::Send(super::Step::Modern(step))) => send_modern(&core, &group, *step, &mut requests),
                Some(GroupWork::Send(super::Step::Commit(_))) => {}
                None => break,
            }
        }
        // Partitions may have come or gone.
        core.work.notify_one();
        let wake_at = {
            let state = core.state.lock();
            if state.wakes_polls() {
                core.ready.notify_waiters();
            }
            state.group_wake_at()
        };
        tokio::select! {
            biased;
            _ = closed.changed() => {}
            reply = requests.join_next(), if !requests.is_empty() => if let Some(Ok(reply)) = reply {
                on_reply(&core, &group, reply, &mut requests);
            },
            changed = views.changed() => if changed.is_err() { return },
            () = core.membership.notified() => {}
            () = sleep_until(wake_at) => {}
        }
    }
}

fn on_reply(core: &Arc<Core>, group: &Str, reply: Reply, requests: &mut JoinSet<Reply>) {
    let now = Instant::now();
    let mut state = core.state.lock();
    let was_in_doubt = state.is_in_doubt(now);
    let step = match reply {
        Reply::Heartbeat(sender, answer) => {
            state.on_heartbeat(&sender, answer, now);
            None
        }
        Reply::Joined(attempt, answer) => state.on_joined(attempt, answer, now),
        Reply::Left => {
            state.on_left();
            None
        }
        Reply::Modern(number, answer) => {
            state.on_modern_heartbeat(number, answer, now);
            None
        }
        Reply::Released(number, outcome) => {
            state.on_released(number, outcome, now);
            None
        }
        Reply::Synced(attempt, answer) => {
            state.on_synced(attempt, answer, now);
            None
        }
    };
    if was_in_doubt || state.wakes_polls() {
        core.ready.notify_waiters();
    }
    drop(state);
    if let Some(step) = step {
        send(core, group, step, requests);
    }
}

fn send(core: &Arc<Core>, group: &Str, step: Step, requests: &mut JoinSet<Reply>) {
    let (core, group) = (core.clone(), group.clone());
    let interval = core.config.heartbeat_interval;
    let timeout = core.config.client.request_timeout;
    let patient = timeout.max(core.config.max_poll_interval.saturating_add(JOIN_SLACK));
    match step {
        Step::Heartbeat(request) => {
            let sender = Identity { generation: request.generation_id, member_id: request.member_id.clone() };
            let began = Instant::now();
            core.state.lock().metrics.coordinator.heartbeat_sent(began);
            requests.spawn(async move {
                let answer =
                    tell(&core, &group, request, timeout, Questions::after(PATIENCE), |response| response.error_code)
                        .await;
                if answer.as_ref().is_ok_and(|response| response.error_code.is_none()) {
                    count(&core, began, |coordinator| &mut coordinator.heartbeat);
                }
                Reply::Heartbeat(sender, answer.map(|response| response.error_code))
            });
        }
        // The coordinator answers these once the other members have come: it is asked after less impatiently.
        Step::Join(request, attempt) => {
            let began = Instant::now();
            core.state.lock().metrics.coordinator.rebalance_began(began);
            requests.spawn(async move {
                let answer =
                    tell(&core, &group, request, patient, Questions::every(interval), |response| response.error_code)
                        .await;
                match answer.as_ref().map(|response| response.error_code) {
                    Ok(Code::None) => count(&core, began, |coordinator| &mut coordinator.join),
                    // The id that it is to join with.
                    Ok(Code::MemberIdRequired) => {}
                    _ => core.state.lock().metrics.coordinator.rebalance_failed(Instant::now()),
                }
                Reply::Joined(attempt, answer)
            });
        }
        Step::Sync(request, attempt) => {
            let began = Instant::now();
            requests.spawn(async move {
                let answer =
                    tell(&core, &group, request, patient, Questions::every(interval), |response| response.error_code)
                        .await;
                if answer.as_ref().is_ok_and(|response| response.error_code.is_none()) {
                    count(&core, began, |coordinator| &mut coordinator.sync);
                    core.state.lock().metrics.coordinator.rebalanced(Instant::now());
                } else {
                    core.state.lock().metrics.coordinator.rebalance_failed(Instant::now());
                }
                Reply::Synced(attempt, answer)
            });
        }
        Step::Leave(Some(request)) => {
            requests.spawn(async move {
                if let Err(error) = leave(&core.cluster, &group, Leave::Classic(request), timeout).await {
                    tracing::debug!(%group, %error, "leaving was not answered");
                }
                Reply::Left
            });
        }
        Step::Commit(_) | Step::Leave(None) => {}
    }
}

fn send_modern(core: &Arc<Core>, group: &Str, step: modern::Step, requests: &mut JoinSet<Reply>) {
    let (core, group) = (core.clone(), group.clone());
    let timeout = core.config.client.request_timeout;
    match step {
        modern::Step::Commit(_) => {}
        modern::Step::Heartbeat(request, number) => {
            let began = Instant::now();
            core.state.lock().metrics.coordinator.heartbeat_sent(began);
            requests.spawn(async move {
                let answer = modern::driver::heartbeat(&core.cluster, &group, request, timeout).await;
                if answer.as_ref().is_ok_and(|response| response.error_code.is_none()) {
                    count(&core, began, |coordinator| &mut coordinator.heartbeat);
                }
                Reply::Modern(number, answer)
            });
        }
        modern::Step::Leave(request) => {
            requests.spawn(async move {
                if let Err(error) = modern::driver::leave(&core.cluster, &group, request, timeout).await {
                    tracing::debug!(%group, %error, "leaving was not answered");
                }
                Reply::Left
            });
        }
    }
}

/// Counts how long the coordinator took for what it did.
fn count(core: &Core, began: Instant, sensor: impl FnOnce(&mut CoordinatorSensors) -> &mut Sensor) {
    let now = Instant::now();
    sensor(&mut core.state.lock().metrics.coordinator).record(milliseconds(now.saturating_duration_since(began)), now);
}

/// Sends what is for the coordinator alone, on the connection that is for such.
async fn tell<R: Request + Send + 'static>(
    core: &Core,
    group: &Str,
    request: R,
    timeout: Duration,
    questions: Questions,
    code: impl Fn(&R::Response) -> Code,
) -> Result<R::Response, Error>
where
    R::Response: Send,
{
    let make = move |versions: &Versions| Ok((request, versions.choose::<R>()?));
    let until = deadline(timeout);
    let asked = ask_coordinator::<R>(&core.cluster, group, Lane::Group, make, timeout, questions, until);
    let (response, _, broker) = asked.await?;
    if code(&response).refreshes_metadata() {
        core.cluster.forget_coordinator(group, broker);
    }
    Ok(response)
}

/// Takes leave of the coordinator: again, where it may have moved or may not have heard of it, as long as `timeout` allows.
pub(crate) async fn leave(cluster: &Arc<Cluster>, group: &str, leave: Leave, timeout: Duration) -> Result<(), Error> {
    again(cluster, timeout, |left| self::leave_once(cluster, group, leave.clone(), left)).await
}

/// Tries again what may pass, with the time that is left of `timeout`.
pub(crate) async fn again<F: Future<Output = Result<(), Error>>>(
    cluster: &Cluster,
    timeout: Duration,
    mut attempt: impl FnMut(Duration) -> F,
) -> Result<(), Error> {
    let until = deadline(timeout);
    let client = cluster.config();
    let mut backoff = Backoff::new(client.retry_backoff, client.retry_backoff_max);
    loop {
        let outcome = attempt(until.saturating_duration_since(Instant::now())).await;
        let wait = cluster.runtime().random(|random| backoff.next(random));
        match outcome {
            Err(error) if error.is_retriable() && Instant::now() + wait < until => {
                tracing::debug!(%error, "leaving is tried again");
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}

async fn leave_once(cluster: &Arc<Cluster>, group: &str, leave: Leave, timeout: Duration) -> Result<(), Error> {
    let request = match leave {
        Leave::Classic(request) => request,
        Leave::Modern(farewell) => {
            return match farewell.leave {
                Some(request) => modern::driver::leave(cluster, &group.into(), request, timeout).await,
                None => Ok(()),
            };
        }
    };
    let make = move |versions: &Versions| {
        let version = versions.choose::<LeaveGroupRequest>()?;
        Ok((in_version(request, version), version))
    };
    // Not on the connection that a join may still be waiting on.
    let asked = ask_coordinator::<LeaveGroupRequest>(
        cluster,
        group,
        Lane::Main,
        make,
        timeout,
        Questions::after(PATIENCE),
        deadline(timeout),
    );
    let (response, _, broker) = asked.await?;
    let codes = std::iter::once(response.error_code).chain(response.members.iter().map(|member| member.error_code));
    match codes.into_iter().find(|code| !code.is_none() && *code != Code::UnknownMemberId) {
        Some(code) => {
            if code.refreshes_metadata() {
                cluster.forget_coordinator(group, broker);
            }
            Err(Error::broker(code, format!("leave group {group}")))
        }
        None => Ok(()),
    }
}

fn in_version(mut request: LeaveGroupRequest, version: i16) -> LeaveGroupRequest {
    if version < LEAVE_BY_LIST
        && let Some(member) = request.members.pop()
    {
        request.member_id = member.member_id;
    }
    request
}

/// Asks the coordinator of `what`. As long as it is silent, others are asked `questions`: who is the coordinator? Once
/// another is, the request is given up, with its connection if that is for membership alone.
///
/// Returns the answer, its version, and who gave it. A coordinator that cannot be reached is forgotten.
pub(crate) async fn ask_coordinator<R: Request + Send + 'static>(
    cluster: &Arc<Cluster>,
    what: impl Into<Coordinated>,
    lane: Lane,
    make: impl FnOnce(&Versions) -> Result<(R, i16), Error> + Send + 'static,
    timeout: Duration,
    mut questions: Questions,
    until: Instant,
) -> Result<(R::Response, i16, i32), Error>
where
    R::Response: Send,
{
    let what = what.into();
    let broker = cluster.coordinator(what.clone(), until).await?;
    let mut answer = pin!(cluster.call::<R>(broker, lane, make, timeout));
    loop {
        let question = async {
            tokio::time::sleep_until(questions.next).await;
            cluster.coordinator_after(what.clone(), broker).await
        };
        let found = tokio::select! {
            biased;
            answer = &mut answer => {
                let (response, version) = answer.map_err(|error| {
                    cluster.forget_coordinator(what.clone(), broker);
                    error.within(format_args!("coordinator of {what}"))
                })?;
                return Ok((response, version, broker));
            }
            found = question => found,
        };
        questions.asked();
        if let Ok(other) = found
            && other != broker
        {
            let silent = Error::new(
                Kind::Connection,
                format!("broker {broker} is silent, and broker {other} coordinates {what} now"),
            );
            if lane == Lane::Group
                && let Ok(link) = cluster.link(broker, lane)
            {
                link.abandon(silent.clone());
            }
            return Err(silent);
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::leave_group_request::MemberIdentity;

    use super::*;

    #[test]
    fn an_old_broker_is_told_of_one_member_that_leaves() {
        let member = MemberIdentity { member_id: "m".into(), ..MemberIdentity::default() };
        let request = LeaveGroupRequest { members: vec![member], ..LeaveGroupRequest::default() };
        assert_eq!(in_version(request.clone(), 3), request);
        let old = in_version(request, 2);
        assert_eq!((&*old.member_id, old.members.len()), ("m", 0));
    }
}
