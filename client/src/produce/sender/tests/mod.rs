#![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
use ottla_wire::messages::ProduceResponse;
use ottla_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_wire::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use ottla_wire::messages::{MetadataResponse, ProduceRequest};
use ottla_wire::records::{BatchHeader, batches};
use ottla_wire::{Code, Uuid};

use super::*;
use crate::cluster::Metadata;
use crate::produce::delivery::{Delivery, Unreported};
use crate::produce::request::Outgoing;

mod apart;
mod refused_numbers;

const IDENTITY: Identity = Identity { id: 7, epoch: 0 };

/// A sender, one topic, and the time.
struct Fixture {
    sender: Sender,
    metadata: Metadata,
    slots: Vec<Arc<Slot>>,
    now: Instant,
    next_batch: u64,
    /// What answers say is the log's first offset.
    log_start: i64,
    /// The leaders have written nothing of this producer yet.
    is_unknown: bool,
    random: fastrand::Rng,
}

impl Fixture {
    /// Partition n of `orders` is led by `leaders[n]`.
    fn new(leaders: &[i32]) -> Self {
        Self::with(leaders, |_| {})
    }

    fn with(leaders: &[i32], adjust: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy {
            acks: -1,
            idempotent: true,
            transactional_id: None,
            max_in_flight: 5,
            max_request_size: 10_000,
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
        };
        adjust(&mut policy);
        let slots = (0..leaders.len()).map(|n| Arc::new(Slot::new("orders".into(), n as i32, n))).collect();
        let mut fixture = Self {
            sender: Sender::new(policy),
            metadata: Metadata::default(),
            slots,
            now: Instant::now(),
            next_batch: 0,
            log_start: 0,
            is_unknown: false,
            random: fastrand::Rng::with_seed(7),
        };
        fixture.lead(leaders, 0);
        if fixture.sender.policy.idempotent {
            fixture.sender.identified(IDENTITY);
        }
        fixture
    }

    /// Metadata names these leaders. Returns whose connections are given up.
    fn lead(&mut self, leaders: &[i32], epoch: i32) -> BTreeSet<i32> {
        let partitions = (0..).zip(leaders).map(|(index, leader)| MetadataResponsePartition {
            partition_index: index,
            leader_id: *leader,
            leader_epoch: epoch,
            ..MetadataResponsePartition::default()
        });
        let response = MetadataResponse {
            brokers: (1..=3)
                .map(|id| MetadataResponseBroker {
                    node_id: id,
                    host: "b".into(),
                    port: 9092,
                    ..MetadataResponseBroker::default()
                })
                .collect(),
            topics: vec![MetadataResponseTopic {
                name: Some("orders".into()),
                topic_id: Uuid([9; 16]),
                partitions: partitions.collect(),
                ..MetadataResponseTopic::default()
            }],
            ..MetadataResponse::default()
        };
        self.metadata = self.metadata.merged(&response);
        self.sender.on_metadata(&self.metadata);
        self.sender.depose()
    }

    /// A batch of `count` records for a partition, closed and sealed. Its first record's delivery.
    fn batch(&mut self, partition: usize, count: i32, bytes: usize) -> Delivery {
        let slot = self.slots[partition].clone();
        let outcome = Outcome::new(slot.clone(), Arc::<Unreported>::default());
        let delivery = Delivery::new(outcome.clone(), 0, 0);
        let id = self.next_batch;
        self.next_batch += 1;
        let header = BatchHeader { count, last_offset_delta: count - 1, ..BatchHeader::default() };
        let closed = ClosedBatch { id, header, body: vec![0; bytes], outcome, opened: self.now };
        self.add(&slot, &closed);
        self.sender.sealed(slot.index, id, Sealed::plain(closed.body), bytes);
        delivery
    }

    fn add(&mut self, slot: &Arc<Slot>, closed: &ClosedBatch) {
        self.sender.add(slot, closed, &self.metadata);
        if let Some(queue) = self.sender.queues.get_mut(&slot.index)
            && let Some(leader) = queue.leader.filter(|_| !self.is_unknown)
        {
            queue.is_known_to(leader, IDENTITY.id, self.now);
        }
    }

    fn take(&mut self) -> Option<Outgoing> {
        self.sender.take(self.now)
    }

    fn reply(&mut self, to: &Outgoing, code: Code, base_offset: i64) {
        self.reply_with(to, |answer| (answer.error_code, answer.base_offset) = (code, base_offset));
    }

    fn reply_with(&mut self, to: &Outgoing, answer: impl Fn(&mut PartitionProduceResponse)) {
        let partition_responses = partitions(to)
            .into_iter()
            .map(|index| {
                let log_start_offset = self.log_start;
                let mut given = PartitionProduceResponse { index, log_start_offset, ..Default::default() };
                answer(&mut given);
                given
            })
            .collect();
        let topic =
            TopicProduceResponse { name: "orders".into(), partition_responses, ..TopicProduceResponse::default() };
        let response = ProduceResponse { responses: vec![topic], ..ProduceResponse::default() };
        self.sender.on_reply(to.id, &Ok(Some(response)), self.now, &mut self.random);
        self.settle();
    }

    fn lose(&mut self, request: &Outgoing) {
        let error = Error::new(Kind::Connection, "connection lost");
        self.sender.on_reply(request.id, &Err(error), self.now, &mut self.random);
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sender.on_time(self.now);
        self.settle();
    }

    fn settle(&mut self) {
        for settled in self.sender.settled.drain(..) {
            if let Some((outcome, settlement, records)) = settled.outcome {
                outcome.settle(settlement, records);
            }
        }
    }
}

fn partitions(outgoing: &Outgoing) -> Vec<i32> {
    outgoing.request.topic_data.iter().flat_map(|topic| &topic.partition_data).map(|data| data.index).collect()
}

/// The batches of a request as their headers' (epoch, sequence).
fn numbers(request: &ProduceRequest) -> Vec<(i16, i32)> {
    request
        .topic_data
        .iter()
        .flat_map(|topic| &topic.partition_data)
        .map(|data| {
            let bytes = data.records.as_ref().unwrap().0.concat();
            let batch = batches(bytes.into()).next().unwrap().unwrap();
            batch.check_crc().unwrap();
            (batch.header.producer_epoch, batch.header.base_sequence)
        })
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_request_carries_one_batch_of_each_ready_partition() {
    let mut fixture = Fixture::new(&[1, 1, 2]);
    for partition in [0, 1, 2, 0] {
        fixture.batch(partition, 1, 100);
    }
    let first = fixture.take().unwrap();
    assert_eq!((first.broker, partitions(&first)), (1, vec![0, 1]));
    let second = fixture.take().unwrap();
    assert_eq!((second.broker, partitions(&second)), (1, vec![0]));
    let third = fixture.take().unwrap();
    assert_eq!((third.broker, partitions(&third)), (2, vec![2]));
    assert!(fixture.take().is_none());
}

#[test]
fn a_request_stays_within_max_request_size_but_for_one_batch() {
    let mut fixture = Fixture::new(&[1, 1, 1]);
    for (partition, bytes) in [(0, 6_000), (1, 6_000), (2, 20_000)] {
        fixture.batch(partition, 1, bytes);
    }
    let requests: Vec<_> = std::iter::from_fn(|| fixture.take()).map(|request| partitions(&request)).collect();
    assert_eq!(requests, [[0], [1], [2]]);
}

#[test]
fn no_more_requests_than_allowed_are_in_flight() {
    let mut fixture = Fixture::with(&[1], |policy| policy.max_in_flight = 2);
    for _ in 0..3 {
        fixture.batch(0, 1, 100);
    }
    let first = fixture.take().unwrap();
    fixture.take().unwrap();
    assert!(fixture.take().is_none());
    assert!(fixture.sender.is_saturated());
    fixture.reply(&first, Code::None, 0);
    assert!(fixture.take().is_some());
}

/// edge 1: what comes behind a failed batch is refused as out of order, and goes again behind it.
#[test]
fn batches_behind_a_failed_one_are_sent_again_in_order() {
    let mut fixture = Fixture::new(&[1]);
    let mut deliveries: Vec<_> = (0..3).map(|_| fixture.batch(0, 2, 100)).collect();
    let sent: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    fixture.reply(&sent[0], Code::NotEnoughReplicas, -1);
    fixture.reply(&sent[1], Code::OutOfOrderSequenceNumber, -1);
    fixture.reply(&sent[2], Code::OutOfOrderSequenceNumber, -1);
    assert!(fixture.take().is_none(), "the backoff");
    fixture.pass(SECOND);
    let again: Vec<_> = std::iter::from_fn(|| fixture.take()).collect();
    assert_eq!(
        again.iter().flat_map(|request| numbers(&request.request)).collect::<Vec<_>>(),
        [(0, 0), (0, 2), (0, 4)]
    );
    for (offset, request) in [0, 2, 4].into_iter().zip(&again) {
        fixture.reply(request, Code::None, offset);
    }
    let offsets: Vec<_> = deliveries.iter_mut().map(|delivery| delivery.now().unwrap().unwrap().offset()).collect();
    assert_eq!(offsets, [Some(0), Some(2), Some(4)]);
}

/// edge 4: a repeated batch was written before.
#[test]
fn a_duplicate_is_a_success_of_unknown_offset() {
    let mut fixture = Fixture::new(&[1]);
    let mut delivery = fixture.batch(0, 1, 100);
    let lost = fixture.take().unwrap();
    fixture.lose(&lost);
    fixture.pass(SECOND);
    let again = fixture.take().unwrap();
    assert_eq!(again.request.topic_data, lost.request.topic_data, "edge 5: byte for byte");
    fixture.reply(&again, Code::DuplicateSequenceNumber, -1);
    assert_eq!(delivery.now().unwrap().unwrap().offset(), None);
}

/// edge 12: the time counts from the first record, retries and waiting included.
#[test]
fn a_batch_is_given_up_after_the_delivery_timeout_with_its_last_error() {
    let mut fixture = Fixture::new(&[1]);
    let mut delivery = fixture.batch(0, 1, 100);
    let sent = fixture.take().unwrap();
    fixture.reply(&sent, Code::NotEnoughReplicas, -1);
    fixture.pass(Duration::from_secs(120));
    let error = delivery.now().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.to_string().contains("orders[0]") && error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
    assert!(fixture.sender.is_idle());
}

#[test]
fn retries_end_when_there_are_none_left() {
    let mut fixture = Fixture::with(&[1], |policy| (policy.idempotent, policy.retries) = (false, 1));
    let mut delivery = fixture.batch(0, 1, 100);
    for _ in 0..2 {
        let sent = fixture.take().unwrap();
        fixture.reply(&sent, Code::NotEnoughReplicas, -1);
        fixture.pass(SECOND);
    }
    assert_eq!(delivery.now().unwrap().unwrap_err().code(), Some(Code::NotEnoughReplicas));
}

/// edge 14: a new leader is tried at once, the old one after the backoff.
#[test]
fn a_new_leader_needs_no_backoff() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    let sent = fixture.take().unwrap();
    fixture.reply(&sent, Code::NotLeaderOrFollower, -1);
    assert!(fixture.sender.wants_metadata);
    fixture.lead(&[1], 0);
    assert!(fixture.take().is_none(), "nothing new");
    fixture.lead(&[2], 1);
    assert_eq!(fixture.take().unwrap().broker, 2);
}

/// edge 76: without a leader there is nobody to send to.
#[test]
fn a_partition_without_a_leader_waits_for_one() {
    let mut fixture = Fixture::new(&[-1]);
    fixture.batch(0, 1, 100);
    assert!(fixture.take().is_none());
    assert!(fixture.sender.wants_metadata);
    fixture.lead(&[3], 1);
    assert_eq!(fixture.take().unwrap().broker, 3);
}

#[test]
fn a_silent_leader_that_was_replaced_is_not_waited_for() {
    let mut fixture = Fixture::new(&[1, 1]);
    let mut moved = fixture.batch(0, 1, 100);
    fixture.batch(1, 1, 100);
    let silent = fixture.take().unwrap();
    assert_eq!(fixture.sender.silent(fixture.now), [0; 0], "half a second is patience");
    fixture.pass(Duration::from_millis(500));
    assert_eq!(fixture.sender.silent(fixture.now), [1]);
    assert_eq!(fixture.sender.silent(fixture.now), [0; 0], "asked once");
    fixture.pass(Duration::from_millis(250));
    assert_eq!(fixture.sender.silent(fixture.now), [1], "and again after a quarter second");

    assert_eq!(fixture.lead(&[2, 1], 1), [1].into(), "its connection is given up");
    let again = fixture.take().unwrap();
    assert_eq!((again.broker, partitions(&again)), (2, vec![0]), "only what has a new leader");
    assert_eq!(numbers(&again.request), [(0, 0)]);
    fixture.reply(&silent, Code::None, 5);
    assert!(moved.now().is_none(), "a late answer of the old leader counts for nothing");
    fixture.reply(&again, Code::None, 8);
    assert_eq!(moved.now().unwrap().unwrap().offset(), Some(8));
}

#[test]
fn a_leader_that_answers_in_time_is_not_given_up_when_it_is_replaced() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    fixture.take().unwrap();
    assert!(fixture.lead(&[2], 1).is_empty());
}

/// edge 86: once the time has been dealt with, the next look is later: a timer never fires twice for one moment.
#[test]
fn the_next_look_is_always_in_the_future() {
    let mut fixture = Fixture::new(&[1, 2]);
    for step in 0..2_000_u64 {
        if step % 3 == 0 {
            fixture.batch((step % 2) as usize, 1, 100);
        }
        while let Some(sent) = fixture.take() {
            match step % 5 {
                0 => fixture.reply(&sent, Code::NotEnoughReplicas, -1),
                1 => fixture.lose(&sent),
                2 => {}
                _ => fixture.reply(&sent, Code::None, 0),
            }
        }
        fixture.pass(Duration::from_micros(step * 377 % 5_000));
        fixture.sender.silent(fixture.now);
        assert!(fixture.sender.wake_at().is_none_or(|at| at > fixture.now), "step {step}");
    }
}

#[test]
fn a_queue_that_moved_away_holds_up_no_other_broker() {
    let mut fixture = Fixture::with(&[1, 1, 2], |policy| policy.max_in_flight = 1);
    fixture.batch(0, 1, 100);
    let first = fixture.take().unwrap();
    fixture.batch(1, 1, 100);
    fixture.lead(&[1, 3, 2], 1);
    assert_eq!(fixture.take().unwrap().broker, 3);
    fixture.reply(&first, Code::None, 0);
    fixture.batch(2, 1, 100);
    assert_eq!(fixture.take().map(|outgoing| outgoing.broker), Some(2));
}

/// edge 76: as long as there is no leader, it is asked for.
#[test]
fn each_answer_without_a_leader_is_a_reason_to_ask_again() {
    let mut fixture = Fixture::new(&[-1]);
    fixture.batch(0, 1, 100);
    assert!(std::mem::take(&mut fixture.sender.wants_metadata));
    fixture.lead(&[-1], 0);
    assert!(fixture.sender.wants_metadata);
}

#[test]
fn a_leader_replaced_before_it_was_silent_is_given_up_when_it_is() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    fixture.take().unwrap();
    fixture.lead(&[2], 1);
    fixture.batch(0, 1, 100);
    let second = fixture.take().unwrap();
    fixture.reply(&second, Code::OutOfOrderSequenceNumber, -1);
    assert!(fixture.take().is_none(), "the first is still open: to send the second again would be in vain");
    fixture.pass(SECOND);
    assert_eq!(fixture.sender.silent(fixture.now), [1]);
    assert_eq!(fixture.sender.depose(), [1].into());
    let again: Vec<_> =
        std::iter::from_fn(|| fixture.take()).map(|request| (request.broker, numbers(&request.request))).collect();
    assert_eq!(again, [(2, vec![(0, 0)]), (2, vec![(0, 1)])]);
}

#[test]
fn a_request_never_carries_one_partition_twice() {
    let mut fixture = Fixture::with(&[1, 2, 1], |policy| (policy.idempotent, policy.max_in_flight) = (false, 2));
    let mut sent = Vec::new();
    for partition in [2, 2, 1, 1] {
        fixture.batch(partition, 1, 100);
        sent.push(fixture.take().unwrap());
    }
    fixture.batch(0, 1, 100);
    fixture.batch(0, 1, 100);
    fixture.lead(&[2, 2, 1], 1);
    fixture.lead(&[1, 2, 1], 2);
    fixture.reply(&sent[0], Code::None, 0);
    assert_eq!(partitions(&fixture.take().unwrap()), [0]);
}

/// edge 5: a batch that was refused now may have been written before.
#[test]
fn numbers_of_a_batch_of_unknown_fate_are_not_used_again() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    let first = fixture.take().unwrap();
    fixture.lose(&first);
    fixture.pass(SECOND);
    let second = fixture.take().unwrap();
    fixture.reply(&second, Code::TopicAuthorizationFailed, -1);
    fixture.batch(0, 1, 100);
    let third = fixture.take().unwrap();
    assert_ne!(numbers(&third.request), numbers(&first.request));
}

/// edge 14, KIP-951: an answer names the new leader, and where it is.
#[test]
fn an_answer_names_the_new_leader_and_its_address() {
    let mut fixture = Fixture::new(&[1]);
    fixture.batch(0, 1, 100);
    let sent = fixture.take().unwrap();
    let partition = PartitionProduceResponse {
        error_code: Code::NotLeaderOrFollower,
        current_leader: LeaderIdAndEpoch { leader_id: 9, leader_epoch: 4 },
        ..PartitionProduceResponse::default()
    };
    let topic = TopicProduceResponse {
        name: "orders".into(),
        partition_responses: vec![partition],
        ..TopicProduceResponse::default()
    };
    let endpoint = NodeEndpoint { node_id: 9, host: "new".into(), port: 9092, rack: Some("a".into()) };
    let response =
        ProduceResponse { responses: vec![topic], node_endpoints: vec![endpoint], ..ProduceResponse::default() };
    let leaders = fixture.sender.on_reply(sent.id, &Ok(Some(response)), fixture.now, &mut fixture.random);
    let new = &leaders[0];
    assert_eq!((&*new.topic, new.partition, new.leader, new.epoch), ("orders", 0, 9, 4));
    let broker = new.broker.clone().unwrap();
    assert_eq!((broker.address.to_string(), broker.rack), ("new:9092".into(), Some("a".into())));
}
