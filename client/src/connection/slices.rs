//! A frame as the socket takes it: slices written together, none copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use ottla_wire::Frame;

/// The slices of a frame that are still to be written.
#[derive(Debug)]
pub(super) struct Slices {
    slices: VecDeque<Bytes>,
    remaining: usize,
}

impl Slices {
    pub(super) fn of(frame: Frame) -> Self {
        Self { remaining: frame.len(), slices: frame.into_iter().collect() }
    }
}

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.slices.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (into, slice) in into.iter_mut().zip(&self.slices) {
            *into = IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut written: usize) {
        self.remaining -= written;
        while let Some(first) = self.slices.front_mut() {
            if written < first.len() {
                return first.advance(written);
            }
            written -= first.len();
            self.slices.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::MetadataRequest;

    use super::*;

    #[test]
    fn advances_across_slices() {
        let frame = ottla_wire::encode_request(&MetadataRequest::default(), 9, 1, Some("me")).unwrap();
        let whole: Vec<u8> = frame.slices().concat();
        let mut slices = Slices::of(frame);
        slices.slices = whole.chunks(3).map(Bytes::copy_from_slice).collect();
        slices.advance(7);
        assert_eq!(slices.chunk(), &whole[7..9]);
        let mut into = [IoSlice::new(&[]); 2];
        assert_eq!(slices.chunks_vectored(&mut into), 2);
        assert_eq!(slices.copy_to_bytes(slices.remaining()), &whole[7..]);
        assert!(!slices.has_remaining());
    }
}
