//! Kafka's wire format without IO: frames, messages, record batches, codecs.
//!
//! Bytes come in and go out; sockets, clocks and tasks are someone else's. Nothing here panics on any input, and nothing
//! is allocated from a count that the network claims before the bytes are there.
//!
//! ```
//! use ottla_wire::messages::ApiVersionsRequest;
//! use ottla_wire::{FrameReader, decode_response, encode_request};
//!
//! let request = ApiVersionsRequest { client_software_name: "tea".into(), ..Default::default() };
//! let frame = encode_request(&request, 3, 1, Some("kitchen"))?;
//! assert_eq!(frame.len(), 28);
//!
//! // An answer with one API: Produce, versions 3 to 13.
//! let mut reader = FrameReader::new(1 << 20);
//! reader.space().extend_from_slice(b"\0\0\0\x13\0\0\0\x01\0\0\x02\0\0\0\x03\0\x0d\0\0\0\0\0\0");
//! let answer = reader.next_frame()?.expect("all of it is there");
//! let response = decode_response::<ApiVersionsRequest>(answer, 3)?;
//! assert_eq!(response.api_keys[0].max_version, 13);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
mod tags;
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
