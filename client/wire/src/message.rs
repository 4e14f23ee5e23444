//! What every message can do: be written and read in the versions it knows.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// The version of a message, and whether it is flexible: with compact lengths and tagged fields.
///
/// Compares with plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The number.
    pub number: i16,
    /// Whether lengths are compact and tagged fields are there ([KIP-482]).
    ///
    /// [KIP-482]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-482%3A+The+Kafka+Protocol+should+Support+Optional+Tagged+Fields
    pub flexible: bool,
}

impl Version {
    /// The error for a field that is set, but not in this version.
    pub(crate) fn has_no(self, message: &'static str, field: &'static str) -> EncodeError {
        EncodeError::FieldNotInVersion { message, field, version: self.number }
    }

    /// The error for a field that is null, but not in this version.
    pub(crate) fn needs(self, message: &'static str, field: &'static str) -> EncodeError {
        EncodeError::NullNotInVersion { message, field, version: self.number }
    }
}

impl PartialEq<i16> for Version {
    fn eq(&self, number: &i16) -> bool {
        self.number == *number
    }
}

impl PartialOrd<i16> for Version {
    fn partial_cmp(&self, number: &i16) -> Option<Ordering> {
        self.number.partial_cmp(number)
    }
}

/// What can be written to the network.
pub trait Encode {
    /// Appends the value to `out` as `version` lays it out.
    ///
    /// # Errors
    /// If a field is set that the version does not have, is null where the version needs it, or is too long. What was
    /// written until then is of no use.
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError>;
}

/// What can be read from the network.
pub trait Decode: Sized {
    /// The fewest bytes that one takes in any version, at least one. It bounds how many can follow in so many bytes.
    const MIN_SIZE: usize;

    /// Takes the value off `from`, where it lies as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes end too early or contradict themselves.
    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError>;
}

/// A message that a client sends to a broker.
pub trait Request: Encode {
    /// The API it belongs to.
    const API_KEY: ApiKey;
    /// The oldest version written here.
    const MIN_VERSION: i16;
    /// The newest version written here.
    const MAX_VERSION: i16;
    /// The first flexible version; `i16::MAX` where there is none.
    const FLEXIBLE_FROM: i16;
    /// What the broker answers, in the same version.
    type Response: Response;

    /// Whether `version` has compact lengths and tagged fields.
    #[must_use]
    fn is_flexible(version: i16) -> bool {
        version >= Self::FLEXIBLE_FROM
    }
}

/// A message that a broker sends to a client.
pub trait Response: Decode {
    /// For how long the broker asks the client to send nothing, in milliseconds; 0 where it cannot say so.
    fn throttle_time_ms(&self) -> i32 {
        0
    }
}

/// What members of a group tell each other inside of bytes that brokers pass on unread: its version comes first.
pub trait Data: Encode + Decode {
    /// The name in Kafka's definitions.
    const NAME: &'static str;
    /// The oldest version known here.
    const MIN_VERSION: i16;
    /// The newest version known here.
    const MAX_VERSION: i16;
}

/// Writes `data` in `version`, which comes first.
///
/// # Errors
/// If this crate does not know the version, or `data` has what the version has no place for.
pub fn encode_data<D: Data>(data: &D, version: i16) -> Result<Bytes, EncodeError> {
    if !(D::MIN_VERSION..=D::MAX_VERSION).contains(&version) {
        return Err(EncodeError::UnsupportedVersion { message: D::NAME, version });
    }
    let mut out = Writer::new();
    out.put(&version.to_be_bytes());
    data.encode(&mut out, Version { number: version, flexible: false })?;
    Ok(out.into_bytes())
}

/// Reads what [`encode_data`] wrote, and says which version it was.
///
/// A version newer than [`Data::MAX_VERSION`] is read as that one: versions only add fields at the end.
///
/// # Errors
/// If the version is older than any known here, or the bytes are not as it lays them out.
pub fn decode_data<D: Data>(bytes: Bytes) -> Result<(D, i16), DecodeError> {
    let mut from = Reader::new(bytes);
    let version = from.i16()?;
    if version < D::MIN_VERSION {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    let data = D::decode(&mut from, Version { number: version.min(D::MAX_VERSION), flexible: false })?;
    Ok((data, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::ConsumerProtocolSubscription;

    #[test]
    fn data_comes_after_its_version() {
        let subscription =
            ConsumerProtocolSubscription { topics: vec!["tea".into()], user_data: None, ..Default::default() };
        let bytes = encode_data(&subscription, 0).unwrap();
        assert_eq!(bytes, &b"\0\0\0\0\0\x01\0\x03tea\xff\xff\xff\xff"[..]);
        assert_eq!(decode_data(bytes), Ok((subscription, 0)));
    }

    #[test]
    fn data_of_a_newer_version_is_read_as_the_newest_known() {
        let mut bytes = encode_data(&ConsumerProtocolSubscription::default(), 3).unwrap().to_vec();
        bytes[1] = 9;
        bytes.extend(b"new fields");
        assert_eq!(decode_data(bytes.into()), Ok((ConsumerProtocolSubscription::default(), 9)));
    }

    #[test]
    fn data_of_an_unknown_version_is_not_written_and_of_a_negative_one_not_read() {
        let subscription = ConsumerProtocolSubscription::default();
        assert_eq!(
            encode_data(&subscription, 4),
            Err(EncodeError::UnsupportedVersion { message: "ConsumerProtocolSubscription", version: 4 }),
        );
        let read = decode_data::<ConsumerProtocolSubscription>(Bytes::from_static(b"\xff\xff\0\0"));
        assert_eq!(read, Err(DecodeError::UnsupportedVersion(-1)));
    }
}
