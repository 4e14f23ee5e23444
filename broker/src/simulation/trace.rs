//! What happened, line by line, in simulated time.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The lines of one history: faults, requests, and what the code under test noted, in the order of their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace(Vec<(Duration, String)>);

impl Trace {
    pub(super) fn note(&mut self, at: Duration, line: String) {
        self.0.push((at, line));
    }

    /// Puts in the lines of another, each after those of its time.
    pub(super) fn merge(&mut self, other: impl IntoIterator<Item = (Duration, String)>) {
        self.0.extend(other);
        self.0.sort_by_key(|(at, _)| *at);
    }

    /// The lines, each with its time since the start.
    pub fn lines(&self) -> &[(Duration, String)] {
        &self.0
    }

    /// A number that two histories share if they are the same, line by line.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(at, line)| writeln!(f, "{:>8.3} s  {line}", at.as_secs_f64()))
    }
}
