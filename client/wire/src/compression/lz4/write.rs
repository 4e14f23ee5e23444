//! One frame as the Java client writes it: independent blocks of 64 KiB, no checksum but the header's.

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::{MAGIC, STORED};

/// The decompressed size of a block.
const BLOCK: usize = 64 * 1024;

/// FLG: version 1, independent blocks. BD: blocks of 64 KiB. And the second byte of the two's xxHash32.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];

/// Kafka's default level, and the only one that is not "high compression".
const FAST: i32 = 9;

pub(in super::super) struct Writer {
    level: i32,
    table: CompressTable,
    block: Vec<u8>,
}

impl Writer {
    pub(in super::super) fn new(level: i32) -> Self {
        Self { level, table: CompressTable::large(), block: vec![0; get_maximum_output_size(BLOCK)] }
    }

    pub(in super::super) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&DESCRIPTOR);
        for block in body.chunks(BLOCK) {
            let len = self.block(block)?;
            if len < block.len() {
                out.extend_from_slice(&(len as u32).to_le_bytes());
                out.extend_from_slice(&self.block[..len]);
            } else {
                out.extend_from_slice(&(block.len() as u32 | STORED).to_le_bytes());
                out.extend_from_slice(block);
            }
        }
        out.extend_from_slice(&0u32.to_le_bytes());
        Ok(())
    }

    /// Compresses into `self.block` and returns the length.
    fn block(&mut self, block: &[u8]) -> Result<usize, String> {
        if self.level != FAST {
            return self.high(block);
        }
        compress_into_with_table(block, &mut self.block, &mut self.table).map_err(|error| error.to_string())
    }

    #[cfg(feature = "lz4-c")]
    fn high(&mut self, block: &[u8]) -> Result<usize, String> {
        let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(self.level);
        lz4::block::compress_to_buffer(block, Some(mode), false, &mut self.block).map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "lz4-c"))]
    fn high(&mut self, _: &[u8]) -> Result<usize, String> {
        // `Compression::check_level` lets no such level through.
        Err(format!("level {} needs the cargo feature `lz4-c`", self.level))
    }
}
