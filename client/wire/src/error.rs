//! What can be wrong with bytes that came in, and with values that shall go out.

use std::fmt;

/// Says why bytes from the network are not what the protocol promises.
///
/// Nothing of the message survives: the connection that sent it is out of step and should be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The content contradicts itself; the text says how.
    Corrupt(&'static str),
    /// A frame announces more than the limit set for frames.
    FrameTooLarge {
        /// The announced size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A count of elements is negative, or more than the bytes that are left could hold.
    InvalidCount {
        /// The count as it was read.
        count: i64,
        /// How many bytes are left.
        left: usize,
    },
    /// A length is negative where none may be, or beyond what its type allows.
    InvalidLength(i64),
    /// A string is not valid UTF-8.
    NotUtf8,
    /// The peer speaks another protocol.
    NotKafka(Peer),
    /// The bytes end before the value does.
    Truncated {
        /// How many bytes the value takes.
        needed: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// A null where the version allows none.
    UnexpectedNull,
    /// A version that this crate does not read.
    UnsupportedVersion(i16),
    /// A variable-length integer goes on after its last possible byte.
    VarintTooLong,
}

/// What the first bytes of a connection look like when they are not Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// The text of an HTTP response.
    Http,
    /// A TLS alert: the listener expects TLS.
    TlsAlert,
    /// Another TLS record, such as a handshake: the listener expects TLS.
    TlsHandshake,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(how) => f.write_str(how),
            Self::FrameTooLarge { size, limit } => {
                write!(f, "a frame of {size} bytes is announced, the limit is {limit}")
            }
            Self::InvalidCount { count, left } => {
                write!(f, "{count} elements are announced, but only {left} bytes are left")
            }
            Self::InvalidLength(length) => write!(f, "{length} is no valid length"),
            Self::NotUtf8 => f.write_str("a string is not valid UTF-8"),
            Self::NotKafka(peer) => peer.fmt(f),
            Self::Truncated { needed, left } => write!(f, "a value takes {needed} bytes, but only {left} are left"),
            Self::UnexpectedNull => f.write_str("a value is null that must not be"),
            Self::UnsupportedVersion(version) => write!(f, "version {version} is not supported"),
            Self::VarintTooLong => f.write_str("a variable-length integer does not end"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "the peer answers with HTTP: this port is not a Kafka listener",
            Self::TlsAlert => "the peer answers with a TLS alert: this listener expects TLS",
            Self::TlsHandshake => "the peer answers with a TLS handshake: this listener expects TLS",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Says why a message cannot be written in the version asked for.
///
/// Nothing was sent. The remedy is another version, a shorter value, or leaving the setting at its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field has a value, but the version has no place for it.
    FieldNotInVersion {
        /// The structure that has the field.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is null, but the version has no null for it.
    NullNotInVersion {
        /// The structure that has the field.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A string, an array or the whole message is longer than its length prefix can say.
    TooLong {
        /// The length, in bytes or elements.
        length: usize,
        /// The longest possible.
        limit: usize,
    },
    /// This crate does not write that version of the message.
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldNotInVersion { message, field, version } => {
                write!(f, "version {version} of {message} has no {field}, which is set")
            }
            Self::NullNotInVersion { message, field, version } => {
                write!(f, "version {version} of {message} needs {field}, which is null")
            }
            Self::TooLong { length, limit } => write!(f, "a value of length {length} is over the limit of {limit}"),
            Self::UnsupportedVersion { message, version } => {
                write!(f, "version {version} of {message} is not supported")
            }
        }
    }
}

impl std::error::Error for EncodeError {}
