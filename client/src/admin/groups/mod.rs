//! Groups: list and describe.

use std::collections::BTreeMap;
use std::fmt;

mod describe;
mod list;

use super::Admin;
use super::call::{Call, together};
use super::topics::all_or;
use crate::error::Error;
use crate::record::TopicPartition;

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
    /// The protocol its members speak.
    pub group_type: GroupType,
    /// What it is for: `consumer`, `connect`, …; empty if it only has offsets.
    pub protocol_type: String,
    /// How its members share the partitions out: `range`, …; empty while it has no members.
    pub assignor: String,
    /// How often its members, or what they subscribe to, have changed (KIP-848). None of the classic protocol.
    pub group_epoch: Option<i32>,
    /// The group epoch that its partitions were last shared out in (KIP-848). None of the classic protocol.
    pub target_assignment_epoch: Option<i32>,
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
    /// Its `client.rack` (KIP-848). None if it did not say so, and of the classic protocol.
    pub rack_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// The host it connects from, as the broker sees it.
    pub host: String,
    /// The partitions it was given, in order. Empty for groups that are not of the type `consumer`.
    pub assignment: Vec<TopicPartition>,
    /// The partitions that it is to have once the group has settled, in order (KIP-848). None of the classic protocol.
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// The group epoch that it has come to (KIP-848). None of the classic protocol.
    pub member_epoch: Option<i32>,
    /// Whether it speaks the newer protocol, in a group that has members of both while it is upgraded (KIP-848). None of
    /// the classic protocol, and from brokers before Kafka 4.0.
    pub is_upgraded: Option<bool>,
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
            let brokers = call.settle_one(|| list::brokers(call.clone())).await?;
            let asked = brokers.into_iter().map(|broker| {
                let call = call.clone();
                async move { (broker, call.settle_one(|| list::list(call.clone(), broker)).await) }
            });
            Ok(list::merged(together(asked).await))
        };
        self.run(work).await?.map_err(|error: Error| error.within("list groups"))
    }

    /// The groups of these names, with their members.
    ///
    /// Groups of KIP-848 and of the classic protocol, which are asked for in that order, as by Java's
    /// `describeConsumerGroups`; there is none of another, such as share groups.
    ///
    /// # Errors
    /// Per group: [`Code::GroupIdNotFound`](crate::Code::GroupIdNotFound) from brokers of Kafka 4.0 and newer if there is none (older ones describe
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
                    let described = call.settle_one(|| describe::describe(call.clone(), group.clone())).await;
                    (group, described)
                }
            });
            together(asked).await.into_iter().collect()
        };
        all_or(groups, self.run(work).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_the_future_is_kept_as_it_is_spelt() {
        assert_eq!(GroupState::read("Dreaming").unwrap().to_string(), "Dreaming");
        assert_eq!(GroupState::read("Stable"), Some(GroupState::Stable));
        assert_eq!(GroupType::read("classic").unwrap().to_string(), "classic");
    }
}
