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

    /// A compressed body, and the buffer that held the records. What cannot be compressed goes as it is.
    pub(super) fn compressed(body: Vec<u8>, compressor: &mut Compressor) -> (Self, Option<Vec<u8>>) {
        let mut out = Vec::with_capacity(body.len() / 2);
        match compressor.compress(&body, &mut out) {
            Ok(()) => {
                let crc = BodyCrc::of(&out);
                let uncompressed = body.len();
                (Self { body: out.into(), crc, compression: compressor.codec(), uncompressed }, Some(body))
            }
            Err(error) => {
                tracing::error!(%error, "a batch is sent uncompressed");
                (Self::plain(body), None)
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
}
