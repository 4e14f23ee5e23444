//! Which groups there are: every broker knows those it coordinates.

use std::collections::BTreeMap;

use ottla_wire::messages::ListGroupsRequest;
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::{Code, Request};

use super::{GroupListing, GroupListings, GroupState, GroupType};
use crate::admin::call::{Call, refused};
use crate::admin::topics::metadata;
use crate::error::Error;

/// All brokers there are.
pub(super) async fn brokers(call: Call) -> Result<Vec<i32>, Error> {
    let response = metadata(call, Some(Vec::new())).await?;
    if response.brokers.is_empty() {
        return Err(Error::broker(Code::LeaderNotAvailable, "metadata names no broker"));
    }
    Ok(response.brokers.iter().map(|broker| broker.node_id).collect())
}

pub(super) async fn list(call: Call, broker: i32) -> Result<Vec<GroupListing>, Error> {
    let request = ListGroupsRequest::default();
    let (response, _) = call.ask(broker, ListGroupsRequest::MAX_VERSION, move |_| Ok(request)).await?;
    match response.error_code {
        Code::None => Ok(response.groups.iter().map(|group| listing(group, broker)).collect()),
        code => Err(refused(code, None, format!("list groups of broker {broker}"))),
    }
}

fn listing(group: &ListedGroup, broker: i32) -> GroupListing {
    GroupListing {
        group: group.group_id.to_string(),
        state: GroupState::read(&group.group_state),
        group_type: GroupType::read(&group.group_type),
        protocol_type: group.protocol_type.to_string(),
        coordinator: broker,
    }
}

/// Each group once: while its coordinator moves, two brokers may list it (edge 87).
pub(super) fn merged(answers: Vec<(i32, Result<Vec<GroupListing>, Error>)>) -> GroupListings {
    let mut groups: BTreeMap<String, GroupListing> = BTreeMap::new();
    let mut listings = GroupListings::default();
    let answers: BTreeMap<i32, _> = answers.into_iter().collect();
    for (broker, answer) in answers {
        match answer {
            Ok(found) => {
                for group in found {
                    let known = groups.get(&group.group);
                    if known.is_none_or(|known| known.state == Some(GroupState::Dead)) {
                        groups.insert(group.group.clone(), group);
                    }
                }
            }
            Err(error) => drop(listings.errors.insert(broker, error)),
        }
    }
    listings.groups = groups.into_values().collect();
    listings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(group: &str, state: &str) -> ListedGroup {
        ListedGroup { group_id: group.into(), group_state: state.into(), ..ListedGroup::default() }
    }

    fn answer(broker: i32, groups: &[ListedGroup]) -> (i32, Result<Vec<GroupListing>, Error>) {
        (broker, Ok(groups.iter().map(|group| listing(group, broker)).collect()))
    }

    /// edge 87
    #[test]
    fn a_group_that_two_brokers_list_is_listed_once_and_alive_if_it_is() {
        let found = merged(vec![
            answer(3, &[listed("billing", "Stable"), listed("audit", "Empty")]),
            answer(1, &[listed("billing", "Dead"), listed("audit", "Empty")]),
        ]);
        let names: Vec<_> = found.groups.iter().map(|group| (group.group.as_str(), group.coordinator)).collect();
        assert_eq!(names, [("audit", 1), ("billing", 3)]);
    }

    #[test]
    fn a_broker_that_fails_is_named_beside_the_groups_of_the_others() {
        let error = Error::broker(Code::ClusterAuthorizationFailed, "list groups of broker 2");
        let found = merged(vec![(2, Err(error)), answer(1, &[listed("billing", "")])]);
        assert_eq!(found.groups[0].state, None);
        assert_eq!(found.errors[&2].code(), Some(Code::ClusterAuthorizationFailed));
    }
}
