//! The bytes of a connection cut into frames.

use bytes::{Bytes, BytesMut};

use crate::{DecodeError, error::Peer};

/// The bytes that announce a frame's size.
const SIZE: usize = 4;
/// Room offered at least, so that many small frames come in with one read.
const MIN_SPACE: usize = 16 * 1024;
/// Room offered at most for bytes that are announced but not there, beyond as much again as is there.
const MAX_ADVANCE: usize = 1024 * 1024;

/// Cuts what comes from a socket into frames, without copying them.
///
/// Read into [`space`](Self::space), then take frames until there is none:
///
/// ```
/// use ottla_wire::FrameReader;
///
/// let mut reader = FrameReader::new(100 << 20);
/// reader.space().extend_from_slice(&[0, 0, 0, 2, b'h', b'i', 0, 0]);
/// assert_eq!(reader.next_frame()?.unwrap(), "hi");
/// assert_eq!(reader.next_frame()?, None);
/// assert_eq!(reader.missing(), 2);
/// # Ok::<(), ottla_wire::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    max_frame_bytes: usize,
    /// Nothing was taken yet, so the peer may still turn out to speak another protocol.
    first: bool,
}

impl FrameReader {
    /// Starts a connection. A frame of more than `max_frame_bytes` is an error, found before it is read.
    #[must_use]
    pub fn new(max_frame_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), max_frame_bytes, first: true }
    }

    /// Where to append what the socket has. There is room for some bytes at least; for the rest of a large frame when
    /// its size is known, but never for more than is there already and 1 MiB.
    pub fn space(&mut self) -> &mut BytesMut {
        let wanted = self.missing().min(self.buffer.len() + MAX_ADVANCE);
        if self.buffer.capacity() - self.buffer.len() < wanted {
            self.buffer.reserve(wanted.max(MIN_SPACE));
        }
        &mut self.buffer
    }

    /// How many bytes the next frame lacks at least; 0 when it is whole. A driver may let the socket gather so many
    /// before it wakes.
    #[must_use]
    pub fn missing(&self) -> usize {
        let size = self.buffer.first_chunk().map_or(0, |size| i32::from_be_bytes(*size));
        // A negative size lacks nothing: the next call for a frame says so.
        (SIZE + usize::try_from(size).unwrap_or(0)).saturating_sub(self.buffer.len())
    }

    /// Takes the next frame, without its size, if all of it is there.
    ///
    /// # Errors
    /// [`DecodeError::NotKafka`], [`DecodeError::InvalidLength`] or [`DecodeError::FrameTooLarge`], as soon as the size
    /// shows it. The connection is of no more use then.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(size) = self.buffer.first_chunk::<SIZE>() else { return Ok(None) };
        let peer = looks_like(*size);
        let size = i32::from_be_bytes(*size);
        let limit = self.max_frame_bytes;
        let problem = match usize::try_from(size) {
            Err(_) => Some(DecodeError::InvalidLength(size.into())),
            Ok(size) if size > limit => Some(DecodeError::FrameTooLarge { size, limit }),
            Ok(_) => None,
        };
        match (peer, problem) {
            // As a size these bytes mean hundreds of megabytes, which no first answer has.
            (Some(peer), problem) if self.first || problem.is_some() => return Err(DecodeError::NotKafka(peer)),
            (_, Some(problem)) => return Err(problem),
            _ => {}
        }
        if self.missing() > 0 {
            return Ok(None);
        }
        self.first = false;
        let mut frame = self.buffer.split_to(SIZE + size as usize).freeze();
        bytes::Buf::advance(&mut frame, SIZE);
        Ok(Some(frame))
    }
}

/// Recognizes other protocols by a connection's first bytes.
fn looks_like(bytes: [u8; SIZE]) -> Option<Peer> {
    match &bytes {
        b"HTTP" => Some(Peer::Http),
        // A TLS record: its type, and version 3 of SSL, which all of TLS claims to be.
        [0x15, 3, ..] => Some(Peer::TlsAlert),
        [0x16, 3, ..] => Some(Peer::TlsHandshake),
        _ => None,
    }
}
