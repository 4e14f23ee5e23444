//! LZ4 in its frame format, as the Java client writes it and as any client may.
//!
//! ```text
//! magic: 4 | FLG | BD | (content size: 8) | header checksum | (block length: 4 | block | (checksum: 4))* | 0: 4 | (checksum: 4)
//! ```
//!
//! Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::Writer;

/// The first four bytes of a frame, little-endian as all its numbers.
const MAGIC: u32 = 0x184d_2204;

/// Set in a block's length if the block is stored as it is.
const STORED: u32 = 1 << 31;
