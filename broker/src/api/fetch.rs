//! Fetch: slices of partitions' logs, at once or when enough bytes are there.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId, TopicName};
use kafka_protocol::protocol::Encodable;
use uuid::Uuid;

use super::wire::{patch_length, put_varint};
use super::{Context, Outcome};
use crate::cluster::topics::{Partition, Topics};
use crate::cluster::{Cluster, Ticket, Timer};
use crate::faults::Verdict;
use crate::log::{Isolation, Log, Slices};

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// The first version with tagged fields, compact lengths and leaders in refusals.
const FLEXIBLE_FROM: i16 = 12;

/// The first version with fetch sessions.
const SESSIONS_FROM: i16 = 7;

/// The first version that says where the new leader is (KIP-951).
const ENDPOINTS_FROM: i16 = 16;

/// The errors that are about the fetch session, not about a partition.
const SESSION_ERRORS: [ResponseError; 3] = [
    ResponseError::FetchSessionIdNotFound,
    ResponseError::InvalidFetchSessionEpoch,
    ResponseError::FetchSessionTopicIdError,
];

/// A fetch that may have to wait: the request and what it needs to be answered later.
#[derive(Debug)]
pub(crate) struct Fetch {
    request: FetchRequest,
    context: Context,
    verdict: Verdict,
}

/// An answer and, for each of its partitions in order, the records.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: FetchResponse,
    records: Vec<Slices>,
}

pub(super) fn targets(request: &FetchRequest, topics: &Topics) -> Vec<(String, i32)> {
    let mut targets = Vec::new();
    for topic in &request.topics {
        let name = topics.name_of(topic.topic_id).unwrap_or(topic.topic.as_str());
        targets.extend(topic.partitions.iter().map(|partition| (name.to_owned(), partition.partition)));
    }
    targets
}

pub(super) fn answer(
    cluster: &mut Cluster,
    ticket: Ticket,
    context: &Context,
    request: FetchRequest,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    let is_session_error = |code: &i16| SESSION_ERRORS.iter().any(|error| error.code() == *code);
    let session_error = verdict.error().filter(is_session_error).or_else(|| {
        // No sessions are kept, so only a full fetch can be answered.
        (request.session_id != 0).then_some(ResponseError::FetchSessionIdNotFound.code())
    });
    if let Some(code) = session_error {
        return FetchResponse::default().with_error_code(code).into();
    }
    let fetch = Fetch { request, context: context.clone(), verdict: verdict.clone() };
    let wait = Duration::from_millis(u64::try_from(fetch.request.max_wait_ms).unwrap_or(0));
    let partitions = fetch.partitions(cluster);
    if wait.is_zero() || partitions.is_empty() || fetch.is_due(cluster) {
        return fetch.read(cluster);
    }
    let timer = cluster.timers.set(now + wait, Timer::Fetch(ticket));
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
}

/// Answers a fetch with what is there.
pub(crate) fn expire(cluster: &mut Cluster, ticket: Ticket, now: Duration) {
    if let Some(waiting) = cluster.fetches.take(ticket) {
        cluster.timers.stop(waiting.timer);
        let outcome = waiting.fetch.read(cluster);
        cluster.answer(ticket, outcome, now);
    }
}

/// What one partition of a fetch comes to.
enum Readable<'a> {
    Log(&'a Partition),
    Refused(ResponseError, Option<&'a Partition>),
    /// The client's log and this one part at this epoch, which ends at this offset.
    Diverged(&'a Partition, i32, i64),
}

impl Fetch {
    /// True if the answer may not wait any longer: enough bytes, or an error.
    fn is_due(&self, cluster: &Cluster) -> bool {
        let enough = usize::try_from(self.request.min_bytes).unwrap_or(0);
        let mut bytes = 0;
        for topic in &self.request.topics {
            let name = self.name_of(cluster, topic.topic_id, &topic.topic);
            for wanted in &topic.partitions {
                match self.readable(cluster, name.as_deref(), wanted) {
                    Readable::Log(partition) => {
                        let room = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
                        let (log, offset) = (&partition.log, wanted.fetch_offset);
                        let end = log.end_for(self.isolation());
                        bytes += log.readable_bytes(offset, end, enough).min(room.max(1));
                    }
                    Readable::Diverged(..) | Readable::Refused(..) => return true,
                }
            }
        }
        bytes >= enough
    }

    fn isolation(&self) -> Isolation {
        Isolation::of(self.request.isolation_level)
    }

    fn name_of(&self, cluster: &Cluster, id: Uuid, name: &TopicName) -> Option<String> {
        if self.context.version >= TOPIC_IDS_FROM {
            cluster.topics.name_of(id).map(str::to_owned)
        } else {
            Some(name.to_string())
        }
    }

    fn partitions(&self, cluster: &Cluster) -> Vec<(Uuid, usize)> {
        let mut partitions = Vec::new();
        for topic in &self.request.topics {
            let name = self.name_of(cluster, topic.topic_id, &topic.topic);
            let Some(id) = name.and_then(|name| cluster.topics.get(&name)).map(|topic| topic.id) else { continue };
            let indexes = topic.partitions.iter().filter_map(|wanted| usize::try_from(wanted.partition).ok());
            partitions.extend(indexes.map(|index| (id, index)));
        }
        partitions
    }

    fn readable<'a>(&self, cluster: &'a Cluster, name: Option<&str>, wanted: &FetchPartition) -> Readable<'a> {
        let injected = self.verdict.error_at(name.unwrap_or_default(), wanted.partition);
        let found = name.and_then(|name| cluster.topics.partition(name, wanted.partition));
        if let Some(code) = injected {
            return Readable::Refused(ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(0)), found);
        }
        let Some(partition) = found else {
            let code =
                if name.is_none() { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
            return Readable::Refused(code, None);
        };
        if let Err(code) = partition.check_leader(self.context.node, wanted.current_leader_epoch) {
            return Readable::Refused(code, found);
        }
        let log = &partition.log;
        if wanted.last_fetched_epoch >= 0 {
            match log.epochs.end_of(wanted.last_fetched_epoch, log.end_offset()) {
                None => return Readable::Refused(ResponseError::OffsetOutOfRange, found),
                Some((epoch, end)) if epoch < wanted.last_fetched_epoch || end < wanted.fetch_offset => {
                    return Readable::Diverged(partition, epoch, end);
                }
                Some(_) => {}
            }
        }
        if !(log.start_offset()..=log.end_offset()).contains(&wanted.fetch_offset) {
            return Readable::Refused(ResponseError::OffsetOutOfRange, found);
        }
        Readable::Log(partition)
    }

    /// Reads what is there now. The first batch found always comes whole (KIP-74).
    fn read(&self, cluster: &Cluster) -> Outcome {
        let mut room = usize::try_from(self.request.max_bytes).unwrap_or(0);
        let mut is_empty = true;
        let mut answer = Answer { response: FetchResponse::default(), records: Vec::new() };
        for topic in &self.request.topics {
            let name = self.name_of(cluster, topic.topic_id, &topic.topic);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                let mut records = Slices { end_offset: wanted.fetch_offset, ..Slices::default() };
                let readable = self.readable(cluster, name.as_deref(), wanted);
                if let Readable::Log(partition) = &readable {
                    let limit = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(room);
                    let end = partition.log.end_for(self.isolation());
                    records = partition.log.read(wanted.fetch_offset, end, limit, is_empty);
                    is_empty &= records.bytes == 0;
                    room = room.saturating_sub(records.bytes);
                }
                let span = (wanted.fetch_offset, records.end_offset);
                partitions.push(self.partition(cluster, &mut answer.response, wanted.partition, &readable, span));
                answer.records.push(records);
            }
            let answered = FetchableTopicResponse::default().with_partitions(partitions);
            answer.response.responses.push(if self.context.version >= TOPIC_IDS_FROM {
                answered.with_topic_id(topic.topic_id)
            } else {
                answered.with_topic(topic.topic.clone())
            });
        }
        Outcome::Fetched(Box::new(answer))
    }

    /// The answer for one partition, all but the records, which span these offsets.
    fn partition(
        &self,
        cluster: &Cluster,
        response: &mut FetchResponse,
        index: i32,
        readable: &Readable<'_>,
        (first, end): (i64, i64),
    ) -> PartitionData {
        let answer = PartitionData::default().with_partition_index(index).with_aborted_transactions(None);
        let with_offsets = |answer: PartitionData, partition: &Partition| {
            let log = &partition.log;
            let skips_aborted = self.isolation() == Isolation::ReadCommitted;
            answer
                .with_high_watermark(log.end_offset())
                .with_last_stable_offset(log.last_stable_offset())
                .with_log_start_offset(log.start_offset())
                .with_aborted_transactions(skips_aborted.then(|| aborted(log, first, end)))
        };
        match readable {
            Readable::Log(partition) => with_offsets(answer, partition),
            Readable::Diverged(partition, epoch, end) => with_offsets(answer, partition)
                .with_diverging_epoch(EpochEndOffset::default().with_epoch(*epoch).with_end_offset(*end)),
            Readable::Refused(code, partition) => {
                let mut answer = answer.with_error_code(code.code()).with_high_watermark(-1);
                let is_moved = matches!(code, ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch);
                if let Some(partition) = partition.filter(|_| is_moved && self.context.version >= FLEXIBLE_FROM) {
                    answer.current_leader = LeaderIdAndEpoch::default()
                        .with_leader_id(BrokerId(partition.leader))
                        .with_leader_epoch(partition.leader_epoch);
                    if self.context.version >= ENDPOINTS_FROM {
                        add_endpoint(cluster, response, partition.leader);
                    }
                }
                answer
            }
        }
    }
}

/// The aborted transactions with records in a span of the log, in the order of their markers.
fn aborted(log: &Log, first: i64, end: i64) -> Vec<AbortedTransaction> {
    if end <= first {
        return Vec::new();
    }
    let tell = |aborted: crate::log::Aborted| {
        let told = AbortedTransaction::default().with_producer_id(ProducerId(aborted.producer_id));
        told.with_first_offset(aborted.first_offset)
    };
    log.aborted.between(first, end).into_iter().map(tell).collect()
}

fn add_endpoint(cluster: &Cluster, response: &mut FetchResponse, leader: i32) {
    if response.node_endpoints.iter().any(|known| known.node_id.0 == leader) {
        return;
    }
    if let Some(node) = cluster.node(leader) {
        let endpoint = NodeEndpoint::default().with_node_id(BrokerId(node.id));
        response.node_endpoints.push(endpoint.with_host(node.host.clone()).with_port(node.port));
    }
}

impl Answer {
    /// The parts of the frame that `frame` begins: encoded fields and slices of logs by turns, nothing copied.
    ///
    /// Each level is encoded with an empty array, or empty records, in whose place the real ones are put.
    pub(super) fn encode(self, version: i16, frame: BytesMut) -> Result<Vec<Bytes>, String> {
        let mut response = self.response;
        let topics = std::mem::take(&mut response.responses);
        let mut records = self.records.into_iter();
        let mut parts = Parts { done: Vec::new(), bytes: 0, open: frame, is_flexible: version >= FLEXIBLE_FROM };

        let mut whole = BytesMut::new();
        response.encode(&mut whole, version).map_err(|error| error.to_string())?;
        let before_topics = if version >= SESSIONS_FROM { 10 } else { 4 };
        parts.open.put_slice(&whole[..before_topics]);
        parts.put_array_length(topics.len());
        for mut topic in topics {
            let partitions = std::mem::take(&mut topic.partitions);
            topic.encode(&mut parts.open, version).map_err(|error| error.to_string())?;
            parts.drop_empty();
            parts.put_array_length(partitions.len());
            for mut partition in partitions {
                let slices = records.next().unwrap_or_default();
                partition.records = Some(Bytes::new());
                partition.encode(&mut parts.open, version).map_err(|error| error.to_string())?;
                // Only a partition without tagged fields has records, so what ends here is their length.
                if slices.bytes > 0 {
                    parts.drop_empty();
                    parts.put_records(slices)?;
                    parts.put_no_tags();
                }
            }
            parts.put_no_tags();
        }
        let length_bytes = if parts.is_flexible { 1 } else { 4 };
        parts.open.put_slice(&whole[before_topics + length_bytes..]);
        Ok(parts.finish())
    }
}

/// A frame in parts: those that are done, and the buffer still written to.
struct Parts {
    done: Vec<Bytes>,
    bytes: usize,
    open: BytesMut,
    is_flexible: bool,
}

impl Parts {
    /// Takes back the empty array or records at the end, and the empty tagged fields after it.
    fn drop_empty(&mut self) {
        let bytes = if self.is_flexible { 2 } else { 4 };
        self.open.truncate(self.open.len() - bytes);
    }

    fn put_array_length(&mut self, length: usize) {
        if self.is_flexible {
            put_varint(&mut self.open, length + 1);
        } else {
            self.open.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
    }

    fn put_records(&mut self, slices: Slices) -> Result<(), String> {
        if self.is_flexible {
            put_varint(&mut self.open, slices.bytes + 1);
        } else {
            self.open.put_i32(i32::try_from(slices.bytes).map_err(|error| error.to_string())?);
        }
        self.bytes += self.open.len() + slices.bytes;
        self.done.push(self.open.split().freeze());
        self.done.extend(slices.parts);
        Ok(())
    }

    fn put_no_tags(&mut self) {
        if self.is_flexible {
            self.open.put_u8(0);
        }
    }

    /// Closes the frame: its length is known now.
    fn finish(mut self) -> Vec<Bytes> {
        let Some(first) = self.done.first_mut() else {
            patch_length(&mut self.open, 0);
            return vec![self.open.freeze()];
        };
        let mut head = BytesMut::from(std::mem::take(first));
        let beyond = self.bytes - head.len() + self.open.len();
        patch_length(&mut head, beyond);
        *first = head.freeze();
        self.done.push(self.open.freeze());
        self.done
    }
}
