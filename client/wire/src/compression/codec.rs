//! Which codecs there are, and which levels.

use std::ops::RangeInclusive;

use super::LevelError;

/// How a batch's body is compressed: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952. Levels 1 to 9, and -1 for the default, 6.
    Gzip,
    /// Snappy, in the framing of the Java library (xerial). No levels.
    Snappy,
    /// LZ4, in its frame format. Levels 1 to 17; the default, 9, is the fast compressor, all others are the slow,
    /// "high compression" one and need the cargo feature `lz4-c`.
    Lz4,
    /// Zstandard, RFC 8878. Levels -131072 to 22, by default 3; below -7 and above 4 they need the cargo feature
    /// `zstd-c`.
    Zstd,
}

impl Compression {
    /// The codec with this code in a batch's attributes; `None` if Kafka has none.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The codec with this name in settings; `None` if Kafka has none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd].into_iter().find(|codec| codec.name() == name)
    }

    /// The code in a batch's attributes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name in settings: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The level that Kafka takes by default; `None` if the codec has no levels.
    #[must_use]
    pub const fn default_level(self) -> Option<i32> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some(-1),
            Self::Lz4 => Some(9),
            Self::Zstd => Some(3),
        }
    }

    /// Whether `compression.<name>.level` may be `level`, in this build.
    ///
    /// # Errors
    /// [`LevelError`] says which levels there are, and what a build must have for this one.
    pub fn check_level(self, level: i32) -> Result<(), LevelError> {
        let (kafka, built, feature) = match self {
            Self::None | Self::Snappy => return Err(LevelError::None { codec: self }),
            Self::Gzip => (1..=9, 1..=9, ""),
            Self::Lz4 => (1..=17, if cfg!(feature = "lz4-c") { 1..=17 } else { 9..=9 }, "lz4-c"),
            Self::Zstd => (-131_072..=22, ZSTD_LEVELS, "zstd-c"),
        };
        let (codec, levels) = (self, &kafka);
        match level {
            _ if built.contains(&level) || Some(level) == self.default_level() => Ok(()),
            _ if levels.contains(&level) => Err(LevelError::Feature { codec, level, feature, built }),
            _ => Err(LevelError::Range { codec, level, levels: kafka }),
        }
    }
}

const ZSTD_LEVELS: RangeInclusive<i32> = if cfg!(feature = "zstd-c") { -131_072..=22 } else { -7..=4 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_kafkas() {
        for (code, name) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
            let codec = Compression::from_code(code as u8).unwrap();
            assert_eq!((codec.code(), codec.name(), Compression::from_name(name)), (code as u8, name, Some(codec)));
        }
        assert_eq!(Compression::from_code(5), None);
        assert_eq!(Compression::from_name("GZIP"), None);
    }

    #[test]
    fn the_default_level_needs_no_feature() {
        for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
            assert_eq!(codec.check_level(codec.default_level().unwrap()), Ok(()));
        }
    }

    #[test]
    fn a_level_kafka_does_not_have_is_refused_with_the_range() {
        for (codec, level) in
            [(Compression::Gzip, 0), (Compression::Gzip, 10), (Compression::Lz4, 18), (Compression::Zstd, 23)]
        {
            assert!(matches!(codec.check_level(level), Err(LevelError::Range { .. })), "{codec:?} {level}");
        }
        assert_eq!(
            Compression::Gzip.check_level(10).unwrap_err().to_string(),
            "gzip has no level 10: 1 to 9, or -1 for its default"
        );
        assert!(matches!(Compression::Snappy.check_level(1), Err(LevelError::None { .. })));
    }

    #[test]
    fn a_level_beyond_this_build_names_the_feature() {
        let lacking = |codec: Compression, level| matches!(codec.check_level(level), Err(LevelError::Feature { .. }));
        assert_eq!(lacking(Compression::Lz4, 3), cfg!(not(feature = "lz4-c")));
        assert_eq!(lacking(Compression::Zstd, 19), cfg!(not(feature = "zstd-c")));
        assert_eq!(lacking(Compression::Zstd, -8), cfg!(not(feature = "zstd-c")));
    }
}
