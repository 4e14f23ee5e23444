//! Requests into frames, and frames into responses.

use bytes::Bytes;

use crate::fields::{no_tags, put_string, skip_tags};
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
