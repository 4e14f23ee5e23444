//! Values gathered into a frame.

use bytes::Bytes;

use crate::{EncodeError, Frame};

/// From this size on a shared slice is kept as it is: copying it would cost more than the socket's next slice does.
const SHARED_FROM: usize = 512;

/// Gathers the values of one frame; big shared slices stay where they are.
///
/// Numbers are big-endian.
#[derive(Debug, Default)]
pub struct Writer {
    gathered: Vec<u8>,
    /// Slices that are not copied, and where in `gathered` each belongs.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Writer {
    /// Starts empty, with nothing allocated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts empty, with room for `capacity` bytes of small values.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { gathered: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.gathered.len() + self.shared_bytes
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
    }

    /// Adds `bytes`: copied when few, else shared.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_FROM {
            return self.put(bytes);
        }
        self.shared_bytes += bytes.len();
        self.shared.push((self.gathered.len(), bytes.clone()));
    }

    /// Adds a number in as many bytes as it needs, seven bits in each, the lowest first.
    pub fn put_unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.gathered.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.gathered.push(value as u8);
    }

    /// Adds all that another writer gathered.
    pub fn append(&mut self, other: Self) {
        let start = self.gathered.len();
        self.gathered.extend_from_slice(&other.gathered);
        self.shared.extend(other.shared.into_iter().map(|(at, bytes)| (start + at, bytes)));
        self.shared_bytes += other.shared_bytes;
    }

    /// What was written, as it is: for values that are not sent as a frame of their own.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.shared.is_empty() {
            return self.gathered.into();
        }
        let mut joined = Vec::with_capacity(self.len());
        for slice in self.into_slices() {
            joined.extend_from_slice(&slice);
        }
        joined.into()
    }

    /// Ends the frame: four bytes of size come before what was written.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] over 2 GiB.
    pub fn into_frame(mut self) -> Result<Frame, EncodeError> {
        let size = i32::try_from(self.len())
            .map_err(|_| EncodeError::TooLong { length: self.len(), limit: i32::MAX as usize })?;
        self.gathered.splice(..0, size.to_be_bytes());
        for (at, _) in &mut self.shared {
            *at += 4;
        }
        let length = self.len();
        Ok(Frame::new(self.into_slices(), length))
    }

    fn into_slices(self) -> Vec<Bytes> {
        let gathered = Bytes::from(self.gathered);
        let mut slices = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut done = 0;
        for (at, bytes) in self.shared {
            if at > done {
                slices.push(gathered.slice(done..at));
                done = at;
            }
            slices.push(bytes);
        }
        if done < gathered.len() {
            slices.push(gathered.slice(done..));
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_slices_are_shared_and_small_ones_gathered() {
        let (small, large) = (Bytes::from(vec![1; 511]), Bytes::from(vec![2; 512]));
        let mut out = Writer::new();
        out.put_shared(&large);
        out.put(b"ab");
        out.put_shared(&small);
        out.put_shared(&large);
        out.put_shared(&large);
        assert_eq!(out.len(), 3 * 512 + 511 + 2);

        let frame = out.into_frame().unwrap();
        assert_eq!(frame.len(), 4 + 3 * 512 + 511 + 2);
        let lengths: Vec<usize> = frame.slices().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [4, 512, 2 + 511, 512, 512]);
        for shared in [1, 3, 4] {
            assert_eq!(frame.slices()[shared].as_ptr(), large.as_ptr());
        }
        assert_eq!(frame.slices()[0], &2049i32.to_be_bytes()[..]);
    }

    #[test]
    fn appended_slices_stay_in_their_places() {
        let large = Bytes::from(vec![b'x'; 600]);
        let mut inner = Writer::new();
        inner.put(b"(");
        inner.put_shared(&large);
        inner.put(b")");
        let mut out = Writer::with_capacity(8);
        out.put(b"a");
        out.append(inner);
        out.put(b"b");
        assert_eq!(out.into_bytes(), [b"a(", &large[..], b")b"].concat());
    }

    #[test]
    fn writes_varints_of_every_length() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_384, &[0x80, 0x80, 0x01]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Writer::new();
            out.put_unsigned_varint(value);
            assert_eq!(out.into_bytes(), bytes);
        }
    }

    #[test]
    fn what_has_more_than_2_gib_is_no_frame() {
        // One slice of 256 MiB of zeros, shared eight times: nothing is copied.
        let large = Bytes::from(vec![0; 256 << 20]);
        let mut out = Writer::new();
        for _ in 0..8 {
            out.put_shared(&large);
        }
        let limit = i32::MAX as usize;
        assert_eq!(out.into_frame(), Err(EncodeError::TooLong { length: 2 << 30, limit }));
    }
}
