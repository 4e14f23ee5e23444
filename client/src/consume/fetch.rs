//! What to fetch from which broker, and what its answer says of each partition.
//!
//! One fetch asks for all partitions that a broker leads, and waits there for records; the next goes out as soon as it
//! is answered, as long as there is room. What may be fetched only after it went out, since there is room again, or the
//! position or the leader became known, is asked for by a refill: a fetch beside it that does not wait.
//!
//! A partition has room while what is buffered of it is no more than `max.partition.fetch.bytes`, a broker while that of
//! its partitions is less than `fetch.max.bytes`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::fetch_response::{AbortedTransaction, PartitionData};
use ottla_wire::messages::{FetchRequest, FetchResponse};
use ottla_wire::{Code, Request, Uuid};
use tokio::time::Instant;

use super::position::{Bounds, Leader, Place, Positions};
use crate::TopicPartition;
use crate::config::{ConsumerConfig, IsolationLevel};
use crate::connection::Versions;
use crate::error::Error;

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
}

/// What the loop of one broker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// The broker leads no assigned partition.
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
    pub(super) kind: FetchKind,
    pub(super) asked: Arc<[Asked]>,
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
}

/// What an answer says of one partition.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) asked: Asked,
    pub(super) code: Code,
    pub(super) records: Bytes,
    pub(super) bounds: Bounds,
    /// The aborted transactions among the records, if those are not to be seen.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// The leader, where the broker says that it is another (KIP-951).
    pub(super) leader: Option<Leader>,
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
        }
    }
}

/// The next fetch from `broker`, if there is something to fetch and room for it.
pub(super) fn next(positions: &mut Positions, broker: i32, kind: FetchKind, limits: &Limits, now: Instant) -> Next {
    let mut asked = Vec::new();
    let mut held: usize = 0;
    let mut more_at: Option<Instant> = None;
    let mut is_leader = false;
    for (partition, assigned) in &mut positions.partitions {
        let Some(leader) = assigned.leader.filter(|leader| leader.broker == broker) else { continue };
        is_leader = true;
        if assigned.is_paused || assigned.is_frozen {
            // What it holds takes no room from the others: it may be held for long.
            continue;
        }
        held = held.saturating_add(assigned.queue.bytes());
        if let Some(at) = assigned.retry_at.filter(|at| *at > now) {
            more_at = Some(more_at.map_or(at, |earliest| earliest.min(at)));
            continue;
        }
        if !matches!(assigned.place, Place::At(_)) || assigned.queue.is_flawed() {
            continue;
        }
        if kind == FetchKind::Refill && (assigned.is_fetching || assigned.is_drained) {
            continue;
        }
        assigned.is_full = assigned.queue.bytes() > limits.partition_bytes;
        if assigned.is_full {
            continue;
        }
        asked.push(Asked {
            partition: partition.clone(),
            topic_id: assigned.topic_id,
            stamp: assigned.stamp,
            offset: assigned.fetch_offset,
            leader_epoch: leader.epoch,
        });
    }
    if !is_leader {
        return Next::Done;
    }
    let has_room = held < limits.max_bytes;
    for asked in &asked {
        if let Some(assigned) = positions.get_mut(&asked.partition) {
            assigned.is_full = !has_room && !assigned.queue.is_empty();
            assigned.is_fetching = has_room;
            assigned.is_drained = false;
        }
    }
    if asked.is_empty() || !has_room {
        return Next::Wait(more_at);
    }
    Next::Fetch(Plan { kind, asked: asked.into(), more_at })
}

impl Plan {
    /// How long the broker may wait for records.
    pub(super) fn max_wait(&self, limits: &Limits) -> Duration {
        match self.kind {
            FetchKind::Refill => Duration::ZERO,
            FetchKind::Waiting => limits.max_wait,
        }
    }

    /// The request, in a version that the broker speaks.
    pub(super) fn request(&self, limits: &Limits, versions: &Versions) -> Result<(FetchRequest, i16), Error> {
        let has_ids = self.asked.iter().all(|asked| !asked.topic_id.is_zero());
        let newest = if has_ids { FetchRequest::MAX_VERSION } else { LAST_BY_NAME };
        let version = versions.choose_up_to::<FetchRequest>(newest)?;
        let max_wait = self.max_wait(limits);
        let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for asked in self.asked.iter() {
            let partition = FetchPartition {
                partition: asked.partition.partition,
                current_leader_epoch: asked.leader_epoch,
                fetch_offset: asked.offset,
                partition_max_bytes: size(limits.partition_bytes),
                ..FetchPartition::default()
            };
            match topics.last_mut().filter(|topic| *topic.topic == *asked.partition.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(FetchTopic {
                    topic: (&*asked.partition.topic).into(),
                    topic_id: asked.topic_id,
                    partitions: vec![partition],
                }),
            }
        }
        let request = FetchRequest {
            max_wait_ms: i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: limits.min_bytes,
            max_bytes: size(limits.max_bytes),
            isolation_level: limits.isolation.to_wire(),
            topics,
            // No rack: a leader that knows it may send the consumer to a follower instead of records.
            ..FetchRequest::default()
        };
        Ok((request, version))
    }

    /// What the answer says of each partition that was asked for. Others are ignored (edge 46).
    pub(super) fn read(&self, response: &FetchResponse, version: i16) -> Vec<Answer> {
        let by_name = version <= LAST_BY_NAME;
        let mut index: BTreeMap<(&str, Uuid, i32), &Asked> = BTreeMap::new();
        for asked in self.asked.iter() {
            let (name, id) = if by_name { (&*asked.partition.topic, Uuid::ZERO) } else { ("", asked.topic_id) };
            index.insert((name, id, asked.partition.partition), asked);
        }
        let mut answers = Vec::with_capacity(self.asked.len());
        let broken = response.error_code;
        for topic in response.responses.iter().filter(|_| broken.is_none()) {
            let (name, id) = if by_name { (&*topic.topic, Uuid::ZERO) } else { ("", topic.topic_id) };
            for answer in &topic.partitions {
                // A lookup by shorter-lived text, since what is asked for lives longer than the answer.
                let key: (&str, Uuid, i32) = (name, id, answer.partition_index);
                let Some(asked) = index.remove(&key) else { continue };
                let leader =
                    Leader { broker: answer.current_leader.leader_id, epoch: answer.current_leader.leader_epoch };
                answers.push(Answer {
                    asked: asked.clone(),
                    code: answer.error_code,
                    records: answer.records.clone().unwrap_or_default(),
                    bounds: bounds(answer),
                    aborted: answer.aborted_transactions.clone().unwrap_or_default(),
                    leader: (leader.broker >= 0 && leader.epoch >= 0).then_some(leader),
                });
            }
        }
        // What was left out is answered by the error of the whole, or by none that is of use.
        let code = if broken.is_none() { Code::UnknownServerError } else { broken };
        let left_out = |asked: &Asked| Answer {
            asked: asked.clone(),
            code,
            records: Bytes::new(),
            bounds: Bounds::default(),
            aborted: Vec::new(),
            leader: None,
        };
        answers.extend(index.into_values().map(left_out));
        answers
    }
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
    use ottla_wire::{ApiKey, Str, encode_request};

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
            })
        });
        Plan { kind: FetchKind::Waiting, asked: asked.collect(), more_at: None }
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
            let (request, version) = plan.request(&limits, &versions(broker)).unwrap();
            assert_eq!(version, expected);
            let topics: Vec<_> = request.topics.iter().map(|topic| (&*topic.topic, topic.partitions.len())).collect();
            assert_eq!(topics, [("a", 2), ("b", 1)]);
            assert_eq!(request.topics[0].partitions[1].fetch_offset, 11);
            assert_eq!((request.session_id, request.session_epoch), (0, -1));
            assert_eq!(&*request.rack_id, "", "no follower is read from");
            encode_request(&request, version, 1, None).unwrap();
        }
    }

    #[test]
    fn the_isolation_level_goes_with_every_fetch() {
        for (text, wire) in [("read_uncommitted", 0), ("read_committed", 1)] {
            let mut config = ConsumerConfig::default();
            config.set("isolation.level", text).unwrap();
            let (request, _) = plan(&[("a", 1, &[0])]).request(&Limits::of(&config), &versions(18)).unwrap();
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
        let answers = plan(&[("a", 1, &[0, 1])]).read(&response, 16);
        assert_eq!(answers.into_iter().map(|answer| answer.aborted).collect::<Vec<_>>(), [named, vec![]]);
    }

    #[test]
    fn a_refill_does_not_wait() {
        let limits = Limits::of(&ConsumerConfig::default());
        let plan = plan(&[("a", 1, &[0])]);
        assert_eq!(plan.request(&limits, &versions(18)).unwrap().0.max_wait_ms, 500);
        let refill = Plan { kind: FetchKind::Refill, ..plan };
        assert_eq!(refill.request(&limits, &versions(18)).unwrap().0.max_wait_ms, 0);
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
                .read(&response, version)
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
        let codes: Vec<_> = plan.read(&response, 18).into_iter().map(|answer| answer.code).collect();
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
        assert_eq!(plan.read(&response, 16)[0].leader, Some(Leader { broker: 3, epoch: 9 }));
    }
}
