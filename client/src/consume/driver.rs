//! The task that follows metadata: it knows who leads what, starts the loops that fetch, and looks up positions.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the tasks")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::messages::{ListOffsetsRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest};
use ottla_wire::{Code, Str};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::call::{self, PATIENCE, Questions};
use super::position::{EpochQuery, OffsetQuery};
use super::state::Subject;
use super::{Core, epochs, fetcher, list};
use crate::TopicPartition;
use crate::cluster::{Lane, Metadata};
use crate::config::OffsetReset;
use crate::connection::Backoff;
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::group::Membership;
use crate::group::offsets::{self, LAST_FETCH_BY_NAME};

/// Starts the tasks of a consumer. They end when it is closed.
pub(super) fn start(core: &Arc<Core>) {
    let client = core.cluster.config();
    let driver = Driver {
        core: core.clone(),
        look_ups: JoinSet::new(),
        wanted: BTreeSet::new(),
        refresh_at: None,
        backoff: Backoff::new(client.retry_backoff, client.retry_backoff_max),
    };
    let runtime = core.cluster.runtime();
    runtime.spawn(driver.run());
    if let Some(group) = core.config.group_id() {
        runtime.spawn(crate::group::driver::run(core.clone(), group.into()));
    }
}

struct Driver {
    core: Arc<Core>,
    look_ups: JoinSet<()>,
    /// The topics that the cluster was last asked to keep.
    wanted: BTreeSet<Str>,
    /// When to ask for newer metadata, since something is missing in it.
    refresh_at: Option<Instant>,
    backoff: Backoff,
}

impl Driver {
    async fn run(mut self) {
        let core = self.core.clone();
        let mut views = core.cluster.watch();
        let mut closed = core.closed.subscribe();
        while !*closed.borrow_and_update() {
            let metadata = views.borrow_and_update().metadata.clone();
            self.want(&metadata);
            let wake_at = self.step(&metadata);
            tokio::select! {
                biased;
                _ = closed.changed() => {}
                changed = views.changed() => if changed.is_err() { return },
                () = core.work.notified() => {}
                _ = self.look_ups.join_next(), if !self.look_ups.is_empty() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Keeps the metadata of the topics that are read, and of no others.
    fn want(&mut self, metadata: &Metadata) {
        let (wanted, unnamed, all) = {
            let state = self.core.state.lock();
            let group = state.group.as_ref();
            let unnamed = group.map(|group| group.unknown_topics(metadata)).unwrap_or_default();
            (state.topics(), unnamed, group.is_some_and(Membership::wants_all_topics))
        };
        self.core.cluster.want_all(all);
        self.core.cluster.want_ids(unnamed);
        if wanted != self.wanted {
            self.core.cluster.want_only(wanted.iter().map(|topic| &**topic));
            self.wanted = wanted;
        }
    }

    /// Follows the leaders and looks up what is due. Returns when to do so again, whatever else happens.
    fn step(&mut self, metadata: &Arc<Metadata>) -> Option<Instant> {
        let core = self.core.clone();
        let now = Instant::now();
        let mut state = core.state.lock();
        // Newly assigned partitions have leaders in metadata that was seen before.
        let moved = state.on_metadata(metadata);
        for broker in state.positions.brokers() {
            let is_new = !state.fetchers.contains_key(&broker);
            let wake = state.fetchers.entry(broker).or_insert_with(|| Arc::new(Notify::new()));
            if is_new {
                core.cluster.runtime().spawn(fetcher::run(core.clone(), broker, wake.clone()));
            }
        }
        if moved {
            state.wake_fetchers();
        }
        let due = state.look_ups(now);
        if !due.nowhere.is_empty() || state.wakes_polls() {
            core.ready.notify_waiters();
        }
        let lacks = state.lacks_metadata(metadata);
        let next = state.positions.next_look_up();
        drop(state);
        if !due.committed.is_empty() {
            self.look_ups.spawn(core.cluster.runtime().within(look_up_committed(core.clone(), due.committed)));
        }
        for (broker, queries) in due.offsets {
            self.look_ups.spawn(core.cluster.runtime().within(look_up_offsets(core.clone(), broker, queries)));
        }
        for (broker, queries) in due.epochs {
            self.look_ups.spawn(core.cluster.runtime().within(validate(core.clone(), broker, queries)));
        }
        for (broker, queries) in due.ends {
            self.look_ups.spawn(core.cluster.runtime().within(look_up_ends(core.clone(), broker, queries)));
        }
        [next, self.refresh(lacks, now)].into_iter().flatten().min()
    }

    /// Asks for newer metadata as long as some is missing, less and less often. Returns when to ask again.
    fn refresh(&mut self, lacks: bool, now: Instant) -> Option<Instant> {
        if !lacks {
            self.backoff.reset();
            self.refresh_at = None;
            return None;
        }
        if self.refresh_at.is_none_or(|at| at <= now) {
            if self.refresh_at.is_some() {
                self.core.cluster.refresh();
            }
            let wait = self.core.cluster.runtime().random(|random| self.backoff.next(random));
            self.refresh_at = now.checked_add(wait);
        }
        self.refresh_at
    }
}

/// Asks the group's coordinator what is committed.
async fn look_up_committed(core: Arc<Core>, asked: Vec<(TopicPartition, u64)>) {
    let Some(group) = core.config.group_id() else { return };
    let partitions: Vec<_> = asked.iter().map(|(partition, _)| partition.clone()).collect();
    let answer = fetch_committed(&core, group, partitions).await;
    let now = Instant::now();
    let mut state = core.state.lock();
    let keys = || asked.iter().map(|(partition, stamp)| (partition, *stamp));
    match answer {
        Ok(answers) => {
            let mut answers: std::collections::BTreeMap<_, _> = answers.into_iter().collect();
            for (partition, stamp) in keys() {
                let answer = answers.remove(partition).unwrap_or(Err(Code::UnknownTopicOrPartition));
                state.on_committed(partition, stamp, answer, now);
            }
        }
        Err(error) => {
            tracing::debug!(group, %error, "committed offsets not found");
            state.on_look_up_failed(Subject::Coordinator, keys(), &error, now);
        }
    }
    if state.wakes_polls() {
        core.ready.notify_waiters();
    }
    state.wake_fetchers();
    core.moved.notify_waiters();
}

/// What is committed for `partitions`, which are sorted, in one attempt.
///
/// # Errors
/// What goes for all of them; what goes for one is inside.
pub(super) async fn fetch_committed(
    core: &Core,
    group: &str,
    partitions: Vec<TopicPartition>,
) -> Result<Vec<(TopicPartition, Result<Option<super::OffsetAndMetadata>, Code>)>, Error> {
    let key: Str = group.into();
    let deadline = call::deadline(core.config.client.request_timeout);
    let member = core.state.lock().asker();
    let identity = member.clone();
    let asked = crate::group::driver::ask_coordinator::<OffsetFetchRequest>(
        &core.cluster,
        group,
        Lane::Main,
        move |versions| {
            let version = versions.choose_up_to::<OffsetFetchRequest>(LAST_FETCH_BY_NAME)?;
            Ok((offsets::fetch_request(&key, identity.as_ref(), partitions.iter(), version), version))
        },
        core.config.client.request_timeout,
        Questions::after(PATIENCE),
        deadline,
    );
    let (response, version, broker) = asked.await?;
    offsets::fetched(response, version).map_err(|code| {
        if code.refreshes_metadata() {
            core.cluster.forget_coordinator(group, broker);
        }
        if let Some(member) = &member {
            core.state.lock().on_commit_code(member, code, Instant::now());
            core.membership.notify_one();
        }
        Error::broker(code, format!("committed offsets of group {group}"))
    })
}

/// Asks the leader of some partitions for offsets.
async fn look_up_offsets(core: Arc<Core>, broker: i32, queries: Vec<OffsetQuery>) {
    let answer = ask_offsets(&core, broker, &queries).await;
    let now = Instant::now();
    let mut state = core.state.lock();
    let mut is_outdated = false;
    match answer {
        Ok(answers) => {
            for (query, answer) in queries.iter().zip(answers) {
                is_outdated |= state.on_offset(query, answer, now);
            }
        }
        Err(error) => {
            tracing::debug!(broker, %error, "offsets not found");
            let keys = queries.iter().map(|query| (&query.partition, query.stamp));
            state.on_look_up_failed(Subject::Fetch(broker), keys, &error, now);
            is_outdated = true;
        }
    }
    if is_outdated {
        core.cluster.refresh();
    }
    if state.wakes_polls() {
        core.ready.notify_waiters();
    }
    state.wake_fetchers();
    core.moved.notify_waiters();
}

/// Asks the leader of some partitions whether it has what was read of the one before.
async fn validate(core: Arc<Core>, broker: i32, queries: Vec<EpochQuery>) {
    let request = epochs::request(&queries);
    let is_replaced = |metadata: &Metadata| {
        queries.iter().any(|query| is_led_elsewhere(metadata, &query.partition, broker, query.leader_epoch))
    };
    let answer = call::ask_leader::<OffsetForLeaderEpochRequest>(
        &core.cluster,
        broker,
        Lane::Main,
        move |versions| match versions.choose::<OffsetForLeaderEpochRequest>()? {
            version if version >= epochs::FIRST_VERSION => Ok((request, version)),
            _ => Err(Error::new(Kind::UnsupportedVersion, "leader epochs")),
        },
        core.config.client.request_timeout,
        PATIENCE,
        is_replaced,
    )
    .await;
    let now = Instant::now();
    let mut state = core.state.lock();
    let mut is_outdated = false;
    match answer {
        Ok((response, _)) => {
            for (query, answer) in queries.iter().zip(epochs::read(&queries, &response)) {
                is_outdated |= state.on_epoch(query, answer, now);
            }
        }
        Err(error) if error.kind() == Kind::UnsupportedVersion => state.on_epochs_unsupported(&queries),
        Err(error) => {
            tracing::debug!(broker, %error, "positions not validated");
            let is_asked = |query: &&EpochQuery| {
                let assigned = state.positions.get(&query.partition);
                assigned.and_then(|assigned| assigned.leader).is_some_and(|leader| leader.epoch == query.leader_epoch)
            };
            // Where another leads by now, that one is asked, and is not to wait.
            let failed: Vec<_> = queries.iter().filter(is_asked).collect();
            let keys = failed.into_iter().map(|query| (&query.partition, query.stamp));
            state.on_look_up_failed(Subject::Fetch(broker), keys, &error, now);
            is_outdated = true;
        }
    }
    if is_outdated {
        core.cluster.refresh();
    }
    if state.wakes_polls() {
        core.ready.notify_waiters();
    }
    state.wake_fetchers();
    core.moved.notify_waiters();
}

/// Whether a newer leader is known than the broker that was asked.
fn is_led_elsewhere(metadata: &Metadata, partition: &TopicPartition, broker: i32, epoch: i32) -> bool {
    let known = metadata.partition(&partition.topic, partition.partition);
    known.is_some_and(|known| known.leader.is_some_and(|leader| leader != broker) && known.leader_epoch > epoch)
}

/// Asks the leader of some partitions for their ends, for their lag.
async fn look_up_ends(core: Arc<Core>, broker: i32, queries: Vec<OffsetQuery>) {
    let answers = ask_offsets(&core, broker, &queries).await.unwrap_or_else(|error| {
        tracing::debug!(broker, %error, "ends not found");
        vec![Err(Code::UnknownServerError); queries.len()]
    });
    let mut state = core.state.lock();
    for (query, answer) in queries.iter().zip(answers) {
        state.on_end(query, answer);
    }
}

/// One attempt to ask a leader for offsets.
pub(super) async fn ask_offsets(
    core: &Core,
    broker: i32,
    queries: &[OffsetQuery],
) -> Result<Vec<Result<super::arrive::FoundOffset, Code>>, Error> {
    let timeout = core.config.client.request_timeout;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let oldest = match core.config.auto_offset_reset {
        OffsetReset::ByDuration(age) => {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            core.cluster.runtime().epoch_ms().saturating_sub(age).max(0)
        }
        _ => 0,
    };
    let request = list::request(queries, oldest, core.config.isolation_level, timeout_ms);
    let is_replaced = |metadata: &Metadata| {
        queries.iter().any(|query| is_led_elsewhere(metadata, &query.partition, broker, query.leader_epoch))
    };
    let asked = call::ask_leader::<ListOffsetsRequest>(
        &core.cluster,
        broker,
        Lane::Main,
        move |versions| Ok((request, versions.choose::<ListOffsetsRequest>()?)),
        timeout,
        PATIENCE,
        is_replaced,
    );
    let (response, _) = asked.await?;
    Ok(list::read(queries, &response))
}
