//! The requests this broker understands: one row each, one file each.

pub(crate) mod api_versions;
mod create_topics;
mod delete_topics;
pub(crate) mod fetch;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod wire;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::cluster::topics::Topics;
use crate::cluster::{Cluster, Ticket};
use crate::faults::Verdict;
use crate::log::batch::{Batch, Refused};

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
    ApiVersions ApiVersionsRequest ApiVersionsResponse 0..=4;
    CreateTopics CreateTopicsRequest CreateTopicsResponse 2..=7;
    DeleteTopics DeleteTopicsRequest DeleteTopicsResponse 1..=6;
    InitProducerId InitProducerIdRequest InitProducerIdResponse 0..=5;
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse 2..=4;
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
}

/// A request that is ready to be acted on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) context: Context,
    pub(crate) request: Request,
    /// Of a Produce request: the batch of each partition, in the request's order, checked before the state is touched.
    pub(crate) batches: Vec<Result<Batch, Refused>>,
}

/// What a connection does about a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Sends this answer.
    Answer(Response),
    /// Closes the connection.
    Close,
    /// Sends this answer, which holds slices of logs.
    Fetched(Box<fetch::Answer>),
    /// Waits: the outcome comes under the request's ticket.
    Later,
    /// Sends nothing: a Produce request with `acks=0`.
    Silent,
}

impl Outcome {
    /// Sets the throttle time of an answer.
    pub(crate) fn throttle(&mut self, milliseconds: i32) {
        match self {
            Self::Answer(response) => response.throttle(milliseconds),
            Self::Fetched(answer) => answer.response.throttle_time_ms = milliseconds,
            Self::Close | Self::Later | Self::Silent => {}
        }
    }
}

impl Request {
    /// The topics and partitions in the request; partition -1 where it is about the topic as such.
    pub(crate) fn targets(&self, topics: &Topics) -> Vec<(String, i32)> {
        match self {
            Self::Produce(request) => produce::targets(request, topics),
            Self::Fetch(request) => fetch::targets(request, topics),
            Self::ListOffsets(request) => list_offsets::targets(request),
            Self::Metadata(request) => metadata::targets(request, topics),
            Self::CreateTopics(request) => create_topics::targets(request),
            Self::DeleteTopics(request) => delete_topics::targets(request, topics),
            Self::OffsetForLeaderEpoch(request) => offset_for_leader_epoch::targets(request),
            Self::ApiVersions(_) | Self::InitProducerId(_) => Vec::new(),
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
        Request::ApiVersions(_) => api_versions::answer(&cluster.config, verdict).into(),
        Request::CreateTopics(request) => create_topics::answer(cluster, context, request, verdict).into(),
        Request::DeleteTopics(request) => delete_topics::answer(cluster, context, request, verdict, now).into(),
        Request::InitProducerId(request) => init_producer_id::answer(cluster, &request, verdict).into(),
        Request::OffsetForLeaderEpoch(request) => {
            offset_for_leader_epoch::answer(cluster, context, request, verdict).into()
        }
    }
}
