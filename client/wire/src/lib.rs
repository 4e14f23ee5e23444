//! Kafka's wire format without IO: frames, messages, record batches, codecs.
//!
//! Bytes come in and go out; sockets, clocks and tasks are someone else's. Nothing here panics on any input, and nothing
//! is allocated from a count that the network claims before the bytes are there.

pub mod compression;
pub mod messages;
pub mod records;

mod code;
mod error;
mod fields;
mod frame;
mod frame_reader;
mod message;
mod reader;
mod str;
mod uuid;
mod writer;

pub use code::Code;
pub use error::{DecodeError, EncodeError, Peer};
pub use fields::Chunks;
pub use frame::{Frame, correlation_id, decode_response, encode_request};
pub use frame_reader::FrameReader;
pub use message::{Data, Decode, Encode, Request, Response, Version, decode_data, encode_data};
pub use messages::ApiKey;
pub use reader::Reader;
pub use str::Str;
pub use uuid::{InvalidUuid, Uuid};
pub use writer::Writer;
