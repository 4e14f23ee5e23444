//! ShareFetch: records acquired for a member of a share group, at once or when there are some (KIP-932).

use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use kafka_protocol::messages::{BrokerId, ShareFetchRequest, ShareFetchResponse};
use uuid::Uuid;

use super::share_acknowledge::{FINAL, INITIAL, Spoken, acknowledge, is_of_request, who};
use super::{Context, Outcome};
use crate::cluster::topics::{Partition, Topics};
use crate::cluster::{Cluster, Ticket, Timer};
use crate::faults::Verdict;
use crate::log::Isolation;
use crate::share::partition::{Acknowledgement, Asked};
use crate::share::session::{ShareSessions, SharedPartition};

/// A fetch that may have to wait.
#[derive(Debug)]
pub(crate) struct ShareFetch {
    group: String,
    member: String,
    /// Without its topics.
    request: ShareFetchRequest,
    /// What the session has, in order.
    partitions: Vec<SharedPartition>,
    /// What became of the acknowledgements that came with it.
    acknowledged: Vec<(Uuid, i32, i16)>,
    context: Context,
    verdict: Verdict,
}

/// The partitions a fetch is about: those it names, and those of its session.
pub(super) fn targets(
    request: &ShareFetchRequest,
    topics: &Topics,
    sessions: Option<&ShareSessions>,
) -> Vec<(String, i32)> {
    let of = |topic: Uuid, index| (topics.name_of(topic).unwrap_or_default().to_owned(), index);
    let named = request.topics.iter();
    let named = named.flat_map(|topic| topic.partitions.iter().map(|wanted| (topic.topic_id, wanted.partition_index)));
    let mut targets: Vec<(String, i32)> = named.map(|(topic, index)| of(topic, index)).collect();
    if let (Ok(who), Some(sessions)) = (who(request.group_id.as_ref(), request.member_id.as_ref()), sessions) {
        let session = sessions.by_member.get(&who).filter(|_| request.share_session_epoch != INITIAL);
        let known = session.into_iter().flat_map(|session| &session.partitions);
        targets.extend(known.map(|partition| of(partition.topic, partition.index)));
    }
    targets
}

pub(super) fn answer(
    cluster: &mut Cluster,
    ticket: Ticket,
    context: &Context,
    mut request: ShareFetchRequest,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    if let Some(code) = verdict.error().filter(|code| is_of_request(*code)) {
        return ShareFetchResponse::default().with_error_code(code).into();
    }
    let opened = who(request.group_id.as_ref(), request.member_id.as_ref())
        .and_then(|who| Ok((open(cluster, context, &request, &who)?, who)));
    let (partitions, (group, member)) = match opened {
        Ok(opened) => opened,
        Err(error) => return ShareFetchResponse::default().with_error_code(error.code()).into(),
    };
    let mut acknowledged = Vec::new();
    for topic in std::mem::take(&mut request.topics) {
        for partition in topic.partitions.into_iter().filter(|known| !known.acknowledgement_batches.is_empty()) {
            let said = partition.acknowledgement_batches.into_iter().map(|batch| Acknowledgement {
                first: batch.first_offset,
                last: batch.last_offset,
                kinds: batch.acknowledge_types,
            });
            let said: Vec<Acknowledgement> = said.collect();
            let index = partition.partition_index;
            let spoken = Spoken { group: &group, member: &member, topic: topic.topic_id, index };
            let done = acknowledge(cluster, context, verdict, &spoken, &said, now);
            acknowledged.push((topic.topic_id, index, done.err().unwrap_or(0)));
        }
    }
    if request.share_session_epoch == FINAL {
        cluster.release_member(&group, &member, Some(context.node), now);
    }
    cluster.settle_shares();
    let (context, verdict) = (context.clone(), verdict.clone());
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let fetch = ShareFetch { group, member, request, partitions, acknowledged, context, verdict };
    if wait.is_zero() || fetch.partitions.is_empty() || fetch.is_due(cluster, now) {
        return fetch.read(cluster, now);
    }
    let timer = cluster.timers.set(now + wait, Timer::ShareFetch(ticket));
    cluster.share_fetches.insert(ticket, (fetch, timer));
    Outcome::Later
}

/// The partitions of the session, which goes on, begins or ends with this request.
fn open(
    cluster: &mut Cluster,
    context: &Context,
    request: &ShareFetchRequest,
    (group, member): &(String, String),
) -> Result<Vec<SharedPartition>, ResponseError> {
    let sessions = cluster.shares.sessions(context.node);
    let session = match request.share_session_epoch {
        FINAL => {
            sessions.get(group, member)?;
            return Ok(Vec::new());
        }
        INITIAL => {
            let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            if partitions.any(|partition| !partition.acknowledgement_batches.is_empty()) {
                return Err(ResponseError::InvalidRequest);
            }
            sessions.begin(group, member, context.peer.connection)?
        }
        epoch => sessions.advance(group, member, epoch)?,
    };
    for topic in &request.topics {
        for wanted in &topic.partitions {
            session.want(SharedPartition {
                topic: topic.topic_id,
                index: wanted.partition_index,
                max_bytes: wanted.partition_max_bytes,
                must_be_told: false,
            });
        }
    }
    for topic in &request.forgotten_topics_data {
        topic.partitions.iter().for_each(|index| session.forget(topic.topic_id, *index));
    }
    Ok(session.partitions.clone())
}

/// Answers the fetches that wait on a partition and now have something to tell.
pub(crate) fn wake(cluster: &mut Cluster, topic: Uuid, index: i32, now: Duration) {
    let waits = |fetch: &ShareFetch| fetch.partitions.iter().any(|known| (known.topic, known.index) == (topic, index));
    let waiting = cluster.share_fetches.iter().filter(|(_, (fetch, _))| waits(fetch));
    let waiting: Vec<Ticket> = waiting.map(|(ticket, _)| *ticket).collect();
    for ticket in waiting {
        let Some((fetch, timer)) = cluster.share_fetches.remove(&ticket) else { continue };
        if fetch.is_due(cluster, now) {
            cluster.timers.stop(timer);
            let outcome = fetch.read(cluster, now);
            cluster.answer(ticket, outcome, now);
        } else {
            cluster.share_fetches.insert(ticket, (fetch, timer));
        }
    }
}

/// Answers a fetch with what is there.
pub(crate) fn expire(cluster: &mut Cluster, ticket: Ticket, now: Duration) {
    if let Some((fetch, timer)) = cluster.share_fetches.remove(&ticket) {
        cluster.timers.stop(timer);
        let outcome = fetch.read(cluster, now);
        cluster.answer(ticket, outcome, now);
    }
}

/// Who leads a partition now, where an error says that another does.
pub(super) fn leader(cluster: &Cluster, topic: Uuid, index: i32, code: i16) -> Option<(i32, i32)> {
    let moved = [ResponseError::NotLeaderOrFollower, ResponseError::FencedLeaderEpoch];
    let name = cluster.topics.name_of(topic).filter(|_| moved.iter().any(|error| error.code() == code))?;
    cluster.topics.partition(name, index).map(|partition| (partition.leader, partition.leader_epoch))
}

impl ShareFetch {
    /// True if there is enough to acquire, errors alone to tell, or nobody left to acquire for.
    fn is_due(&self, cluster: &mut Cluster, now: Duration) -> bool {
        if !self.has_session(cluster) {
            return true;
        }
        let mut bytes = 0;
        let mut has_readable = false;
        for wanted in &self.partitions {
            let Ok(name) = self.find(cluster, wanted) else { continue };
            has_readable = true;
            let batches = self.batches(cluster, wanted, &name, usize::MAX, now);
            let mut trial = match cluster.shares.partitions.get(&self.place(wanted)) {
                Some(shared) => shared.clone(),
                None => continue,
            };
            let settings = cluster.shares.settings(&self.group);
            if trial.acquire(self.asked(usize::MAX), &batches, &settings, now).is_empty() {
                continue;
            }
            let next = batches.first().map_or(0, |(base, _)| *base);
            let enough = usize::try_from(self.request.min_bytes).unwrap_or(0).max(1);
            let partition = cluster.topics.partition(&name, wanted.index);
            bytes += partition.map_or(0, |known| known.log.readable_bytes(next, i64::MAX, enough));
        }
        let enough = usize::try_from(self.request.min_bytes).unwrap_or(0).max(1);
        !has_readable || bytes >= enough
    }

    /// False if the member's session ended while this waited.
    fn has_session(&self, cluster: &mut Cluster) -> bool {
        cluster.shares.sessions(self.context.node).get(&self.group, &self.member).is_ok()
    }

    fn asked(&self, records: usize) -> Asked<'_> {
        let batch_size = usize::try_from(self.request.batch_size).unwrap_or(0).max(1);
        Asked { member: &self.member, records, batch_size }
    }

    fn place(&self, wanted: &SharedPartition) -> (String, Uuid, i32) {
        (self.group.clone(), wanted.topic, wanted.index)
    }

    /// The name of a topic of which this node leads the partition.
    fn find(&self, cluster: &Cluster, wanted: &SharedPartition) -> Result<String, i16> {
        let name = cluster.topics.name_of(wanted.topic);
        if let Some(code) = self.verdict.error_at(name.unwrap_or_default(), wanted.index) {
            return Err(code);
        }
        let name = name.ok_or(ResponseError::UnknownTopicId.code())?;
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        let partition = cluster.topics.partition(name, wanted.index).ok_or(unknown)?;
        partition.check_leader(self.context.node, -1).map_err(|error| error.code())?;
        Ok(name.to_owned())
    }

    /// The batches to acquire records of: first and last offset of each.
    fn batches(
        &self,
        cluster: &mut Cluster,
        wanted: &SharedPartition,
        name: &str,
        room: usize,
        now: Duration,
    ) -> Vec<(i64, i64)> {
        let Some(shared) = cluster.share_partition(&self.place(wanted), name, now) else { return Vec::new() };
        let offset = shared.next_offset();
        let spans = |partition: &Partition| {
            let end = partition.log.end_for(Isolation::ReadUncommitted);
            partition.log.spans(offset, end, room)
        };
        cluster.topics.partition(name, wanted.index).map(spans).unwrap_or_default()
    }

    /// Acquires what there is now, and tells what is news to the session's member.
    fn read(&self, cluster: &mut Cluster, now: Duration) -> Outcome {
        let settings = cluster.shares.settings(&self.group);
        let max_records = usize::try_from(self.request.max_records).unwrap_or(0);
        let mut records_left = if self.has_session(cluster) { max_records } else { 0 };
        let mut bytes_left = usize::try_from(self.request.max_bytes).unwrap_or(0);
        let mut told = Vec::new();
        for wanted in &self.partitions {
            let mut answer = PartitionData::default().with_partition_index(wanted.index);
            answer.records = Some(bytes::Bytes::new());
            match self.find(cluster, wanted) {
                Err(code) => answer.error_code = code,
                Ok(name) if records_left > 0 && bytes_left > 0 => {
                    let batches = self.batches(cluster, wanted, &name, bytes_left, now);
                    let shared = cluster.shares.partitions.get_mut(&self.place(wanted));
                    let acquired = shared
                        .map(|shared| shared.acquire(self.asked(records_left), &batches, &settings, now))
                        .unwrap_or_default();
                    let count = acquired.iter().map(|range| range.last - range.first + 1).sum::<i64>();
                    records_left = records_left.saturating_sub(usize::try_from(count).unwrap_or(0));
                    if let (Some(first), Some(last)) = (acquired.first(), acquired.last()) {
                        let log = cluster.topics.partition(&name, wanted.index).map(|partition| &partition.log);
                        let slices = log.map(|log| log.read(first.first, last.last + 1, usize::MAX, true));
                        let parts = slices.map(|slices| slices.parts).unwrap_or_default();
                        let records = parts.iter().fold(BytesMut::new(), |mut all, part| {
                            all.extend_from_slice(part);
                            all
                        });
                        bytes_left = bytes_left.saturating_sub(records.len());
                        answer.records = Some(records.freeze());
                    }
                    let range = |range: &crate::share::partition::Acquired| {
                        AcquiredRecords::default()
                            .with_first_offset(range.first)
                            .with_last_offset(range.last)
                            .with_delivery_count(range.deliveries)
                    };
                    answer.acquired_records = acquired.iter().map(range).collect();
                }
                Ok(_) => {}
            }
            told.push((wanted.topic, answer));
        }
        cluster.settle_shares();
        self.tell(cluster, told, settings.lock)
    }

    fn tell(&self, cluster: &mut Cluster, mut told: Vec<(Uuid, PartitionData)>, lock: Duration) -> Outcome {
        let epoch = self.request.share_session_epoch;
        let session = cluster.shares.sessions(self.context.node).get(&self.group, &self.member).ok();
        if let Some(session) = session {
            told.retain(|(topic, answer)| {
                let has_records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
                let is_news = session.tell(*topic, answer.partition_index, answer.error_code != 0, has_records);
                is_news || epoch == INITIAL
            });
        }
        for (topic, index, code) in &self.acknowledged {
            let same =
                |(known, answer): &&mut (Uuid, PartitionData)| (*known, answer.partition_index) == (*topic, *index);
            match told.iter_mut().find(same) {
                Some((_, answer)) => answer.acknowledge_error_code = *code,
                None => {
                    let answer = PartitionData::default().with_partition_index(*index);
                    let answer = answer.with_records(Some(bytes::Bytes::new())).with_acknowledge_error_code(*code);
                    told.push((*topic, answer));
                }
            }
        }
        let lock = i32::try_from(lock.as_millis()).unwrap_or(i32::MAX);
        let mut response = ShareFetchResponse::default().with_acquisition_lock_timeout_ms(lock);
        for (topic, mut answer) in told {
            if let Some((leader, epoch)) = leader(cluster, topic, answer.partition_index, answer.error_code) {
                answer.current_leader = LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch);
                add_endpoint(cluster, &mut response, leader);
            }
            match response.responses.iter_mut().find(|known| known.topic_id == topic) {
                Some(known) => known.partitions.push(answer),
                None => {
                    let known = ShareFetchableTopicResponse::default().with_topic_id(topic);
                    response.responses.push(known.with_partitions(vec![answer]));
                }
            }
        }
        response.into()
    }
}

fn add_endpoint(cluster: &Cluster, response: &mut ShareFetchResponse, leader: i32) {
    if response.node_endpoints.iter().any(|known| known.node_id.0 == leader) {
        return;
    }
    if let Some(node) = cluster.node(leader) {
        let endpoint = NodeEndpoint::default().with_node_id(BrokerId(node.id));
        response.node_endpoints.push(endpoint.with_host(node.host.clone()).with_port(node.port));
    }
}
