//! Which closed batches go to which broker now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::ProduceRequest;
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::records::HEADER_LEN;
use ottla_wire::{Chunks, Str, Uuid};
use tokio::time::Instant;

use super::sender::{InFlight, Sender, Silence};

/// From this version on a request names topics by their ids (KIP-516).
const TOPIC_IDS: i16 = 13;

/// A Produce unanswered for this long makes the sender ask whether the leader is still the leader.
const SILENT_AFTER: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// One request to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) id: u64,
    pub(super) broker: i32,
    pub(super) request: ProduceRequest,
    /// Of the newest protocol for transactions: an older version tells the broker that it is the older one (edge 27).
    limit: i16,
}

impl Outgoing {
    /// The newest version that has what the request needs: an id for every topic, or else their names.
    pub(super) fn max_version(&self) -> i16 {
        let has_ids = self.request.topic_data.iter().all(|topic| !topic.topic_id.is_zero());
        self.limit.min(if has_ids { i16::MAX } else { TOPIC_IDS - 1 })
    }
}

impl Sender {
    /// The next request that may go out now, with one batch of each partition that is ready, up to
    /// `max.request.size`.
    pub(super) fn take(&mut self, now: Instant) -> Option<Outgoing> {
        if self.policy.idempotent && self.identity.is_none() {
            return None;
        }
        let brokers: Vec<_> = self.ready.iter().filter(|(_, queues)| !queues.is_empty()).map(|(id, _)| *id).collect();
        brokers.into_iter().find_map(|broker| if self.has_room(broker) { self.take_for(broker, now) } else { None })
    }

    /// The next request to one broker. None if none of the queues listed for it has anything to send any more.
    fn take_for(&mut self, broker: i32, now: Instant) -> Option<Outgoing> {
        let id = self.next_request;
        let mut request = ProduceRequest { acks: self.policy.acks, ..ProduceRequest::default() };
        request.transactional_id = self.policy.transactional_id.clone();
        let mut topics = Topics::default();
        let mut batches = Vec::new();
        let mut bytes = 0;
        let listed = self.ready.get(&broker).map_or(0, std::collections::VecDeque::len);
        for _ in 0..listed {
            let Some(index) = self.ready.get_mut(&broker).and_then(std::collections::VecDeque::pop_front) else {
                break;
            };
            let alone = self.policy.max_in_flight == 1;
            let Some(queue) = self.queues.get_mut(&index) else { continue };
            let is_admitted = self.admitted.as_ref().is_none_or(|admitted| admitted.contains(&index));
            let belongs = queue.leader == Some(broker) && queue.retry_at.is_none() && is_admitted;
            let Some(place) = queue.next(self.policy.idempotent, alone).filter(|_| belongs) else {
                if queue.listed == Some(broker) {
                    queue.listed = None;
                }
                self.list(index);
                continue;
            };
            if let Some(identity) = self.identity.filter(|_| self.policy.idempotent) {
                queue.number(place, identity);
            }
            let size = HEADER_LEN + queue.batches[place].size();
            if !batches.is_empty() && bytes + size > self.policy.max_request_size {
                self.ready.entry(broker).or_default().push_front(index);
                break;
            }
            queue.listed = None;
            if let Some(chunks) = queue.batches[place].send(id) {
                bytes += size;
                batches.push((index, queue.batches[place].id, queue.leader_epoch));
                let data = PartitionProduceData { index: queue.slot.partition, records: Some(Chunks(chunks.to_vec())) };
                topics.add(&mut request, &queue.slot.topic, queue.topic_id, data);
            }
            // Its next batch goes with another request, behind the other partitions.
            self.list(index);
        }
        if batches.is_empty() {
            return None;
        }
        self.next_request += 1;
        self.in_flight.insert(id, InFlight { broker, sent: now, batches });
        Some(Outgoing { id, broker, request, limit: self.max_version })
    }

    /// Whether batches of the partition wait to be sent already.
    pub(super) fn waits(&self, slot: usize) -> bool {
        self.queues.get(&slot).is_some_and(|queue| queue.batches.iter().any(|batch| !batch.is_in_flight()))
    }

    /// Bytes for which a broker has room in requests that may be sent now.
    pub(super) fn room(&self, broker: i32) -> usize {
        let requests = self.in_flight.values().filter(|request| request.broker == broker).count();
        self.policy.max_in_flight.saturating_sub(requests).saturating_mul(self.policy.max_request_size)
    }

    fn has_room(&self, broker: i32) -> bool {
        self.in_flight.values().filter(|request| request.broker == broker).count() < self.policy.max_in_flight
    }

    /// Whether nothing can be sent before an answer comes, whatever is added.
    pub(super) fn is_saturated(&self) -> bool {
        !self.in_flight.is_empty() && self.leaders.iter().all(|leader| !self.has_room(*leader))
    }

    /// Brokers that owe an answer for so long that another should be asked who leads now.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<i32> {
        let mut silent = Vec::new();
        let oldest = self.oldest_by_broker();
        self.silences.retain(|broker, _| oldest.contains_key(broker));
        for (broker, sent) in oldest {
            if now < sent + SILENT_AFTER {
                self.silences.remove(&broker);
                continue;
            }
            let silence = self.silences.entry(broker).or_insert(Silence { next_look: now, pause: FIRST_PAUSE });
            if silence.next_look <= now {
                silent.push(broker);
                silence.next_look = now + silence.pause;
                silence.pause = (silence.pause * 2).min(LAST_PAUSE);
            }
        }
        silent
    }

    pub(super) fn next_silence(&self) -> Option<Instant> {
        self.oldest_by_broker()
            .into_iter()
            .map(|(broker, sent)| self.silences.get(&broker).map_or(sent + SILENT_AFTER, |silence| silence.next_look))
            .min()
    }

    fn oldest_by_broker(&self) -> std::collections::BTreeMap<i32, Instant> {
        let mut oldest = std::collections::BTreeMap::new();
        for request in self.in_flight.values() {
            // Requests are numbered in the order they were sent.
            oldest.entry(request.broker).or_insert(request.sent);
        }
        oldest
    }
}

/// Where each topic of a request stands in it.
#[derive(Default)]
struct Topics {
    last: Option<Arc<str>>,
    places: BTreeMap<Arc<str>, usize>,
}

impl Topics {
    fn add(&mut self, request: &mut ProduceRequest, topic: &Arc<str>, topic_id: Uuid, data: PartitionProduceData) {
        let last = request.topic_data.len().wrapping_sub(1);
        let place = match &self.last {
            // As a rule a topic's partitions follow one another.
            Some(same) if same == topic => last,
            _ => *self.places.entry(topic.clone()).or_insert_with(|| {
                let partition_data = Vec::new();
                request.topic_data.push(TopicProduceData { name: Str::from(&**topic), topic_id, partition_data });
                request.topic_data.len() - 1
            }),
        };
        self.last = (place == request.topic_data.len() - 1).then(|| topic.clone());
        request.topic_data[place].partition_data.push(data);
    }
}
