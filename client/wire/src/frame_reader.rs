//! The bytes of a connection cut into frames.

use bytes::{Bytes, BytesMut};

use crate::{DecodeError, error::Peer};

/// The bytes that announce a frame's size.
const SIZE: usize = 4;
/// Room made for what comes next while its size is not known: many small frames then come in with one read.
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

    /// Where to append what the socket has: some KiB while the next frame's size is not known, then room for the rest of
    /// that frame, but never for more than is there already and 1 MiB.
    pub fn space(&mut self) -> &mut BytesMut {
        let there = self.buffer.len();
        let room = self.buffer.capacity() - there;
        if there < SIZE {
            if room < MIN_SPACE / 4 {
                self.buffer.reserve(MIN_SPACE);
            }
        } else {
            let wanted = self.missing().clamp(1, there + MAX_ADVANCE);
            if room < wanted {
                self.buffer.reserve(wanted);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn reader(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(LIMIT);
        reader.space().extend_from_slice(bytes);
        reader
    }

    fn framed(contents: &[&[u8]]) -> Vec<u8> {
        contents.iter().flat_map(|content| [&(content.len() as i32).to_be_bytes()[..], content].concat()).collect()
    }

    /// The error for bytes that arrive at the start of a connection.
    fn refused(bytes: &[u8]) -> DecodeError {
        reader(bytes).next_frame().unwrap_err()
    }

    #[test]
    fn finds_the_same_frames_wherever_the_bytes_are_split() {
        let contents: [&[u8]; 4] = [b"first", b"", b"x", &[7; 300]];
        let bytes = framed(&contents);
        for split in 0..=bytes.len() {
            let mut reader = FrameReader::new(LIMIT);
            let mut frames = Vec::new();
            for part in [&bytes[..split], &bytes[split..]] {
                reader.space().extend_from_slice(part);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, contents, "split at {split}");
        }
    }

    #[test]
    fn finds_frames_that_come_byte_by_byte_and_says_what_is_missing() {
        let bytes = framed(&[b"tea", b"milk"]);
        let mut reader = FrameReader::new(LIMIT);
        let mut frames = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            let missing = match at {
                0..4 => 4 - at,
                4..7 => 7 - at,
                7..11 => 11 - at,
                _ => 15 - at,
            };
            assert_eq!(reader.missing(), missing, "after {at} bytes");
            reader.space().extend_from_slice(&[*byte]);
            frames.extend(reader.next_frame().unwrap());
        }
        assert_eq!(frames, ["tea", "milk"]);
    }

    #[test]
    fn frames_of_one_read_share_its_memory() {
        let mut reader = reader(&framed(&[b"tea", b"milk"]));
        let tea = reader.next_frame().unwrap().unwrap();
        let milk = reader.next_frame().unwrap().unwrap();
        assert_eq!(milk.as_ptr() as usize - tea.as_ptr() as usize, 3 + SIZE);
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let mut reader = reader(&framed(&[&vec![1; LIMIT]]));
        assert_eq!(reader.next_frame().unwrap().unwrap().len(), LIMIT);
    }

    #[test]
    fn sizes_over_the_limit_or_below_zero_are_refused_before_the_bytes_are_there() {
        let too_large = DecodeError::FrameTooLarge { size: LIMIT + 1, limit: LIMIT };
        assert_eq!(refused(&(LIMIT as i32 + 1).to_be_bytes()), too_large);
        assert_eq!(refused(&i32::MAX.to_be_bytes()), DecodeError::FrameTooLarge { size: 0x7fff_ffff, limit: LIMIT });
        assert_eq!(refused(&(-1i32).to_be_bytes()), DecodeError::InvalidLength(-1));
        assert_eq!(refused(&i32::MIN.to_be_bytes()), DecodeError::InvalidLength(i32::MIN.into()));

        let mut later = reader(&framed(&[b"fine"]));
        later.next_frame().unwrap();
        later.space().extend_from_slice(&(-7i32).to_be_bytes());
        assert_eq!(later.missing(), 0);
        assert_eq!(later.next_frame(), Err(DecodeError::InvalidLength(-7)));
    }

    #[test]
    fn other_protocols_are_called_by_their_names() {
        let http = refused(b"HTTP/1.1 400 Bad Request\r\n");
        assert_eq!(http, DecodeError::NotKafka(Peer::Http));
        assert_eq!(http.to_string(), "the peer answers with HTTP: this port is not a Kafka listener");
        let alert = refused(&[0x15, 3, 3, 0, 2, 2, 80]);
        assert_eq!(alert, DecodeError::NotKafka(Peer::TlsAlert));
        assert_eq!(alert.to_string(), "the peer answers with a TLS alert: this listener expects TLS");
        assert_eq!(refused(&[0x16, 3, 1, 2, 0, 1]), DecodeError::NotKafka(Peer::TlsHandshake));
        assert_eq!(refused(&[0x16, 3, 3, 0]), DecodeError::NotKafka(Peer::TlsHandshake));
    }

    #[test]
    fn other_protocols_are_recognized_at_the_start_whatever_the_limit() {
        let mut unlimited = FrameReader::new(usize::MAX);
        unlimited.space().extend_from_slice(&[0x15, 3, 3, 0, 2, 2, 80]);
        assert_eq!(unlimited.next_frame(), Err(DecodeError::NotKafka(Peer::TlsAlert)));

        // Later such a size is possible, and a frame.
        let mut unlimited = FrameReader::new(usize::MAX);
        unlimited.space().extend_from_slice(&framed(&[b"fine"]));
        unlimited.next_frame().unwrap();
        unlimited.space().extend_from_slice(&[0x15, 3, 3, 0, 2, 2, 80]);
        assert_eq!(unlimited.next_frame(), Ok(None));
        assert_eq!(unlimited.missing(), 0x1503_0300 + 4 - 7);
    }

    #[test]
    fn room_is_made_for_what_is_there_and_not_for_what_is_announced() {
        let mut reader = FrameReader::new(usize::MAX);
        assert!(reader.space().capacity() >= MIN_SPACE);
        reader.space().extend_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(reader.next_frame(), Ok(None));
        let capacity = reader.space().capacity();
        assert!((MAX_ADVANCE..=2 * MAX_ADVANCE).contains(&capacity), "{capacity} bytes for four");

        reader.space().extend_from_slice(&vec![0; 3 * MAX_ADVANCE]);
        let capacity = reader.space().capacity();
        assert!((6 * MAX_ADVANCE..=10 * MAX_ADVANCE).contains(&capacity), "{capacity} bytes for 3 MiB");
    }

    #[test]
    fn there_is_always_room_for_some_bytes() {
        let mut reader = FrameReader::new(LIMIT);
        for round in 0..100 {
            let space = reader.space();
            let room = space.capacity() - space.len();
            assert!(room >= MIN_SPACE / 4);
            let content = vec![round; 5_000];
            space.extend_from_slice(&framed(&[&content]));
            assert_eq!(reader.next_frame().unwrap().unwrap(), content);
        }
    }
}
