//! The ids of topics and members.

use std::fmt;
use std::str::FromStr;

/// A 16-byte id, written as Kafka's tools write it: 22 characters of URL-safe base64 without padding.
///
/// All zeros means "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// The id that stands for none.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is the id that stands for none.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        // 21 characters of six bits, and the last two bits with four zeros after them.
        let text: [u8; 22] = std::array::from_fn(|i| {
            let sextet = if i < 21 { value >> (122 - 6 * i) } else { value << 4 };
            ALPHABET[(sextet & 63) as usize]
        });
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64 that stand for 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUuid;

impl fmt::Display for InvalidUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 22 characters of URL-safe base64")
    }
}

impl std::error::Error for InvalidUuid {}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        if text.len() != 22 {
            return Err(InvalidUuid);
        }
        let mut value = 0u128;
        for (i, letter) in text.bytes().enumerate() {
            let sextet = ALPHABET.iter().position(|known| *known == letter).ok_or(InvalidUuid)? as u128;
            value = match i {
                21 if sextet & 15 == 0 => value << 2 | sextet >> 4,
                21 => return Err(InvalidUuid),
                _ => value << 6 | sextet,
            };
        }
        Ok(Self(value.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_javas_tools_write_it() {
        // Written by org.apache.kafka.common.Uuid.
        let id = Uuid(0x0123_4567_89ab_cdef_fedc_ba98_7654_32ff_u128.to_be_bytes());
        assert_eq!(id.to_string(), "ASNFZ4mrze_-3LqYdlQy_w");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
    }

    #[test]
    fn is_read_back_from_what_was_written() {
        for seed in 0..64u128 {
            let id = Uuid((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes());
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn refuses_other_text() {
        for text in
            ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAAB"]
        {
            assert_eq!(text.parse::<Uuid>(), Err(InvalidUuid), "{text}");
        }
    }
}
