//! CRC-32C of a batch in two parts: the header's 40 bytes, and the body.
//!
//! A batch's checksum covers the header from its attributes on, and then the body. The body is summed once, when it
//! is sealed; the header may be written again (a new producer epoch, another sequence). So the two sums are taken
//! apart and combined: appending `n` bytes to a message multiplies its CRC, as a polynomial over GF(2), by x^8n.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// The checksum of a batch's body, and what it takes to put it behind a header's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyCrc {
    crc: u32,
    /// x^(8 · length) modulo the CRC's polynomial.
    shift: u32,
    len: usize,
}

impl BodyCrc {
    /// Sums `body`: the bytes that follow the batch header, compressed or not.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self { crc: crc32c(body), shift: shift_by(body.len()), len: body.len() }
    }

    /// The length of the body in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty body is no special case")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The CRC-32C of `header` followed by the body.
    pub(super) fn after(&self, header: &[u8]) -> u32 {
        multiply(crc32c(header), self.shift) ^ self.crc
    }
}

/// CRC-32C (Castagnoli) of `bytes`.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

/// The polynomial, lowest power in the highest bit, as the CRC itself is kept.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^(8 · 2^i): a shift by 2^i bytes.
const SHIFTS: [u32; 40] = {
    let mut shifts = [0; 40];
    shifts[0] = 1 << (31 - 8);
    let mut i = 1;
    while i < shifts.len() {
        shifts[i] = multiply(shifts[i - 1], shifts[i - 1]);
        i += 1;
    }
    shifts
};

/// x^(8 · len), from the binary digits of `len`.
fn shift_by(len: usize) -> u32 {
    let mut product = 1 << 31;
    for (i, &shift) in SHIFTS.iter().enumerate() {
        if len >> i & 1 == 1 {
            product = multiply(product, shift);
        }
    }
    product
}

/// The product of two polynomials modulo [`POLYNOMIAL`].
const fn multiply(a: u32, b: u32) -> u32 {
    let (mut product, mut b, mut i) = (0, b, 0);
    while i < 32 {
        // All ones where the bit is set, so that nothing branches on the data.
        product ^= b & ((a << i) as i32 >> 31) as u32;
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        i += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_is_met() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn header_and_body_summed_apart_equal_the_whole() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for len in [0, 1, 2, 7, 63, 64, 65, 1_000, 16_384, 131_071, 199_960] {
            let whole = &bytes[..40 + len];
            assert_eq!(BodyCrc::of(&whole[40..]).after(&whole[..40]), crc32c(whole), "a body of {len} bytes");
        }
    }
}
