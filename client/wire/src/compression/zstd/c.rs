//! By the C library.

use zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd_safe::{CCtx, DCtx, compress_bound, get_error_name, is_error_kind};

use super::super::decompressor::Failure;
use super::extent;

pub(in super::super) struct Writer {
    level: i32,
    context: Option<CCtx<'static>>,
}

impl Writer {
    pub(in super::super) fn new(level: i32) -> Self {
        Self { level, context: None }
    }

    pub(in super::super) fn write(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let context = match &mut self.context {
            Some(context) => context,
            empty => empty.insert(CCtx::try_create().ok_or("no memory")?),
        };
        let start = out.len();
        out.resize(start + compress_bound(body.len()), 0);
        let written = context.compress(&mut out[start..], body, self.level);
        out.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(drop).map_err(|code| get_error_name(code).to_owned())
    }
}

#[derive(Default)]
pub(in super::super) struct Reader(Option<DCtx<'static>>);

impl Reader {
    pub(in super::super) fn read(&mut self, body: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
        let context = match &mut self.0 {
            Some(context) => context,
            empty => empty.insert(DCtx::try_create().ok_or_else(|| Failure::at(0, "no memory"))?),
        };
        let extent = extent::of(body)?;
        out.clear();
        out.resize(extent.min(limit), 0);
        let written = context.decompress(out.as_mut_slice(), body);
        out.truncate(*written.as_ref().unwrap_or(&0));
        written.map(drop).map_err(|code| {
            if extent > limit && is_error_kind(code, ZSTD_error_dstSize_tooSmall) {
                return Failure::TooLarge;
            }
            Failure::at(0, get_error_name(code))
        })
    }
}
