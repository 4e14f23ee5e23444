//! Record batches of version 2, both ways.
//!
//! ```text
//! writing   BodyEncoder::push(record)* → body → (Compressor) → BodyCrc::of(body) → BatchHeader::encode → 61 bytes
//! reading   batches(bytes) → Batch → check_crc, body(Decompressor) → Body → records() → RecordRef
//! ```
//!
//! A batch is a header of [`HEADER_LEN`] bytes and a body: the records one after another, as a whole compressed or
//! not. The header is written apart from the body, so that another producer epoch or sequence costs no second look
//! at the records. Reading copies nothing unless the body is compressed, and allocates nothing per record.
//!
//! Source: <https://kafka.apache.org/documentation/#recordbatch>

mod batch;
mod body;
mod control;
mod crc;
mod encode;
mod error;
mod header;
mod record;
mod varint;

pub use batch::{Batch, Batches, batches};
pub use body::{Body, Cursor, Records};
pub use control::{ControlType, EndTransactionMarker};
pub use crc::BodyCrc;
pub use encode::{BodyEncoder, RecordTooLarge};
pub use error::{BatchError, Problem};
pub use header::{BatchHeader, HEADER_LEN, TimestampType};
pub use record::{HeaderRefs, RecordRef};
