//! What a group is like: its coordinator knows, by one API for each of the protocols that groups speak.

use std::sync::Arc;

use ottla_wire::messages::describe_groups_response::DescribedGroupMember;
use ottla_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DescribeGroupsRequest, consumer_group_describe_response,
};
use ottla_wire::{Code, Request, Str, decode_data};

use super::{GroupDescription, GroupState, GroupType, MemberDescription};
use crate::admin::call::{Call, refused};
use crate::error::{Error, Kind};
use crate::record::TopicPartition;

/// The protocol type of groups that share partitions out.
const CONSUMER: &str = "consumer";

/// What a member that speaks the protocol of KIP-848 is; others of its group are 0.
const CONSUMER_TYPE: i8 = 1;

/// One attempt at one group: as one of KIP-848, and as a classic one if it is none, or the broker knows none such.
pub(super) async fn describe(call: Call, group: String) -> Result<GroupDescription, Error> {
    let coordinator = call.coordinator(&group).await?;
    match modern(&call, coordinator, &group).await {
        Err(error)
            if error.kind() == Kind::UnsupportedVersion
                || matches!(error.code(), Some(Code::GroupIdNotFound | Code::UnsupportedVersion)) =>
        {
            classic(&call, coordinator, &group).await
        }
        modern => modern,
    }
}

async fn classic(call: &Call, coordinator: i32, group: &str) -> Result<GroupDescription, Error> {
    let request = DescribeGroupsRequest { groups: vec![Str::from(group)], ..DescribeGroupsRequest::default() };
    let (response, _) = call.ask(coordinator, DescribeGroupsRequest::MAX_VERSION, move |_| Ok(request)).await?;
    let answer = response.groups.iter().find(|answer| *answer.group_id == *group).ok_or_else(|| left_out(group))?;
    check(call, answer.error_code, answer.error_message.as_ref(), coordinator, group)?;
    let shares_partitions = answer.protocol_type.as_str() == CONSUMER;
    let members = answer.members.iter().map(|member| classic_member(member, shares_partitions));
    let members = members.collect::<Result<_, _>>().map_err(|error| error.within(context(group)))?;
    Ok(GroupDescription {
        group: group.to_owned(),
        state: GroupState::read(&answer.group_state).unwrap_or(GroupState::Dead),
        group_type: GroupType::Classic,
        protocol_type: answer.protocol_type.to_string(),
        assignor: answer.protocol_data.to_string(),
        group_epoch: None,
        target_assignment_epoch: None,
        coordinator,
        members: sorted(members),
    })
}

fn classic_member(member: &DescribedGroupMember, shares_partitions: bool) -> Result<MemberDescription, Error> {
    let mut assignment = Vec::new();
    // Empty while the group rebalances.
    if shares_partitions && !member.member_assignment.is_empty() {
        let (given, _) =
            decode_data::<ConsumerProtocolAssignment>(member.member_assignment.clone()).map_err(|error| {
                Error::caused_by(Kind::Protocol, format!("read the assignment of {}", member.member_id), error)
            })?;
        let topics = given.assigned_partitions.iter();
        assignment = partitions(topics.map(|topic| (&topic.topic, &topic.partitions)));
    }
    Ok(MemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        rack_id: None,
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment,
        target_assignment: None,
        member_epoch: None,
        is_upgraded: None,
    })
}

async fn modern(call: &Call, coordinator: i32, group: &str) -> Result<GroupDescription, Error> {
    let request =
        ConsumerGroupDescribeRequest { group_ids: vec![Str::from(group)], ..ConsumerGroupDescribeRequest::default() };
    let (response, _) = call.ask(coordinator, ConsumerGroupDescribeRequest::MAX_VERSION, move |_| Ok(request)).await?;
    let answer = response.groups.iter().find(|answer| *answer.group_id == *group).ok_or_else(|| left_out(group))?;
    check(call, answer.error_code, answer.error_message.as_ref(), coordinator, group)?;
    Ok(GroupDescription {
        group: group.to_owned(),
        state: GroupState::read(&answer.group_state).unwrap_or(GroupState::Dead),
        group_type: GroupType::Consumer,
        protocol_type: CONSUMER.to_owned(),
        assignor: answer.assignor_name.to_string(),
        group_epoch: Some(answer.group_epoch),
        target_assignment_epoch: Some(answer.assignment_epoch),
        coordinator,
        members: sorted(answer.members.iter().map(modern_member).collect()),
    })
}

fn modern_member(member: &consumer_group_describe_response::Member) -> MemberDescription {
    let of = |assignment: &consumer_group_describe_response::Assignment| {
        partitions(assignment.topic_partitions.iter().map(|topic| (&topic.topic_name, &topic.partitions)))
    };
    MemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.instance_id.as_ref().map(ToString::to_string),
        rack_id: member.rack_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: of(&member.assignment),
        target_assignment: Some(of(&member.target_assignment)),
        member_epoch: Some(member.member_epoch),
        is_upgraded: (member.member_type >= 0).then_some(member.member_type == CONSUMER_TYPE),
    }
}

fn check(call: &Call, code: Code, message: Option<&Str>, coordinator: i32, group: &str) -> Result<(), Error> {
    if code.is_none() {
        return Ok(());
    }
    call.forget_moved(code, group, coordinator);
    Err(refused(code, message, context(group)))
}

fn context(group: &str) -> String {
    format!("describe group {group}")
}

fn left_out(group: &str) -> Error {
    Error::new(Kind::Protocol, format!("{}: the answer leaves it out", context(group)))
}

fn partitions<'a>(topics: impl Iterator<Item = (&'a Str, &'a Vec<i32>)>) -> Vec<TopicPartition> {
    let mut all = Vec::new();
    for (name, numbers) in topics {
        let name: Arc<str> = name.as_str().into();
        all.extend(numbers.iter().map(|number| TopicPartition::new(name.clone(), *number)));
    }
    all.sort();
    all
}

fn sorted(mut members: Vec<MemberDescription>) -> Vec<MemberDescription> {
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    members
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_damaged_assignment_names_its_member_and_does_no_harm() {
        let member = DescribedGroupMember {
            member_id: "m-1".into(),
            member_assignment: Bytes::from_static(b"\0\0\x7f\xff\xff\xff"),
            ..DescribedGroupMember::default()
        };
        let error = classic_member(&member, true).unwrap_err();
        assert!(error.to_string().contains("m-1"), "{error}");
        assert!(classic_member(&member, false).unwrap().assignment.is_empty(), "not a consumer's: not read");
    }
}
