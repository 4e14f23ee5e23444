//! One partition after the other, to one member after the other.

use std::collections::BTreeSet;

use super::{Assignment, Member, Topics, empty};
use crate::TopicPartition;

/// Lays out all partitions by topic and number, and deals them to the members that want their topic, in order.
pub(super) fn assign(members: &[&Member], topics: &Topics) -> Assignment {
    let mut assignment = empty(members);
    let wants: Vec<BTreeSet<&str>> =
        members.iter().map(|member| member.subscription.topics.iter().map(|topic| &**topic).collect()).collect();
    let mut next = 0;
    for (topic, partitions) in topics {
        if !wants.iter().any(|wanted| wanted.contains(&**topic)) {
            continue;
        }
        for partition in (0..).take(partitions.len()) {
            while !wants[next].contains(&**topic) {
                next = (next + 1) % members.len();
            }
            if let Some(dealt) = assignment.get_mut(&members[next].id) {
                dealt.push(TopicPartition { topic: topic.clone(), partition });
            }
            next = (next + 1) % members.len();
        }
    }
    assignment
}
