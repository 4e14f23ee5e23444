//! Names of topics by regular expression.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Kind};

/// A regular expression that names of topics match as a whole, in the syntax of RE2.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Arc<str>,
    whole: Regex,
}

impl Pattern {
    /// # Errors
    /// [`Kind::Config`], with the place in `text` that is wrong.
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        // On its own first: an unbalanced bracket must not be balanced by what is put around it.
        let invalid = |error| Error::caused_by(Kind::Config, format!("the pattern of topics `{text}`"), error);
        compiled(text).map_err(invalid)?;
        let whole = compiled(&format!(r"\A(?:{text})\z"))
            // With `(?x)` it may end in a comment, which the end of the line ends.
            .or_else(|_| compiled(&format!("\\A(?:{text}\n)\\z")))
            .map_err(invalid)?;
        Ok(Self { text: text.into(), whole })
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic.as_bytes())
    }
}

/// Names of topics are ASCII: classes such as `\w` need no tables beyond that.
fn compiled(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

impl Eq for Pattern {}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole_or_not_at_all() {
        let pattern = Pattern::new("orders|bills-.*").unwrap();
        for (topic, expected) in
            [("orders", true), ("orders-2", false), ("my-orders", false), ("bills-", true), ("bills-7", true)]
        {
            assert_eq!(pattern.matches(topic), expected, "{topic}");
        }
        assert_eq!(pattern.text(), "orders|bills-.*");
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_place_that_is_wrong() {
        for text in ["orders(", "a)|(b", "["] {
            let error = Pattern::new(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn a_comment_at_its_end_does_not_hide_where_it_ends() {
        let pattern = Pattern::new("(?x) orders # all of them").unwrap();
        assert!(pattern.matches("orders") && !pattern.matches("orders-2"));
    }
}
