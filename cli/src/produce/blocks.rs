//! Input in blocks of whole lines: read in large pieces, cut at the last line's end.

use std::io::{self, Read};

/// What one read asks for.
const PIECE: usize = 256 * 1024;

/// No broker takes a larger request: `socket.request.max.bytes` is 100 MiB.
const LONGEST_LINE: usize = 100 * 1024 * 1024;

/// Cuts what `from` gives into blocks of whole lines.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    from: R,
    /// The beginning of a line whose end was not read yet.
    tail: Vec<u8>,
    longest: usize,
    is_over: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, tail: Vec::new(), longest: LONGEST_LINE, is_over: false }
    }

    /// Fills `block` with at least one line, as soon as there is one. False at the end of the input; the last line
    /// needs no end of its own.
    ///
    /// # Errors
    /// Those of reading, and a line over 100 MiB.
    pub(super) fn next(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        block.clear();
        block.append(&mut self.tail);
        while !self.is_over {
            let known = block.len();
            if known > self.longest {
                let problem = format!("a line is longer than {} MiB", self.longest >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            block.resize(known + PIECE, 0);
            let read = self.read(&mut block[known..]);
            block.truncate(known + *read.as_ref().unwrap_or(&0));
            self.is_over = read? == 0;
            if let Some(end) = memchr::memrchr(b'\n', &block[known..]) {
                self.tail.extend_from_slice(&block[known + end + 1..]);
                block.truncate(known + end + 1);
                return Ok(true);
            }
        }
        Ok(!block.is_empty())
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.from.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// The lines of a block, without their ends. Only `\n` ends a line: a `\r` before it belongs to the line.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = block.strip_suffix(b"\n").unwrap_or(block);
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', whole).chain(std::iter::once(whole.len()));
    ends.filter(move |_| !block.is_empty()).map(move |end| {
        let line = &whole[start..end];
        start = end + 1;
        line
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of these sizes.
    struct Pieces<'a>(&'a [u8], Vec<usize>);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.1.pop().unwrap_or(usize::MAX).min(self.0.len()).min(into.len());
            into[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    fn read_all(bytes: &[u8], sizes: Vec<usize>) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(Pieces(bytes, sizes));
        let (mut block, mut found) = (Vec::new(), Vec::new());
        while blocks.next(&mut block).unwrap() {
            found.extend(lines(&block).map(<[u8]>::to_vec));
        }
        assert!(!blocks.next(&mut block).unwrap(), "the end stays the end");
        found
    }

    #[test]
    fn empty_lines_are_lines_and_the_last_needs_no_end() {
        assert_eq!(read_all(b"a\n\nb", vec![]), [&b"a"[..], b"", b"b"]);
        assert_eq!(read_all(b"\n", vec![]), [b""]);
        assert_eq!(read_all(b"", vec![]), Vec::<Vec<u8>>::new());
        assert_eq!(read_all(b"a\r\n", vec![]), [b"a\r"]);
    }

    #[test]
    fn a_line_is_given_before_the_next_one_is_read() {
        let mut blocks = Blocks::new(Pieces(b"one\ntwo", vec![3, 4]));
        let mut block = Vec::new();
        assert!(blocks.next(&mut block).unwrap());
        assert_eq!(block, b"one\n");
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut blocks = Blocks { longest: 1 << 20, ..Blocks::new(io::repeat(b'x')) };
        let mut block = Vec::new();
        let error = blocks.next(&mut block).unwrap_err();
        assert_eq!(error.to_string(), "a line is longer than 1 MiB");
        assert!(block.len() <= (1 << 20) + PIECE);
    }

    proptest! {
        #[test]
        fn no_line_is_lost_or_changed_however_it_is_read(
            text in "[ab\n]{0,60}",
            sizes in proptest::collection::vec(1usize..9, 0..30),
        ) {
            let mut expected: Vec<_> = text.as_bytes().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(read_all(text.as_bytes(), sizes), expected);
        }
    }
}
