//! Subscriptions by regular expression: which topics each one means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::member::Member;
use super::{Consumer, Topics};

/// How long what patterns mean stays as it is, whatever topics come.
const LEAST_INTERVAL: Duration = Duration::from_secs(10);

/// How long until patterns are looked up again, though no topic came.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The patterns of a group that have been looked up.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    resolved: BTreeMap<String, BTreeSet<String>>,
    resolved_at: Duration,
    /// How many topics had ever been created by then.
    topics_created: u64,
}

/// What a heartbeat means for the patterns of its group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    /// The member has another pattern than before.
    pub(super) is_new: bool,
    /// What it means is known, so there can be a new target.
    pub(super) is_resolved: bool,
    /// Patterns are to be looked up, once the heartbeat is answered.
    pub(super) refresh: bool,
}

static NONE: BTreeSet<String> = BTreeSet::new();

impl Patterns {
    /// The topics a member's pattern means, as far as it has been looked up.
    pub(super) fn topics(&self, member: &Member) -> &BTreeSet<String> {
        self.resolved.get(&member.pattern).unwrap_or(&NONE)
    }

    /// Forgets patterns that no member has.
    pub(super) fn forget_unused(&mut self, members: &[Member]) {
        self.resolved.retain(|pattern, _| members.iter().any(|member| member.pattern == *pattern));
    }

    /// Whether what is known may be looked up again by now.
    fn may_refresh(&self, now: Duration) -> bool {
        self.resolved.is_empty() || now > self.resolved_at + LEAST_INTERVAL
    }

    /// Whether what is known may be wrong by now, given how many patterns there are.
    fn is_stale(&self, patterns: usize, topics: &Topics, now: Duration) -> bool {
        self.resolved.len() != patterns
            || self.topics_created < topics.created()
            || now > self.resolved_at + REFRESH_INTERVAL
    }
}

impl Consumer {
    /// Takes note that a member that had the pattern `before` has another one now, or that it has the same.
    pub(super) fn change_pattern(&mut self, index: usize, before: &str, topics: &Topics, now: Duration) -> Change {
        let pattern = self.members[index].pattern.clone();
        let mut change = Change { is_new: before != pattern, ..Change::default() };
        let is_others = |pattern: &str| {
            self.members.iter().enumerate().any(|(other, member)| other != index && member.pattern == pattern)
        };
        let mut is_unknown = false;
        if change.is_new && pattern.is_empty() {
            change.is_resolved = true;
        } else if change.is_new {
            is_unknown = !is_others(&pattern);
            change.is_resolved = !is_unknown && self.patterns.resolved.contains_key(&pattern);
        }
        let all: BTreeSet<&str> = self.members.iter().map(|member| member.pattern.as_str()).collect();
        let count = all.iter().filter(|pattern| !pattern.is_empty()).count();
        let wanted = is_unknown || self.patterns.is_stale(count, topics, now);
        change.refresh = count > 0 && wanted && self.patterns.may_refresh(now);
        self.patterns.forget_unused(&self.members);
        change
    }

    /// Looks up which topics the group's patterns mean; the group's epoch rises if they mean others than before.
    pub(super) fn look_up_patterns(&mut self, topics: &Topics, now: Duration) {
        let mut has_changed = false;
        let patterns: BTreeSet<String> = self.members.iter().map(|member| member.pattern.clone()).collect();
        for pattern in patterns.into_iter().filter(|pattern| !pattern.is_empty()) {
            let Ok(regex) = compile(&pattern) else { continue };
            let names = topics.iter().map(|topic| &topic.name).filter(|name| regex.is_match(name.as_bytes()));
            let found: BTreeSet<String> = names.cloned().collect();
            has_changed |= *self.patterns.resolved.get(&pattern).unwrap_or(&NONE) != found;
            self.patterns.resolved.insert(pattern, found);
        }
        self.patterns.resolved_at = now;
        self.patterns.topics_created = topics.created();
        self.notice_topics(has_changed, topics);
    }
}

/// A pattern that matches whole names.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    // Names of topics are ASCII, and so are `.`, `\d` and the like.
    let ascii = |pattern: &str| RegexBuilder::new(pattern).unicode(false).build();
    // Alone first: in brackets, a stray one could pair with ours.
    ascii(pattern)?;
    ascii(&format!(r"\A(?:{pattern})\z"))
}
