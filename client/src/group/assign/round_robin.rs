//! One partition after the other, to one member after the other.

use std::collections::BTreeMap;

use super::{Assignor, GroupMember, GroupTopics, MemberAssignment};
use crate::TopicPartition;

/// Lays out all partitions by topic and number, and deals them to the members that want their topic, in order.
///
/// The property's value `roundrobin`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let mut dealt: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
        let mut next = 0;
        for partition in topics.iter() {
            let Some(takes) = (next..members.len()).chain(0..next).find(|index| members[*index].wants(&partition))
            else {
                continue;
            };
            dealt[takes].push(partition);
            next = (takes + 1) % members.len();
        }
        let ids = members.iter().map(|member| member.member_id.clone());
        Ok(ids.zip(dealt.into_iter().map(MemberAssignment::from)).collect())
    }
}
