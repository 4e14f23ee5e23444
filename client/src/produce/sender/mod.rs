//! Everything that is on its way: the queues of the partitions, the requests in flight, and when to look again.
//!
//! Split by task: [`request`](super::request) takes what may be sent, [`ack`](super::ack) takes in what came of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::Str;
use ottla_wire::compression::Compression;
use ottla_wire::records::BatchHeader;
use tokio::time::Instant;

use super::batch::{ClosedBatch, Slot};
use super::compress::Sealed;
use super::delivery::{Outcome, Part, Settlement};
use super::queue::{Batch, BatchId, Identity, Queue, State};
use super::split::Piece;
use crate::cluster::Metadata;
use crate::error::{Error, Kind};
use crate::planted::{self, Bug};

/// What the sender goes by.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) acks: i16,
    pub(super) idempotent: bool,
    /// Every batch belongs to a transaction of this id.
    pub(super) transactional_id: Option<Str>,
    pub(super) max_in_flight: usize,
    pub(super) max_request_size: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) retries: u32,
    pub(super) retry_backoff: Duration,
    pub(super) retry_backoff_max: Duration,
}

/// A batch, or a part of one, whose fate is known.
#[derive(Debug)]
pub(super) struct Settled {
    /// None as long as other parts of the batch are on their way.
    pub(super) outcome: Option<(Arc<Outcome>, Settlement, usize)>,
    /// Bytes of the budget to give back.
    pub(super) reserved: usize,
    /// Where the records were, for reuse.
    pub(super) body: Option<bytes::Bytes>,
}

/// A batch that is to be split, off the task that serves the sockets.
#[derive(Debug)]
pub(super) struct ToSplit {
    pub(super) queue: usize,
    pub(super) id: BatchId,
    pub(super) header: BatchHeader,
    pub(super) sealed: Sealed,
    /// What the broker said to it.
    pub(super) error: Error,
}

/// What is known of a batch that was split.
#[derive(Debug)]
struct Parted {
    /// Parts on their way.
    open: usize,
    records: usize,
    settled: BTreeMap<u32, Settlement>,
}

/// All batches between their closing and their settlement.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) policy: Policy,
    /// By the slot's index.
    pub(super) queues: BTreeMap<usize, Queue>,
    /// Queues with something to send, by the broker that leads their partition.
    pub(super) ready: BTreeMap<i32, VecDeque<usize>>,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
    pub(super) next_request: u64,
    /// The producer's id and epoch, once it has them.
    pub(super) identity: Option<Identity>,
    /// The epoch came to its end, or there is none yet: ask the cluster.
    pub(super) wants_identity: bool,
    /// Why there is none yet.
    pub(super) no_identity: Option<Error>,
    /// Queues that wait for their backoff.
    pub(super) retries: BTreeSet<(Instant, usize)>,
    /// Batches by the time they are given up.
    pub(super) expiries: BTreeSet<(Instant, usize, BatchId)>,
    /// Batches not settled, by id: what a flush waits for.
    pub(super) outstanding: BTreeSet<u64>,
    /// Brokers that owe an answer for longer than usual, and when to ask about them again.
    pub(super) silences: BTreeMap<i32, Silence>,
    pub(super) settled: Vec<Settled>,
    /// Some partition has batches and no leader, or its leader changed.
    pub(super) wants_metadata: bool,
    /// Queues whose numbering is to start anew.
    pub(super) renumbering: BTreeSet<usize>,
    /// Brokers that lead a partition with a queue.
    pub(super) leaders: BTreeSet<i32>,
    pub(super) to_split: Vec<ToSplit>,
    /// Batches that were split and are not settled, by their numbers.
    parted: BTreeMap<u64, Parted>,
    /// The only queues that may be sent, where partitions must be added to a transaction first.
    pub(super) admitted: Option<BTreeSet<usize>>,
    /// The newest version of Produce that may be sent.
    pub(super) max_version: i16,
}

/// One Produce request in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) broker: i32,
    pub(super) sent: Instant,
    /// Which batch of which queue, and under which leader epoch.
    pub(super) batches: Vec<(usize, BatchId, i32)>,
}

/// How often metadata was asked for because a broker is silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) next_look: Instant,
    pub(super) pause: Duration,
}

impl Sender {
    pub(super) fn new(policy: Policy) -> Self {
        let wants_identity = policy.idempotent && policy.transactional_id.is_none();
        Self {
            policy,
            queues: BTreeMap::new(),
            ready: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            next_request: 0,
            identity: None,
            wants_identity,
            no_identity: None,
            retries: BTreeSet::new(),
            expiries: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            silences: BTreeMap::new(),
            settled: Vec::new(),
            wants_metadata: false,
            renumbering: BTreeSet::new(),
            leaders: BTreeSet::new(),
            to_split: Vec::new(),
            parted: BTreeMap::new(),
            admitted: None,
            max_version: i16::MAX,
        }
    }

    /// Takes a closed batch in; its body is still to be sealed.
    pub(super) fn add(&mut self, slot: &Arc<Slot>, closed: &ClosedBatch, metadata: &Metadata) {
        let queue = self.queues.entry(slot.index).or_insert_with(|| {
            let mut queue = Queue::new(slot.clone());
            follow_leader(&mut queue, metadata);
            self.leaders.extend(queue.leader);
            queue
        });
        queue.rested(closed.opened);
        let expires = closed.opened.checked_add(self.policy.delivery_timeout);
        if let Some(expires) = expires {
            self.expiries.insert((expires, slot.index, closed.id.into()));
        }
        self.outstanding.insert(closed.id);
        let header = BatchHeader { transactional: self.policy.transactional_id.is_some(), ..closed.header };
        let outcome = closed.outcome.clone();
        queue.batches.push_back(Batch::new(closed.id.into(), header, outcome, expires, closed.body.capacity()));
    }

    /// A batch's bytes are ready. `reserved` is what they take of the budget now.
    /// False if it was given up meanwhile.
    pub(super) fn sealed(&mut self, queue: usize, batch: u64, sealed: Sealed, reserved: usize) -> bool {
        if let Some(queue_) = self.queues.get_mut(&queue)
            && let Some(place) = queue_.place_of(batch.into())
        {
            queue_.batches[place].state = State::Ready(sealed);
            queue_.batches[place].reserved = reserved;
            self.list(queue);
            return true;
        }
        false
    }

    /// The cluster gave the producer an id: numbering starts under it.
    pub(super) fn identified(&mut self, identity: Identity) {
        self.identity = Some(identity);
        self.wants_identity = false;
        self.no_identity = None;
        self.renumber();
        self.list_all();
    }

    /// Takes newer metadata: queues go where their leaders are.
    pub(super) fn on_metadata(&mut self, metadata: &Metadata) {
        let mut moved = Vec::new();
        for (index, queue) in &mut self.queues {
            let (leader, epoch) = (queue.leader, queue.leader_epoch);
            follow_leader(queue, metadata);
            // As long as there is no leader, each answer is a reason to ask again.
            if queue.leader == leader && queue.leader_epoch == epoch && leader.is_some() {
                continue;
            }
            moved.push(*index);
            // With a new leader there is no reason to wait (edge 14).
            if let Some(at) = queue.retry_at.take_if(|_| queue.leader.is_some()) {
                self.retries.remove(&(at, *index));
            }
        }
        self.leaders = self.queues.values().filter_map(|queue| queue.leader).collect();
        self.renumber();
        for index in moved {
            self.list(index);
        }
    }

    /// What is in flight to a leader that is silent and was replaced is of unknown fate at once, and goes, the same and
    /// in order, to the new leader. Returns the brokers whose connections are to be given up.
    pub(super) fn depose(&mut self) -> BTreeSet<i32> {
        let mut deposed = BTreeSet::new();
        if !self.policy.idempotent || self.silences.is_empty() {
            return deposed;
        }
        let mut moved = Vec::new();
        for (id, request) in self.in_flight.iter().filter(|(_, request)| self.silences.contains_key(&request.broker)) {
            for (index, batch, epoch) in &request.batches {
                if let Some(queue) = self.queues.get_mut(index)
                    && queue.leader.is_some_and(|leader| leader != request.broker)
                    && queue.leader_epoch > *epoch
                    && let Some(place) = queue.place_of(*batch)
                    && queue.batches[place].is_in_flight_with(*id)
                {
                    queue.batches[place].again();
                    deposed.insert(request.broker);
                    moved.push(*index);
                }
            }
        }
        self.renumber();
        for index in moved {
            self.list(index);
        }
        deposed
    }

    /// Gives up the batches whose time is over, and looks again at those whose backoff is.
    pub(super) fn on_time(&mut self, now: Instant) {
        while let Some((at, index, batch)) = self.expiries.first().copied().filter(|(at, ..)| *at <= now) {
            self.expiries.remove(&(at, index, batch));
            if planted::has(Bug::NoOutcome) {
                self.outstanding.remove(&batch.batch);
                let queue = self.queues.get_mut(&index);
                let forgotten = queue.and_then(|queue| queue.batches.remove(queue.place_of(batch)?));
                std::mem::forget(forgotten);
                continue;
            }
            let timeout = self.policy.delivery_timeout;
            let no_identity = self.no_identity.clone();
            self.fail(index, batch, |queue, batch| {
                let context = format!(
                    "produce to {}[{}]: not acknowledged within delivery.timeout.ms, {} ms, after {} attempts",
                    queue.topic,
                    queue.partition,
                    timeout.as_millis(),
                    batch.attempts
                );
                match batch.last_error.clone().or(no_identity) {
                    Some(last) => Error::caused_by(Kind::Timeout, context, last),
                    None => Error::new(Kind::Timeout, context),
                }
            });
        }
        while let Some((at, index)) = self.retries.first().copied().filter(|(at, _)| *at <= now) {
            self.retries.remove(&(at, index));
            if let Some(queue) = self.queues.get_mut(&index) {
                queue.retry_at = None;
            }
            self.list(index);
        }
    }

    /// Gives up everything.
    pub(super) fn fail_all(&mut self, error: &Error) {
        let all: Vec<_> = self
            .queues
            .iter()
            .flat_map(|(index, queue)| queue.batches.iter().map(|batch| (*index, batch.id)))
            .collect();
        for (index, batch) in all {
            self.fail(index, batch, |_, _| error.clone());
        }
    }

    /// Gives up one batch. Its numbers, if it had some, are a gap: the broker's refusal of the next mends that.
    pub(super) fn fail(&mut self, index: usize, batch: BatchId, error: impl FnOnce(&Slot, &Batch) -> Error) {
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let Some(place) = queue.place_of(batch) else { return };
        let error = error(&queue.slot, &queue.batches[place]);
        self.settle(index, place, Err(error).into());
    }

    /// Gives up what was never sent: no broker can have written it, and no number is missing without it.
    pub(super) fn fail_unsent(&mut self, error: &Error) {
        let unsent = |queue: &Queue| {
            queue.batches.iter().filter(|batch| !batch.is_numbered()).map(|batch| batch.id).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.queues.iter().map(|(index, queue)| (*index, unsent(queue))).collect();
        for (index, batch) in all.into_iter().flat_map(|(index, ids)| ids.into_iter().map(move |id| (index, id))) {
            self.fail(index, batch, |slot, _| {
                error.clone().within(format_args!("produce to {}[{}]", slot.topic, slot.partition))
            });
        }
    }

    /// Sets a batch aside to be split. What is behind it waits.
    pub(super) fn split(&mut self, index: usize, place: usize, error: Error) {
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let batch = &mut queue.batches[place];
        let (id, header) = (batch.id, batch.header);
        if let State::InFlight(sealed, _) | State::Ready(sealed) = std::mem::replace(&mut batch.state, State::Sealing) {
            tracing::info!(%error, records = header.count, "the batch is split");
            self.to_split.push(ToSplit { queue: index, id, header, sealed, error });
        }
    }

    /// Puts the parts of a batch in its place. The slot's next batches will be no larger than they are.
    pub(super) fn on_split(&mut self, index: usize, id: BatchId, pieces: Vec<(Piece, Sealed)>) {
        let Some(queue) = self.queues.get_mut(&index) else { return };
        // It may have been given up meanwhile.
        let Some(place) = queue.place_of(id) else { return };
        let whole = &queue.batches[place];
        let (expires, outcome, records, numbered) =
            (whole.expires, whole.outcome.clone(), whole.records(), whole.header);
        let mut reserved = whole.reserved;
        if let Some(largest) = pieces.iter().map(|(piece, _)| piece.size).max() {
            queue.slot.limit(largest);
        }
        let parted = self.parted.entry(id.batch).or_insert(Parted { open: 1, records, settled: BTreeMap::new() });
        parted.open += pieces.len() - 1;
        let last = pieces.len() - 1;
        let mut parts = Vec::with_capacity(pieces.len());
        for (nth, (piece, sealed)) in pieces.into_iter().enumerate() {
            let part = BatchId { batch: id.batch, from: id.from + piece.from };
            let share = if nth == last { reserved } else { reserved.min(sealed.body.len()) };
            reserved -= share;
            if let Some(expires) = expires {
                self.expiries.insert((expires, index, part));
            }
            let mut batch = Batch::new(part, piece.header_in(&numbered), outcome.clone(), expires, share);
            batch.state = State::Ready(sealed);
            parts.push(batch);
        }
        drop(outcome);
        queue.replace(place, parts);
        self.list(index);
    }

    /// Takes a batch out; what follows it may go.
    pub(super) fn settle(&mut self, index: usize, place: usize, settlement: Settlement) {
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let Some(batch) = queue.batches.remove(place) else { return };
        if let Settlement::Whole(Ok(written)) = &settlement
            && written.base_offset >= 0
        {
            queue.last_written = written.base_offset + i64::from(batch.header.count) - 1;
        }
        if let Some(expires) = batch.expires {
            self.expiries.remove(&(expires, index, batch.id));
        }
        let body = match batch.state {
            // What a codec wrote has a size of its own, that no batch asks for.
            State::Ready(ref sealed) | State::InFlight(ref sealed, _) if sealed.compression == Compression::None => {
                Some(sealed.body.clone())
            }
            _ => None,
        };
        let outcome = self.joined(&batch, settlement).map(|(settlement, records)| (batch.outcome, settlement, records));
        self.settled.push(Settled { outcome, reserved: batch.reserved, body });
        self.renumber_queue(index);
        self.list(index);
    }

    /// What became of the whole batch with its number of records, once that is known of every part.
    fn joined(&mut self, batch: &Batch, settlement: Settlement) -> Option<(Settlement, usize)> {
        let number = batch.id.batch;
        let Some(parted) = self.parted.get_mut(&number) else {
            self.outstanding.remove(&number);
            return Some((settlement, batch.records()));
        };
        parted.open -= 1;
        parted.settled.insert(batch.id.from, settlement);
        if parted.open > 0 {
            return None;
        }
        self.outstanding.remove(&number);
        let Parted { records, settled, .. } = self.parted.remove(&number)?;
        let parts = settled.into_iter().flat_map(|(start, settlement)| match settlement {
            Settlement::Whole(result) => vec![Part { from: start, result }],
            Settlement::Parts(parts) => {
                parts.into_iter().map(|part| Part { from: start + part.from, ..part }).collect()
            }
        });
        Some((Settlement::Parts(parts.collect()), records))
    }

    /// Puts a queue on its leader's list, if it has something to send.
    pub(super) fn list(&mut self, index: usize) {
        if self.policy.idempotent && self.identity.is_none() {
            return;
        }
        let alone = self.policy.max_in_flight == 1;
        let Some(queue) = self.queues.get_mut(&index) else { return };
        if self.admitted.as_ref().is_some_and(|admitted| !admitted.contains(&index)) {
            return;
        }
        if queue.retry_at.is_some() || queue.next(self.policy.idempotent, alone).is_none() {
            return;
        }
        match queue.leader {
            None => self.wants_metadata = true,
            leader if queue.listed == leader => {}
            Some(leader) => {
                // In one list only, or one request would carry the partition twice.
                if let Some(old) = queue.listed.replace(leader)
                    && let Some(queues) = self.ready.get_mut(&old)
                {
                    queues.retain(|listed| *listed != index);
                }
                self.ready.entry(leader).or_default().push_back(index);
            }
        }
    }

    /// The partition of this queue is a part of the transaction: its batches may be sent.
    pub(super) fn admit(&mut self, index: usize) {
        if let Some(admitted) = &mut self.admitted {
            admitted.insert(index);
        }
        self.list(index);
    }

    fn list_all(&mut self) {
        let all: Vec<_> = self.queues.keys().copied().collect();
        for index in all {
            self.list(index);
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let retry = self.retries.first().map(|(at, _)| *at);
        let expiry = self.expiries.first().map(|(at, ..)| *at);
        let silence = self.next_silence();
        [retry, expiry, silence].into_iter().flatten().min()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }
}

fn follow_leader(queue: &mut Queue, metadata: &Metadata) {
    let Some(topic) = metadata.topics.get(&*queue.slot.topic) else { return };
    queue.topic_id = topic.id;
    match topic.partitions.get(queue.slot.partition as usize) {
        Some(partition) => {
            queue.leader = partition.leader;
            queue.leader_epoch = partition.leader_epoch;
        }
        None => queue.leader = None,
    }
}

#[cfg(test)]
mod tests;
