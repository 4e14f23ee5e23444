//! The phase of joining: how it begins, how it ends, and what is agreed on in it.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::JoinGroupRequest;

use super::{Classic, JoinEnd, Reply, State};

impl Classic {
    /// Begins a rebalance unless one is under way, in which case it may be complete now.
    pub(super) fn rebalance_or_complete(&mut self, now: Duration) {
        match self.state {
            State::Preparing => self.complete_if_all_joined(now),
            State::Completing | State::Empty | State::Stable => self.prepare(now),
        }
    }

    /// Begins a rebalance: everyone is to join again.
    pub(super) fn prepare(&mut self, now: Duration) {
        if self.state == State::Completing {
            self.reset_assignments(ResponseError::RebalanceInProgress, now);
        }
        self.sync_end = None;
        let is_initial = self.state == State::Empty;
        self.enter(State::Preparing);
        if is_initial {
            let remaining = self.rebalance_timeout().saturating_sub(self.initial_delay);
            self.put_off_initial(self.initial_delay, remaining, now);
        } else if self.all_joined() {
            self.complete_join(now);
        } else {
            self.join_end = Some(JoinEnd { at: now + self.rebalance_timeout(), initial: None });
        }
    }

    /// Completes the phase of joining if nobody is missing; an empty group's first one ends by time alone.
    pub(super) fn complete_if_all_joined(&mut self, now: Duration) {
        if self.state == State::Preparing && self.previous != State::Empty && self.all_joined() {
            self.complete_join(now);
        }
    }

    /// The time for joining is over.
    pub(super) fn end_join(&mut self, end: JoinEnd, now: Duration) {
        self.join_end = None;
        match end.initial {
            Some((remaining, delay)) if self.has_new_member && !remaining.is_zero() => {
                self.has_new_member = false;
                self.put_off_initial(self.initial_delay.min(remaining), remaining.saturating_sub(delay), now);
            }
            _ => self.complete_join(now),
        }
    }

    fn put_off_initial(&mut self, delay: Duration, remaining: Duration, now: Duration) {
        if delay.is_zero() {
            self.complete_join(now);
        } else {
            self.join_end = Some(JoinEnd { at: now + delay, initial: Some((remaining, delay)) });
        }
    }

    /// True if all members wait for the end of the phase, and nobody who was given an id is still to come.
    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.iter().all(|member| member.joining.is_some())
    }

    /// Starts the next generation with those who joined. Static members stay, joined or not.
    pub(super) fn complete_join(&mut self, now: Duration) {
        self.join_end = None;
        let is_missing = |member: &&super::Member| member.joining.is_none() && member.instance.is_none();
        let missing: Vec<String> = self.members.iter().filter(is_missing).map(|member| member.id.clone()).collect();
        for id in missing {
            self.remove(&id);
        }
        let leader_joined =
            self.leader.as_deref().and_then(|id| self.member(id)).is_some_and(|leader| leader.joining.is_some());
        if !leader_joined && !self.members.is_empty() {
            match self.members.iter().find(|member| member.joining.is_some()) {
                Some(member) => self.leader = Some(member.id.clone()),
                None => {
                    // Static members only, and none has come: wait until they do or their sessions end.
                    self.join_end = Some(JoinEnd { at: now + self.rebalance_timeout(), initial: None });
                    return;
                }
            }
        }
        self.generation += 1;
        self.unsynced.clear();
        self.has_new_member = false;
        if self.members.is_empty() {
            self.protocol = None;
            self.enter(State::Empty);
            return;
        }
        self.protocol = self.select_protocol();
        self.enter(State::Completing);
        self.answer_joins(now);
        self.sync_end = Some(now + self.rebalance_timeout());
    }

    fn answer_joins(&mut self, now: Duration) {
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            member.is_new = false;
            member.deadline = Some(now + member.session_timeout);
            let (id, waiting) = (member.id.clone(), member.joining.take());
            if let Some(waiting) = waiting {
                let reply = self.joined(waiting.version, &id, self.is_leader(&id));
                self.answers.push((waiting.ticket, Reply::Joined(reply)));
            }
            self.unsynced.insert(id);
        }
    }

    /// The longest of the members' rebalance timeouts.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members.iter().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// True if a member with these protocols can be in the group.
    pub(super) fn supports(&self, request: &JoinGroupRequest) -> bool {
        let offered = || request.protocols.iter().map(|protocol| protocol.name.as_str());
        if self.state == State::Empty {
            return !request.protocol_type.is_empty() && offered().next().is_some();
        }
        self.protocol_type() == request.protocol_type.as_str() && offered().any(|name| self.all_support(name))
    }

    fn all_support(&self, protocol: &str) -> bool {
        self.members.iter().all(|member| member.protocols.iter().any(|(name, _)| name == protocol))
    }

    /// The protocol most members like best among those that all support; the first to be named, if several are.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in &self.members {
            let names = member.protocols.iter().map(|(name, _)| name.as_str());
            let Some(favourite) = names.into_iter().find(|name| self.all_support(name)) else { continue };
            match votes.iter_mut().find(|(name, _)| *name == favourite) {
                Some((_, count)) => *count += 1,
                None => votes.push((favourite, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| (*name).to_owned())
    }
}
