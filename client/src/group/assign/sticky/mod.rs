//! Members keep what they own, and their shares are as equal as can be (KIP-54, KIP-429).
//!
//! [`claims`] finds who owns what. Where all members want the same topics, [`equal`] shares them out, else [`general`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Assignor, GroupMember, GroupTopics, MemberAssignment, RebalanceProtocol};
use crate::TopicPartition;
use crate::group::metadata::GroupMetadata;
use crate::planted::{self, Bug};
use claims::{Claim, Group};
use user_data::NO_GENERATION;

mod claims;
mod equal;
mod general;
mod racks;
mod user_data;

/// Shares that are as equal as can be, and stay as they are as far as can be: `sticky` (KIP-54).
///
/// The group rebalances eagerly, members give up everything; so each tells the leader what it was assigned last. Near
/// the member if racks are known, as long as shares stay equal.
///
/// Remembers what it was assigned: each consumer needs one of its own.
#[derive(Debug, Default)]
pub struct StickyAssignor {
    /// What was assigned last, and in which generation.
    last: Mutex<Option<(Vec<TopicPartition>, i32)>>,
}

/// Shares that are as equal as can be, and stay as they are as far as can be: `cooperative-sticky` (KIP-429).
///
/// As [`StickyAssignor`], but only what goes to another member is given up: it is left out of one assignment, and comes
/// with the next. If every assignor of a consumer supports that, the consumer goes on reading what it keeps.
///
/// Remembers a generation: each consumer needs one of its own.
#[derive(Debug)]
pub struct CooperativeStickyAssignor {
    generation: Mutex<i32>,
}

impl CooperativeStickyAssignor {
    pub(super) const NAME: &str = "cooperative-sticky";
}

impl Default for CooperativeStickyAssignor {
    fn default() -> Self {
        Self { generation: Mutex::new(NO_GENERATION) }
    }
}

impl Assignor for StickyAssignor {
    fn name(&self) -> &str {
        "sticky"
    }

    fn subscription_user_data(&self, _: &BTreeSet<Arc<str>>) -> Option<Bytes> {
        let last = self.last.lock();
        last.as_ref().map(|(partitions, generation)| user_data::write_assignment(partitions, *generation))
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let claim = |member: &&GroupMember| {
            let told = member.user_data.as_ref().map(user_data::read_assignment);
            let (partitions, generation) = told.unwrap_or((Vec::new(), NO_GENERATION));
            Claim { partitions, generation }
        };
        let group = Group::new(members, topics);
        let claims: Vec<_> = group.members.iter().map(claim).collect();
        let shares = shares(&group, &claims, topics).shares;
        Ok(named(&group, &shares, |_| true))
    }

    fn on_assignment(&self, assignment: &MemberAssignment, group: &GroupMetadata) {
        *self.last.lock() = Some((assignment.partitions.clone(), group.generation_id()));
    }
}

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Cooperative, RebalanceProtocol::Eager]
    }

    fn subscription_user_data(&self, _: &BTreeSet<Arc<str>>) -> Option<Bytes> {
        Some(user_data::write_generation(*self.generation.lock()))
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let claim = |member: &&GroupMember| {
            // Members of older versions tell it here alone.
            let told = || member.user_data.as_ref().map(user_data::read_generation);
            let generation = member.generation_id.or_else(told).unwrap_or(NO_GENERATION);
            Claim { partitions: member.owned_partitions.clone(), generation }
        };
        let group = Group::new(members, topics);
        let claims: Vec<_> = group.members.iter().map(claim).collect();
        let equal::Shares { shares, changes_hands } = shares(&group, &claims, topics);
        Ok(named(&group, &shares, |partition| !changes_hands[partition] || planted::has(Bug::GivenTooEarly)))
    }

    fn on_assignment(&self, _: &MemberAssignment, group: &GroupMetadata) {
        *self.generation.lock() = group.generation_id();
    }
}

/// Shares out all partitions by these claims, which come in the order of the group's members.
fn shares(group: &Group<'_>, claims: &[Claim], topics: &GroupTopics) -> equal::Shares {
    let (weighed, racks) = (group.weigh(claims), group.racks(topics));
    if group.wants_are_equal() {
        return equal::assign(group, &weighed, &racks);
    }
    let shares = general::assign(group, &weighed, &racks);
    let changes_hands = changing_hands(group, claims, &shares);
    equal::Shares { shares, changes_hands }
}

/// The partitions that a member newly gets while another says that it owns them.
fn changing_hands(group: &Group<'_>, claims: &[Claim], shares: &[Vec<usize>]) -> Vec<bool> {
    let mut changes_hands = vec![false; group.partitions()];
    let claimed: Vec<BTreeSet<&TopicPartition>> =
        claims.iter().map(|claim| claim.partitions.iter().collect()).collect();
    let claimed_by_any: BTreeSet<&TopicPartition> = claimed.iter().flatten().copied().collect();
    for (member, partitions) in shares.iter().enumerate() {
        for partition in partitions {
            let named = group.partition(*partition);
            changes_hands[*partition] = claimed_by_any.contains(&named) && !claimed[member].contains(&named);
        }
    }
    changes_hands
}

fn named(
    group: &Group<'_>,
    shares: &[Vec<usize>],
    is_given: impl Fn(usize) -> bool,
) -> BTreeMap<String, MemberAssignment> {
    let ids = group.members.iter().map(|member| member.member_id.clone());
    let partitions = shares.iter().map(|share| {
        let given = share.iter().copied().filter(|partition| is_given(*partition));
        given.map(|partition| group.partition(partition)).collect::<Vec<_>>().into()
    });
    ids.zip(partitions).collect()
}

#[cfg(test)]
mod tests;
