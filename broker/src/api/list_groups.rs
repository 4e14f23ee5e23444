//! ListGroups: the groups this node coordinates.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::group::Group;

/// The first version that shows states.
const STATES_FROM: i16 = 4;

/// The first version that shows types.
const TYPES_FROM: i16 = 5;

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: &ListGroupsRequest,
    verdict: &Verdict,
) -> ListGroupsResponse {
    if let Some(code) = verdict.error() {
        return ListGroupsResponse::default().with_error_code(code);
    }
    let is_in = |filter: &[StrBytes], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let is_wanted = |(id, group): &(&str, &Group)| {
        cluster.coordinator(id) == Some(context.node)
            && is_in(&request.states_filter, group.state_name())
            && is_in(&request.types_filter, group.type_name())
    };
    let describe = |(id, group): (&str, &Group)| {
        let mut listed = ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(id.to_owned())))
            .with_protocol_type(StrBytes::from_string(group.protocol_type().to_owned()));
        if context.version >= STATES_FROM {
            listed.group_state = StrBytes::from_static_str(group.state_name());
        }
        if context.version >= TYPES_FROM {
            listed.group_type = StrBytes::from_static_str(group.type_name());
        }
        listed
    };
    ListGroupsResponse::default().with_groups(cluster.groups.iter().filter(is_wanted).map(describe).collect())
}
