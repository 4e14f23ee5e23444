//! What members of a group tell each other through the coordinator, which passes it on unread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use ottla_wire::messages::consumer_protocol_subscription::TopicPartition as OwnedTopic;
use ottla_wire::messages::join_group_response::JoinGroupResponseMember;
use ottla_wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::{Data, Str, decode_data, encode_data};

use super::assign::{GroupMember, MemberAssignment};
use crate::TopicPartition;
use crate::error::{Error, Kind};

/// What the coordinator knows this protocol as.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// What a member says of itself as it joins.
pub(super) fn subscription<'a>(
    topics: &BTreeSet<Arc<str>>,
    owned: impl Iterator<Item = &'a TopicPartition>,
    generation: i32,
    rack: &str,
    user_data: Option<Bytes>,
) -> Result<Bytes, Error> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in owned {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| Str::from(&**topic)).collect(),
        user_data,
        owned_partitions: by_topic
            .into_iter()
            .map(|(topic, mut partitions)| {
                partitions.sort_unstable();
                OwnedTopic { topic: topic.into(), partitions }
            })
            .collect(),
        generation_id: generation,
        rack_id: (!rack.is_empty()).then(|| rack.into()),
    };
    encode(&subscription, "subscription")
}

/// What the leader sends to one member.
pub(super) fn assignment(assignment: &MemberAssignment) -> Result<Bytes, Error> {
    let mut topics: Vec<AssignedTopic> = Vec::new();
    for partition in &assignment.partitions {
        match topics.iter_mut().find(|topic| *topic.topic == *partition.topic) {
            Some(topic) => topic.partitions.push(partition.partition),
            None => {
                topics.push(AssignedTopic { topic: (&*partition.topic).into(), partitions: vec![partition.partition] });
            }
        }
    }
    let user_data = assignment.user_data.clone();
    encode(&ConsumerProtocolAssignment { assigned_partitions: topics, user_data }, "assignment")
}

/// The members that the coordinator told the leader about.
pub(super) fn members(members: Vec<JoinGroupResponseMember>) -> Result<Vec<GroupMember>, Error> {
    // Many members say the same names.
    let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut shared = |name: &str| {
        names.get(name).cloned().unwrap_or_else(|| {
            let name: Arc<str> = name.into();
            names.insert(name.clone());
            name
        })
    };
    let member = |member: JoinGroupResponseMember| {
        let (subscription, _) = decode_data::<ConsumerProtocolSubscription>(member.metadata).map_err(|error| {
            Error::caused_by(
                Kind::Protocol,
                format!("the subscription of member {} cannot be read", member.member_id),
                error,
            )
        })?;
        let mut owned_partitions = Vec::new();
        for owned in &subscription.owned_partitions {
            let topic = shared(&owned.topic);
            owned_partitions.extend(owned.partitions.iter().map(|number| TopicPartition::new(topic.clone(), *number)));
        }
        Ok(GroupMember {
            topics: subscription.topics.iter().map(|topic| shared(topic)).collect(),
            owned_partitions,
            generation_id: Some(subscription.generation_id).filter(|generation| *generation >= 0),
            rack_id: subscription.rack_id.as_deref().map(str::to_owned),
            user_data: subscription.user_data,
            group_instance_id: member.group_instance_id.as_deref().map(str::to_owned),
            ..GroupMember::new(&*member.member_id, [""; 0])
        })
    };
    members.into_iter().map(member).collect()
}

/// What the leader gave this member.
pub(super) fn assigned(bytes: Bytes) -> Result<MemberAssignment, Error> {
    // A leader that left this member out sent nothing, not an empty list.
    if bytes.is_empty() {
        return Ok(MemberAssignment::default());
    }
    let (assignment, _) = decode_data::<ConsumerProtocolAssignment>(bytes).map_err(|error| {
        Error::caused_by(Kind::Protocol, "the assignment from the group's leader cannot be read", error)
    })?;
    let mut partitions = Vec::new();
    for topic in assignment.assigned_partitions {
        let name: Arc<str> = (&*topic.topic).into();
        partitions.extend(topic.partitions.iter().map(|partition| TopicPartition::new(name.clone(), *partition)));
    }
    Ok(MemberAssignment { partitions, user_data: assignment.user_data })
}

fn encode<D: Data>(data: &D, what: &str) -> Result<Bytes, Error> {
    // As the Java client: the newest version, which older members read as far as they know it.
    encode_data(data, D::MAX_VERSION)
        .map_err(|error| Error::caused_by(Kind::Protocol, format!("the {what} cannot be written"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(all: &[(&str, i32)]) -> Vec<TopicPartition> {
        all.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect()
    }

    /// The bytes of Java's `ConsumerProtocol.serializeSubscription`, version 3.
    #[test]
    fn a_subscription_is_written_as_java_writes_it() {
        let topics = ["b", "a"].into_iter().map(Arc::from).collect();
        let owned = partitions(&[("b", 1), ("a", 2), ("a", 0)]);
        let bytes = subscription(&topics, owned.iter(), 7, "r1", None).unwrap();
        let expected = b"\x00\x03\x00\x00\x00\x02\x00\x01a\x00\x01b\xff\xff\xff\xff\
            \x00\x00\x00\x02\x00\x01a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02\
            \x00\x01b\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07\x00\x02r1";
        assert_eq!(bytes, &expected[..]);
    }

    #[test]
    fn an_assignment_is_read_back() {
        let given = partitions(&[("a", 0), ("a", 2), ("b", 1)]);
        let given = MemberAssignment { partitions: given, user_data: Some("hint".into()) };
        assert_eq!(assigned(assignment(&given).unwrap()).unwrap(), given);
        assert_eq!(assigned(Bytes::new()).unwrap(), MemberAssignment::default());
    }

    #[test]
    fn an_assignment_of_a_later_version_is_read_as_far_as_it_is_known() {
        let mut bytes = assignment(&partitions(&[("a", 0)]).into()).unwrap().to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"more");
        assert_eq!(assigned(bytes.into()).unwrap().partitions, partitions(&[("a", 0)]));
    }

    #[test]
    fn a_member_that_cannot_be_read_is_named() {
        let member = JoinGroupResponseMember { member_id: "m-7".into(), ..JoinGroupResponseMember::default() };
        let error = members(vec![member]).unwrap_err();
        assert!(error.to_string().contains("member m-7"), "{error}");
    }
}
