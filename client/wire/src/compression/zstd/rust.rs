//! By zrip.

use zrip::error::DecompressError;
use zrip::{CompressContext, DecompressContext, compress_bound};

use super::super::decompressor::Failure;
use super::extent;

pub(in super::super) struct Writer {
    level: i32,
    /// Made at the first body: it holds tables of about a megabyte.
    context: Option<Box<CompressContext>>,
}

impl Writer {
    pub(in super::super) fn new(level: i32) -> Self {
        // 0 is the default: 3 in C, 1 in zrip.
        Self { level: if level == 0 { 3 } else { level }, context: None }
    }

    pub(in super::super) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let context = match &mut self.context {
            Some(context) => context,
            empty => empty.insert(CompressContext::new(self.level).map(Box::new).map_err(|error| error.to_string())?),
        };
        let start = out.len();
        out.resize(start + compress_bound(body.len()), 0);
        let len = context.compress_into(body, &mut out[start..]).map_err(|error| error.to_string())?;
        out.truncate(start + len);
        Ok(())
    }
}

/// Its context is made at the first body.
#[derive(Default)]
pub(in super::super) struct Reader(Option<DecompressContext>);

impl Reader {
    pub(in super::super) fn read(&mut self, body: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
        // zrip reserves what a frame states, so that has to be possible first.
        extent::of(body)?;
        let context = self.0.get_or_insert_default();
        match context.decompress_into_with_limit(body, out, limit) {
            Ok(_) => Ok(()),
            Err(DecompressError::OutputTooSmall) => Err(Failure::TooLarge),
            Err(error) => Err(Failure::at(0, error.to_string())),
        }
    }
}
