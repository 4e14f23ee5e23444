//! What brokers answer, into what is known.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_wire::messages::{ShareAcknowledgeResponse, ShareFetchResponse};
use ottla_wire::{Code, Str, Uuid};
use tokio::time::Instant;

use super::acknowledge::TopicIdPartition;
use super::delivery::Delivery;
use super::metrics::Brought;
use super::outbox::{Ask, Group, Outbox, Sent};
use super::state::State;
use crate::deadline::after;
use crate::error::{Error, Kind};

/// A leader that an answer named: partition, leader, epoch.
pub(super) type NamedLeader = (TopicIdPartition, i32, i32);

/// What to do after an answer.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Metadata is outdated.
    pub(super) refresh: bool,
    /// Records came.
    pub(super) delivered: bool,
    pub(super) leaders: Vec<NamedLeader>,
}

/// One partition's part of an answer to acknowledgements.
type Outcomes = BTreeMap<(Uuid, i32), (Code, Option<Str>)>;

impl State {
    pub(super) fn on_fetched(
        &mut self,
        broker: i32,
        sent: &Sent,
        answer: ShareFetchResponse,
        now: Instant,
    ) -> Answered {
        let groups = self.answered(broker);
        if !self.took(broker, sent, answer.error_code, now) {
            let error = refused(broker, "share fetch", answer.error_code, answer.error_message);
            return self.refuse(broker, sent, groups, error, now);
        }
        let mut answered = Answered::default();
        let mut outcomes = Outcomes::new();
        let mut brought = Brought::default();
        let lock = u64::try_from(answer.acquisition_lock_timeout_ms).ok().filter(|ms| *ms > 0);
        for topic in answer.responses {
            for data in topic.partitions {
                let key = (topic.topic_id, data.partition_index);
                if outcomes.contains_key(&key) {
                    // Said before: the records are not to be handed out twice.
                    continue;
                }
                outcomes.insert(key, (data.acknowledge_error_code, data.acknowledge_error_message));
                let known = sent.wanted.keys().find(|it| (it.topic_id, it.topic_partition.partition) == key);
                let Some(partition) = known else { continue };
                let leader = (partition.clone(), data.current_leader.leader_id, data.current_leader.leader_epoch);
                self.on_partition_code(partition, data.error_code, data.error_message, leader, &mut answered);
                brought.add(data.records.len(), &data.acquired_records);
                let delivery = Delivery::new(broker, partition.clone(), data.records, &data.acquired_records);
                // The end of the session gives back what came too late by itself.
                let delivery = delivery.filter(|_| !self.is_closed);
                // Too late for a poll: whoever asks next is to have them.
                if let Some(delivery) =
                    delivery.as_ref().filter(|_| !self.membership.topics().contains(&partition.topic_partition.topic))
                {
                    self.give_back(delivery, now);
                } else if let Some(delivery) = delivery {
                    answered.delivered = true;
                    self.lock_timeout = lock.map(Duration::from_millis);
                    self.buffer.push_back(delivery);
                }
            }
        }
        self.metrics.fetched(brought, now);
        if answered.delivered {
            for outbox in self.brokers.values_mut() {
                outbox.asked = false;
            }
        }
        self.acknowledged_by(broker, groups, &outcomes, false, now);
        answered
    }

    pub(super) fn on_acknowledged(
        &mut self,
        broker: i32,
        sent: &Sent,
        answer: ShareAcknowledgeResponse,
        now: Instant,
    ) -> Answered {
        let is_last = matches!(sent.ask, Ask::Close(_));
        let groups = self.answered(broker);
        if !self.took(broker, sent, answer.error_code, now) {
            let error = refused(broker, "share acknowledge", answer.error_code, answer.error_message);
            return self.refuse(broker, sent, groups, error, now);
        }
        let mut answered = Answered::default();
        let mut outcomes = Outcomes::new();
        for topic in answer.responses {
            for data in topic.partitions {
                let key = (topic.topic_id, data.partition_index);
                answered.refresh |= data.error_code.refreshes_metadata();
                let known = groups.iter().flat_map(|group| group.acks.keys());
                let leader = data.current_leader;
                if let Some(partition) = known.into_iter().find(|it| (it.topic_id, it.topic_partition.partition) == key)
                    && data.error_code.refreshes_metadata()
                    && leader.leader_id >= 0
                {
                    answered.leaders.push((partition.clone(), leader.leader_id, leader.leader_epoch));
                }
                outcomes.insert(key, (data.error_code, data.error_message));
            }
        }
        self.acknowledged_by(broker, groups, &outcomes, !is_last, now);
        answered
    }

    /// No answer came, or none that can be read. What was sent may have been taken; the session has no future, since
    /// brokers end it with its connection.
    pub(super) fn on_failed(&mut self, broker: i32, sent: &Sent, error: Error, now: Instant) -> Answered {
        if let Some(outbox) = self.brokers.get_mut(&broker) {
            outbox.is_fetching &= !matches!(sent.ask, Ask::Fetch(_));
            // Such a request was never sent.
            if error.kind() != Kind::UnsupportedVersion || matches!(sent.ask, Ask::Close(_)) {
                outbox.session.reset();
            }
        }
        self.back_off(broker, now);
        let groups = self.answered(broker);
        self.refuse(broker, sent, groups, error, now)
    }

    fn answered(&mut self, broker: i32) -> Vec<Group> {
        self.brokers.get_mut(&broker).map(Outbox::answered).unwrap_or_default()
    }

    /// Keeps the session in step. False if the broker refused the request as a whole.
    fn took(&mut self, broker: i32, sent: &Sent, code: Code, now: Instant) -> bool {
        let Some(outbox) = self.brokers.get_mut(&broker) else { return false };
        let is_fetch = matches!(sent.ask, Ask::Fetch(_));
        outbox.is_fetching &= !is_fetch;
        match code {
            _ if matches!(sent.ask, Ask::Close(_)) => outbox.session.reset(),
            Code::None => {
                outbox.session.advance(is_fetch.then_some(&sent.wanted));
                outbox.backoff.reset();
                outbox.retry_at = None;
            }
            Code::ShareSessionNotFound | Code::InvalidShareSessionEpoch | Code::ShareSessionLimitReached => {
                outbox.session.reset();
            }
            // As Java: where the epoch is another, the next answer says so.
            _ => outbox.session.advance(None),
        }
        if !code.is_none() {
            self.back_off(broker, now);
        }
        code.is_none()
    }

    fn back_off(&mut self, broker: i32, now: Instant) {
        if let Some(outbox) = self.brokers.get_mut(&broker) {
            outbox.retry_at = Some(after(now, outbox.backoff.next(&mut self.random)));
        }
    }

    /// A request failed as a whole, and with it what it was to acknowledge.
    fn refuse(&mut self, broker: i32, sent: &Sent, groups: Vec<Group>, error: Error, now: Instant) -> Answered {
        let is_closed = self.is_closed;
        for group in groups {
            let keeps_session = self.brokers.get(&broker).is_some_and(|outbox| !outbox.session.is_new());
            // The broker answered: it did nothing, and can be asked again.
            let again = error.code().is_some() && error.is_retriable() && keeps_session && !is_closed;
            if again && group.until > now {
                self.try_again(broker, group);
                continue;
            }
            self.failed(broker, group, &error, now);
        }
        let is_about_records = matches!(sent.ask, Ask::Fetch(_));
        if is_about_records && !error.is_retriable() {
            self.faults.insert(format!("broker {broker}"), error);
        }
        Answered { refresh: true, ..Answered::default() }
    }

    fn try_again(&mut self, broker: i32, group: Group) {
        if let Some(outbox) = self.brokers.get_mut(&broker) {
            outbox.unpush(group);
        }
    }

    /// Settles each acknowledgement by the answer for its partition.
    fn acknowledged_by(&mut self, broker: i32, groups: Vec<Group>, outcomes: &Outcomes, retries: bool, now: Instant) {
        let mut is_retried = false;
        for group in groups {
            let mut again = Group { acks: BTreeMap::new(), ..group };
            for (partition, acks) in group.acks {
                let key = (partition.topic_id, partition.topic_partition.partition);
                let context = format!("acknowledge {partition} to broker {broker}");
                let outcome = match outcomes.get(&key) {
                    Some((Code::None, _)) => Ok(()),
                    // The locks went with the leader, or with the topic.
                    Some((code, _))
                        if retries && code.retriable() && !code.refreshes_metadata() && again.until > now =>
                    {
                        again.acks.insert(partition, acks);
                        continue;
                    }
                    Some((code, message)) => {
                        let message = message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
                        Err(Error::broker(*code, context + &message))
                    }
                    None => {
                        Err(Error::broker(Code::InvalidRecordState, format!("{context}: the answer leaves it out")))
                    }
                };
                self.acknowledged(broker, partition, &acks, again.commit, outcome, now);
            }
            if !again.acks.is_empty() {
                is_retried = true;
                self.try_again(broker, again);
            }
        }
        if is_retried {
            self.back_off(broker, now);
        }
    }

    fn on_partition_code(
        &mut self,
        partition: &TopicIdPartition,
        code: Code,
        message: Option<Str>,
        leader: NamedLeader,
        answered: &mut Answered,
    ) {
        match code {
            Code::None => {}
            Code::UnknownLeaderEpoch | Code::UnknownServerError => {}
            code if code.refreshes_metadata() || code == Code::InconsistentTopicId || code.retriable() => {
                answered.refresh = true;
                if leader.1 >= 0 && leader.2 >= 0 {
                    answered.leaders.push(leader);
                }
                if code == Code::CorruptMessage {
                    self.fault(partition, code, message);
                }
            }
            code => self.fault(partition, code, message),
        }
    }

    fn fault(&mut self, partition: &TopicIdPartition, code: Code, message: Option<Str>) {
        let told = message.map(|text| format!(": {text}")).unwrap_or_default();
        let error = Error::broker(code, format!("share fetch of {partition}{told}"));
        self.faults.insert(partition.to_string(), error);
    }
}

fn refused(broker: i32, what: &str, code: Code, message: Option<Str>) -> Error {
    let told = message.map(|text| format!(": {text}")).unwrap_or_default();
    Error::broker(code, format!("{what} from broker {broker}{told}"))
}
