//! As whom a consumer reads, for a producer that commits its offsets.

use ottla_wire::Str;

/// As whom a consumer was handed its records: what a transaction that commits their offsets tells the group's
/// coordinator, which refuses it once the group has gone on without that member (KIP-447).
///
/// Made by [`Consumer::group_metadata`](crate::Consumer::group_metadata). Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct GroupMetadata {
    pub(crate) group_id: Str,
    pub(crate) generation_id: i32,
    pub(crate) member_id: Str,
    pub(crate) group_instance_id: Option<Str>,
}

impl GroupMetadata {
    /// The property `group.id`.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The number of the assignment, from 1 on, or, with `group.protocol=consumer`, the member's epoch; -1 before the first, and for a consumer that chooses its partitions
    /// itself.
    pub fn generation_id(&self) -> i32 {
        self.generation_id
    }

    /// The name that the coordinator gave the member; empty where the generation is -1.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The property `group.instance.id`, if it is set.
    pub fn group_instance_id(&self) -> Option<&str> {
        self.group_instance_id.as_deref()
    }
}
