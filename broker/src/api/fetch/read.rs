//! What a fetch reads of each partition, and what of it is told.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchResponse, ProducerId};

use super::{Answer, Fetch, LEADERS_FROM, RACKS_FROM, Session, TOPIC_IDS_FROM};
use crate::api::Outcome;
use crate::cluster::Cluster;
use crate::cluster::fetch_sessions::{self, NO_SESSION, Partitions, Wanted};
use crate::cluster::topics::Partition;
use crate::log::{Isolation, Log, Slices};

/// What one partition of a fetch comes to.
enum Readable<'a> {
    /// Its log, up to this offset.
    Log(&'a Partition, i64),
    /// This replica is nearer to the client.
    Preferred(&'a Partition, i32),
    Refused(ResponseError, Option<&'a Partition>),
    /// The client's log and this one part at this epoch, which ends at this offset.
    Diverged(&'a Partition, i32, i64),
}

impl Fetch {
    /// True if the answer may not wait any longer: enough bytes, an error, or another replica to read from.
    pub(super) fn is_due(&self, cluster: &Cluster) -> bool {
        let enough = usize::try_from(self.request.min_bytes).unwrap_or(0);
        let mut bytes = 0;
        for wanted in &self.wanted {
            let Readable::Log(partition, end) = self.readable(cluster, wanted) else { return true };
            let room = usize::try_from(wanted.partition.partition_max_bytes).unwrap_or(0);
            bytes += partition.log.readable_bytes(wanted.partition.fetch_offset, end, enough).min(room.max(1));
        }
        bytes >= enough
    }

    /// Reads what is there now. The first batch found always comes whole (KIP-74).
    pub(super) fn read(&self, cluster: &mut Cluster, now: Duration) -> Outcome {
        let mut gathered = Gathered::default();
        let mut room = usize::try_from(self.request.max_bytes).unwrap_or(0);
        for wanted in &self.wanted {
            let offset = wanted.partition.fetch_offset;
            let mut records = Slices { end_offset: offset, ..Slices::default() };
            let readable = self.readable(cluster, wanted);
            if let Readable::Log(partition, end) = &readable {
                let limit = usize::try_from(wanted.partition.partition_max_bytes).unwrap_or(0).min(room);
                let is_first = gathered.bytes == 0;
                records = partition.log.read(offset, *end, limit, is_first);
                gathered.bytes += records.bytes;
                room = room.saturating_sub(records.bytes);
            }
            let span = (offset, records.end_offset);
            let answer = self.partition(cluster, &mut gathered.endpoints, wanted, &readable, span);
            gathered.partitions.push((wanted, answer, records));
        }
        for (wanted, error) in &self.missing {
            let readable = Readable::Refused(*error, None);
            let answer = self.partition(cluster, &mut gathered.endpoints, wanted, &readable, (0, 0));
            gathered.partitions.push((wanted, answer, Slices::default()));
        }
        match self.session {
            Session::None => self.answer(gathered, NO_SESSION),
            Session::New => self.begin_session(cluster, gathered, now),
            Session::Known { id, epoch } => self.answer_in_session(cluster, gathered, id, epoch),
        }
    }

    fn begin_session(&self, cluster: &mut Cluster, gathered: Gathered<'_>, now: Duration) -> Outcome {
        let mut partitions = Partitions::default();
        for (wanted, answer, _) in &gathered.partitions {
            partitions.want((*wanted).clone());
            partitions.told(&wanted.key(), answer);
        }
        let uses_topic_ids = self.context.version >= TOPIC_IDS_FROM;
        let node = usize::try_from(self.context.node).unwrap_or(usize::MAX);
        let Cluster { fetch_sessions, random, .. } = cluster;
        let sessions = fetch_sessions.get_mut(node);
        let id = sessions.map_or(NO_SESSION, |sessions| sessions.begin(partitions, uses_topic_ids, random, now));
        self.answer(gathered, id)
    }

    /// Tells only what is news to the session's client.
    fn answer_in_session(&self, cluster: &mut Cluster, mut gathered: Gathered<'_>, id: i32, epoch: i32) -> Outcome {
        let node = usize::try_from(self.context.node).unwrap_or(usize::MAX);
        let mut session = cluster.fetch_sessions.get_mut(node).and_then(|sessions| sessions.get_mut(id));
        if session.as_ref().is_some_and(|session| session.epoch != epoch) {
            // The same request came again meanwhile, on another connection.
            let code = ResponseError::InvalidFetchSessionEpoch.code();
            return FetchResponse::default().with_error_code(code).with_session_id(id).into();
        }
        gathered.partitions.retain(|(wanted, answer, records)| match &mut session {
            Some(session) => session.tell(&wanted.key(), answer, records.bytes),
            // It had to give way to another while this waited.
            None => fetch_sessions::is_news_anyway(answer, records.bytes),
        });
        self.answer(gathered, id)
    }

    /// The answer, partitions of one topic together where they follow one another.
    fn answer(&self, gathered: Gathered<'_>, session_id: i32) -> Outcome {
        let response = FetchResponse::default().with_session_id(session_id).with_node_endpoints(gathered.endpoints);
        let mut answer = Answer { response, records: Vec::with_capacity(gathered.partitions.len()) };
        let topics = &mut answer.response.responses;
        let mut last: Option<&Wanted> = None;
        for (wanted, partition, records) in gathered.partitions {
            if last.is_none_or(|last| last.topic_id != wanted.topic_id || last.name != wanted.name) {
                let topic = FetchableTopicResponse::default();
                topics.push(if self.context.version >= TOPIC_IDS_FROM {
                    topic.with_topic_id(wanted.topic_id)
                } else {
                    topic.with_topic(wanted.name.clone().unwrap_or_default())
                });
            }
            last = Some(wanted);
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(partition);
            }
            answer.records.push(records);
        }
        Outcome::Fetched(Box::new(answer))
    }

    fn isolation(&self) -> Isolation {
        Isolation::of(self.request.isolation_level)
    }

    fn readable<'a>(&self, cluster: &'a Cluster, wanted: &Wanted) -> Readable<'a> {
        let Wanted { topic_id, name, partition: wanted } = wanted;
        let name = name.as_ref().map_or("", |name| name.as_str());
        let topic = cluster.topics.get(name);
        let found = topic.and_then(|topic| topic.partition(wanted.partition));
        if let Some(code) = self.verdict.error_at(name, wanted.partition) {
            return Readable::Refused(ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(0)), found);
        }
        let Some(partition) = found else { return Readable::Refused(ResponseError::UnknownTopicOrPartition, None) };
        if !topic_id.is_nil() && topic.is_some_and(|topic| topic.id != *topic_id) {
            return Readable::Refused(ResponseError::InconsistentTopicId, found);
        }
        let node = self.context.node;
        let checked = if self.context.version >= RACKS_FROM {
            partition.check_replica(node, wanted.current_leader_epoch)
        } else {
            partition.check_leader(node, wanted.current_leader_epoch)
        };
        if let Err(code) = checked {
            return Readable::Refused(code, found);
        }
        if let Some(preferred) = self.nearer_replica(cluster, partition, wanted.fetch_offset) {
            return Readable::Preferred(partition, preferred);
        }
        let log = &partition.log;
        let (start, end) = (log.start_offset(), partition.end_offset_on(node));
        if wanted.last_fetched_epoch >= 0 {
            match log.epochs.end_of(wanted.last_fetched_epoch, end) {
                None => return Readable::Refused(ResponseError::OffsetOutOfRange, found),
                Some(_) if wanted.fetch_offset < start => {
                    return Readable::Refused(ResponseError::OffsetOutOfRange, found);
                }
                Some((epoch, end)) if epoch < wanted.last_fetched_epoch || end < wanted.fetch_offset => {
                    return Readable::Diverged(partition, epoch, end);
                }
                Some(_) => {}
            }
        }
        if !(start..=end).contains(&wanted.fetch_offset) {
            return Readable::Refused(ResponseError::OffsetOutOfRange, found);
        }
        Readable::Log(partition, log.end_for(self.isolation()).min(partition.high_watermark_on(node)))
    }

    /// The replica to which the leader sends a client: one in its rack that has what it wants, unless the leader is
    /// there too. As Kafka's `RackAwareReplicaSelector` chooses, of several the one with the greatest id.
    fn nearer_replica(&self, cluster: &Cluster, partition: &Partition, offset: i64) -> Option<i32> {
        let rack = &self.request.rack_id;
        let is_asked = cluster.config.rack_aware_reads && self.context.version >= RACKS_FROM && !rack.is_empty();
        if !is_asked || partition.leader != self.context.node {
            return None;
        }
        let is_near = |node: i32| cluster.node(node).is_some_and(|node| node.is_up && node.rack.as_ref() == Some(rack));
        if is_near(partition.leader) || offset < partition.log.start_offset() {
            return None;
        }
        let followers = partition.replicas.iter().copied().filter(|node| *node != partition.leader);
        followers
            .filter(|node| is_near(*node) && partition.is_in_sync(*node) && offset <= partition.end_offset_on(*node))
            .max()
    }

    /// The answer for one partition, all but the records, which span these offsets.
    fn partition(
        &self,
        cluster: &Cluster,
        endpoints: &mut Vec<NodeEndpoint>,
        wanted: &Wanted,
        readable: &Readable<'_>,
        (first, end): (i64, i64),
    ) -> PartitionData {
        let index = wanted.partition.partition;
        let answer = PartitionData::default().with_partition_index(index).with_aborted_transactions(None);
        let with_offsets = |answer: PartitionData, partition: &Partition| {
            let log = &partition.log;
            let high_watermark = partition.high_watermark_on(self.context.node);
            let skips_aborted = self.isolation() == Isolation::ReadCommitted;
            answer
                .with_high_watermark(high_watermark)
                .with_last_stable_offset(log.last_stable_offset().min(high_watermark))
                .with_log_start_offset(log.start_offset())
                .with_aborted_transactions(skips_aborted.then(|| aborted(log, first, end)))
        };
        match readable {
            Readable::Log(partition, _) => with_offsets(answer, partition),
            Readable::Preferred(partition, node) => {
                with_offsets(answer, partition).with_preferred_read_replica(BrokerId(*node))
            }
            Readable::Diverged(partition, epoch, end) => with_offsets(answer, partition)
                .with_diverging_epoch(EpochEndOffset::default().with_epoch(*epoch).with_end_offset(*end)),
            Readable::Refused(code, partition) => {
                let mut answer = answer.with_error_code(code.code()).with_high_watermark(-1);
                let is_moved = matches!(code, ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch);
                if let Some(partition) = partition.filter(|_| is_moved && self.context.version >= LEADERS_FROM) {
                    answer.current_leader = LeaderIdAndEpoch::default()
                        .with_leader_id(BrokerId(partition.leader))
                        .with_leader_epoch(partition.leader_epoch);
                    add_endpoint(cluster, endpoints, partition.leader);
                }
                answer
            }
        }
    }
}

/// What was read: of each partition the answer and its records.
#[derive(Default)]
struct Gathered<'a> {
    partitions: Vec<(&'a Wanted, PartitionData, Slices)>,
    endpoints: Vec<NodeEndpoint>,
    bytes: usize,
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

fn add_endpoint(cluster: &Cluster, endpoints: &mut Vec<NodeEndpoint>, leader: i32) {
    if endpoints.iter().any(|known| known.node_id.0 == leader) {
        return;
    }
    if let Some(node) = cluster.node(leader) {
        let endpoint = NodeEndpoint::default().with_node_id(BrokerId(node.id));
        endpoints.push(endpoint.with_host(node.host.clone()).with_port(node.port));
    }
}
