//! ShareAcknowledge: what members of a share group say of the records they got (KIP-932).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_acknowledge_response::{
    LeaderIdAndEpoch, PartitionData, ShareAcknowledgeTopicResponse,
};
use kafka_protocol::messages::{GroupId, ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Context, share_fetch};
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::faults::Verdict;
use crate::share::partition::Acknowledgement;

/// The session epoch of a request that begins a session.
pub(super) const INITIAL: i32 = 0;

/// The session epoch of a request that ends a session.
pub(super) const FINAL: i32 = -1;

/// The longest id of a member.
const MEMBER_ID_LENGTH: usize = 36;

/// Errors that are about a request as a whole, not about a partition.
pub(super) fn is_of_request(code: i16) -> bool {
    use ResponseError::{
        GroupAuthorizationFailed, InvalidRequest, InvalidShareSessionEpoch, ShareSessionLimitReached,
        ShareSessionNotFound, UnsupportedVersion,
    };
    let errors = [
        GroupAuthorizationFailed,
        InvalidRequest,
        InvalidShareSessionEpoch,
        ShareSessionLimitReached,
        ShareSessionNotFound,
        UnsupportedVersion,
    ];
    errors.iter().any(|error| error.code() == code)
}

/// The group and the member that ask.
///
/// # Errors
/// `INVALID_REQUEST`.
pub(super) fn who(group: Option<&GroupId>, member: Option<&StrBytes>) -> Result<(String, String), ResponseError> {
    let group = group.ok_or(ResponseError::InvalidRequest)?;
    let is_id = |member: &&StrBytes| (1..=MEMBER_ID_LENGTH).contains(&member.len());
    let member = member.filter(is_id).ok_or(ResponseError::InvalidRequest)?;
    Ok((group.to_string(), member.to_string()))
}

pub(super) fn targets(request: &ShareAcknowledgeRequest, topics: &Topics) -> Vec<(String, i32)> {
    let of = |topic: Uuid, index| (topics.name_of(topic).unwrap_or_default().to_owned(), index);
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, partition.partition_index)))
        .map(|(topic, index)| of(topic, index))
        .collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: ShareAcknowledgeRequest,
    verdict: &Verdict,
    now: Duration,
) -> ShareAcknowledgeResponse {
    let refused = |code| ShareAcknowledgeResponse::default().with_error_code(code);
    if let Some(code) = verdict.error().filter(|code| is_of_request(*code)) {
        return refused(code);
    }
    let (group, member) = match begin(cluster, context, &request) {
        Ok(who) => who,
        Err(error) => return refused(error.code()),
    };
    let mut response = ShareAcknowledgeResponse::default();
    for topic in request.topics {
        let mut answered = ShareAcknowledgeTopicResponse::default().with_topic_id(topic.topic_id);
        for partition in topic.partitions {
            let index = partition.partition_index;
            let said = partition.acknowledgement_batches.into_iter().map(|batch| Acknowledgement {
                first: batch.first_offset,
                last: batch.last_offset,
                kinds: batch.acknowledge_types,
            });
            let said: Vec<Acknowledgement> = said.collect();
            let spoken = Spoken { group: &group, member: &member, topic: topic.topic_id, index };
            let done = acknowledge(cluster, context, verdict, &spoken, &said, now);
            answered.partitions.push(told(cluster, &spoken, done.err().unwrap_or(0)));
        }
        response.responses.push(answered);
    }
    if request.share_session_epoch == FINAL {
        cluster.release_member(&group, &member, Some(context.node), now);
    }
    cluster.settle_shares();
    response
}

/// Whose session it is, which goes on.
fn begin(
    cluster: &mut Cluster,
    context: &Context,
    request: &ShareAcknowledgeRequest,
) -> Result<(String, String), ResponseError> {
    let (group, member) = who(request.group_id.as_ref(), request.member_id.as_ref())?;
    let sessions = cluster.shares.sessions(context.node);
    match request.share_session_epoch {
        INITIAL => return Err(ResponseError::InvalidShareSessionEpoch),
        FINAL => sessions.get(&group, &member)?,
        epoch => sessions.advance(&group, &member, epoch)?,
    };
    Ok((group, member))
}

/// Of which records somebody speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken<'a> {
    pub(super) group: &'a str,
    pub(super) member: &'a str,
    pub(super) topic: Uuid,
    pub(super) index: i32,
}

/// Takes in what a member says of records of one partition.
///
/// # Errors
/// The error code.
pub(super) fn acknowledge(
    cluster: &mut Cluster,
    context: &Context,
    verdict: &Verdict,
    spoken: &Spoken<'_>,
    said: &[Acknowledgement],
    now: Duration,
) -> Result<(), i16> {
    let name = cluster.topics.name_of(spoken.topic).map(str::to_owned);
    if let Some(code) = verdict.error_at(name.as_deref().unwrap_or_default(), spoken.index) {
        return Err(code);
    }
    let done = name.ok_or(ResponseError::UnknownTopicId).and_then(|name| {
        let partition = cluster.topics.partition(&name, spoken.index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        partition.check_leader(context.node, -1)?;
        let place = (spoken.group.to_owned(), spoken.topic, spoken.index);
        if !cluster.shares.partitions.contains_key(&place) {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        let settings = cluster.shares.settings(spoken.group);
        let shared = cluster.share_partition(&place, &name, now).ok_or(ResponseError::UnknownTopicOrPartition)?;
        shared.acknowledge(spoken.member, said, &settings)
    });
    done.map_err(|error| error.code())?;
    share_fetch::wake(cluster, spoken.topic, spoken.index, now);
    Ok(())
}

fn told(cluster: &Cluster, spoken: &Spoken<'_>, code: i16) -> PartitionData {
    let mut told = PartitionData::default().with_partition_index(spoken.index).with_error_code(code);
    if let Some((leader, epoch)) = share_fetch::leader(cluster, spoken.topic, spoken.index, code) {
        told.current_leader = LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch);
    }
    told
}
