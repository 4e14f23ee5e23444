//! What the coordinator's answers mean for a member.

use std::collections::BTreeSet;

use ottla_wire::Code;
use ottla_wire::messages::{JoinGroupResponse, SyncGroupResponse};
use tokio::time::Instant;

use super::{Classic, Phase, Step, after};
use crate::error::Error;
use crate::group::assign::{self, RebalanceProtocol};
use crate::group::protocol::{self, PROTOCOL_TYPE};
use crate::group::{Change, Identity, Wanted};
use crate::planted::{self, Bug};

/// What an answer brings: a request to send at once, a change of the assignment.
pub(crate) type Reaction = (Option<Step>, Option<Change>);

const NOTHING: Reaction = (None, None);

impl Classic {
    /// The answer to the JoinGroup of that number.
    pub(crate) fn on_joined(
        &mut self,
        attempt: u64,
        answer: Result<JoinGroupResponse, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Reaction {
        if attempt != self.attempt || !matches!(self.phase, Phase::Joining) {
            return NOTHING;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                return (None, self.not_reached(error, now, random));
            }
        };
        match response.error_code {
            Code::None => self.joined(response, now),
            // edge 52: the id comes first, so that a join whose answer is lost leaves no member behind.
            Code::MemberIdRequired if self.identity.member_id.is_empty() => {
                self.identity = Identity { generation: -1, member_id: response.member_id.unshared() };
                self.unjoined("joins again with its member id");
                NOTHING
            }
            // edge 54
            Code::UnknownMemberId if !self.identity.member_id.is_empty() => {
                self.reset(true);
                self.unjoined("its member id was not known");
                (None, self.lose())
            }
            code => (None, self.refused(code, "JoinGroup", now, random)),
        }
    }

    fn joined(&mut self, response: JoinGroupResponse, now: Instant) -> Reaction {
        if response.protocol_type.as_deref().is_some_and(|protocol| protocol != PROTOCOL_TYPE) {
            let error = self.error(Code::InconsistentGroupProtocol, "its members are no consumers");
            return (None, self.fail(error, false));
        }
        let name = response.protocol_name.unwrap_or_default();
        self.assignor = self.settings.assignors.named(&name).cloned();
        if self.assignor.is_none() {
            let error =
                self.protocol_error(format_args!("the coordinator chose `{name}`, which this member did not offer"));
            return (None, self.fail(error, false));
        }
        self.identity = Identity { generation: response.generation_id, member_id: response.member_id.unshared() };
        self.backoff.reset();
        self.heartbeat_in_flight = false;
        self.has_slept = false;
        self.heartbeat_at = after(now, self.settings.heartbeat_interval);
        self.assigned_by = None;
        self.group_topics.clear();
        self.others_topics.clear();
        tracing::info!(
            group = %self.settings.group,
            generation = self.identity.generation,
            member = %self.identity.member_id,
            "joined"
        );
        if *response.leader != *self.identity.member_id {
            return (Some(self.sync(Vec::new())), None);
        }
        match protocol::members(response.members) {
            Ok(members) => {
                let (own, others): (Vec<_>, Vec<_>) =
                    members.iter().partition(|member| *member.member_id == *self.identity.member_id);
                self.others_topics = others.iter().flat_map(|member| &member.topics).cloned().collect();
                self.group_topics = own.iter().flat_map(|member| &member.topics).cloned().collect();
                self.group_topics.extend(self.others_topics.iter().cloned());
                self.phase = Phase::Assigning { members, skip: response.skip_assignment };
            }
            Err(error) => {
                let error = error.within(format_args!("group {}", self.settings.group));
                return (None, self.fail(error, false));
            }
        }
        NOTHING
    }

    /// The answer to the SyncGroup of that number.
    pub(crate) fn on_synced(
        &mut self,
        attempt: u64,
        answer: Result<SyncGroupResponse, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Reaction {
        if attempt != self.attempt || !matches!(self.phase, Phase::Syncing) {
            return NOTHING;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                return (None, self.not_reached(error, now, random));
            }
        };
        match response.error_code {
            Code::None => self.synced(response, now),
            Code::RebalanceInProgress => {
                self.unjoined("the group began another rebalance");
                NOTHING
            }
            // edge 54
            Code::UnknownMemberId => {
                self.reset(true);
                self.unjoined("its member id was not known");
                (None, self.lose())
            }
            // The member may still be known: only its generation is over.
            Code::IllegalGeneration => {
                self.reset(false);
                self.unjoined("its generation was over");
                (None, self.lose())
            }
            code => (None, self.refused(code, "SyncGroup", now, random)),
        }
    }

    fn synced(&mut self, response: SyncGroupResponse, now: Instant) -> Reaction {
        let name = self.assignor.as_ref().map(|assignor| assignor.name());
        let is_consistent = response.protocol_type.as_deref().is_none_or(|protocol| protocol == PROTOCOL_TYPE)
            && response.protocol_name.as_deref().is_none_or(|protocol| Some(protocol) == name);
        if !is_consistent {
            let error = self.error(Code::InconsistentGroupProtocol, "the assignment is of another protocol");
            return (None, self.fail(error, false));
        }
        let assignment = match protocol::assigned(response.assignment) {
            Ok(assignment) => assignment,
            Err(error) => {
                let error = error.within(format_args!("group {}", self.settings.group));
                return (None, self.fail(error, false));
            }
        };
        let assigned: BTreeSet<_> = assignment.partitions.iter().cloned().collect();
        self.phase = Phase::Stable;
        self.backoff.reset();
        self.reason = "".into();
        tracing::info!(group = %self.settings.group, partitions = assigned.len(), "assigned");
        if let Wanted::Pattern(pattern) = &self.wanted {
            // The leader may have seen a topic first.
            for partition in &assigned {
                if !self.topics.contains(&partition.topic) && pattern.matches(&partition.topic) {
                    self.topics.insert(partition.topic.clone());
                    self.joined.insert(partition.topic.clone());
                }
            }
        }
        // What was subscribed to has changed meanwhile: nothing of this is read, the group assigns anew.
        if self.joined != self.topics || assigned.iter().any(|partition| !self.topics.contains(&partition.topic)) {
            self.rebalance("the subscription changed", now);
            return NOTHING;
        }
        if let Some(assignor) = &self.assignor
            && let Err(error) = assign::on_assignment(&**assignor, &assignment, &self.metadata())
        {
            let error = error.within(format_args!("group {}", self.settings.group));
            return (None, self.fail(error, false));
        }
        // None are left where all were given up before the join.
        let going: BTreeSet<_> = self.held.difference(&assigned).cloned().collect();
        self.held.extend(assigned);
        let held = self.held.iter().cloned().collect();
        if !going.is_empty() {
            debug_assert_eq!(self.settings.assignors.protocol(), RebalanceProtocol::Cooperative);
            tracing::info!(group = %self.settings.group, partitions = going.len(), "gives up what was taken away");
            let until = now.checked_add(self.settings.max_poll_interval);
            self.give_up(going, "need to revoke partitions and re-join", until);
        }
        (None, Some(Change::Assigned(held)))
    }

    /// The answer to a heartbeat that was sent as `sender`.
    pub(crate) fn on_heartbeat(&mut self, sender: &Identity, answer: Result<Code, Error>, now: Instant) -> Reaction {
        if *sender != self.identity || !self.sends_heartbeats() {
            // edge 53: what is said of an earlier generation is of no interest.
            return NOTHING;
        }
        self.heartbeat_in_flight = false;
        self.has_slept = false;
        let soon = after(now, self.settings.retry_backoff);
        match answer {
            Ok(Code::None) => {}
            Ok(Code::RebalanceInProgress) => self.rebalance("the group is rebalancing", now),
            Ok(code @ (Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId)) => {
                return (None, self.expelled(code, "Heartbeat"));
            }
            Ok(code) if code.retriable() => self.heartbeat_at = soon,
            Ok(code) => {
                let error = self.error(code, "Heartbeat");
                return (None, self.fail(error, false));
            }
            Err(error) if error.is_retriable() => {
                tracing::debug!(group = %self.settings.group, %error, "a heartbeat failed");
                self.heartbeat_at = soon;
            }
            Err(error) => {
                return (None, self.fail(error, false));
            }
        }
        NOTHING
    }

    /// What came of the commit of that number, before partitions are given up.
    pub(crate) fn on_released(
        &mut self,
        number: u64,
        outcome: Result<(), Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Change> {
        let Phase::Committing { going, until, in_flight } = &mut self.phase else { return None };
        // A commit may outlast the membership that asked for it: the next to give something up awaits its own.
        if *in_flight != Some(number) {
            return None;
        }
        if let Err(error) = outcome {
            if error.is_retriable() && until.is_none_or(|until| now < until) {
                *in_flight = None;
                self.retry_at = now.checked_add(self.backoff.next(random));
                return None;
            }
            tracing::warn!(group = %self.settings.group, %error, "what was read last could not be committed before the rebalance");
        }
        let gone = std::mem::take(going);
        self.held.retain(|held| !gone.contains(held));
        self.backoff.reset();
        let reason = std::mem::take(&mut self.reason);
        self.unjoined(reason);
        Some(Change::Revoked(gone.into_iter().collect()))
    }

    /// A commit was answered with this code.
    pub(crate) fn on_commit(&mut self, sender: &Identity, code: Code, now: Instant) -> Option<Change> {
        if *sender != self.identity {
            return None;
        }
        match (code, &self.phase) {
            (Code::RebalanceInProgress, _) => self.rebalance("a commit met a rebalance", now),
            // edge 53: amid a join the answer to that tells more.
            (
                Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId,
                Phase::Stable | Phase::Releasing { .. } | Phase::Committing { .. },
            ) => return self.expelled(code, "OffsetCommit"),
            _ => {}
        }
        None
    }

    /// The coordinator goes on without this member, or this generation of it.
    fn expelled(&mut self, code: Code, api: &str) -> Option<Change> {
        tracing::warn!(group = %self.settings.group, %code, api, "lost the partitions");
        if code == Code::FencedInstanceId {
            // edge 55: another has the name; joining again would take it back, and so on for ever.
            let error = self.error(code, api);
            return self.fail(error, true);
        }
        self.reset(code != Code::IllegalGeneration);
        self.unjoined("the coordinator went on without this member");
        if planted::has(Bug::NoRejoin) {
            self.phase = Phase::Out;
        }
        self.lose()
    }

    /// The coordinator did not take a request.
    fn refused(&mut self, code: Code, api: &str, now: Instant, random: &mut fastrand::Rng) -> Option<Change> {
        if code.retriable() || code == Code::RebalanceInProgress {
            // edge 57: moved, still loading: the same again soon, perhaps elsewhere.
            tracing::debug!(group = %self.settings.group, %code, api, "refused for now");
            self.again(now, random);
            return None;
        }
        let error = self.error(code, api);
        self.fail(error, code == Code::FencedInstanceId)
    }

    /// No answer to a join or sync: the coordinator may have moved.
    fn not_reached(&mut self, error: Error, now: Instant, random: &mut fastrand::Rng) -> Option<Change> {
        if !error.is_retriable() {
            return self.fail(error, false);
        }
        tracing::debug!(group = %self.settings.group, %error, "the coordinator was not reached");
        self.again(now, random);
        None
    }

    fn again(&mut self, now: Instant, random: &mut fastrand::Rng) {
        let wait = self.backoff.next(random);
        let reason = std::mem::take(&mut self.reason);
        self.unjoined(reason);
        self.retry_at = now.checked_add(wait);
    }
}
