//! Groups: list and describe.

use std::collections::BTreeMap;
use std::fmt;

use ottla_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::{ConsumerProtocolAssignment, DescribeGroupsRequest, ListGroupsRequest};
use ottla_wire::{Code, Request, Str, decode_data};

use super::Admin;
use super::call::{Call, refused, together};
use super::topics::all_or;
use crate::error::{Error, Kind};
use crate::record::TopicPartition;

/// The protocol type of groups that share partitions out.
const CONSUMER: &str = "consumer";

/// Declares an enum of what brokers spell out.
macro_rules! spelt {
    ($(#[doc = $about:literal])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident $text:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
            /// One that this client has no name for, as the broker spells it.
            Other(String),
        }

        impl $name {
            /// None if the broker says nothing.
            fn read(text: &str) -> Option<Self> {
                Some(match text {
                    "" => return None,
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                })
            }
        }
    };
}

spelt! {
    /// What a group is about.
    GroupState {
        /// The partitions are being shared out by the coordinator (KIP-848).
        Assigning "Assigning",
        /// The members are known, the leader shares the partitions out.
        CompletingRebalance "CompletingRebalance",
        /// It has no members and is about to be forgotten, or there is no such group.
        Dead "Dead",
        /// It has no members, and maybe committed offsets.
        Empty "Empty",
        /// Some of its topics are missing (Kafka Streams).
        NotReady "NotReady",
        /// The members are asked to join.
        PreparingRebalance "PreparingRebalance",
        /// The members take over what they were given (KIP-848).
        Reconciling "Reconciling",
        /// Every member has its partitions.
        Stable "Stable",
    }
}

spelt! {
    /// Which protocol the members of a group speak.
    GroupType {
        /// The members share the partitions out among themselves.
        Classic "classic",
        /// The coordinator shares the partitions out (KIP-848).
        Consumer "consumer",
        /// The members share the records of a partition (KIP-932).
        Share "share",
        /// Kafka Streams (KIP-1071).
        Streams "streams",
    }
}

/// The groups of a cluster, as far as its brokers could be asked.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GroupListings {
    /// The groups, each once, in order of their names.
    pub groups: Vec<GroupListing>,
    /// The brokers whose groups are missing, and why.
    pub errors: BTreeMap<i32, Error>,
}

/// A group in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its name, `group.id`.
    pub group: String,
    /// Its state. None from brokers before Kafka 2.6.
    pub state: Option<GroupState>,
    /// The protocol its members speak. None from brokers before Kafka 3.8.
    pub group_type: Option<GroupType>,
    /// What it is for: `consumer`, `connect`, …; empty if it only has offsets.
    pub protocol_type: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A group, with its members.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GroupDescription {
    /// Its name, `group.id`.
    pub group: String,
    /// Its state. [`GroupState::Dead`] also where brokers before Kafka 4.0 know no such group.
    pub state: GroupState,
    /// What it is for: `consumer`, `connect`, …; empty if it only has offsets.
    pub protocol_type: String,
    /// How its members share the partitions out: `range`, …; empty while it has no members.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its members, in order of their ids.
    pub members: Vec<MemberDescription>,
}

/// A member of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MemberDescription {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// Its `group.instance.id`, if it is a static member.
    pub instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// The host it connects from, as the broker sees it.
    pub host: String,
    /// The partitions it was given, in order. Empty for groups that are not of the type `consumer`.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// The groups of the cluster: every broker is asked for those it coordinates.
    ///
    /// A broker that cannot be asked is an entry of [`GroupListings::errors`].
    ///
    /// # Errors
    /// If no broker answers within `default.api.timeout.ms`.
    pub async fn list_groups(&self) -> Result<GroupListings, Error> {
        let work = |call: Call| async move {
            let brokers = call.settle_one(|| brokers(call.clone())).await?;
            let asked = brokers.into_iter().map(|broker| {
                let call = call.clone();
                async move { (broker, call.settle_one(|| list(call.clone(), broker)).await) }
            });
            Ok(merged(together(asked).await))
        };
        self.run(work).await?.map_err(|error: Error| error.within("list groups"))
    }

    /// The groups of these names, with their members.
    ///
    /// Groups of the classic protocol only: those of KIP-848 are told apart by [`Code::GroupIdNotFound`].
    ///
    /// # Errors
    /// Per group: [`Code::GroupIdNotFound`] from brokers of Kafka 4.0 and newer if there is none (older ones describe
    /// one that is [`GroupState::Dead`]); also if its coordinator does not answer within `default.api.timeout.ms`.
    pub async fn describe_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> BTreeMap<String, Result<GroupDescription, Error>> {
        let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        let each = groups.clone();
        let work = |call: Call| async move {
            let asked = each.into_iter().map(|group| {
                let call = call.clone();
                async move {
                    let described = call.settle_one(|| describe(call.clone(), group.clone())).await;
                    (group, described)
                }
            });
            together(asked).await.into_iter().collect()
        };
        all_or(groups, self.run(work).await)
    }
}

/// All brokers there are.
async fn brokers(call: Call) -> Result<Vec<i32>, Error> {
    let response = super::topics::metadata(call, Some(Vec::new())).await?;
    if response.brokers.is_empty() {
        return Err(Error::broker(Code::LeaderNotAvailable, "metadata names no broker"));
    }
    Ok(response.brokers.iter().map(|broker| broker.node_id).collect())
}

async fn list(call: Call, broker: i32) -> Result<Vec<GroupListing>, Error> {
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
fn merged(answers: Vec<(i32, Result<Vec<GroupListing>, Error>)>) -> GroupListings {
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

async fn describe(call: Call, group: String) -> Result<GroupDescription, Error> {
    let coordinator = call.coordinator(&group).await?;
    let context = format!("describe group {group}");
    let request = DescribeGroupsRequest { groups: vec![Str::from(&group)], ..DescribeGroupsRequest::default() };
    let (response, _) = call.ask(coordinator, DescribeGroupsRequest::MAX_VERSION, move |_| Ok(request)).await?;
    let Some(answer) = response.groups.iter().find(|answer| *answer.group_id == *group) else {
        return Err(Error::new(Kind::Protocol, format!("{context}: the answer leaves it out")));
    };
    match answer.error_code {
        Code::None => Ok(description(answer, coordinator).map_err(|error| error.within(context))?),
        code => {
            call.forget_moved(code, &group, coordinator);
            Err(refused(code, answer.error_message.as_ref(), context))
        }
    }
}

fn description(answer: &DescribedGroup, coordinator: i32) -> Result<GroupDescription, Error> {
    let shares_partitions = answer.protocol_type.as_str() == CONSUMER;
    let mut members: Vec<_> =
        answer.members.iter().map(|member| describe_member(member, shares_partitions)).collect::<Result<_, _>>()?;
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    Ok(GroupDescription {
        group: answer.group_id.to_string(),
        state: GroupState::read(&answer.group_state).unwrap_or(GroupState::Dead),
        protocol_type: answer.protocol_type.to_string(),
        assignor: answer.protocol_data.to_string(),
        coordinator,
        members,
    })
}

fn describe_member(member: &DescribedGroupMember, shares_partitions: bool) -> Result<MemberDescription, Error> {
    let mut assignment = Vec::new();
    // Empty while the group rebalances.
    if shares_partitions && !member.member_assignment.is_empty() {
        let (given, _) =
            decode_data::<ConsumerProtocolAssignment>(member.member_assignment.clone()).map_err(|error| {
                Error::caused_by(Kind::Protocol, format!("read the assignment of {}", member.member_id), error)
            })?;
        for topic in given.assigned_partitions {
            let name: std::sync::Arc<str> = topic.topic.as_str().into();
            assignment.extend(topic.partitions.iter().map(|index| TopicPartition::new(name.clone(), *index)));
        }
        assignment.sort();
    }
    Ok(MemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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

    #[test]
    fn a_state_of_the_future_is_kept_as_it_is_spelt() {
        assert_eq!(GroupState::read("Dreaming").unwrap().to_string(), "Dreaming");
        assert_eq!(GroupState::read("Stable"), Some(GroupState::Stable));
        assert_eq!(GroupType::read("classic").unwrap().to_string(), "classic");
    }

    #[test]
    fn a_damaged_assignment_names_its_member_and_does_no_harm() {
        let member = DescribedGroupMember {
            member_id: "m-1".into(),
            member_assignment: Bytes::from_static(b"\0\0\x7f\xff\xff\xff"),
            ..DescribedGroupMember::default()
        };
        let error = describe_member(&member, true).unwrap_err();
        assert!(error.to_string().contains("m-1"), "{error}");
        assert!(describe_member(&member, false).unwrap().assignment.is_empty(), "not a consumer's: not read");
    }
}
