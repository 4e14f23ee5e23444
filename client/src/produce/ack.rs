//! What came of a request: batches written, to be sent again, split, or failed; and what a broker's refusal of a
//! sequence number says of the batches before it.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_wire::Code;
use ottla_wire::messages::ProduceResponse;
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use tokio::time::Instant;

use super::delivery::{Part, Settlement, Written};
use super::queue::{Batch, Identity, Queue, Renumber};
use super::sender::Sender;
use crate::cluster::Broker;
use crate::connection::Backoff;
use crate::error::{Error, Kind};
use crate::net::Address;
use crate::planted::{self, Bug};

/// The markers of the transaction before are still being written: that takes moments (edge 22).
const CONCURRENT_TRANSACTIONS_BACKOFF: Duration = Duration::from_millis(20);

/// A leader that an answer named (KIP-951).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NewLeader {
    pub(super) topic: std::sync::Arc<str>,
    pub(super) partition: i32,
    pub(super) leader: i32,
    pub(super) epoch: i32,
    /// Where it is, if the answer says so.
    pub(super) broker: Option<Broker>,
}

/// What became of one batch.
enum Verdict {
    Settled(Settlement),
    /// Sent again, after a backoff or as soon as what is before it is through.
    Again {
        error: Error,
        wait: Wait,
    },
    /// Too large for the broker: sent again in parts.
    Split(Error),
}

/// How long a batch waits before it is sent again.
#[derive(Clone, Copy)]
enum Wait {
    /// Longer each time.
    Backoff,
    /// Always this long.
    For(Duration),
    /// Until what is before it was sent again.
    Turn,
}

impl Verdict {
    fn failed(error: Error) -> Self {
        Self::Settled(Err(error).into())
    }

    fn written(base_offset: i64, append_time: i64) -> Self {
        Self::Settled(Ok(Written { base_offset, append_time }).into())
    }
}

impl Sender {
    /// Takes the outcome of a request in. Returns the leaders that the answer named.
    pub(super) fn on_reply(
        &mut self,
        request: u64,
        outcome: &Result<Option<ProduceResponse>, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Vec<NewLeader> {
        let Some(sent) = self.in_flight.remove(&request) else { return Vec::new() };
        let answers = outcome.as_ref().map_or_else(|_| None, |response| response.as_ref().map(Answers::of));
        let mut leaders = Vec::new();
        for (index, id, _) in sent.batches {
            let Some(queue) = self.queues.get(&index) else { continue };
            // A batch that was given up, or sent to another broker meanwhile, has another story now.
            let Some(place) = queue.place_of(id).filter(|place| queue.batches[*place].is_in_flight_with(request))
            else {
                continue;
            };
            let verdict = match (outcome, &answers) {
                (Err(_), _) if planted::has(Bug::LostWrite) => Verdict::written(-1, -1),
                (Err(error), _) => {
                    let error = error.clone().within(format!("produce to {}", queue.name()));
                    if error.is_retriable() || error.kind() == Kind::Protocol || error.kind() == Kind::Closed {
                        Verdict::Again { error, wait: Wait::Backoff }
                    } else {
                        Verdict::failed(error)
                    }
                }
                (Ok(_), None) => Verdict::written(-1, -1),
                (Ok(_), Some(answers)) => match answers.for_queue(queue) {
                    Some(answer) => {
                        leaders.extend(new_leader(answer, queue, outcome));
                        self.judge(index, place, answer, sent.broker, request)
                    }
                    None => {
                        let context =
                            format!("produce to {}: broker {} left it out of its answer", queue.name(), sent.broker);
                        Verdict::Again { error: Error::new(Kind::Protocol, context), wait: Wait::Backoff }
                    }
                },
            };
            let is_written = matches!(&verdict, Verdict::Settled(settlement) if settlement.failure().is_none());
            if let Some(queue) = self.queues.get_mut(&index).filter(|_| is_written) {
                queue.is_known_to(sent.broker, queue.batches[place].header.producer_id, now);
            }
            self.carry_out(index, place, verdict, now, random);
        }
        self.renumber();
        leaders
    }

    /// What an answer means for its batch.
    fn judge(
        &mut self,
        index: usize,
        place: usize,
        answer: &PartitionProduceResponse,
        broker: i32,
        request: u64,
    ) -> Verdict {
        let Some(queue) = self.queues.get_mut(&index) else { return Verdict::written(-1, -1) };
        let code = answer.error_code;
        let context = || match &answer.error_message {
            Some(message) => format!("produce to {} on broker {broker}: {message}", queue.name()),
            None => format!("produce to {} on broker {broker}", queue.name()),
        };
        match code {
            Code::None => Verdict::written(answer.base_offset, answer.log_append_time_ms),
            // Written before, by an attempt whose answer was lost (edge 4).
            Code::DuplicateSequenceNumber => Verdict::written(-1, -1),
            Code::OutOfOrderSequenceNumber | Code::UnknownProducerId | Code::InvalidProducerEpoch
                if self.policy.idempotent =>
            {
                let error = Error::broker(code, context());
                self.judge_number(index, place, answer, error, request)
            }
            Code::MessageTooLarge if queue.batches[place].records() > 1 => {
                Verdict::Split(Error::broker(code, context()))
            }
            Code::ConcurrentTransactions => Verdict::Again {
                error: Error::broker(code, context()),
                wait: Wait::For(CONCURRENT_TRANSACTIONS_BACKOFF.min(self.policy.retry_backoff)),
            },
            code if code.retriable() => {
                self.wants_metadata |= code.refreshes_metadata();
                Verdict::Again { error: Error::broker(code, context()), wait: Wait::Backoff }
            }
            _ if answer.record_errors.is_empty() => Verdict::failed(Error::broker(code, context())),
            _ => Verdict::Settled(refused_records(answer, queue.batches[place].records(), &context())),
        }
    }

    /// What it means that the broker does not take the producer's number, epoch or id.
    fn judge_number(
        &mut self,
        index: usize,
        place: usize,
        answer: &PartitionProduceResponse,
        error: Error,
        request: u64,
    ) -> Verdict {
        let Some(queue) = self.queues.get_mut(&index) else { return Verdict::failed(error) };
        let renumber = match answer.error_code {
            // The one before it failed and is sent again first (edge 1).
            Code::OutOfOrderSequenceNumber if queue.is_behind_another(place) => {
                queue.batches[place].refused_with = Some(request);
                return Verdict::Again { error, wait: Wait::Turn };
            }
            // The partition moved while the answer was written: it is asked again until that is known (edge 7).
            Code::UnknownProducerId if answer.log_start_offset < 0 => {
                return Verdict::Again { error, wait: Wait::Backoff };
            }
            // All that the producer wrote has been deleted since, and with it what was known of the producer (edge 7).
            Code::UnknownProducerId
                if self.policy.transactional_id.is_some() && queue.last_written < answer.log_start_offset =>
            {
                Renumber::SameEpoch
            }
            // Within a transaction nothing may be missing: it is to be aborted (edges 3, 9).
            _ if self.policy.transactional_id.is_some() => return Verdict::failed(error),
            // Nothing before it is open: what was before is lost or was given up, so the numbers start anew (edge 3).
            _ => Renumber::NextEpoch,
        };
        queue.renumber = Some(renumber);
        self.renumbering.insert(index);
        Verdict::Again { error, wait: Wait::Backoff }
    }

    fn carry_out(&mut self, index: usize, place: usize, verdict: Verdict, now: Instant, random: &mut fastrand::Rng) {
        let (retries, initial, max) = (self.policy.retries, self.policy.retry_backoff, self.policy.retry_backoff_max);
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let batch = &mut queue.batches[place];
        match verdict {
            Verdict::Settled(settlement) => {
                let header = batch.header;
                let refused = settlement.failure().and_then(Error::code).is_some_and(is_refused_unread);
                let was_never_written = refused && batch.sends == 1;
                self.settle(index, place, settlement);
                if let Some(queue) = self.queues.get_mut(&index).filter(|_| was_never_written) {
                    queue.take_back_numbers(&header);
                }
            }
            // Its time is over: no use in parts (edge 10).
            Verdict::Split(error) if batch.expires.is_some_and(|expires| expires <= now) => {
                self.settle(index, place, Err(error).into());
            }
            Verdict::Split(error) => self.split(index, place, error),
            Verdict::Again { error, wait } => {
                if !matches!(wait, Wait::Turn) {
                    batch.attempts += 1;
                }
                if batch.attempts > retries {
                    return self.settle(index, place, Err(error).into());
                }
                if matches!(error.kind(), Kind::Connection | Kind::Timeout) {
                    self.wants_metadata = true;
                }
                let attempts = batch.attempts;
                let is_in_doubt = matches!(error.kind(), Kind::Connection | Kind::Timeout);
                batch.last_error = Some(error);
                batch.again();
                if is_in_doubt && planted::has(Bug::Duplicate) {
                    batch.lose_number();
                }
                if !is_in_doubt && planted::has(Bug::OutOfOrder) {
                    batch.lose_number();
                    queue.batches.rotate_left(place + 1);
                }
                let wait = match wait {
                    Wait::Backoff => Some(Backoff::after(initial, max, attempts - 1).peek(random)),
                    Wait::For(wait) => Some(wait),
                    Wait::Turn => None,
                };
                if let Some(wait) = wait {
                    let at = now + wait;
                    if let Some(earlier) = queue.retry_at.replace(at) {
                        self.retries.remove(&(earlier, index));
                    }
                    self.retries.insert((at, index));
                }
                self.list(index);
            }
        }
    }

    /// Numbers the queues anew that wait for it and have nothing in flight.
    pub(super) fn renumber(&mut self) {
        for index in self.renumbering.clone() {
            self.renumber_queue(index);
        }
    }

    /// Numbers one queue anew, if it waits for it and has nothing in flight.
    pub(super) fn renumber_queue(&mut self, index: usize) {
        if !self.renumbering.contains(&index) {
            return;
        }
        let (Some(current), Some(queue)) = (self.identity, self.queues.get_mut(&index)) else { return };
        if queue.batches.iter().any(Batch::is_in_flight) {
            return;
        }
        // Another queue may have brought the next epoch already.
        let is_old = queue.identity() != Some(current);
        let next = match queue.renumber {
            Some(Renumber::NextEpoch) if !is_old => following(current),
            _ => Some(current),
        };
        match next {
            Some(next) => {
                queue.start_over(next);
                self.renumbering.remove(&index);
                self.identity = Some(next);
                self.list(index);
            }
            // The last epoch is used up: a new id has 32768 more (edge 8).
            None => {
                self.identity = None;
                self.wants_identity = true;
            }
        }
    }
}

/// The answers of a response, by topic and partition.
struct Answers<'a>(BTreeMap<(&'a [u8], i32), &'a PartitionProduceResponse>);

impl<'a> Answers<'a> {
    fn of(response: &'a ProduceResponse) -> Self {
        let topics = response.responses.iter().map(|topic| {
            // From version 13 on topics go by their ids.
            let key = if topic.name.is_empty() { &topic.topic_id.0[..] } else { topic.name.as_str().as_bytes() };
            (key, &topic.partition_responses)
        });
        let partitions =
            topics.flat_map(|(key, partitions)| partitions.iter().map(move |answer| ((key, answer.index), answer)));
        Self(partitions.collect())
    }

    fn for_queue(&self, queue: &Queue) -> Option<&'a PartitionProduceResponse> {
        let partition = queue.slot.partition;
        let by_name = self.0.get(&(queue.slot.topic.as_bytes(), partition));
        by_name.or_else(|| self.0.get(&(&queue.topic_id.0[..], partition))).copied()
    }
}

/// Tells the records that the broker refused from those that were in a batch with them (KIP-467, edge 21).
fn refused_records(answer: &PartitionProduceResponse, records: usize, context: &str) -> Settlement {
    let alone = answer.record_errors.len() == 1;
    let refused: BTreeMap<u32, Error> = answer
        .record_errors
        .iter()
        .filter_map(|refused| {
            let index = u32::try_from(refused.batch_index).ok().filter(|index| (*index as usize) < records)?;
            // The code is that of the whole batch; where several records failed it may not be the reason of each.
            let code = if alone { answer.error_code } else { Code::InvalidRecord };
            let context = match &refused.batch_index_error_message {
                Some(message) => format!("{context}: record {index} of its batch: {message}"),
                None => format!("{context}: record {index} of its batch"),
            };
            Some((index, Error::broker(code, context)))
        })
        .collect();
    let Some((first, _)) = refused.first_key_value() else {
        return Err(Error::broker(answer.error_code, context)).into();
    };
    let context = format!("{context}: record {first} of the same batch is invalid, so none was written; send it again");
    let sibling = Error::broker(Code::InvalidRecord, context);
    let mut parts = Vec::new();
    let mut next = 0;
    for (index, error) in refused {
        if next < index {
            parts.push(Part { from: next, result: Err(sibling.clone()) });
        }
        parts.push(Part { from: index, result: Err(error) });
        next = index + 1;
    }
    if (next as usize) < records {
        parts.push(Part { from: next, result: Err(sibling) });
    }
    Settlement::Parts(parts)
}

/// Whether a broker that answers so has certainly not written anything.
fn is_refused_unread(code: Code) -> bool {
    matches!(
        code,
        Code::ClusterAuthorizationFailed
            | Code::InvalidRecord
            | Code::InvalidRequiredAcks
            | Code::InvalidTimestamp
            | Code::InvalidTopicException
            | Code::MessageTooLarge
            | Code::PolicyViolation
            | Code::RecordListTooLarge
            | Code::TopicAuthorizationFailed
            | Code::UnsupportedForMessageFormat
    )
}

fn following(identity: Identity) -> Option<Identity> {
    Some(Identity { id: identity.id, epoch: identity.epoch.checked_add(1)? })
}

fn new_leader(
    answer: &PartitionProduceResponse,
    queue: &Queue,
    outcome: &Result<Option<ProduceResponse>, Error>,
) -> Option<NewLeader> {
    let hint = &answer.current_leader;
    if hint.leader_id < 0 || hint.leader_epoch < 0 {
        return None;
    }
    let endpoints = outcome.iter().flatten().flat_map(|response| &response.node_endpoints);
    let endpoint = endpoints.filter(|endpoint| endpoint.node_id == hint.leader_id).find_map(|endpoint| {
        let address = Address { host: endpoint.host.to_string(), port: u16::try_from(endpoint.port).ok()? };
        Some(Broker { address, rack: endpoint.rack.clone() })
    });
    Some(NewLeader {
        topic: queue.slot.topic.clone(),
        partition: queue.slot.partition,
        leader: hint.leader_id,
        epoch: hint.leader_epoch,
        broker: endpoint,
    })
}
