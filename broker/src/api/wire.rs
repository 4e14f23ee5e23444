//! Requests out of frames, answers into frames.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::{Call, Context, Outcome, Peer, Request, api_versions, offset_commit, offset_fetch, produce};
use crate::config::Config;

/// Bytes every request begins with: API key, version and correlation id.
const LEAST_BYTES: usize = 8;

/// Reads a frame (without its length) that came to `node` from a client.
///
/// # Errors
/// A sentence, if it is no request this broker speaks; as Kafka does, the connection is then closed.
pub(crate) fn read(mut frame: Bytes, node: i32, peer: &Peer, config: &Config) -> Result<Call, String> {
    if frame.len() < LEAST_BYTES {
        return Err(format!("{} bytes are no request", frame.len()));
    }
    let mut head = &frame[..LEAST_BYTES];
    let (key, version, correlation_id) = (head.get_i16(), head.get_i16(), head.get_i32());
    let api = ApiKey::try_from(key).map_err(|()| format!("API key {key} is unknown"))?;
    let context = |version, client_id| Context { api, version, correlation_id, client_id, node, peer: peer.clone() };
    if !api_versions::offered(config, api).is_some_and(|(min, max)| (min..=max).contains(&version)) {
        if api != ApiKey::ApiVersions {
            return Err(format!("{api:?} of version {version} is not supported"));
        }
        // Nothing after the correlation id can be trusted. Any client reads version 0.
        return Ok(Call {
            context: context(0, StrBytes::default()),
            request: Request::ApiVersions(ApiVersionsRequest::default()),
            batches: Vec::new(),
            is_too_new: true,
        });
    }
    let header =
        RequestHeader::decode(&mut frame, api.request_header_version(version)).map_err(|error| error.to_string())?;
    let mut request = match api {
        // The message crate has the fields of these versions, but doesn't read them.
        ApiKey::OffsetCommit if version >= offset_commit::TOPIC_IDS_FROM => {
            Request::OffsetCommit(offset_commit::decode_with_topic_ids(&mut frame)?)
        }
        ApiKey::OffsetFetch if version >= offset_fetch::TOPIC_IDS_FROM => {
            Request::OffsetFetch(offset_fetch::decode_with_topic_ids(&mut frame)?)
        }
        _ => Request::decode(api, version, &mut frame)?,
    };
    let batches = match &mut request {
        Request::Produce(request) => produce::batches(request, version, config),
        _ => Vec::new(),
    };
    let context = context(version, header.client_id.unwrap_or_default());
    Ok(Call { context, request, batches, is_too_new: false })
}

/// The parts of an answer's frame, length included.
///
/// # Errors
/// A sentence, if the answer can't be expressed in the request's version: a fault of this broker.
pub(crate) fn write(context: &Context, outcome: Outcome) -> Result<Vec<Bytes>, String> {
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(context.correlation_id)
        .encode(&mut frame, context.api.response_header_version(context.version))
        .map_err(|error| error.to_string())?;
    match outcome {
        Outcome::Answer(response) => {
            response.encode(context.version, &mut frame)?;
            patch_length(&mut frame, 0);
            Ok(vec![frame.freeze()])
        }
        Outcome::Damaged(outcome) => Ok(damaged(write(context, *outcome)?)),
        Outcome::Fetched(answer) => answer.encode(context.version, frame),
        Outcome::Truncated(outcome) => Ok(first_half(write(context, *outcome)?)),
        Outcome::Close | Outcome::Later | Outcome::Silent => Ok(Vec::new()),
    }
}

/// The same answer with one byte changed: the last one of its records, which have parts of their own, or else one of the
/// number that tells which request it answers.
fn damaged(mut parts: Vec<Bytes>) -> Vec<Bytes> {
    let records = (1..parts.len()).max_by_key(|&part| parts[part].len()).filter(|&part| parts[part].len() > 61);
    let (part, at) = records.map_or((0, 4), |part| (part, parts[part].len() - 1));
    if let Some(part) = parts.get_mut(part).filter(|part| part.len() > at) {
        let mut bytes = BytesMut::from(&part[..]);
        bytes[at] ^= 0x55;
        *part = bytes.freeze();
    }
    parts
}

fn first_half(mut parts: Vec<Bytes>) -> Vec<Bytes> {
    let mut left = parts.iter().map(Bytes::len).sum::<usize>() / 2;
    for part in &mut parts {
        part.truncate(left);
        left -= part.len();
    }
    parts
}

/// Writes the length of a frame into its first four bytes; `beyond` counts bytes that follow in other parts.
pub(crate) fn patch_length(frame: &mut BytesMut, beyond: usize) {
    let length = i32::try_from(frame.len() - 4 + beyond).unwrap_or(i32::MAX);
    frame[..4].copy_from_slice(&length.to_be_bytes());
}

/// Appends an unsigned varint.
pub(crate) fn put_varint(buffer: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}
