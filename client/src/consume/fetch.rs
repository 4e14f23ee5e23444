//! What to fetch from which broker, and what its answer says of each partition.
//!
//! One fetch asks for all partitions that a broker leads, and waits there for records; the next goes out as soon as it
//! is answered, as long as there is room. What may be fetched only after it went out, since there is room again, or the
//! position or the leader became known, is asked for by a refill: a fetch beside it that does not wait.
//!
//! A partition has room while what is buffered of it is no more than `max.partition.fetch.bytes`, a broker while that of
//! its partitions, and what is in flight, is less than `fetch.max.bytes`. A fetch asks for no more than what is missing to
//! that, one that waits for half of it where others may want a refill meanwhile. So what is held of a broker and what is
//! on its way are `fetch.max.bytes` together, and a batch for each answer that would else bring nothing.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::messages::fetch_response::{AbortedTransaction, PartitionData};
use ottla_wire::messages::{FetchRequest, FetchResponse};
use ottla_wire::{Code, Request, Str, Uuid};
use tokio::time::Instant;

use super::epochs::EpochEnd;
use super::position::{Assigned, Bounds, InFlight, Leader, Place, Positions};
use super::session::{LeftOut, Session};
use crate::TopicPartition;
use crate::config::{ConsumerConfig, IsolationLevel};
use crate::connection::Versions;
use crate::error::Error;
use crate::planted::{self, Bug};

/// The last version that names topics; the later ones go by their ids.
const LAST_BY_NAME: i16 = 12;

/// The bounds of fetches, and whose records they bring.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    max_wait: Duration,
    min_bytes: i32,
    max_bytes: usize,
    pub(super) partition_bytes: usize,
    pub(super) isolation: IsolationLevel,
    rack: Str,
    /// How long a follower is read from before the leader is asked again.
    pub(super) preferred_age: Duration,
}

/// What the loop of one broker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// The broker leads no assigned partition, and none is read from it.
    Done,
    Fetch(Plan),
    /// Until then, or until something changes.
    Wait(Option<Instant>),
}

/// Which kind of fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FetchKind {
    /// Does not wait for records, and asks for no partition that a fetch in flight asks for.
    Refill,
    /// Waits for records of any of its partitions.
    Waiting,
}

/// One fetch.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Which one it is, of all fetches of the consumer.
    pub(super) number: u64,
    pub(super) kind: FetchKind,
    /// Sorted.
    pub(super) asked: Arc<[Asked]>,
    /// What it may bring at most.
    pub(super) max_bytes: usize,
    /// When another partition may be asked for, if it is known.
    pub(super) more_at: Option<Instant>,
}

/// What is asked of one partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Asked {
    pub(super) partition: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) stamp: u64,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    /// Whether another than the leader is asked.
    pub(super) is_follower: bool,
}

/// What an answer says of one partition.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) asked: Asked,
    pub(super) code: Code,
    pub(super) records: Bytes,
    pub(super) bounds: Bounds,
    /// Where the leader's log parted from the one that was read, if the broker says so.
    pub(super) diverging: Option<EpochEnd>,
    /// The aborted transactions among the records, if those are not to be seen.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// The leader, where the broker says that it is another (KIP-951).
    pub(super) leader: Option<Leader>,
    /// The broker to fetch from instead, nearer to the client's rack (KIP-392).
    pub(super) preferred: Option<i32>,
}

impl Limits {
    pub(super) fn of(config: &ConsumerConfig) -> Self {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            max_wait: config.fetch_max_wait,
            min_bytes: number(config.fetch_min_bytes),
            max_bytes: config.fetch_max_bytes as usize,
            partition_bytes: config.max_partition_fetch_bytes as usize,
            isolation: config.isolation_level,
            rack: config.client_rack.as_str().into(),
            preferred_age: config.client.metadata_max_age,
        }
    }
}

/// The next fetch from `broker`, if there is something to fetch and room for it.
pub(super) fn next(positions: &mut Positions, broker: i32, kind: FetchKind, limits: &Limits, now: Instant) -> Next {
    let is_led = |assigned: &Assigned| assigned.leader.is_some_and(|leader| leader.broker == broker);
    let is_read = |assigned: &Assigned| assigned.source() == Some(broker);
    // What is paused takes no room from the others: it may be held for long.
    let rests = |assigned: &Assigned| assigned.is_paused || assigned.is_frozen;
    let (mut held, mut is_leader): (usize, bool) = (0, false);
    let mut has_expired = false;
    for assigned in positions.partitions.values_mut() {
        // Its leader may send it to a follower again (edge 45).
        if assigned.preferred.is_some_and(|preferred| preferred.until <= now) {
            has_expired |= assigned.leave_follower();
        }
        is_leader |= is_led(assigned) || is_read(assigned);
        if is_read(assigned) && !rests(assigned) {
            held = held.saturating_add(assigned.queue.bytes());
        }
    }
    positions.has_expired |= has_expired;
    if !is_leader {
        return Next::Done;
    }
    let coming: usize =
        positions.in_flight.iter().filter(|fetch| fetch.broker == broker).map(|fetch| fetch.bytes).sum();
    let left = limits.max_bytes.saturating_sub(held.saturating_add(coming));
    let has_room = left > 0 || held == 0 && coming == 0;
    let number = positions.next_fetch();
    let Positions { partitions, in_flight, .. } = positions;
    let mut asked = Vec::new();
    let mut more_at: Option<Instant> = None;
    let mut others = false;
    for (partition, assigned) in partitions {
        if !is_read(assigned) {
            continue;
        }
        // Unless it is asked for, below.
        let had_others = std::mem::replace(&mut others, true);
        let Some(leader) = assigned.leader.filter(|_| !rests(assigned)) else { continue };
        if let Some(at) = assigned.retry_at.filter(|at| *at > now) {
            more_at = Some(more_at.map_or(at, |earliest| earliest.min(at)));
            continue;
        }
        // Also of one that is not asked for anyway: what it holds is what others lack.
        let is_full = assigned.queue.bytes() > limits.partition_bytes || !has_room && !assigned.queue.is_empty();
        if !matches!(assigned.place, Place::At(_)) || assigned.queue.is_flawed() || assigned.is_unvalidated() {
            assigned.is_full = is_full;
            continue;
        }
        let is_fetching = in_flight.iter().any(|fetch| fetch.number == assigned.fetch);
        if kind == FetchKind::Refill && (is_fetching || assigned.is_drained) {
            continue;
        }
        assigned.is_full = is_full;
        if !has_room || is_full {
            continue;
        }
        (assigned.fetch, assigned.is_drained) = (number, false);
        others = had_others;
        asked.push(Asked {
            partition: partition.clone(),
            topic_id: assigned.topic_id,
            stamp: assigned.stamp,
            offset: assigned.fetch_offset,
            leader_epoch: leader.epoch,
            is_follower: leader.broker != broker,
        });
    }
    if asked.is_empty() {
        return Next::Wait(more_at);
    }
    let of_partitions = asked.len().saturating_mul(limits.partition_bytes);
    let share = if kind == FetchKind::Waiting && others { left / 2 } else { left };
    let max_bytes = share.min(of_partitions).max(1);
    positions.in_flight.push(InFlight { number, broker, bytes: max_bytes });
    Next::Fetch(Plan { number, kind, asked: asked.into(), max_bytes, more_at })
}

impl Plan {
    /// How long the broker may wait for records.
    pub(super) fn max_wait(&self, limits: &Limits) -> Duration {
        match self.kind {
            FetchKind::Refill => Duration::ZERO,
            FetchKind::Waiting => limits.max_wait,
        }
    }

    /// The request, in a version that the broker speaks; a refill is outside of the session.
    pub(super) fn request(
        &self,
        session: &Session,
        limits: &Limits,
        versions: &Versions,
    ) -> Result<(FetchRequest, i16), Error> {
        let has_ids = self.asked.iter().all(|asked| !asked.topic_id.is_zero());
        let newest = if has_ids { FetchRequest::MAX_VERSION } else { LAST_BY_NAME };
        let version = versions.choose_up_to::<FetchRequest>(newest)?;
        let max_wait = self.max_wait(limits);
        let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let partition_bytes = size(limits.partition_bytes);
        let parts = match self.kind {
            FetchKind::Refill => Session::without(&self.asked, partition_bytes),
            FetchKind::Waiting => session.fetch(&self.asked, is_by_ids(version), partition_bytes),
        };
        let request = FetchRequest {
            max_wait_ms: i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: limits.min_bytes,
            max_bytes: size(self.max_bytes),
            isolation_level: if planted::has(Bug::EarlyRead) { 0 } else { limits.isolation.to_wire() },
            session_id: parts.id,
            session_epoch: parts.epoch,
            topics: parts.topics,
            forgotten_topics_data: parts.forgotten,
            rack_id: limits.rack.clone(),
            ..FetchRequest::default()
        };
        Ok((request, version))
    }

    /// What the answer says of the partitions that were asked for, and whether it is of others as well: those are
    /// ignored (edge 46). Work by what the answer holds, and by the topics that were asked for.
    pub(super) fn read(&self, response: &FetchResponse, version: i16, left_out: LeftOut) -> (Vec<Answer>, bool) {
        let mut answers = Vec::new();
        let broken = response.error_code;
        if left_out == LeftOut::Unasked {
            return (answers, false);
        }
        let mut has_others = false;
        let mut is_answered = vec![false; if left_out == LeftOut::Missing { self.asked.len() } else { 0 }];
        let topics = if response.responses.is_empty() { Vec::new() } else { self.topics(is_by_ids(version)) };
        for topic in response.responses.iter().filter(|_| broken.is_none()) {
            let key = if is_by_ids(version) { (topic.topic_id, "") } else { (Uuid::ZERO, &*topic.topic) };
            let found = topics.binary_search_by(|of| of.key.cmp(&key)).map(|at| topics[at].range.clone());
            let range = found.unwrap_or_default();
            for answer in &topic.partitions {
                let number = answer.partition_index;
                let asked = &self.asked[range.clone()];
                let Ok(at) = asked.binary_search_by_key(&number, |asked| asked.partition.partition) else {
                    has_others = true;
                    continue;
                };
                if let Some(is_answered) = is_answered.get_mut(range.start + at)
                    && std::mem::replace(is_answered, true)
                {
                    continue;
                }
                let leader =
                    Leader { broker: answer.current_leader.leader_id, epoch: answer.current_leader.leader_epoch };
                answers.push(Answer {
                    asked: asked[at].clone(),
                    code: answer.error_code,
                    records: answer.records.clone().unwrap_or_default(),
                    bounds: bounds(answer),
                    diverging: diverging(answer),
                    aborted: answer.aborted_transactions.clone().unwrap_or_default(),
                    leader: (leader.broker >= 0 && leader.epoch >= 0).then_some(leader),
                    preferred: Some(answer.preferred_read_replica).filter(|broker| *broker >= 0),
                });
            }
        }
        // What was left out is answered by the error of the whole, or by none that is of use.
        let code = if broken.is_none() { Code::UnknownServerError } else { broken };
        let missing = self.asked.iter().zip(is_answered).filter(|(_, is_answered)| !is_answered);
        answers.extend(missing.map(|(asked, _)| Answer {
            asked: asked.clone(),
            code,
            records: Bytes::new(),
            bounds: Bounds::default(),
            diverging: None,
            aborted: Vec::new(),
            leader: None,
            preferred: None,
        }));
        (answers, has_others)
    }

    /// Where each topic's partitions are in `asked`, sorted by what an answer calls the topic.
    fn topics(&self, by_ids: bool) -> Vec<AskedTopic<'_>> {
        let mut topics = Vec::new();
        let mut start = 0;
        while let Some(first) = self.asked.get(start) {
            let name = &first.partition.topic;
            let len = self.asked[start..].partition_point(|asked| asked.partition.topic <= *name);
            let key = if by_ids { (first.topic_id, "") } else { (Uuid::ZERO, &**name) };
            topics.push(AskedTopic { key, range: start..start + len });
            start += len;
        }
        topics.sort_unstable_by_key(|topic| topic.key);
        topics
    }
}

struct AskedTopic<'a> {
    key: (Uuid, &'a str),
    range: Range<usize>,
}

/// Whether a fetch of that version goes by the ids of topics.
pub(super) fn is_by_ids(version: i16) -> bool {
    version > LAST_BY_NAME
}

/// Brokers say so of fetches that name the epoch of the last record. These do not, as Java's do not: a broker without
/// epochs for it would call the offset out of range. Positions are validated before they are fetched instead.
fn diverging(answer: &PartitionData) -> Option<EpochEnd> {
    let end = EpochEnd { epoch: answer.diverging_epoch.epoch, offset: answer.diverging_epoch.end_offset };
    (end.epoch >= 0 || end.offset >= 0).then_some(end)
}

/// Where the log begins and ends, as far as the answer says: an error says nothing, and -1 is none.
fn bounds(answer: &PartitionData) -> Bounds {
    let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0 && answer.error_code.is_none());
    Bounds {
        log_start: known(answer.log_start_offset),
        last_stable: known(answer.last_stable_offset),
        high_watermark: known(answer.high_watermark),
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::fetch_response::{FetchableTopicResponse, LeaderIdAndEpoch};
    use ottla_wire::{ApiKey, encode_request};

    use super::*;
    use crate::config::ConsumerConfig;

    fn plan(topics: &[(&str, u8, &[i32])]) -> Plan {
        let asked = topics.iter().flat_map(|(topic, id, partitions)| {
            partitions.iter().map(|partition| Asked {
                partition: TopicPartition::new(*topic, *partition),
                topic_id: Uuid([*id; 16]),
                stamp: 1,
                offset: 10 + i64::from(*partition),
                leader_epoch: 4,
                is_follower: false,
            })
        });
        Plan { number: 1, kind: FetchKind::Waiting, asked: asked.collect(), max_bytes: 1_000, more_at: None }
    }

    fn versions(max: i16) -> Versions {
        Versions::of(&[(ApiKey::Fetch, 0, max)])
    }

    fn answer(partition_index: i32, code: Code) -> PartitionData {
        PartitionData { partition_index, error_code: code, ..PartitionData::default() }
    }

    #[test]
    fn topics_go_by_their_ids_if_all_have_one_and_the_broker_knows_how() {
        let limits = Limits::of(&ConsumerConfig { client_rack: "r1".into(), ..ConsumerConfig::default() });
        for (plan, broker, expected) in [
            (plan(&[("a", 1, &[0, 1]), ("b", 2, &[0])]), 18, 18),
            (plan(&[("a", 1, &[0, 1]), ("b", 2, &[0])]), 11, 11),
            (plan(&[("a", 1, &[0, 1]), ("b", 0, &[0])]), 18, 12),
        ] {
            let (request, version) = plan.request(&Session::default(), &limits, &versions(broker)).unwrap();
            assert_eq!(version, expected);
            let topics: Vec<_> = request.topics.iter().map(|topic| (&*topic.topic, topic.partitions.len())).collect();
            assert_eq!(topics, [("a", 2), ("b", 1)]);
            assert_eq!(request.topics[0].partitions[1].fetch_offset, 11);
            assert_eq!((request.session_id, request.session_epoch), (0, 0));
            assert_eq!(&*request.rack_id, "r1");
            encode_request(&request, version, 1, None).unwrap();
        }
    }

    #[test]
    fn the_isolation_level_goes_with_every_fetch() {
        for (text, wire) in [("read_uncommitted", 0), ("read_committed", 1)] {
            let mut config = ConsumerConfig::default();
            config.set("isolation.level", text).unwrap();
            let (request, _) =
                plan(&[("a", 1, &[0])]).request(&Session::default(), &Limits::of(&config), &versions(18)).unwrap();
            assert_eq!(request.isolation_level, wire);
        }
    }

    #[test]
    fn aborted_transactions_are_passed_on_with_the_records() {
        let named = vec![AbortedTransaction { producer_id: 7, first_offset: 3 }];
        let data = PartitionData { aborted_transactions: Some(named.clone()), ..answer(0, Code::None) };
        let none = PartitionData { aborted_transactions: None, ..answer(1, Code::None) };
        let topic = FetchableTopicResponse {
            topic_id: Uuid([1; 16]),
            partitions: vec![data, none],
            ..FetchableTopicResponse::default()
        };
        let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
        let answers = plan(&[("a", 1, &[0, 1])]).read(&response, 16, LeftOut::Missing).0;
        assert_eq!(answers.into_iter().map(|answer| answer.aborted).collect::<Vec<_>>(), [named, vec![]]);
    }

    #[test]
    fn a_refill_does_not_wait() {
        let limits = Limits::of(&ConsumerConfig::default());
        let plan = plan(&[("a", 1, &[0])]);
        assert_eq!(plan.request(&Session::default(), &limits, &versions(18)).unwrap().0.max_wait_ms, 500);
        let refill = Plan { kind: FetchKind::Refill, ..plan };
        assert_eq!(refill.request(&Session::default(), &limits, &versions(18)).unwrap().0.max_wait_ms, 0);
    }

    /// edge 46: what was not asked for is ignored, what was left out is not taken for an empty answer.
    #[test]
    fn an_answer_is_read_by_what_was_asked() {
        let plan = plan(&[("a", 1, &[0, 1]), ("b", 2, &[0])]);
        for version in [12, 13] {
            let topic = |name: &str, id, partitions| FetchableTopicResponse {
                topic: if version <= 12 { name.into() } else { Str::default() },
                topic_id: if version > 12 { Uuid([id; 16]) } else { Uuid::ZERO },
                partitions,
            };
            let response = FetchResponse {
                responses: vec![
                    topic("c", 3, vec![answer(0, Code::None)]),
                    topic(
                        "a",
                        1,
                        vec![answer(1, Code::NotLeaderOrFollower), answer(7, Code::None), answer(0, Code::None)],
                    ),
                ],
                ..FetchResponse::default()
            };
            let answers: Vec<_> = plan
                .read(&response, version, LeftOut::Missing)
                .0
                .into_iter()
                .map(|answer| (answer.asked.partition.to_string(), answer.code))
                .collect();
            let expected =
                [("a[1]", Code::NotLeaderOrFollower), ("a[0]", Code::None), ("b[0]", Code::UnknownServerError)];
            assert_eq!(answers, expected.map(|(partition, code)| (partition.to_owned(), code)));
        }
    }

    #[test]
    fn the_error_of_a_whole_answer_is_that_of_every_partition() {
        let plan = plan(&[("a", 1, &[0, 1])]);
        let response = FetchResponse { error_code: Code::UnknownTopicId, ..FetchResponse::default() };
        let codes: Vec<_> =
            plan.read(&response, 18, LeftOut::Missing).0.into_iter().map(|answer| answer.code).collect();
        assert_eq!(codes, [Code::UnknownTopicId, Code::UnknownTopicId]);
    }

    #[test]
    fn a_leader_that_the_broker_names_is_passed_on() {
        let plan = plan(&[("a", 1, &[0])]);
        let moved = PartitionData {
            current_leader: LeaderIdAndEpoch { leader_id: 3, leader_epoch: 9 },
            ..answer(0, Code::NotLeaderOrFollower)
        };
        let topic = FetchableTopicResponse {
            topic_id: Uuid([1; 16]),
            partitions: vec![moved],
            ..FetchableTopicResponse::default()
        };
        let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
        assert_eq!(plan.read(&response, 16, LeftOut::Missing).0[0].leader, Some(Leader { broker: 3, epoch: 9 }));
    }

    /// edge 46: what an incremental answer leaves out has nothing new, and is no error.
    #[test]
    fn what_a_session_leaves_out_is_not_answered() {
        let plan = plan(&[("a", 1, &[0, 1, 2]), ("b", 2, &[0])]);
        let topic = |id, partitions| FetchableTopicResponse {
            topic_id: Uuid([id; 16]),
            partitions,
            ..FetchableTopicResponse::default()
        };
        let mut response =
            FetchResponse { responses: vec![topic(1, vec![answer(2, Code::None)])], ..FetchResponse::default() };
        let (answers, has_others) = plan.read(&response, 16, LeftOut::Unchanged);
        assert_eq!(answers.iter().map(|answer| answer.asked.partition.to_string()).collect::<Vec<_>>(), ["a[2]"]);
        assert!(!has_others);
        response.responses.push(topic(9, vec![answer(0, Code::None)]));
        let (answers, has_others) = plan.read(&response, 16, LeftOut::Unchanged);
        assert!(answers.len() == 1 && has_others, "what nobody asked for is told, and ignored");
        assert!(plan.read(&response, 16, LeftOut::Unasked).0.is_empty());
    }
}
