//! DescribeGroups: members, what they support and what they are assigned.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::group::Group;
use crate::group::classic::{Classic, Member, State};

/// The first version in which a group that isn't there is an error.
const NOT_FOUND_FROM: i16 = 6;

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: DescribeGroupsRequest,
    verdict: &Verdict,
) -> DescribeGroupsResponse {
    let describe = |id: GroupId| {
        let described = DescribedGroup::default().with_group_id(id.clone());
        let refused =
            verdict.error().or_else(|| cluster.check_coordinator(context.node, &id).err().map(|error| error.code()));
        // One of another protocol is none of those asked for.
        match (refused, cluster.groups.get(&id).and_then(Group::classic)) {
            (Some(code), _) => described.with_error_code(code),
            (None, Some(group)) => describe(described, group),
            (None, None) if context.version >= NOT_FOUND_FROM => described
                .with_error_code(ResponseError::GroupIdNotFound.code())
                .with_error_message(Some(StrBytes::from_string(format!("Group {} not found.", id.as_str()))))
                .with_group_state(StrBytes::from_static_str("Dead")),
            (None, None) => described.with_group_state(StrBytes::from_static_str("Dead")),
        }
    };
    DescribeGroupsResponse::default().with_groups(request.groups.into_iter().map(describe).collect())
}

fn describe(described: DescribedGroup, group: &Classic) -> DescribedGroup {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let is_stable = group.state() == State::Stable;
    let member = |member: &Member| {
        let described = DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host));
        if !is_stable {
            return described;
        }
        described
            .with_member_metadata(member.metadata(group.protocol()))
            .with_member_assignment(member.assignment.clone())
    };
    described
        .with_group_state(StrBytes::from_static_str(group.state().name()))
        .with_protocol_type(text(group.protocol_type()))
        .with_protocol_data(text(if is_stable { group.protocol() } else { "" }))
        .with_members(group.members().iter().map(member).collect())
}
