//! Decompression of a batch's records, by the codec number in its attributes.

use std::io::{self, Read};

use bytes::Bytes;

/// The first bytes of the framing that Kafka's Java client puts around snappy blocks.
const XERIAL: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

/// Bytes of the xerial preamble: the magic and two version numbers.
const XERIAL_PREAMBLE_BYTES: usize = 16;

/// The name of a codec, as `compression.type` spells it.
pub(crate) fn name(codec: i16) -> &'static str {
    match codec {
        0 => "none",
        1 => "gzip",
        2 => "snappy",
        3 => "lz4",
        4 => "zstd",
        _ => "unknown",
    }
}

/// Decompresses `body`; without compression it is returned as it is.
///
/// # Errors
/// If the codec is unknown or its data damaged.
pub(crate) fn decompress(codec: i16, body: &Bytes) -> io::Result<Bytes> {
    let mut plain = Vec::new();
    match codec {
        0 => return Ok(body.clone()),
        1 => {
            flate2::read::MultiGzDecoder::new(&body[..]).read_to_end(&mut plain)?;
        }
        2 => plain = unsnap(body)?,
        3 => {
            lz4_flex::frame::FrameDecoder::new(&body[..]).read_to_end(&mut plain)?;
        }
        4 => {
            let mut rest = &body[..];
            while !rest.is_empty() {
                ruzstd::decoding::StreamingDecoder::new(&mut rest)
                    .map_err(io::Error::other)?
                    .read_to_end(&mut plain)?;
            }
        }
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("compression codec {codec} is unknown"))),
    }
    Ok(plain.into())
}

/// Raw snappy, or blocks of it in xerial framing, each with its length before it.
fn unsnap(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = snap::raw::Decoder::new();
    if !body.starts_with(&XERIAL) {
        return Ok(decoder.decompress_vec(body)?);
    }
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut rest = body.get(XERIAL_PREAMBLE_BYTES..).ok_or_else(cut)?;
    let mut plain = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or_else(cut)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(cut)?;
        plain.extend(decoder.decompress_vec(block)?);
        rest = after;
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"tea milk tea milk tea milk tea milk";

    #[test]
    fn gzip_of_several_members_is_one_text() {
        let mut body = Vec::new();
        for half in TEXT.chunks(18) {
            let mut encoder = flate2::write::GzEncoder::new(&mut body, flate2::Compression::fast());
            encoder.write_all(half).unwrap();
            encoder.finish().unwrap();
        }
        assert_eq!(decompress(1, &body.into()).unwrap(), TEXT);
    }

    #[test]
    fn snappy_is_taken_raw_and_framed() {
        let raw = snap::raw::Encoder::new().compress_vec(TEXT).unwrap();
        assert_eq!(decompress(2, &raw.clone().into()).unwrap(), TEXT);

        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        let framed = [&XERIAL[..], &[0, 0, 0, 1, 0, 0, 0, 1], &length, &raw, &length, &raw].concat();
        assert_eq!(decompress(2, &framed.into()).unwrap(), [TEXT, TEXT].concat());
    }

    #[test]
    fn lz4_frames_are_read() {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(TEXT).unwrap();
        assert_eq!(decompress(3, &encoder.finish().unwrap().into()).unwrap(), TEXT);
    }

    #[test]
    fn zstd_of_several_frames_is_one_text() {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let body = TEXT.chunks(18).flat_map(|half| ruzstd::encoding::compress_to_vec(half, level));
        assert_eq!(decompress(4, &body.collect()).unwrap(), TEXT);
    }

    #[test]
    fn damage_is_an_error() {
        for codec in 1..=5 {
            assert!(decompress(codec, &Bytes::from_static(b"no such thing")).is_err(), "codec {codec}");
        }
    }
}
