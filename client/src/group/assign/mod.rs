//! How a group's partitions are shared out among its members, with the results of the Java client's assignors.
//!
//! The leader of a group runs one of these over what all members said of themselves. Members of other clients may be
//! among them, and another leader must come to the same result.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::config::AssignmentStrategy;

mod assignor;
mod assignors;
mod range;
mod round_robin;
mod sticky;

pub(crate) use assignor::Racks;
pub use assignor::{Assignor, GroupMember, GroupTopics, MemberAssignment, RebalanceProtocol};
pub(crate) use assignors::{Assignors, on_assignment};
pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::{CooperativeStickyAssignor, StickyAssignor};

impl AssignmentStrategy {
    /// One for a single member: it may remember what that was assigned.
    pub(crate) fn assignor(self) -> Arc<dyn Assignor> {
        match self {
            Self::CooperativeSticky => Arc::new(CooperativeStickyAssignor::default()),
            Self::Range => Arc::new(RangeAssignor),
            Self::RoundRobin => Arc::new(RoundRobinAssignor),
            Self::Sticky => Arc::new(StickyAssignor::default()),
        }
    }
}

impl GroupMember {
    /// Members with a name that outlives them come first, by that name; the others follow by their id.
    fn order(&self, other: &Self) -> Ordering {
        match (&self.group_instance_id, &other.group_instance_id) {
            (Some(ours), Some(theirs)) => as_java(ours, theirs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => as_java(&self.member_id, &other.member_id),
        }
    }

    /// The rack it is in, if it says so.
    fn rack(&self) -> Option<&str> {
        self.rack_id.as_deref().filter(|rack| !rack.is_empty())
    }
}

/// Java compares strings by their UTF-16 units, which beyond the basic plane is another order than that of bytes.
fn as_java(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

#[cfg(test)]
mod tests;
