//! A string that is a slice of a frame.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

use crate::DecodeError;

/// A string that shares the bytes of the frame it came in.
///
/// Cloning copies no text. A kept `Str` keeps its whole frame in memory: what outlives the response is better
/// [`unshared`](Self::unshared).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Str(ByteString);

impl Str {
    /// Makes one of text that lives as long as the program, without copying.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// Checks that `bytes` are UTF-8 and takes them over without copying.
    ///
    /// # Errors
    /// [`DecodeError::NotUtf8`] if they are not.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, DecodeError> {
        ByteString::try_from(bytes).map(Self).map_err(|_| DecodeError::NotUtf8)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes of the text, shared.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// A copy with memory of its own, so that it keeps no frame alive.
    #[must_use]
    pub fn unshared(&self) -> Self {
        Self::from(self.as_str())
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

// As `str` does, so that a map keyed by `Str` can be asked with a `&str`.
impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn shares_the_bytes_it_was_made_of() {
        let frame = Bytes::from_static(b"..orders..");
        let topic = Str::from_utf8(frame.slice(2..8)).unwrap();
        assert_eq!(topic, "orders");
        assert_eq!(topic.as_bytes().as_ptr(), frame[2..].as_ptr());
        assert_ne!(topic.unshared().as_bytes().as_ptr(), frame[2..].as_ptr());
        assert_eq!(topic.unshared(), topic);
    }

    #[test]
    fn refuses_what_is_not_utf8() {
        assert_eq!(Str::from_utf8(Bytes::from_static(b"caf\xe9")), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn is_found_in_a_map_by_plain_text() {
        let hashed = HashMap::from([(Str::from("orders"), 1)]);
        let sorted = BTreeMap::from([(Str::from("a"), 1), (Str::from_static("b"), 2)]);
        assert_eq!(hashed.get("orders"), Some(&1));
        assert_eq!(sorted.get("b"), Some(&2));
    }

    #[test]
    fn prints_as_text() {
        let name = Str::from(String::from("a\"b"));
        assert_eq!(format!("{name} {name:?}"), r#"a"b "a\"b""#);
    }
}
