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
