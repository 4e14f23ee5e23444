//! Frames off a connection: four bytes of length, then so many bytes.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest frame taken, as Kafka's `socket.request.max.bytes`: 100 MiB.
const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;

/// Room for one read where no larger frame is due.
const READ_BYTES: usize = 64 * 1024;

/// With less room than this the buffer is renewed: reads of a few bytes cost as much as large ones.
const LEAST_READ_BYTES: usize = 4 * 1024;

/// Reads frames; each is a slice of the buffer it was read into.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// The next frame, without its length; `None` at the end of the connection.
    ///
    /// # Errors
    /// If reading fails, the connection ends within a frame, or a length is negative or over 100 MiB.
    pub(super) async fn next(&mut self, input: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
        loop {
            let missing = match self.length()? {
                Some(length) if self.buffer.len() >= 4 + length => {
                    self.buffer.advance(4);
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
                Some(length) => 4 + length - self.buffer.len(),
                None => 0,
            };
            if self.buffer.capacity() - self.buffer.len() < missing.max(LEAST_READ_BYTES) {
                // A large frame gets a buffer of its own, or this one again if its last frame is forgotten.
                self.buffer.reserve(missing.max(READ_BYTES));
            }
            if input.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn length(&self) -> io::Result<Option<usize>> {
        let Some(length) = self.buffer.first_chunk() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        match usize::try_from(length) {
            Ok(length) if length <= MAX_FRAME_BYTES => Ok(Some(length)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frames(mut input: &[u8]) -> io::Result<Vec<Bytes>> {
        let (mut frames, mut read) = (Frames::default(), Vec::new());
        while let Some(frame) = frames.next(&mut input).await? {
            read.push(frame);
        }
        Ok(read)
    }

    #[tokio::test]
    async fn frames_are_cut_where_their_lengths_say() {
        assert_eq!(frames(b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c").await.unwrap(), ["ab", "", "c"]);
    }

    #[tokio::test]
    async fn a_large_frame_comes_whole() {
        let large = vec![7; 3 * READ_BYTES];
        let length = u32::try_from(large.len()).unwrap().to_be_bytes();
        let input = [&length[..], &large, b"\0\0\0\x01c"].concat();
        assert_eq!(frames(&input).await.unwrap(), [large, b"c".to_vec()]);
    }

    #[tokio::test]
    async fn an_end_within_a_frame_is_an_error() {
        assert_eq!(frames(b"\0\0\0\x02a").await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(frames(b"\0\0").await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_length_out_of_bounds_is_an_error() {
        for length in [-1i32, 100 * 1024 * 1024 + 1] {
            assert_eq!(frames(&length.to_be_bytes()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
