//! A closed batch into the bytes of its body.

use bytes::Bytes;
use ottla_wire::compression::{Compression, Compressor};
use ottla_wire::records::BodyCrc;

/// The body of a batch as it is sent, however often.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) body: Bytes,
    pub(super) crc: BodyCrc,
    pub(super) compression: Compression,
    /// Bytes of the records before they were compressed.
    pub(super) uncompressed: usize,
}

impl Sealed {
    /// A body that is sent as it is.
    pub(super) fn plain(body: Vec<u8>) -> Self {
        let (crc, uncompressed) = (BodyCrc::of(&body), body.len());
        Self { body: body.into(), crc, compression: Compression::None, uncompressed }
    }
}

/// Compresses bodies, one after another, through a buffer that it keeps: codecs want room for the worst case, and what
/// waits for its acknowledgement must take no more than it counts for.
#[derive(Debug)]
pub(super) struct Press {
    compressor: Compressor,
    out: Vec<u8>,
}

impl Press {
    pub(super) fn new(compressor: Compressor) -> Self {
        Self { compressor, out: Vec::new() }
    }

    /// A compressed body, and the buffer that held the records. What cannot be compressed goes as it is.
    pub(super) fn seal(&mut self, body: Vec<u8>) -> (Sealed, Option<Vec<u8>>) {
        self.out.clear();
        match self.compressor.compress(&body, &mut self.out) {
            Ok(()) => {
                let crc = BodyCrc::of(&self.out);
                let compression = self.compressor.codec();
                let sealed = Bytes::copy_from_slice(&self.out);
                (Sealed { body: sealed, crc, compression, uncompressed: body.len() }, Some(body))
            }
            Err(error) => {
                tracing::error!(%error, "a batch is sent uncompressed");
                (Sealed::plain(body), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_body_keeps_its_buffer() {
        let body = vec![7; 1000];
        let address = body.as_ptr();
        let sealed = Sealed::plain(body);
        assert_eq!(sealed.body.as_ptr(), address);
        let body = Vec::from(sealed.body);
        assert_eq!(body.as_ptr(), address, "and gives it back");
    }

    #[test]
    fn a_compressed_body_takes_no_more_memory_than_it_has_bytes() {
        let mut press = Press::new(Compressor::new(Compression::Zstd, None).unwrap());
        for _ in 0..2 {
            let (sealed, buffer) = press.seal(vec![7; 100_000]);
            assert_eq!(buffer.unwrap().len(), 100_000, "the records' buffer comes back");
            let len = sealed.body.len();
            assert!(len < 1_000);
            assert_eq!(Vec::from(sealed.body).capacity(), len);
        }
    }
}
