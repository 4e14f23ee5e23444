//! Membership of a share group: heartbeats go out, an assignment comes back (KIP-932). Time and answers come in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_wire::{Code, Str, Uuid};
use tokio::time::Instant;

use crate::connection::Backoff;
use crate::deadline::after;
use crate::error::{Error, Kind};

const JOIN: i32 = 0;
const LEAVE: i32 = -1;

#[derive(Debug)]
pub(super) struct Membership {
    pub(super) group: Str,
    /// Made by the client, and the same for all its life (KIP-1082).
    pub(super) member: Str,
    rack: Option<Str>,
    max_poll_interval: Duration,
    phase: Phase,
    topics: BTreeSet<Arc<str>>,
    /// What the coordinator was told last.
    told: Option<BTreeSet<Arc<str>>>,
    epoch: i32,
    /// Partitions by the id of their topic, whether metadata knows that or not (edge 61).
    pub(super) assignment: BTreeMap<Uuid, BTreeSet<i32>>,
    due: Instant,
    in_flight: bool,
    /// The assignment is another since somebody looked.
    pub(super) has_rebalanced: bool,
    /// Heartbeats of an earlier membership are not listened to.
    attempt: u64,
    backoff: Backoff,
    polls: usize,
    last_poll: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Cannot go on; the poll after the one that says so tries again.
    Failed { error: Option<Error> },
    /// A member, or about to be.
    In,
    /// Left since nobody polled: the next poll joins again.
    Left,
    /// Not subscribed.
    Out,
}

impl Membership {
    pub(super) fn new(
        group: Str,
        member: Uuid,
        rack: &str,
        max_poll_interval: Duration,
        backoff: Backoff,
        now: Instant,
    ) -> Self {
        Self {
            group,
            member: member.to_string().into(),
            rack: (!rack.is_empty()).then(|| rack.into()),
            max_poll_interval,
            phase: Phase::Out,
            topics: BTreeSet::new(),
            told: None,
            epoch: JOIN,
            assignment: BTreeMap::new(),
            due: now,
            in_flight: false,
            has_rebalanced: false,
            attempt: 0,
            backoff,
            polls: 0,
            last_poll: now,
        }
    }

    pub(super) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        self.topics = topics;
        self.due = now;
        if !matches!(self.phase, Phase::In) {
            self.last_poll = now;
            self.phase = Phase::In;
        }
    }

    /// Leaves. The request is for the coordinator, if it may know the member.
    pub(super) fn leave(&mut self, now: Instant) -> Option<ShareGroupHeartbeatRequest> {
        self.topics.clear();
        self.part(Phase::Out, now)
    }

    fn part(&mut self, phase: Phase, now: Instant) -> Option<ShareGroupHeartbeatRequest> {
        let may_be_known = matches!(self.phase, Phase::In) && (self.epoch > JOIN || self.in_flight);
        self.start_over(now);
        self.phase = phase;
        may_be_known.then(|| self.request(LEAVE))
    }

    fn start_over(&mut self, now: Instant) {
        self.epoch = JOIN;
        self.told = None;
        self.assignment.clear();
        self.in_flight = false;
        self.attempt += 1;
        self.due = now;
    }

    fn request(&self, member_epoch: i32) -> ShareGroupHeartbeatRequest {
        ShareGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member.clone(),
            member_epoch,
            rack_id: None,
            subscribed_topic_names: None,
        }
    }

    pub(super) fn topics(&self) -> &BTreeSet<Arc<str>> {
        &self.topics
    }

    pub(super) fn is_subscribed(&self) -> bool {
        !self.topics.is_empty()
    }

    /// True if the group is to be joined again.
    pub(super) fn poll_began(&mut self, now: Instant) -> bool {
        self.polls += 1;
        let joins = matches!(self.phase, Phase::Left | Phase::Failed { error: None });
        if joins {
            self.phase = Phase::In;
            self.due = now;
        }
        joins
    }

    pub(super) fn poll_ended(&mut self, now: Instant) {
        self.polls = self.polls.saturating_sub(1);
        self.last_poll = now;
    }

    pub(super) fn failure(&mut self) -> Option<Error> {
        match &mut self.phase {
            Phase::Failed { error } => error.take(),
            _ => None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        if !matches!(self.phase, Phase::In) {
            return None;
        }
        let late = (self.polls == 0).then(|| after(self.last_poll, self.max_poll_interval));
        [late, (!self.in_flight).then_some(self.due)].into_iter().flatten().min()
    }

    /// The heartbeat that is due; its number goes back with the answer. A member that nobody polls for leaves.
    pub(super) fn heartbeat(&mut self, now: Instant) -> Option<(ShareGroupHeartbeatRequest, u64)> {
        if !matches!(self.phase, Phase::In) {
            return None;
        }
        if self.polls == 0 && after(self.last_poll, self.max_poll_interval) <= now {
            tracing::warn!(group = %self.group, "left the share group: no poll within max.poll.interval.ms");
            return self.part(Phase::Left, now).map(|request| (request, u64::MAX));
        }
        if self.in_flight || self.due > now {
            return None;
        }
        let mut request = self.request(self.epoch);
        if self.epoch == JOIN {
            request.rack_id = self.rack.clone();
        }
        if self.epoch == JOIN || self.told.as_ref() != Some(&self.topics) {
            request.subscribed_topic_names = Some(self.topics.iter().map(|topic| Str::from(&**topic)).collect());
            self.told = Some(self.topics.clone());
        }
        self.in_flight = true;
        Some((request, self.attempt))
    }

    /// True if there is a failure for polls.
    pub(super) fn on_heartbeat(
        &mut self,
        attempt: u64,
        answer: Result<ShareGroupHeartbeatResponse, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> bool {
        if attempt != self.attempt || !matches!(self.phase, Phase::In) {
            return false;
        }
        self.in_flight = false;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_retriable() => return self.retry(now, random),
            Err(error) => return self.fail(error),
        };
        let context = || {
            let told = answer.error_message.as_deref().unwrap_or_default();
            format!("heartbeat of share group {}{}{told}", self.group, if told.is_empty() { "" } else { ": " })
        };
        match answer.error_code {
            Code::None => {}
            Code::FencedMemberEpoch | Code::UnknownMemberId => {
                tracing::info!(group = %self.group, code = %answer.error_code, "joining the share group again");
                self.start_over(now);
                return false;
            }
            Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress => {
                return self.retry(now, random);
            }
            Code::UnsupportedVersion => {
                let context =
                    format!("{}: the cluster has share groups switched off (feature share.version)", context());
                return self.fail(Error::broker(Code::UnsupportedVersion, context));
            }
            code => {
                let error = Error::broker(code, context());
                return if error.is_retriable() { self.retry(now, random) } else { self.fail(error) };
            }
        }
        if answer.member_epoch <= 0 {
            return self
                .fail(Error::new(Kind::Protocol, format!("{}: the epoch is {}", context(), answer.member_epoch)));
        }
        self.backoff.reset();
        self.epoch = answer.member_epoch;
        let interval = Duration::from_millis(u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0).max(100));
        let is_told = self.told.as_ref() == Some(&self.topics);
        self.due = if is_told { after(now, interval) } else { now };
        let Some(assignment) = answer.assignment else { return false };
        let before = std::mem::take(&mut self.assignment);
        for topic in assignment.topic_partitions {
            self.assignment.entry(topic.topic_id).or_default().extend(topic.partitions);
        }
        self.has_rebalanced |= self.assignment != before;
        false
    }

    /// The next heartbeat says everything again: what became of this one is not known.
    fn retry(&mut self, now: Instant, random: &mut fastrand::Rng) -> bool {
        self.told = None;
        self.due = after(now, self.backoff.next(random));
        false
    }

    fn fail(&mut self, error: Error) -> bool {
        self.start_over(self.due);
        self.phase = Phase::Failed { error: Some(error) };
        true
    }
}
