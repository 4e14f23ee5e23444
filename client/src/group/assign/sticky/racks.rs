//! Which members are near which partitions (KIP-881).

use std::collections::{BTreeMap, BTreeSet};

use super::super::{GroupMember, Racks as Replicas};

/// Racks of members and partitions; empty where they make no difference.
pub(super) struct Racks {
    members: Vec<Option<usize>>,
    /// Those that members are in, by partition.
    partitions: Vec<Vec<usize>>,
    /// How many members are in each.
    sizes: Vec<usize>,
}

impl Racks {
    pub(super) fn new(members: &[&GroupMember], partitions: &[&Replicas]) -> Self {
        let names: BTreeSet<&str> = members.iter().filter_map(|member| member.rack()).collect();
        let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
        let used: BTreeSet<&str> = partitions.iter().flat_map(|racks| racks.iter()).map(|rack| &**rack).collect();
        let is_everywhere = |racks: &&Replicas| racks.len() == used.len();
        if names.is_disjoint(&used) || partitions.iter().all(is_everywhere) {
            return Self { members: Vec::new(), partitions: Vec::new(), sizes: Vec::new() };
        }
        let members: Vec<_> = members.iter().map(|member| index.get(member.rack()?).copied()).collect();
        let mut sizes = vec![0; names.len()];
        members.iter().flatten().for_each(|rack| sizes[*rack] += 1);
        let known = |racks: &&Replicas| racks.iter().filter_map(|rack| index.get(&**rack).copied()).collect();
        Self { members, partitions: partitions.iter().map(known).collect(), sizes }
    }

    pub(super) fn matter(&self) -> bool {
        !self.members.is_empty()
    }

    /// Whether the member is in a rack without a replica of the partition.
    pub(super) fn mismatch(&self, member: usize, partition: usize) -> bool {
        self.rack_of(member).is_some_and(|rack| !self.partitions[partition].contains(&rack))
    }

    /// Whether the member is in a rack with a replica of the partition.
    pub(super) fn are_near(&self, member: usize, partition: usize) -> bool {
        self.rack_of(member).is_some_and(|rack| self.partitions[partition].contains(&rack))
    }

    /// How many members are near the partition.
    pub(super) fn members_near(&self, partition: usize) -> usize {
        self.partitions.get(partition).into_iter().flatten().map(|rack| self.sizes[*rack]).sum()
    }

    fn rack_of(&self, member: usize) -> Option<usize> {
        self.members.get(member).copied().flatten()
    }
}
