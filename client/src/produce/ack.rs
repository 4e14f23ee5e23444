//! What came of a request: batches written, to be sent again, or failed; and what a broker's refusal of a sequence
//! number says of the batches before it.

use ottla_wire::messages::ProduceResponse;
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::{Code, Str};
use tokio::time::Instant;

use super::delivery::Written;
use super::queue::Identity;
use super::sender::Sender;
use crate::connection::Backoff;
use crate::error::{Error, Kind};

/// A leader that an answer named (KIP-951).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NewLeader {
    pub(super) topic: std::sync::Arc<str>,
    pub(super) partition: i32,
    pub(super) leader: i32,
    pub(super) epoch: i32,
}

/// What became of one batch.
enum Verdict {
    Done(Written),
    /// Sent again, after a backoff or as soon as what is before it is through.
    Again {
        error: Error,
        backoff: bool,
    },
    Failed(Error),
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
        let mut leaders = Vec::new();
        for (index, id, _) in sent.batches {
            let Some(queue) = self.queues.get(&index) else { continue };
            // A batch that was given up, or sent to another broker meanwhile, has another story now.
            let Some(place) = queue.place_of(id).filter(|place| queue.batches[*place].is_in_flight_with(request))
            else {
                continue;
            };
            let verdict = match outcome {
                Ok(None) => Verdict::Done(Written { base_offset: -1, append_time: -1 }),
                Ok(Some(response)) => match find(response, queue) {
                    Some(answer) => {
                        leaders.extend(new_leader(answer, queue));
                        self.judge(index, place, answer, sent.broker, request)
                    }
                    None => {
                        let context =
                            format!("produce to {}: broker {} left it out of its answer", name(queue), sent.broker);
                        Verdict::Again { error: Error::new(Kind::Protocol, context), backoff: true }
                    }
                },
                Err(error) => {
                    let error = error.clone().within(format!("produce to {}", name(queue)));
                    if error.is_retriable() || error.kind() == Kind::Protocol || error.kind() == Kind::Closed {
                        Verdict::Again { error, backoff: true }
                    } else {
                        Verdict::Failed(error)
                    }
                }
            };
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
        let Some(queue) = self.queues.get_mut(&index) else { return Verdict::Done(unknown_place()) };
        let code = answer.error_code;
        let mut error = Error::broker(code, format!("produce to {} on broker {broker}", name(queue)));
        if let Some(message) = &answer.error_message {
            error = Error::broker(code, format!("produce to {} on broker {broker}: {message}", name(queue)));
        }
        match code {
            Code::None => {
                Verdict::Done(Written { base_offset: answer.base_offset, append_time: answer.log_append_time_ms })
            }
            // Written before, by an attempt whose answer was lost (edge 4).
            Code::DuplicateSequenceNumber => Verdict::Done(unknown_place()),
            Code::OutOfOrderSequenceNumber | Code::UnknownProducerId | Code::InvalidProducerEpoch
                if self.policy.idempotent =>
            {
                if queue.is_behind_another(place) && code == Code::OutOfOrderSequenceNumber {
                    // The one before it failed and is sent again first (edge 1).
                    queue.batches[place].refused_with = Some(request);
                    return Verdict::Again { error, backoff: false };
                }
                // Nothing before it is open: what was before is lost or was given up, so the numbers start anew.
                queue.renumber = true;
                self.renumbering.insert(index);
                Verdict::Again { error, backoff: true }
            }
            code if code.retriable() => {
                self.wants_metadata |= code.refreshes_metadata();
                Verdict::Again { error, backoff: true }
            }
            _ => Verdict::Failed(error),
        }
    }

    fn carry_out(&mut self, index: usize, place: usize, verdict: Verdict, now: Instant, random: &mut fastrand::Rng) {
        let (retries, initial, max) = (self.policy.retries, self.policy.retry_backoff, self.policy.retry_backoff_max);
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let batch = &mut queue.batches[place];
        match verdict {
            Verdict::Done(written) => self.settle(index, place, Ok(written)),
            Verdict::Failed(error) => {
                let header = batch.header;
                let was_never_written = batch.sends == 1 && error.code().is_some_and(is_refused_unread);
                self.settle(index, place, Err(error));
                if let Some(queue) = self.queues.get_mut(&index).filter(|_| was_never_written) {
                    queue.take_back_numbers(&header);
                }
            }
            Verdict::Again { error, backoff } => {
                if backoff {
                    batch.attempts += 1;
                }
                if batch.attempts > retries {
                    return self.settle(index, place, Err(error));
                }
                if matches!(error.kind(), Kind::Connection | Kind::Timeout) {
                    self.wants_metadata = true;
                }
                let attempts = batch.attempts;
                batch.last_error = Some(error);
                batch.again();
                if backoff {
                    let wait = Backoff::after(initial, max, attempts - 1).peek(random);
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

    /// Numbers the queues anew that wait for it and have nothing in flight, under the next epoch (KIP-360).
    pub(super) fn renumber(&mut self) {
        let Some(identity) = self.identity else { return };
        for index in self.renumbering.clone() {
            let Some(queue) = self.queues.get_mut(&index) else { continue };
            if queue.batches.iter().any(super::queue::Batch::is_in_flight) {
                continue;
            }
            // Another queue may have brought the next epoch already.
            let current = self.identity.unwrap_or(identity);
            let next = if queue.identity() == Some(current) { following(current) } else { Some(current) };
            match next {
                Some(next) => {
                    queue.start_over(next);
                    self.renumbering.remove(&index);
                    self.identity = Some(next);
                    self.list(index);
                }
                None => {
                    // The last epoch of this id (edge 8): a new id, and the numbers start over under it.
                    self.identity = None;
                    self.wants_identity = true;
                    return;
                }
            }
        }
    }
}

/// Whether a broker answers so before it appends anything.
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

fn unknown_place() -> Written {
    Written { base_offset: -1, append_time: -1 }
}

fn name(queue: &super::queue::Queue) -> String {
    format!("{}[{}]", queue.slot.topic, queue.slot.partition)
}

fn find<'a>(response: &'a ProduceResponse, queue: &super::queue::Queue) -> Option<&'a PartitionProduceResponse> {
    let is_topic = |name: &Str, id| {
        if name.is_empty() { queue.topic_id == id } else { name.as_str() == &*queue.slot.topic }
    };
    response
        .responses
        .iter()
        .filter(|topic| is_topic(&topic.name, topic.topic_id))
        .flat_map(|topic| &topic.partition_responses)
        .find(|partition| partition.index == queue.slot.partition)
}

fn new_leader(answer: &PartitionProduceResponse, queue: &super::queue::Queue) -> Option<NewLeader> {
    let hint = &answer.current_leader;
    (hint.leader_id >= 0 && hint.leader_epoch >= 0).then(|| NewLeader {
        topic: queue.slot.topic.clone(),
        partition: queue.slot.partition,
        leader: hint.leader_id,
        epoch: hint.leader_epoch,
    })
}
