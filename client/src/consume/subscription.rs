//! What to subscribe to.

use std::fmt;
use std::sync::Arc;

use super::RebalanceListener;
use crate::error::{Error, Kind};
use crate::group::{Pattern, Wanted};

/// What a consumer [subscribes to](super::Consumer::subscribe_to), and who hears of what that brings.
///
/// ```no_run
/// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
/// use ottla::Subscription;
///
/// consumer.subscribe_to(Subscription::pattern("orders-(eu|us)")?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is subscribed to until `subscribe_to`"]
pub struct Subscription {
    pub(super) wanted: Wanted,
    pub(super) listener: Option<Arc<dyn RebalanceListener>>,
}

impl Subscription {
    /// These topics, whether they exist yet or not.
    pub fn topics<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Self {
        let topics = topics.into_iter().map(|topic| topic.into().into()).collect();
        Self { wanted: Wanted::Topics(topics), listener: None }
    }

    /// Every topic whose whole name matches this regular expression, in the syntax of [RE2]; those that come later too.
    ///
    /// The topics are looked for in metadata that is at most `metadata.max.age.ms` old. Those that Kafka keeps for itself
    /// are left out, unless `exclude.internal.topics` is false. Topics that this client may not see do not match.
    ///
    /// With `group.protocol=consumer` the coordinator evaluates it, as often as it sees fit, and leaves out what this client
    /// may not see: what does not satisfy it is an error of the poll, `INVALID_REGULAR_EXPRESSION`.
    ///
    /// # Errors
    /// [`Kind::Config`] if it is no regular expression, or one that this syntax leaves out: no back references, no
    /// looking around.
    ///
    /// [RE2]: https://github.com/google/re2/wiki/Syntax
    pub fn pattern(pattern: &str) -> Result<Self, Error> {
        Ok(Self { wanted: Wanted::Pattern(Pattern::new(pattern)?), listener: None })
    }

    /// Tells this listener which partitions come and go.
    pub fn listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Whether there is nothing to subscribe to.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.wanted, Wanted::Topics(topics) if topics.is_empty())
    }

    /// Whether the topics are to be looked for.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self.wanted, Wanted::Pattern(_))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.wanted {
            Wanted::Topics(topics) if topics.iter().any(|topic| topic.trim().is_empty()) => {
                Err(Error::new(Kind::State, "subscribe: the name of a topic is empty"))
            }
            Wanted::Pattern(pattern) if pattern.text().is_empty() => {
                Err(Error::new(Kind::State, "subscribe: the pattern of topics is empty"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}
