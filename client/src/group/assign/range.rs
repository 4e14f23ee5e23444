//! Consecutive partitions of each topic, near the member if racks are known (KIP-881).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::Str;

use super::{Assignor, GroupMember, GroupTopics, MemberAssignment, Racks};
use crate::TopicPartition;

/// What each member gets, in the order of the members.
type Shares = Vec<Vec<TopicPartition>>;

/// Consecutive partitions of each topic to each of its members, near the member if racks are known (KIP-881).
///
/// Topics of the same members with as many partitions are shared out alike, so that partitions of the same number,
/// which have the same keys, come together. The property's value `range`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let ids = members.iter().map(|member| member.member_id.clone());
        Ok(ids.zip(assign(members, topics).into_iter().map(MemberAssignment::from)).collect())
    }
}

/// Gives each member of a topic an equal run of its partitions, the first members one more where they don't divide.
///
/// If members and replicas have racks, and not every partition is in every rack, partitions go first to a member in a
/// rack of theirs, as long as the shares stay equal; topics of the same members and as many partitions are then
/// shared out alike.
fn assign(members: &[GroupMember], topics: &GroupTopics) -> Shares {
    let mut shares: Vec<_> = topics
        .0
        .iter()
        .filter(|(_, partitions)| !partitions.is_empty())
        .map(|(topic, partitions)| Share::new(topic, partitions, members))
        .collect();
    let mut assignment = vec![Vec::new(); members.len()];
    if shares.iter().any(|share| share.by_rack) {
        match_racks(&mut shares, members, &mut assignment);
    }
    for share in &mut shares {
        share.give_ranges(members, &mut assignment, |_, _, _| true);
    }
    for partitions in &mut assignment {
        partitions.sort();
    }
    assignment
}

/// What is left to share out of one topic.
struct Share<'a> {
    topic: &'a Arc<str>,
    racks: &'a [Racks],
    /// The members that want the topic, as indices into all, in their order.
    members: Vec<usize>,
    by_rack: bool,
    /// Whether a member of the topic has a rack at all.
    any_rack: bool,
    /// Partitions that no member has yet.
    left: Vec<i32>,
    given: BTreeMap<usize, usize>,
    per_member: usize,
    members_with_one_more: usize,
}

impl<'a> Share<'a> {
    fn new(topic: &'a Arc<str>, racks: &'a [Racks], all: &[GroupMember]) -> Self {
        let wants = |member: &GroupMember| member.topics.contains(topic);
        let members: Vec<_> = (0..all.len()).filter(|index| wants(&all[*index])).collect();
        let member_racks: Racks = members.iter().filter_map(|index| all[*index].rack().map(Str::from)).collect();
        let replica_racks: Racks = racks.iter().flatten().cloned().collect();
        Self {
            topic,
            racks,
            by_rack: !member_racks.is_disjoint(&replica_racks) && racks.iter().any(|racks| *racks != replica_racks),
            any_rack: !member_racks.is_empty(),
            left: (0..).take(racks.len()).collect(),
            given: members.iter().map(|index| (*index, 0)).collect(),
            per_member: racks.len().checked_div(members.len()).unwrap_or(0),
            members_with_one_more: racks.len().checked_rem(members.len()).unwrap_or(0),
            members,
        }
    }

    /// How many more partitions the member may get.
    fn room(&self, member: usize) -> usize {
        let most = self.per_member + usize::from(self.members_with_one_more > 0);
        most.saturating_sub(self.given.get(&member).copied().unwrap_or(0))
    }

    fn in_rack(&self, member: &GroupMember, partition: i32) -> bool {
        let Some(rack) = member.rack() else { return true };
        usize::try_from(partition)
            .ok()
            .and_then(|index| self.racks.get(index))
            .is_some_and(|racks| racks.contains(rack))
    }

    /// Gives each member, in order, the first partitions left that it may have.
    fn give_ranges(
        &mut self,
        all: &[GroupMember],
        assignment: &mut Shares,
        may_have: impl Fn(&Self, &GroupMember, i32) -> bool,
    ) {
        for member in self.members.clone() {
            if self.left.is_empty() {
                break;
            }
            let suitable = self.left.iter().copied().filter(|partition| may_have(self, &all[member], *partition));
            let partitions: Vec<_> = suitable.take(self.room(member)).collect();
            if !partitions.is_empty() {
                self.give(member, &partitions, assignment);
            }
        }
    }

    fn give(&mut self, member: usize, partitions: &[i32], assignment: &mut Shares) {
        let partition = |partition: &i32| TopicPartition { topic: self.topic.clone(), partition: *partition };
        assignment[member].extend(partitions.iter().map(partition));
        let given = self.given.entry(member).or_default();
        *given += partitions.len();
        if *given > self.per_member {
            self.members_with_one_more = self.members_with_one_more.saturating_sub(1);
        }
        // They come in ascending order.
        self.left.retain(|left| partitions.binary_search(left).is_err());
    }
}

fn match_racks(shares: &mut [Share<'_>], all: &[GroupMember], assignment: &mut Shares) {
    // Topics of the same members with as many partitions are joined by partition: they are shared out alike.
    let mut alike: BTreeMap<(Vec<usize>, usize), Vec<usize>> = BTreeMap::new();
    for (index, share) in shares.iter().enumerate() {
        let partitions = if share.any_rack { share.racks.len() } else { 0 };
        alike.entry((share.members.clone(), partitions)).or_default().push(index);
    }
    for ((members, partitions), together) in alike {
        match together.as_slice() {
            [alone] if shares[*alone].by_rack => shares[*alone].give_ranges(all, assignment, Share::in_rack),
            [_] => {}
            _ => match_together(shares, &together, members, partitions, all, assignment),
        }
    }
}

fn match_together(
    shares: &mut [Share<'_>],
    together: &[usize],
    mut members: Vec<usize>,
    partitions: usize,
    all: &[GroupMember],
    assignment: &mut Shares,
) {
    for partition in (0..).take(partitions) {
        let fits = |member: usize| {
            let fits = |share: &Share<'_>| share.in_rack(&all[member], partition) && share.room(member) > 0;
            together.iter().all(|index| fits(&shares[*index]))
        };
        let Some(member) = members.iter().copied().find(|member| fits(*member)) else { continue };
        for index in together {
            shares[*index].give(member, &[partition], assignment);
        }
        if together.iter().all(|index| shares[*index].room(member) == 0) {
            members.retain(|other| *other != member);
        }
    }
}
