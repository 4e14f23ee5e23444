//! JoinGroup: in with a new member, or once more with a known one.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::member::{self, Member, Waiting, milliseconds};
use super::{Classic, Reply, State};

/// How long a new member's join may wait, heartbeats being impossible before its end.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// The first version in which a new dynamic member is first given its id (KIP-394).
const MEMBER_IDS_FROM: i16 = 4;

/// The first version in which a static leader may be told to skip the assignment.
const SKIPPED_ASSIGNMENT_FROM: i16 = 9;

/// The first version whose answer may lack a protocol's name.
const NULL_PROTOCOL_FROM: i16 = 7;

/// A join, with what the coordinator knows of its sender.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) waiting: Waiting,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// The id it gets if it needs one.
    pub(crate) new_id: String,
    pub(crate) request: JoinGroupRequest,
}

impl Classic {
    /// Lets a member join; the answer comes out of [`Self::take_answers`], at once or later.
    pub(crate) fn join(&mut self, join: Join, now: Duration) {
        let id = join.request.member_id.to_string();
        if !self.supports(&join.request) {
            return self.refuse(&join, id, ResponseError::InconsistentGroupProtocol);
        }
        if id.is_empty() {
            self.join_new(join, now);
        } else if self.pending.remove(&id).is_some() {
            self.add(join, id, now);
        } else {
            match self.check_member(&id, join.request.group_instance_id.as_deref()) {
                Ok(()) => self.join_again(&join, &id, now),
                Err(code) => self.refuse(&join, id, code),
            }
        }
    }

    fn join_new(&mut self, join: Join, now: Duration) {
        let id = join.new_id.clone();
        if let Some(instance) = join.request.group_instance_id.as_deref() {
            match self.static_member(instance).map(str::to_owned) {
                Some(known) => self.replace_static(join, &known, now),
                None => self.add(join, id, now),
            }
        } else if join.waiting.version >= MEMBER_IDS_FROM {
            self.pending.insert(id.clone(), now + milliseconds(join.request.session_timeout_ms));
            self.refuse(&join, id, ResponseError::MemberIdRequired);
        } else {
            self.add(join, id, now);
        }
    }

    fn add(&mut self, join: Join, id: String, now: Duration) {
        let Join { waiting, client_id, client_host, request, .. } = join;
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.to_string());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if self.state == State::Preparing && self.previous == State::Empty {
            self.has_new_member = true;
        }
        self.members.push(Member {
            id,
            instance: request.group_instance_id.as_ref().map(StrBytes::to_string),
            client_id,
            client_host,
            session_timeout: milliseconds(request.session_timeout_ms),
            rebalance_timeout: member::rebalance_timeout(&request, waiting.version),
            protocols: member::protocols(&request),
            assignment: Bytes::new(),
            joining: Some(waiting),
            syncing: None,
            is_new: true,
            deadline: Some(now + NEW_MEMBER_TIMEOUT),
        });
        self.rebalance_or_complete(now);
    }

    /// A known member joins: perhaps it missed an answer, perhaps it wants a rebalance.
    fn join_again(&mut self, join: &Join, id: &str, now: Duration) {
        let is_leader = self.is_leader(id);
        let is_unchanged = self.member(id).is_some_and(|member| member.matches(&join.request));
        match self.state {
            State::Completing | State::Stable if is_unchanged && !(is_leader && self.state == State::Stable) => {
                let reply = self.joined(join.waiting.version, id, is_leader);
                self.answers.push((join.waiting.ticket, Reply::Joined(reply)));
            }
            State::Completing | State::Preparing | State::Stable => {
                let superseded = self.member_mut(id).and_then(|member| {
                    let superseded = member.joining.take();
                    member.update(&join.request, join.waiting);
                    superseded
                });
                if let Some(earlier) = superseded {
                    let code = ResponseError::UnknownMemberId.code();
                    let reply = refusal(earlier.version, id.to_owned(), code);
                    self.answers.push((earlier.ticket, Reply::Joined(reply)));
                }
                self.rebalance_or_complete(now);
            }
            State::Empty => self.refuse(join, id.to_owned(), ResponseError::UnknownMemberId),
        }
    }

    /// A static member came back under a new id, which takes the old one's place and fences it.
    fn replace_static(&mut self, join: Join, old_id: &str, now: Duration) {
        let Join { waiting, new_id, request, .. } = join;
        let was_leader = self.is_leader(old_id);
        let Some(member) = self.members.iter_mut().find(|member| member.id == old_id) else { return };
        let code = ResponseError::FencedInstanceId.code();
        if let Some(old) = member.joining.take() {
            self.answers.push((old.ticket, Reply::Joined(refusal(old.version, old_id.to_owned(), code))));
        }
        if let Some(old) = member.syncing.take() {
            self.answers.push((old.ticket, Reply::Synced(SyncGroupResponse::default().with_error_code(code))));
        }
        member.id.clone_from(&new_id);
        member.update(&request, waiting);
        member.deadline = Some(now + member.session_timeout);
        if self.unsynced.remove(old_id) {
            self.unsynced.insert(new_id.clone());
        }
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        match self.state {
            State::Stable if self.protocol == self.select_protocol() => self.welcome_back(&new_id, old_id, was_leader),
            State::Completing | State::Stable => self.prepare(now),
            State::Empty | State::Preparing => self.complete_if_all_joined(now),
        }
    }

    /// Answers a static member that came back to a stable group: it keeps its assignment, nobody rebalances.
    fn welcome_back(&mut self, id: &str, old_id: &str, is_leader: bool) {
        let Some(waiting) = self.member_mut(id).and_then(|member| member.joining.take()) else { return };
        let reply = if waiting.version >= SKIPPED_ASSIGNMENT_FROM {
            self.joined(waiting.version, id, is_leader).with_skip_assignment(is_leader)
        } else {
            // An older client would assign anew if it thought itself the leader.
            let reply = self.joined(waiting.version, id, false);
            if is_leader { reply.with_leader(StrBytes::from_string(old_id.to_owned())) } else { reply }
        };
        self.answers.push((waiting.ticket, Reply::Joined(reply)));
    }

    /// The answer to a member that is in the present generation; the leader's lists all members.
    pub(super) fn joined(&self, version: i16, id: &str, with_members: bool) -> JoinGroupResponse {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let describe = |member: &Member| {
            JoinGroupResponseMember::default()
                .with_member_id(text(&member.id))
                .with_group_instance_id(member.instance.as_deref().map(text))
                .with_metadata(member.metadata(self.protocol()))
        };
        let members = if with_members { self.members.iter().map(describe).collect() } else { Vec::new() };
        for_version(version, JoinGroupResponse::default())
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.as_deref().map(text))
            .with_protocol_name(Some(text(self.protocol())))
            .with_leader(text(self.leader.as_deref().unwrap_or_default()))
            .with_member_id(text(id))
            .with_members(members)
    }

    fn refuse(&mut self, join: &Join, id: String, code: ResponseError) {
        let reply = refusal(join.waiting.version, id, code.code());
        self.answers.push((join.waiting.ticket, Reply::Joined(reply)));
    }
}

/// The answer to a join that failed.
pub(crate) fn refusal(version: i16, id: String, code: i16) -> JoinGroupResponse {
    for_version(version, JoinGroupResponse::default())
        .with_error_code(code)
        .with_generation_id(-1)
        .with_member_id(StrBytes::from_string(id))
}

/// Older versions must name a protocol, be it none.
fn for_version(version: i16, response: JoinGroupResponse) -> JoinGroupResponse {
    response.with_protocol_name((version < NULL_PROTOCOL_FROM).then(StrBytes::default))
}
