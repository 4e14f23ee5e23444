//! A group under the classic protocol: members, generations and assignments.
//!
//! ```text
//!            join                 all joined, or the rebalance timeout
//!   Empty ─────────► Preparing ─────────────────────────────────────────► Completing
//!     ▲                 ▲  ▲                                                  │ the leader syncs
//!     │ nobody is left  │  └── join, leave, expiry ◄──────────────────────────┤
//!     └─────────────────┘                                                     ▼
//!                       └───── join, leave, expiry ◄────────────────────── Stable
//! ```
//!
//! Joins and syncs wait in their members; their answers come out of [`Classic::take_answers`].

mod commit;
mod join;
mod member;
mod membership;
mod rebalance;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use crate::cluster::Ticket;
pub(crate) use join::{Join, refusal};
pub(crate) use member::{Member, Waiting};

/// Where a group is in its rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Members are to join again.
    Preparing,
    /// All have joined; the leader's assignment is awaited.
    Completing,
    /// Everyone has an assignment.
    Stable,
}

impl State {
    /// The name that ListGroups and DescribeGroups use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// An answer to a join or a sync that waited.
#[derive(Debug)]
pub(crate) enum Reply {
    Joined(JoinGroupResponse),
    Synced(SyncGroupResponse),
}

/// When the phase of joining ends, whoever is missing.
#[derive(Clone, Copy, Debug)]
struct JoinEnd {
    at: Duration,
    /// Of a group that was empty: how long its end may still be put off for more members, and by how much at a time.
    initial: Option<(Duration, Duration)>,
}

/// The members of a group, and where they are in their rebalance.
#[derive(Debug)]
pub(crate) struct Classic {
    state: State,
    /// The state before the present one: an empty group's first rebalance ends by time alone.
    previous: State,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    /// In the order they joined.
    members: Vec<Member>,
    /// Ids given out with MEMBER_ID_REQUIRED, and until when they hold.
    pending: BTreeMap<String, Duration>,
    /// Members of the present generation whose sync hasn't come.
    unsynced: BTreeSet<String>,
    /// Someone joined since the first rebalance was put off last.
    has_new_member: bool,
    initial_delay: Duration,
    join_end: Option<JoinEnd>,
    sync_end: Option<Duration>,
    answers: Vec<(Ticket, Reply)>,
}

impl Classic {
    /// An empty group. Its first rebalance waits `initial_delay` for more members.
    pub(crate) fn new(initial_delay: Duration) -> Self {
        Self {
            state: State::Empty,
            previous: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Vec::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            has_new_member: false,
            initial_delay,
            join_end: None,
            sync_end: None,
            answers: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// `consumer` for consumers; `connect` and others exist.
    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// The assignor that was chosen.
    pub(crate) fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or_default()
    }

    /// In the order they joined.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Answers to joins and syncs that have come to an end.
    pub(crate) fn take_answers(&mut self) -> Vec<(Ticket, Reply)> {
        std::mem::take(&mut self.answers)
    }

    /// The answer to one request, if it is there.
    pub(crate) fn take_answer(&mut self, ticket: Ticket) -> Option<Reply> {
        let index = self.answers.iter().position(|(answered, _)| *answered == ticket)?;
        Some(self.answers.remove(index).1)
    }

    /// When [`Self::on_time`] is due next.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let members = self.members.iter().filter_map(|member| member.deadline);
        let pending = self.pending.values().copied();
        let phases = self.join_end.map(|end| end.at).into_iter().chain(self.sync_end);
        members.chain(pending).chain(phases).min()
    }

    /// Ends what time has ended: sessions, ids never used, and phases of the rebalance.
    pub(crate) fn on_time(&mut self, now: Duration) {
        while let Some((id, _)) = self.pending.iter().find(|(_, until)| **until <= now) {
            let id = id.clone();
            self.pending.remove(&id);
            if self.state == State::Preparing && self.all_joined() {
                self.complete_join(now);
            }
        }
        let is_over = |member: &&mut Member| member.deadline.is_some_and(|deadline| deadline <= now);
        while let Some(member) = self.members.iter_mut().find(is_over) {
            if member.waits() {
                // A member that waits for its answer can't send heartbeats. Its session goes on with the answer.
                member.deadline = None;
            } else {
                let id = member.id.clone();
                self.expel(&id, now);
            }
        }
        if let Some(end) = self.join_end.filter(|end| end.at <= now) {
            self.end_join(end, now);
        }
        if self.sync_end.is_some_and(|end| end <= now) {
            self.end_sync(now);
        }
    }

    /// The coordinator is another node now: whoever waits has to find it, everyone's session begins anew.
    pub(crate) fn moved(&mut self, now: Duration) {
        let code = ResponseError::NotCoordinator.code();
        for member in &mut self.members {
            if let Some(waiting) = member.joining.take() {
                let reply = join::refusal(waiting.version, member.id.clone(), code);
                self.answers.push((waiting.ticket, Reply::Joined(reply)));
            }
            if let Some(waiting) = member.syncing.take() {
                let reply = SyncGroupResponse::default().with_error_code(code);
                self.answers.push((waiting.ticket, Reply::Synced(reply)));
                self.unsynced.insert(member.id.clone());
            }
            member.deadline = Some(now + member.session_timeout);
        }
    }

    fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// The id of the static member with this instance id.
    fn static_member(&self, instance: &str) -> Option<&str> {
        let member = self.members.iter().find(|member| member.instance.as_deref() == Some(instance));
        member.map(|member| member.id.as_str())
    }

    fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// Checks that a member belongs to the group, under its instance id if it has one.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, or `FENCED_INSTANCE_ID` if another has taken over the instance id.
    fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.static_member(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(known) if known != id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        self.member(id).map(|_| ()).ok_or(ResponseError::UnknownMemberId)
    }

    /// The same, and that its generation is the present one.
    fn check_generation(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), ResponseError> {
        self.check_member(id, instance)?;
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn enter(&mut self, state: State) {
        self.previous = self.state;
        self.state = state;
    }

    /// Takes a member out; if it waits for a join, that ends with `UNKNOWN_MEMBER_ID`.
    fn remove(&mut self, id: &str) {
        self.pending.remove(id);
        self.unsynced.remove(id);
        let Some(index) = self.members.iter().position(|member| member.id == id) else { return };
        let member = self.members.remove(index);
        let code = ResponseError::UnknownMemberId.code();
        if let Some(waiting) = member.joining {
            let reply = join::refusal(waiting.version, String::new(), code);
            self.answers.push((waiting.ticket, Reply::Joined(reply)));
        }
        if let Some(waiting) = member.syncing {
            self.answers.push((waiting.ticket, Reply::Synced(SyncGroupResponse::default().with_error_code(code))));
        }
        if self.is_leader(id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
    }

    /// Takes a member out and rebalances the others.
    fn expel(&mut self, id: &str, now: Duration) {
        self.remove(id);
        match self.state {
            State::Completing | State::Stable => self.prepare(now),
            State::Preparing if self.all_joined() => self.complete_join(now),
            State::Preparing | State::Empty => {}
        }
    }
}

#[cfg(test)]
mod tests;
