//! How a group's partitions are shared out among its members, with the results of the Java client's assignors.
//!
//! The leader of a group runs one of these over what all members said of themselves. Members of other clients may be
//! among them, and another leader must come to the same result.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::Str;
use ottla_wire::messages::ConsumerProtocolSubscription;

use crate::TopicPartition;
use crate::config::AssignmentStrategy;

mod range;
mod round_robin;

/// One member of a group, as its leader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Str,
    pub(crate) instance_id: Option<Str>,
    pub(crate) subscription: ConsumerProtocolSubscription,
}

/// The racks that hold a replica of a partition.
pub(crate) type Racks = BTreeSet<Str>;

/// The topics that any member wants and that exist: the racks of each partition, by its number.
pub(crate) type Topics = BTreeMap<Arc<str>, Vec<Racks>>;

/// What each member gets, by member id; every member is there.
pub(crate) type Assignment = BTreeMap<Str, Vec<TopicPartition>>;

impl AssignmentStrategy {
    /// The name that members agree on.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
        }
    }

    /// Shares out every partition of `topics` that a member wants.
    pub(crate) fn assign(self, members: &[Member], topics: &Topics) -> Assignment {
        let mut members: Vec<_> = members.iter().collect();
        members.sort_by(|a, b| a.order(b));
        match self {
            Self::Range => range::assign(&members, topics),
            Self::RoundRobin => round_robin::assign(&members, topics),
        }
    }
}

impl Member {
    /// Members with a name that outlives them come first, by that name; the others follow by their id.
    fn order(&self, other: &Self) -> Ordering {
        match (&self.instance_id, &other.instance_id) {
            (Some(ours), Some(theirs)) => as_java(ours, theirs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => as_java(&self.id, &other.id),
        }
    }

    fn rack(&self) -> Option<&Str> {
        self.subscription.rack_id.as_ref().filter(|rack| !rack.is_empty())
    }
}

/// Java compares strings by their UTF-16 units, which beyond the basic plane is another order than that of bytes.
fn as_java(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn empty(members: &[&Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

#[cfg(test)]
mod tests;
