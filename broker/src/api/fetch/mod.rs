//! Fetch: slices of partitions' logs, at once or when enough bytes are there.

mod encode;
mod open;
mod read;

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use uuid::Uuid;

use super::{Context, Outcome, share_fetch};
use crate::cluster::fetch_sessions::{FetchSessions, Wanted};
use crate::cluster::topics::Topics;
use crate::cluster::{Cluster, Ticket, Timer};
use crate::faults::Verdict;

pub(crate) use encode::Answer;
use open::Session;

/// The first version with fetch sessions.
const SESSIONS_FROM: i16 = 7;

/// The first version in which a client says where it is, and may read from followers (KIP-392).
const RACKS_FROM: i16 = 11;

/// The first version with tagged fields and compact lengths.
const FLEXIBLE_FROM: i16 = 12;

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// The first version that says who leads, and where that is (KIP-951).
const LEADERS_FROM: i16 = 16;

/// The errors that are about the fetch session, not about a partition.
const SESSION_ERRORS: [ResponseError; 3] = [
    ResponseError::FetchSessionIdNotFound,
    ResponseError::InvalidFetchSessionEpoch,
    ResponseError::FetchSessionTopicIdError,
];

/// A fetch that may have to wait: what is wanted, and what it needs to be answered later.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// Without its topics.
    request: FetchRequest,
    /// The partitions to read, in this order.
    wanted: Vec<Wanted>,
    /// Those that weren't there when it was asked, and what is said of them. They don't keep it from waiting.
    missing: Vec<(Wanted, ResponseError)>,
    session: Session,
    context: Context,
    verdict: Verdict,
}

/// The partitions a fetch is about: those it names, and those of its session.
pub(super) fn targets(request: &FetchRequest, topics: &Topics, sessions: Option<&FetchSessions>) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in &request.topics {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.topic.as_str());
        targets.extend(topic.partitions.iter().map(|partition| (name.to_owned(), partition.partition)));
    }
    let is_incremental = !open::is_full(request);
    let session = sessions.filter(|_| is_incremental).and_then(|sessions| sessions.get(request.session_id));
    for wanted in session.iter().flat_map(|session| session.partitions.iter()) {
        let name = wanted.name.as_ref().map_or("", |name| name.as_str());
        targets.push((name.to_owned(), wanted.partition.partition));
    }
    targets
}

pub(super) fn answer(
    cluster: &mut Cluster,
    ticket: Ticket,
    context: &Context,
    mut request: FetchRequest,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    let is_session_error = |code: &i16| SESSION_ERRORS.iter().any(|error| error.code() == *code);
    if let Some(code) = verdict.error().filter(is_session_error) {
        return FetchResponse::default().with_error_code(code).into();
    }
    let (partitions, session) = match open::open(cluster, context, &mut request, now) {
        Ok(opened) => opened,
        Err(error) => return FetchResponse::default().with_error_code(error.code()).into(),
    };
    let (context, verdict) = (context.clone(), verdict.clone());
    let mut fetch = Fetch { request, wanted: Vec::new(), missing: Vec::new(), session, context, verdict };
    for wanted in partitions {
        match fetch.missing(cluster, &wanted) {
            Some(error) => fetch.missing.push((wanted, error)),
            None => fetch.wanted.push(wanted),
        }
    }
    let wait = Duration::from_millis(u64::try_from(fetch.request.max_wait_ms).unwrap_or(0));
    if wait.is_zero() || fetch.wanted.is_empty() || fetch.is_due(cluster) {
        return fetch.read(cluster, now);
    }
    let timer = cluster.timers.set(now + wait, Timer::Fetch(ticket));
    let partitions = fetch.partitions(cluster);
    cluster.fetches.park(ticket, fetch, timer, partitions);
    Outcome::Later
}

/// Answers the fetches that wait on a partition and now have enough, or an error to report.
pub(crate) fn wake(cluster: &mut Cluster, topic: Uuid, partition: usize, now: Duration) {
    for ticket in cluster.fetches.waiting_on(topic, partition) {
        if cluster.fetches.get(ticket).is_some_and(|waiting| waiting.fetch.is_due(cluster)) {
            expire(cluster, ticket, now);
        }
    }
    share_fetch::wake(cluster, topic, i32::try_from(partition).unwrap_or(i32::MAX), now);
}

/// Answers a fetch with what is there.
pub(crate) fn expire(cluster: &mut Cluster, ticket: Ticket, now: Duration) {
    if let Some(waiting) = cluster.fetches.take(ticket) {
        cluster.timers.stop(waiting.timer);
        let outcome = waiting.fetch.read(cluster, now);
        cluster.answer(ticket, outcome, now);
    }
}

impl Fetch {
    /// What is wrong with a partition that isn't there, as the node's metadata has it. Where a test wants an error, it
    /// is found on reading.
    fn missing(&self, cluster: &Cluster, wanted: &Wanted) -> Option<ResponseError> {
        let Some(name) = &wanted.name else {
            let is_injected = self.verdict.error_at("", wanted.partition.partition).is_some();
            return (!is_injected).then_some(ResponseError::UnknownTopicId);
        };
        let is_injected = self.verdict.error_at(name, wanted.partition.partition).is_some();
        let is_there = cluster.topics.partition(name, wanted.partition.partition).is_some();
        (!is_there && !is_injected).then_some(ResponseError::UnknownTopicOrPartition)
    }

    /// The partitions that it waits on.
    fn partitions(&self, cluster: &Cluster) -> Vec<(Uuid, usize)> {
        let place = |wanted: &Wanted| {
            let topic = cluster.topics.get(wanted.name.as_ref()?)?;
            Some((topic.id, usize::try_from(wanted.partition.partition).ok()?))
        };
        self.wanted.iter().filter_map(place).collect()
    }
}
