//! Requests into frames, and frames into responses.

use bytes::Bytes;

use crate::fields::put_string;
use crate::tags::{no_tags, skip_tags};
use crate::{ApiKey, Decode, DecodeError, EncodeError, Reader, Request, Version, Writer};

/// Room for the header and the small fields of most requests.
const SMALL_FIELDS: usize = 256;

/// A whole frame, ready for the socket: a few slices to be written one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    slices: Vec<Bytes>,
    length: usize,
}

impl Frame {
    pub(crate) fn new(slices: Vec<Bytes>, length: usize) -> Self {
        Self { slices, length }
    }

    /// How many bytes it has, the four of the size included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The slices, in order. None is empty.
    #[must_use]
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }
}

impl IntoIterator for Frame {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.slices.into_iter()
    }
}

/// Writes a request with its header and size.
///
/// # Errors
/// If this crate does not know the version, a field is set that the version does not have, or a value is too long.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Frame, EncodeError> {
    if !(R::MIN_VERSION..=R::MAX_VERSION).contains(&version) {
        return Err(EncodeError::UnsupportedVersion { message: R::API_KEY.name(), version });
    }
    let mut out = Writer::with_capacity(SMALL_FIELDS);
    out.put(&(R::API_KEY as i16).to_be_bytes());
    out.put(&version.to_be_bytes());
    out.put(&correlation_id.to_be_bytes());
    // The client's id never has a compact length: a broker must be able to read the header of any version.
    put_string(&mut out, client_id, Version { number: version, flexible: false })?;
    let version = Version { number: version, flexible: R::is_flexible(version) };
    no_tags(&mut out, version);
    request.encode(&mut out, version)?;
    out.into_frame()
}

/// The number that a response shares with its request. `frame` is what follows the size.
///
/// # Errors
/// [`DecodeError::Truncated`] if the frame is shorter than that number.
pub fn correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    match frame.first_chunk() {
        Some(number) => Ok(i32::from_be_bytes(*number)),
        None => Err(DecodeError::Truncated { needed: 4, left: frame.len() }),
    }
}

/// Reads the response to a request sent in `version`. `frame` is what follows the size.
///
/// Strings and bytes of the response share the frame. Bytes after the response's last field are ignored, as the Java
/// client does.
///
/// A broker that does not know the version of an ApiVersions request answers in version 0, so that is tried as well.
///
/// # Errors
/// If the frame is not what the version lays out.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<R::Response, DecodeError> {
    if !(R::MIN_VERSION..=R::MAX_VERSION).contains(&version) {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    let version = Version { number: version, flexible: R::is_flexible(version) };
    let mut from = Reader::new(frame);
    from.skip(4)?;
    if R::API_KEY != ApiKey::ApiVersions {
        skip_tags(&mut from, version)?;
        return R::Response::decode(&mut from, version);
    }
    // Its response has the oldest header in every version: the client cannot know yet what the broker speaks.
    let mut again = from.clone();
    R::Response::decode(&mut from, version)
        .or_else(|error| R::Response::decode(&mut again, Version { number: 0, flexible: false }).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunks;
    use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use crate::messages::{FetchRequest, HeartbeatRequest, ProduceRequest};

    #[test]
    fn records_are_sent_as_the_slices_they_came_in() {
        let header = Bytes::from(vec![b'h'; 61]);
        let body = Bytes::from(vec![b'b'; 5_000]);
        let partition =
            |index| PartitionProduceData { index, records: Some(Chunks(vec![header.clone(), body.clone()])) };
        let topic = TopicProduceData { partition_data: vec![partition(0), partition(1)], ..Default::default() };
        let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() };
        for version in ProduceRequest::MIN_VERSION..=ProduceRequest::MAX_VERSION {
            let frame = encode_request(&request, version, 7, Some("tea")).unwrap();
            // Small fields, body, small fields, body, and tagged fields if there are any.
            assert_eq!(frame.slices().len(), if version >= 9 { 5 } else { 4 });
            assert_eq!(frame.slices()[1].as_ptr(), body.as_ptr());
            assert_eq!(frame.slices()[3].as_ptr(), body.as_ptr());
            assert!(frame.slices()[0].ends_with(&header));
            assert_eq!(frame.len(), frame.into_iter().map(|slice| slice.len()).sum::<usize>());
        }
    }

    #[test]
    fn fetched_records_are_a_slice_of_the_frame() {
        // Correlation id, throttle time, error code, session, one topic "t" with one partition and three bytes of records.
        let mut frame = vec![0; 4 + 4 + 2 + 4];
        frame.extend(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x05\0\0");
        frame.extend([0; 24]);
        frame.extend(b"\xff\xff\xff\xff\0\0\0\x03tea");
        let frame = Bytes::from(frame);
        let response = decode_response::<FetchRequest>(frame.clone(), 10).unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.partition_index, &partition.aborted_transactions), (5, &None));
        let records = partition.records.as_ref().unwrap();
        assert_eq!(records, "tea");
        assert_eq!(records.as_ptr(), frame[frame.len() - 3..].as_ptr());
    }

    #[test]
    fn the_header_of_a_flexible_version_has_tagged_fields_but_no_compact_string() {
        let header = |version| encode_request(&HeartbeatRequest::default(), version, 0x0102_0304, Some("tea")).unwrap();
        assert_eq!(header(3).slices()[0][4..17], *b"\0\x0c\0\x03\x01\x02\x03\x04\0\x03tea");
        assert_eq!(header(4).slices()[0][4..18], *b"\0\x0c\0\x04\x01\x02\x03\x04\0\x03tea\0");
    }

    #[test]
    fn a_client_id_that_is_too_long_is_an_error() {
        let client_id = "x".repeat(40_000);
        assert_eq!(
            encode_request(&HeartbeatRequest::default(), 2, 1, Some(&client_id)),
            Err(EncodeError::TooLong { length: 40_000, limit: 32_767 }),
        );
    }

    #[test]
    fn a_frame_without_a_correlation_id_is_an_error() {
        for length in 0..4 {
            let short = Bytes::from(vec![0; length]);
            let truncated = DecodeError::Truncated { needed: 4, left: length };
            assert_eq!(correlation_id(&short), Err(truncated.clone()));
            assert_eq!(decode_response::<HeartbeatRequest>(short, 2), Err(truncated));
        }
        assert_eq!(correlation_id(&Bytes::from_static(b"\0\0\x01\0 and more")), Ok(256));
    }
}
