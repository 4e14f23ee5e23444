//! ConsumerGroupHeartbeat: everything a member says, and everything it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::assign::Assignor;
use super::member::{AWAY, Member};
use super::{Consumer, Topics, patterns};
use crate::log::batch::Refused;

/// A heartbeat, with what the coordinator knows of its sender.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// The id it gets if it has none.
    pub(crate) new_id: String,
    pub(crate) request: ConsumerGroupHeartbeatRequest,
}

/// The sender of a heartbeat among the members.
enum Sender {
    Known(usize),
    New,
    /// The static member that comes back, under another member id.
    Back(usize),
}

impl Consumer {
    /// Lets a member in, on, or out.
    ///
    /// # Errors
    /// `GROUP_MAX_SIZE_REACHED`, `UNKNOWN_MEMBER_ID`, `FENCED_MEMBER_EPOCH`, `UNRELEASED_INSTANCE_ID`,
    /// `FENCED_INSTANCE_ID`, `INVALID_REGULAR_EXPRESSION`; nothing has changed then.
    pub(crate) fn heartbeat(
        &mut self,
        beat: &Heartbeat,
        topics: &Topics,
        now: Duration,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        if beat.request.member_epoch < 0 {
            return self.leave(&beat.request);
        }
        let request = &beat.request;
        let given = request.member_id.as_str();
        if self.members.len() >= self.settings.max_size && self.index_of(given).is_none() {
            let message = format!("the group has {} members, as many as it may have", self.members.len());
            return Err(Refused::new(ResponseError::GroupMaxSizeReached, message));
        }
        let id = if given.is_empty() { beat.new_id.as_str() } else { given };
        let owned = owned(request);
        let sender = self.sender(id, request, owned.as_ref())?;
        self.check_pattern(&sender, request)?;

        let is_joining = request.member_epoch == 0;
        let is_full = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && owned.is_some();
        let index = self.admit(&sender, id);
        let before = self.members[index].clone();
        self.members[index].update(beat);
        let has_new_names = before.names != self.members[index].names;
        let pattern = self.change_pattern(index, &before.pattern, topics, now);
        self.notice_topics(has_new_names || pattern.is_resolved, topics);
        self.assign_if_due(topics, now);
        self.reconcile(index, has_new_names || pattern.is_new, owned.as_ref(), topics, now);

        let interval = i32::try_from(self.settings.heartbeat_interval.as_millis()).unwrap_or(i32::MAX);
        let member = &mut self.members[index];
        member.session_end = now.saturating_add(self.settings.session_timeout);
        let mut response = ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(StrBytes::from_string(member.id.clone())))
            .with_member_epoch(member.epoch)
            .with_heartbeat_interval_ms(interval);
        if is_joining || is_full || before.assigned != member.assigned {
            response.assignment = Some(assignment(member));
        }
        if pattern.refresh {
            // Kafka does so aside: the member learns of it with a later heartbeat.
            self.look_up_patterns(topics, now);
        }
        Ok(response)
    }

    /// Who sends a heartbeat that is not its last.
    fn sender(
        &self,
        id: &str,
        request: &ConsumerGroupHeartbeatRequest,
        owned: Option<&BTreeSet<(Uuid, i32)>>,
    ) -> Result<Sender, Refused> {
        let is_joining = request.member_epoch == 0;
        let Some(instance) = request.instance_id.as_deref() else {
            return match self.index_of(id) {
                Some(index) => {
                    self.members[index].check_epoch(request.member_epoch, owned).map(|()| Sender::Known(index))
                }
                None if is_joining => Ok(Sender::New),
                None => Err(unknown(id)),
            };
        };
        match self.index_of_instance(instance) {
            None if is_joining => Ok(self.index_of(id).map_or(Sender::New, Sender::Known)),
            Some(index) if is_joining && self.members[index].epoch == AWAY => Ok(Sender::Back(index)),
            Some(index) if is_joining => {
                let message = format!("instance {instance} is still the member {}", self.members[index].id);
                Err(Refused::new(ResponseError::UnreleasedInstanceId, message))
            }
            _ => {
                let index = self.static_member(id, instance)?;
                self.members[index].check_epoch(request.member_epoch, owned).map(|()| Sender::Known(index))
            }
        }
    }

    /// The static member that says it is this one.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`.
    pub(super) fn static_member(&self, id: &str, instance: &str) -> Result<usize, Refused> {
        let index = self.index_of_instance(instance).ok_or_else(|| unknown(instance))?;
        let known = &self.members[index].id;
        if known == id {
            return Ok(index);
        }
        Err(Refused::new(ResponseError::FencedInstanceId, format!("instance {instance} is the member {known} now")))
    }

    /// Checks a pattern nobody has had yet.
    fn check_pattern(&self, sender: &Sender, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
        let Some(pattern) = request.subscribed_topic_regex.as_deref().filter(|pattern| !pattern.is_empty()) else {
            return Ok(());
        };
        if let Sender::Known(index) | Sender::Back(index) = sender
            && self.members[*index].pattern == pattern
        {
            return Ok(());
        }
        patterns::compile(pattern).map(|_| ()).map_err(|error| {
            Refused::new(ResponseError::InvalidRegularExpression, format!("SubscribedTopicRegex {pattern:?}: {error}"))
        })
    }

    /// The place of a sender among the members; a new one is given one, one that is back its old one.
    fn admit(&mut self, sender: &Sender, id: &str) -> usize {
        match *sender {
            Sender::Known(index) => index,
            Sender::New => {
                self.members.push(Member::new(id.to_owned()));
                self.members.len() - 1
            }
            Sender::Back(index) => {
                let member = &mut self.members[index];
                id.clone_into(&mut member.id);
                (member.epoch, member.previous_epoch) = (0, 0);
                index
            }
        }
    }
}

impl Member {
    /// Takes over what a heartbeat says; what it doesn't say stays.
    fn update(&mut self, beat: &Heartbeat) {
        let Heartbeat { client_id, client_host, request, .. } = beat;
        client_id.clone_into(&mut self.client_id);
        client_host.clone_into(&mut self.client_host);
        if let Some(instance) = &request.instance_id {
            self.instance = Some(instance.to_string());
        }
        if let Some(rack) = &request.rack_id {
            self.rack = Some(rack.to_string());
        }
        if let Ok(timeout_ms) = u64::try_from(request.rebalance_timeout_ms) {
            self.rebalance_timeout = Duration::from_millis(timeout_ms);
        }
        if let Some(names) = &request.subscribed_topic_names {
            self.names = names.iter().map(|name| name.to_string()).collect();
        }
        if let Some(pattern) = &request.subscribed_topic_regex {
            self.pattern = pattern.to_string();
        }
        if let Some(assignor) = &request.server_assignor {
            self.assignor = Assignor::named(assignor);
        }
    }

    /// Checks the epoch a member says it is at. The one before is fine too if it holds nothing that isn't its own: it
    /// may have missed an answer.
    fn check_epoch(&self, epoch: i32, owned: Option<&BTreeSet<(Uuid, i32)>>) -> Result<(), Refused> {
        let owns_its_own =
            || owned.is_some_and(|owned| owned.iter().all(|partition| self.assigned.contains_key(partition)));
        if epoch == 0 || epoch == self.epoch {
            return Ok(());
        }
        if epoch < self.epoch && epoch == self.previous_epoch && owns_its_own() {
            return Ok(());
        }
        let message = format!("member {} says it is at epoch {epoch}, but it is at {}", self.id, self.epoch);
        Err(Refused::new(ResponseError::FencedMemberEpoch, message))
    }
}

pub(super) fn unknown(id: &str) -> Refused {
    Refused::new(ResponseError::UnknownMemberId, format!("{id} is not in the group"))
}

fn owned(request: &ConsumerGroupHeartbeatRequest) -> Option<BTreeSet<(Uuid, i32)>> {
    let topics = request.topic_partitions.as_ref()?.iter();
    Some(topics.flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index))).collect())
}

fn assignment(member: &Member) -> Assignment {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in member.assigned.keys() {
        topics.entry(*topic).or_default().push(*partition);
    }
    let topic = |(id, partitions)| TopicPartitions::default().with_topic_id(id).with_partitions(partitions);
    Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect())
}
