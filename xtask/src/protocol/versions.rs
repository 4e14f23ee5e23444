//! Ranges of versions, as the definitions write them.

use anyhow::{Context, Result};

/// The versions from `first` to `last`; none if `last` is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) first: i16,
    pub(super) last: i16,
}

impl Versions {
    pub(super) const NONE: Self = Self { first: 0, last: -1 };

    /// Reads `3`, `0-5`, `2+` or `none`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse::<i16>().with_context(|| format!("`{text}` is no version"));
        match text.split_once('-') {
            _ if text == "none" => Ok(Self::NONE),
            Some((first, last)) => Ok(Self { first: number(first)?, last: number(last)? }),
            None => match text.strip_suffix('+') {
                Some(first) => Ok(Self { first: number(first)?, last: i16::MAX }),
                None => number(text).map(|only| Self { first: only, last: only }),
            },
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.last < self.first
    }

    pub(super) fn contains(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }

    /// Those in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    /// The smallest range with those of both.
    pub(super) fn or(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { first: self.first.min(other.first), last: self.last.max(other.last) },
        }
    }

    /// Those that are not older than `first`.
    pub(super) fn from(self, first: i16) -> Self {
        Self { first: self.first.max(first), ..self }
    }

    /// The Rust condition by which a version of `all` is one of these, or `None` if every one is.
    pub(super) fn condition(self, all: Self) -> Option<String> {
        let Self { first, last } = self.and(all);
        match (first > all.first, last < all.last) {
            (false, false) => None,
            (true, false) => Some(format!("version >= {first}")),
            (false, true) => Some(format!("version <= {last}")),
            (true, true) => Some(format!("({first}..={last}).contains(&version.number)")),
        }
    }

    /// The Rust condition by which a version of `all` is none of these, or `None` if none is.
    pub(super) fn exception(self, all: Self) -> Option<String> {
        let Self { first, last } = self.and(all);
        match (first > all.first, last < all.last) {
            (false, false) => None,
            (true, false) => Some(format!("version < {first}")),
            (false, true) => Some(format!("version > {last}")),
            (true, true) => Some(format!("!({first}..={last}).contains(&version.number)")),
        }
    }

    /// The versions in words.
    pub(super) fn words(self) -> String {
        match self {
            Self { first, last } if first == last => format!("version {first}"),
            Self { first, last: i16::MAX } => format!("versions from {first}"),
            Self { first, last } => format!("versions {first} to {last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_notation() {
        assert_eq!(Versions::parse("7").unwrap(), Versions { first: 7, last: 7 });
        assert_eq!(Versions::parse("0-12").unwrap(), Versions { first: 0, last: 12 });
        assert_eq!(Versions::parse("3+").unwrap(), Versions { first: 3, last: i16::MAX });
        assert!(Versions::parse("none").unwrap().is_empty());
        assert!(Versions::parse("x").is_err());
    }

    #[test]
    fn asks_only_what_is_not_known_anyway() {
        let all = Versions { first: 4, last: 9 };
        let condition = |first, last| Versions { first, last }.condition(all);
        assert_eq!(condition(0, i16::MAX), None);
        assert_eq!(condition(5, 9).as_deref(), Some("version >= 5"));
        assert_eq!(condition(0, 7).as_deref(), Some("version <= 7"));
        assert_eq!(condition(5, 7).as_deref(), Some("(5..=7).contains(&version.number)"));
        assert_eq!(Versions { first: 5, last: 9 }.exception(all).as_deref(), Some("version < 5"));
    }

    #[test]
    fn joins_ranges() {
        let range = |first, last| Versions { first, last };
        assert_eq!(range(0, 3).or(range(5, 6)), range(0, 6));
        assert_eq!(range(0, 3).or(Versions::NONE), range(0, 3));
        assert_eq!(range(0, 3).and(range(2, 6)), range(2, 3));
        assert!(range(0, 3).and(range(5, 6)).is_empty());
    }
}
