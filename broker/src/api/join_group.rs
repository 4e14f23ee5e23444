//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: the classic protocol, whose rules are the group's.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Outcome};
use crate::cluster::{Cluster, Ticket};
use crate::faults::Verdict;
use crate::group::Group;
use crate::group::classic::{self, Join, Waiting};

/// The first version of LeaveGroup that names many members.
const MANY_LEAVE_FROM: i16 = 3;

pub(super) fn join(
    cluster: &mut Cluster,
    ticket: Ticket,
    context: &Context,
    request: JoinGroupRequest,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    let id = request.group_id.to_string();
    if let Err(code) = check_join(cluster, context, &request, verdict) {
        return classic::refusal(context.version, request.member_id.to_string(), code).into();
    }
    let name = request.group_instance_id.as_ref().unwrap_or(&context.client_id);
    let join = Join {
        waiting: Waiting { ticket, version: context.version },
        client_id: context.client_id.to_string(),
        client_host: context.peer.host.to_string(),
        new_id: format!("{}-{}", name.as_str(), cluster.new_uuid()),
        request,
    };
    let delay = cluster.config.group_initial_rebalance_delay;
    if let Some(group) = cluster.group_or_new(&id).as_classic(delay) {
        group.join(join, now);
    }
    cluster.settle_group_for(ticket, &id, now)
}

fn check_join(cluster: &Cluster, context: &Context, request: &JoinGroupRequest, verdict: &Verdict) -> Result<(), i16> {
    if let Some(code) = verdict.error() {
        return Err(code);
    }
    let id = request.group_id.as_str();
    cluster.check_coordinator(context.node, id).map_err(|error| error.code())?;
    let (least, greatest) = &cluster.config.group_session_timeouts;
    if !(*least..=*greatest).contains(&Duration::from_millis(request.session_timeout_ms.max(0).unsigned_abs().into())) {
        return Err(ResponseError::InvalidSessionTimeout.code());
    }
    let group = cluster.groups.get(id);
    if group.is_some_and(|group| group.classic().is_none() && !group.is_empty()) {
        return Err(ResponseError::InconsistentGroupProtocol.code());
    }
    if group.is_none() && !request.member_id.is_empty() {
        return Err(ResponseError::UnknownMemberId.code());
    }
    Ok(())
}

pub(super) fn sync(
    cluster: &mut Cluster,
    ticket: Ticket,
    context: &Context,
    request: &SyncGroupRequest,
    verdict: &Verdict,
    now: Duration,
) -> Outcome {
    let id = request.group_id.as_str();
    if let Err(code) = check(cluster, context, id, verdict) {
        return SyncGroupResponse::default().with_error_code(code).into();
    }
    if let Some(group) = cluster.groups.get_mut(id).and_then(Group::classic_mut) {
        group.sync(Waiting { ticket, version: context.version }, request, now);
    }
    cluster.settle_group_for(ticket, id, now)
}

pub(super) fn heartbeat(
    cluster: &mut Cluster,
    context: &Context,
    request: &HeartbeatRequest,
    verdict: &Verdict,
    now: Duration,
) -> HeartbeatResponse {
    let id = request.group_id.as_str();
    let mut code = check(cluster, context, id, verdict).err().unwrap_or(0);
    if let Some(group) = cluster.groups.get_mut(id).and_then(Group::classic_mut).filter(|_| code == 0) {
        let instance = request.group_instance_id.as_deref();
        let beat = group.heartbeat(&request.member_id, instance, request.generation_id, now);
        code = beat.err().map_or(0, |error| error.code());
    }
    cluster.settle_group(id, now);
    HeartbeatResponse::default().with_error_code(code)
}

pub(super) fn leave(
    cluster: &mut Cluster,
    context: &Context,
    request: LeaveGroupRequest,
    verdict: &Verdict,
    now: Duration,
) -> LeaveGroupResponse {
    let id = request.group_id.to_string();
    let names_many = context.version >= MANY_LEAVE_FROM;
    let leaving: Vec<(String, Option<String>)> = if names_many {
        let members = request.members.into_iter();
        members
            .map(|member| (member.member_id.to_string(), member.group_instance_id.map(|id| id.to_string())))
            .collect()
    } else {
        vec![(request.member_id.to_string(), None)]
    };
    let checked = check_group(cluster, context, &id, verdict).map(|_| ());
    let results = match checked {
        Err(code) if code != ResponseError::UnknownMemberId.code() || verdict.error().is_some() => {
            return LeaveGroupResponse::default().with_error_code(code);
        }
        Err(_) => vec![Err(ResponseError::UnknownMemberId); leaving.len()],
        Ok(()) => cluster.groups.get_mut(&id).map(|group| group.leave(&leaving, now)).unwrap_or_default(),
    };
    cluster.settle_group(&id, now);
    let code = |result: &Result<(), ResponseError>| result.err().map_or(0, |error| error.code());
    if !names_many {
        return LeaveGroupResponse::default().with_error_code(results.first().map_or(0, code));
    }
    let answer = |((id, instance), result): ((String, Option<String>), &Result<(), ResponseError>)| {
        MemberResponse::default()
            .with_member_id(StrBytes::from_string(id))
            .with_group_instance_id(instance.map(StrBytes::from_string))
            .with_error_code(code(result))
    };
    LeaveGroupResponse::default().with_members(leaving.into_iter().zip(&results).map(answer).collect())
}

/// Checks that the request came to the coordinator of a group that is there and has members of this protocol, if any.
fn check(cluster: &Cluster, context: &Context, id: &str, verdict: &Verdict) -> Result<(), i16> {
    let group = check_group(cluster, context, id, verdict)?;
    group.classic().map(|_| ()).ok_or(ResponseError::UnknownMemberId.code())
}

/// Checks that the request came to the coordinator of a group that is there.
fn check_group<'a>(cluster: &'a Cluster, context: &Context, id: &str, verdict: &Verdict) -> Result<&'a Group, i16> {
    if let Some(code) = verdict.error() {
        return Err(code);
    }
    cluster.check_coordinator(context.node, id).map_err(|error| error.code())?;
    cluster.groups.get(id).ok_or(ResponseError::UnknownMemberId.code())
}
