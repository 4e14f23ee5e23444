//! What a member says to its coordinator, and what its leader decides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::Str;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use tokio::time::Instant;

use super::{Classic, Phase, Step};
use crate::cluster::Metadata;
use crate::group::assign::{GroupTopics, Racks};
use crate::group::protocol::{self, PROTOCOL_TYPE};
use crate::group::{Change, GroupMembershipOperation};
use crate::planted::{self, Bug};

impl Classic {
    /// What to tell the coordinator on leaving: nothing by default for a member that is to come back under its
    /// instance id (KIP-345).
    pub(crate) fn leave_request(
        &self,
        reason: &'static str,
        operation: GroupMembershipOperation,
    ) -> Option<LeaveGroupRequest> {
        let is_member = !self.identity.member_id.is_empty() && !matches!(self.phase, Phase::Out | Phase::Left);
        let leaves = match operation {
            GroupMembershipOperation::Default => self.settings.instance_id.is_none(),
            GroupMembershipOperation::LeaveGroup => true,
            GroupMembershipOperation::RemainInGroup => false,
        };
        (is_member && leaves).then(|| LeaveGroupRequest {
            group_id: self.settings.group.clone(),
            members: vec![MemberIdentity {
                member_id: self.identity.member_id.clone(),
                group_instance_id: self.settings.instance_id.clone(),
                reason: Some(reason.into()),
            }],
            ..LeaveGroupRequest::default()
        })
    }

    /// Joins the group, with whatever is wanted now.
    pub(super) fn join(&mut self) -> (Step, Option<Change>) {
        let (generation, rack) = (self.identity.generation, &self.settings.rack);
        let protocols = self.settings.assignors.subscriptions(&self.topics).and_then(|offers| {
            let offer = |(name, user_data): (&str, _)| {
                let metadata = protocol::subscription(&self.topics, self.held.iter(), generation, rack, user_data)?;
                Ok(JoinGroupRequestProtocol { name: name.into(), metadata })
            };
            offers.into_iter().map(offer).collect()
        });
        let protocols = match protocols {
            Ok(protocols) => protocols,
            Err(error) => return (Step::Leave(None), self.fail(error, false)),
        };
        self.attempt += 1;
        self.phase = Phase::Joining;
        self.joined.clone_from(&self.topics);
        let request = JoinGroupRequest {
            group_id: self.settings.group.clone(),
            session_timeout_ms: milliseconds(self.settings.session_timeout),
            rebalance_timeout_ms: milliseconds(self.settings.max_poll_interval),
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
            protocol_type: Str::from_static(PROTOCOL_TYPE),
            protocols,
            reason: Some(truncated(&self.reason).into()),
        };
        (Step::Join(request, self.attempt), None)
    }

    /// Shares out the partitions, once all topics are known.
    pub(super) fn assign(&mut self, metadata: &Metadata) -> Option<(Step, Option<Change>)> {
        let Phase::Assigning { members, skip } = &mut self.phase else { return None };
        // A topic that does not exist is known by its error.
        let is_known = |topic: &Arc<str>| metadata.is_complete || metadata.topics.contains_key(&**topic);
        if !self.group_topics.iter().all(is_known) {
            return None;
        }
        let topics = topics_of(&self.group_topics, metadata);
        let mut assignments = Vec::new();
        if !*skip && let Some(assignor) = &self.assignor {
            let encode = |(id, assignment): (String, _)| {
                let assignment = protocol::assignment(&assignment)?;
                Ok(SyncGroupRequestAssignment { member_id: id.into(), assignment })
            };
            let assigned = self.settings.assignors.assign(&**assignor, members, &topics);
            match assigned.and_then(|assigned| assigned.into_iter().map(encode).collect()) {
                Ok(encoded) => assignments = encoded,
                Err(error) => {
                    let error = error.within(format_args!("group {}", self.settings.group));
                    return Some((Step::Leave(None), self.fail(error, false)));
                }
            }
        }
        self.assigned_by = Some((topics, metadata.version));
        Some((self.sync(assignments), None))
    }

    /// Asks for this member's assignment; the leader brings everyone's.
    pub(super) fn sync(&mut self, assignments: Vec<SyncGroupRequestAssignment>) -> Step {
        self.attempt += 1;
        self.phase = Phase::Syncing;
        let request = SyncGroupRequest {
            group_id: self.settings.group.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
            protocol_type: Some(Str::from_static(PROTOCOL_TYPE)),
            protocol_name: self.assignor.as_ref().map(|assignor| assignor.name().into()),
            assignments,
        };
        Step::Sync(request, self.attempt)
    }

    /// The leader starts a rebalance when the topics are not any more what it assigned by.
    pub(super) fn check_partition_counts(&mut self, metadata: &Metadata, now: Instant) {
        let Some((GroupTopics(assigned_by), version)) = &mut self.assigned_by else { return };
        if std::mem::replace(version, metadata.version) == metadata.version {
            return;
        }
        let GroupTopics(current) = topics_of(&self.group_topics, metadata);
        let has_rack = !self.settings.rack.is_empty();
        let is_same = current.len() == assigned_by.len()
            && current.iter().zip(&*assigned_by).all(|((name, racks), (old_name, old_racks))| {
                name == old_name && racks.len() == old_racks.len() && (!has_rack || racks == old_racks)
            });
        if !is_same && !planted::has(Bug::UnseenPartitions) {
            self.rebalance("the partitions of the topics changed", now);
        }
    }

    /// Says that the member lives.
    pub(super) fn heartbeat(&self) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: self.settings.group.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
        }
    }
}

/// The topics that exist, with the racks of each partition's replicas.
fn topics_of(names: &BTreeSet<Arc<str>>, metadata: &Metadata) -> GroupTopics {
    let racks = |partition: &crate::cluster::Partition| -> Racks {
        partition.replicas.iter().filter_map(|broker| metadata.brokers.get(broker)?.rack.clone()).collect()
    };
    let topics = names
        .iter()
        .filter_map(|name| Some((name.clone(), metadata.topics.get(&**name)?)))
        .filter(|(_, topic)| topic.is_usable())
        .map(|(name, topic)| (name, topic.partitions.iter().map(racks).collect()));
    GroupTopics(topics.collect())
}

/// Brokers take no longer reason than this, in UTF-16 units.
const MAX_REASON: usize = 255;

fn truncated(reason: &str) -> &str {
    let mut units = 0;
    let fits = |(_, character): &(usize, char)| {
        units += character.len_utf16();
        units <= MAX_REASON
    };
    let end = reason.char_indices().take_while(fits).last().map_or(0, |(at, character)| at + character.len_utf8());
    &reason[..end]
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
