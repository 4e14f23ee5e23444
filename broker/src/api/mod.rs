//! The requests this broker understands: one row each, one file each.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
pub(crate) mod api_versions;
mod compact;
mod consumer_group;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_producers;
mod describe_transactions;
mod end_txn;
pub(crate) mod fetch;
mod find_coordinator;
mod init_producer_id;
mod join_group;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
pub(crate) mod produce;
mod share_acknowledge;
pub(crate) mod share_fetch;
mod share_group;
mod telemetry;
mod txn_offset_commit;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::cluster::fetch_sessions::FetchSessions;
use crate::cluster::topics::Topics;
use crate::cluster::{Cluster, Ticket};
use crate::faults::Verdict;
use crate::log::batch::{Batch, Refused};
use crate::share::session::ShareSessions;

/// Declares the APIs: key, request, response, versions.
macro_rules! apis {
    ($($api:ident $request:ident $response:ident $min:literal..=$max:literal;)*) => {
        /// A decoded request.
        #[derive(Clone, Debug)]
        pub(crate) enum Request {
            $($api($request),)*
        }

        /// An answer, before it is encoded.
        #[derive(Debug)]
        pub(crate) enum Response {
            $($api($response),)*
        }

        /// The versions this broker speaks of each API.
        pub(crate) const SUPPORTED: &[(ApiKey, i16, i16)] = &[$((ApiKey::$api, $min, $max),)*];

        impl Request {
            /// Decodes the body of a request. The version is one of [`SUPPORTED`].
            pub(crate) fn decode(api: ApiKey, version: i16, body: &mut Bytes) -> Result<Self, String> {
                match api {
                    $(ApiKey::$api => $request::decode(body, version).map(Self::$api).map_err(|error| error.to_string()),)*
                    _ => Err(format!("{api:?} is not supported")),
                }
            }
        }

        impl Response {
            /// Appends the encoded body.
            pub(crate) fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), String> {
                let encoded = match self {
                    $(Self::$api(response) => response.encode(buffer, version),)*
                };
                encoded.map_err(|error| error.to_string())
            }

            fn throttle(&mut self, milliseconds: i32) {
                match self {
                    $(Self::$api(response) => response.throttle_time_ms = milliseconds,)*
                }
            }
        }

        $(impl From<$response> for Outcome {
            fn from(response: $response) -> Self {
                Self::Answer(Response::$api(response))
            }
        })*
    };
}

apis! {
    Produce ProduceRequest ProduceResponse 3..=13;
    Fetch FetchRequest FetchResponse 4..=18;
    ListOffsets ListOffsetsRequest ListOffsetsResponse 1..=10;
    Metadata MetadataRequest MetadataResponse 0..=13;
    OffsetCommit OffsetCommitRequest OffsetCommitResponse 2..=10;
    OffsetFetch OffsetFetchRequest OffsetFetchResponse 1..=10;
    FindCoordinator FindCoordinatorRequest FindCoordinatorResponse 0..=6;
    JoinGroup JoinGroupRequest JoinGroupResponse 0..=9;
    Heartbeat HeartbeatRequest HeartbeatResponse 0..=4;
    LeaveGroup LeaveGroupRequest LeaveGroupResponse 0..=5;
    SyncGroup SyncGroupRequest SyncGroupResponse 0..=5;
    DescribeGroups DescribeGroupsRequest DescribeGroupsResponse 0..=6;
    ListGroups ListGroupsRequest ListGroupsResponse 0..=5;
    ApiVersions ApiVersionsRequest ApiVersionsResponse 0..=4;
    CreateTopics CreateTopicsRequest CreateTopicsResponse 2..=7;
    DeleteTopics DeleteTopicsRequest DeleteTopicsResponse 1..=6;
    DeleteRecords DeleteRecordsRequest DeleteRecordsResponse 0..=2;
    InitProducerId InitProducerIdRequest InitProducerIdResponse 0..=5;
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse 2..=4;
    AddPartitionsToTxn AddPartitionsToTxnRequest AddPartitionsToTxnResponse 0..=5;
    AddOffsetsToTxn AddOffsetsToTxnRequest AddOffsetsToTxnResponse 0..=4;
    EndTxn EndTxnRequest EndTxnResponse 0..=5;
    TxnOffsetCommit TxnOffsetCommitRequest TxnOffsetCommitResponse 0..=5;
    DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse 1..=4;
    CreatePartitions CreatePartitionsRequest CreatePartitionsResponse 0..=3;
    DeleteGroups DeleteGroupsRequest DeleteGroupsResponse 0..=2;
    IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse 0..=1;
    OffsetDelete OffsetDeleteRequest OffsetDeleteResponse 0..=0;
    DescribeCluster DescribeClusterRequest DescribeClusterResponse 0..=2;
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse 0..=1;
    ConsumerGroupDescribe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse 0..=1;
    GetTelemetrySubscriptions GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse 0..=0;
    PushTelemetry PushTelemetryRequest PushTelemetryResponse 0..=0;
    DescribeProducers DescribeProducersRequest DescribeProducersResponse 0..=0;
    DescribeTransactions DescribeTransactionsRequest DescribeTransactionsResponse 0..=0;
    ListTransactions ListTransactionsRequest ListTransactionsResponse 0..=1;
    ShareGroupHeartbeat ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse 1..=1;
    ShareGroupDescribe ShareGroupDescribeRequest ShareGroupDescribeResponse 1..=1;
    ShareFetch ShareFetchRequest ShareFetchResponse 1..=1;
    ShareAcknowledge ShareAcknowledgeRequest ShareAcknowledgeResponse 1..=1;
}

/// Who asks what, and in which version.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: StrBytes,
    /// The node that got the request.
    pub(crate) node: i32,
    pub(crate) peer: Peer,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Where the client is, as Kafka writes it: `/127.0.0.1`.
    pub(crate) host: Arc<str>,
    /// The number of the connection.
    pub(crate) connection: u64,
}

/// A request that is ready to be acted on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) context: Context,
    pub(crate) request: Request,
    /// Of a Produce request: the batch of each partition, in the request's order, checked before the state is touched.
    pub(crate) batches: Vec<Result<Batch, Refused>>,
    /// An ApiVersions request of a version that isn't spoken: answered in version 0, with the range that is.
    pub(crate) is_too_new: bool,
}

/// Where to look for the topics and partitions that a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) topics: &'a Topics,
    /// Of the node that got it.
    pub(crate) sessions: Option<&'a FetchSessions>,
    pub(crate) shares: Option<&'a ShareSessions>,
}

/// What a connection does about a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Sends this answer.
    Answer(Response),
    /// Closes the connection.
    Close,
    /// Sends this answer with an error in it that a client can see.
    Damaged(Box<Outcome>),
    /// Sends this answer, which holds slices of logs.
    Fetched(Box<fetch::Answer>),
    /// Waits: the outcome comes under the request's ticket.
    Later,
    /// Sends nothing: a Produce request with `acks=0`.
    Silent,
    /// Sends the first half of this answer, then closes the connection.
    Truncated(Box<Outcome>),
}

impl Outcome {
    /// Sets the throttle time of an answer.
    pub(crate) fn throttle(&mut self, milliseconds: i32) {
        match self {
            Self::Answer(response) => response.throttle(milliseconds),
            Self::Fetched(answer) => answer.response.throttle_time_ms = milliseconds,
            Self::Damaged(outcome) | Self::Truncated(outcome) => outcome.throttle(milliseconds),
            Self::Close | Self::Later | Self::Silent => {}
        }
    }
}

impl Request {
    /// The topics and partitions in the request, or in its fetch session; partition -1 where it is about the topic as such.
    pub(crate) fn targets(&self, places: &Places<'_>) -> Vec<(String, i32)> {
        let topics = places.topics;
        match self {
            Self::Produce(request) => produce::targets(request, topics),
            Self::Fetch(request) => fetch::targets(request, topics, places.sessions),
            Self::ShareFetch(request) => share_fetch::targets(request, topics, places.shares),
            Self::ShareAcknowledge(request) => share_acknowledge::targets(request, topics),
            Self::ListOffsets(request) => list_offsets::targets(request),
            Self::Metadata(request) => metadata::targets(request, topics),
            Self::OffsetCommit(request) => offset_commit::targets(request, topics),
            Self::OffsetFetch(request) => offset_fetch::targets(request, topics),
            Self::CreatePartitions(request) => create_partitions::targets(request),
            Self::CreateTopics(request) => create_topics::targets(request),
            Self::DeleteRecords(request) => delete_records::targets(request),
            Self::DescribeConfigs(request) => describe_configs::targets(request),
            Self::IncrementalAlterConfigs(request) => describe_configs::altered(request),
            Self::OffsetDelete(request) => delete_groups::targets(request),
            Self::DeleteTopics(request) => delete_topics::targets(request, topics),
            Self::OffsetForLeaderEpoch(request) => offset_for_leader_epoch::targets(request),
            Self::AddPartitionsToTxn(request) => add_partitions_to_txn::targets(request),
            Self::DescribeProducers(request) => describe_producers::targets(request),
            Self::TxnOffsetCommit(request) => txn_offset_commit::targets(request),
            Self::AddOffsetsToTxn(_)
            | Self::ApiVersions(_)
            | Self::ConsumerGroupDescribe(_)
            | Self::ConsumerGroupHeartbeat(_)
            | Self::DeleteGroups(_)
            | Self::DescribeCluster(_)
            | Self::DescribeGroups(_)
            | Self::DescribeTransactions(_)
            | Self::EndTxn(_)
            | Self::FindCoordinator(_)
            | Self::GetTelemetrySubscriptions(_)
            | Self::Heartbeat(_)
            | Self::InitProducerId(_)
            | Self::JoinGroup(_)
            | Self::LeaveGroup(_)
            | Self::ListGroups(_)
            | Self::ListTransactions(_)
            | Self::ShareGroupDescribe(_)
            | Self::ShareGroupHeartbeat(_)
            | Self::PushTelemetry(_)
            | Self::SyncGroup(_) => Vec::new(),
        }
    }

    /// The group it is about; the first, if there are several.
    pub(crate) fn group(&self) -> Option<&str> {
        match self {
            Self::AddOffsetsToTxn(request) => Some(&request.group_id),
            Self::ConsumerGroupDescribe(request) => request.group_ids.first().map(|id| id.as_str()),
            Self::ConsumerGroupHeartbeat(request) => Some(&request.group_id),
            Self::DeleteGroups(request) => request.groups_names.first().map(|id| id.as_str()),
            Self::DescribeGroups(request) => request.groups.first().map(|id| id.as_str()),
            Self::FindCoordinator(request) => find_coordinator::key(request, find_coordinator::GROUP),
            Self::Heartbeat(request) => Some(&request.group_id),
            Self::JoinGroup(request) => Some(&request.group_id),
            Self::LeaveGroup(request) => Some(&request.group_id),
            Self::OffsetCommit(request) => Some(&request.group_id),
            Self::OffsetDelete(request) => Some(&request.group_id),
            Self::OffsetFetch(request) => {
                Some(request.groups.first().map_or(&request.group_id, |group| &group.group_id))
            }
            Self::ShareAcknowledge(request) => request.group_id.as_ref().map(|id| id.as_str()),
            Self::ShareFetch(request) => request.group_id.as_ref().map(|id| id.as_str()),
            Self::ShareGroupDescribe(request) => request.group_ids.first().map(|id| id.as_str()),
            Self::ShareGroupHeartbeat(request) => Some(&request.group_id),
            Self::SyncGroup(request) => Some(&request.group_id),
            Self::TxnOffsetCommit(request) => Some(&request.group_id),
            _ => None,
        }
    }

    /// The transactional id it is about; the first, if there are several.
    pub(crate) fn transactional_id(&self) -> Option<&str> {
        match self {
            Self::AddOffsetsToTxn(request) => Some(&request.transactional_id),
            Self::AddPartitionsToTxn(request) => Some(add_partitions_to_txn::transactional_id(request)),
            Self::DescribeTransactions(request) => request.transactional_ids.first().map(|id| id.as_str()),
            Self::EndTxn(request) => Some(&request.transactional_id),
            Self::FindCoordinator(request) => find_coordinator::key(request, find_coordinator::TRANSACTION),
            Self::InitProducerId(request) => request.transactional_id.as_ref().map(|id| id.as_str()),
            Self::Produce(request) => request.transactional_id.as_ref().map(|id| id.as_str()),
            Self::TxnOffsetCommit(request) => Some(&request.transactional_id),
            _ => None,
        }
    }
}

/// Acts on a request and says what became of it. Errors of the verdict are answered instead.
pub(crate) fn act(cluster: &mut Cluster, ticket: Ticket, call: Call, verdict: &Verdict, now: Duration) -> Outcome {
    let context = &call.context;
    match call.request {
        Request::Produce(request) => produce::answer(cluster, context, request, call.batches, verdict, now),
        Request::Fetch(request) => fetch::answer(cluster, ticket, context, request, verdict, now),
        Request::ListOffsets(request) => list_offsets::answer(cluster, context, request, verdict).into(),
        Request::Metadata(request) => metadata::answer(cluster, context, request, verdict).into(),
        Request::OffsetCommit(request) => offset_commit::answer(cluster, context, request, verdict, now).into(),
        Request::OffsetFetch(request) => offset_fetch::answer(cluster, context, request, verdict).into(),
        Request::FindCoordinator(request) => find_coordinator::answer(cluster, context, &request, verdict).into(),
        Request::JoinGroup(request) => join_group::join(cluster, ticket, context, request, verdict, now),
        Request::Heartbeat(request) => join_group::heartbeat(cluster, context, &request, verdict, now).into(),
        Request::LeaveGroup(request) => join_group::leave(cluster, context, request, verdict, now).into(),
        Request::SyncGroup(request) => join_group::sync(cluster, ticket, context, &request, verdict, now),
        Request::ShareGroupHeartbeat(request) => share_group::heartbeat(cluster, context, request, verdict, now).into(),
        Request::ShareGroupDescribe(request) => share_group::describe(cluster, context, request, verdict).into(),
        Request::ShareFetch(request) => share_fetch::answer(cluster, ticket, context, request, verdict, now),
        Request::ShareAcknowledge(request) => share_acknowledge::answer(cluster, context, request, verdict, now).into(),
        Request::DescribeGroups(request) => describe_groups::answer(cluster, context, request, verdict).into(),
        Request::ListGroups(request) => list_groups::answer(cluster, context, &request, verdict).into(),
        Request::DeleteGroups(request) => delete_groups::answer(cluster, context, request, verdict).into(),
        Request::OffsetDelete(request) => delete_groups::offsets(cluster, context, request, verdict).into(),
        Request::ConsumerGroupHeartbeat(request) => {
            consumer_group::heartbeat(cluster, context, request, verdict, now).into()
        }
        Request::ConsumerGroupDescribe(request) => consumer_group::describe(cluster, context, request, verdict).into(),
        Request::GetTelemetrySubscriptions(request) => {
            telemetry::subscription(cluster, context, &request, verdict, now).into()
        }
        Request::PushTelemetry(request) => telemetry::push(cluster, context, request, verdict, now).into(),
        Request::DescribeCluster(request) => describe_cluster::answer(cluster, context, &request, verdict).into(),
        Request::DescribeConfigs(request) => describe_configs::answer(cluster, request, verdict).into(),
        Request::IncrementalAlterConfigs(request) => describe_configs::alter(cluster, request, verdict).into(),
        Request::CreatePartitions(request) => create_partitions::answer(cluster, request, verdict).into(),
        Request::DeleteRecords(request) => delete_records::answer(cluster, context, request, verdict).into(),
        Request::ApiVersions(_) if call.is_too_new => api_versions::unsupported(&cluster.config).into(),
        Request::ApiVersions(request) => api_versions::answer(cluster, context, &request, verdict).into(),
        Request::CreateTopics(request) => create_topics::answer(cluster, context, request, verdict).into(),
        Request::DeleteTopics(request) => delete_topics::answer(cluster, context, request, verdict, now).into(),
        Request::InitProducerId(request) => init_producer_id::answer(cluster, context, &request, verdict, now).into(),
        Request::AddPartitionsToTxn(request) => {
            add_partitions_to_txn::answer(cluster, context, request, verdict, now).into()
        }
        Request::AddOffsetsToTxn(request) => {
            add_offsets_to_txn::answer(cluster, context, &request, verdict, now).into()
        }
        Request::EndTxn(request) => end_txn::answer(cluster, context, &request, verdict, now).into(),
        Request::TxnOffsetCommit(request) => txn_offset_commit::answer(cluster, context, request, verdict, now).into(),
        Request::DescribeTransactions(request) => {
            describe_transactions::answer(cluster, context, request, verdict).into()
        }
        Request::ListTransactions(request) => {
            list_transactions::answer(cluster, context, &request, verdict, now).into()
        }
        Request::DescribeProducers(request) => describe_producers::answer(cluster, context, request, verdict).into(),
        Request::OffsetForLeaderEpoch(request) => {
            offset_for_leader_epoch::answer(cluster, context, request, verdict).into()
        }
    }
}
