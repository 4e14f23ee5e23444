//! One error type for the whole client: what failed, what to do about it, where, and why.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use ottla_wire::Code;

use crate::TopicPartition;

/// Why an operation failed, where, and what can be done about it.
///
/// Cheap to clone: one failure settles a whole batch. `Display` prints the whole sentence; it is for people, programs
/// ask [`kind`](Self::kind), [`code`](Self::code) and [`retry`](Self::retry).
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    /// What was being done, where: "produce to orders[3] on broker 1 (localhost:9092)".
    context: String,
    /// What to do, where that does not follow from the kind.
    retry: Option<Retry>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The partition that a consumer's error is about.
    partition: Option<TopicPartition>,
}

/// What went wrong: the stable part of an [`Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The record's transaction failed, or was aborted, before the record was sent.
    Aborted,
    /// A broker answered with this error code.
    Broker(Code),
    /// The client was closed, or the runtime it was given ended.
    Closed,
    /// A setting is unknown, out of range, or contradicts another.
    Config,
    /// A connection failed, or could not be made.
    Connection,
    /// A [`RebalanceListener`](crate::RebalanceListener) returned an error; the rebalance went on all the same.
    Listener,
    /// Records that were read are not in the log any more: it was truncated (KIP-320), and `auto.offset.reset` is
    /// `none`. [`Error::partition`] names the partition.
    LogTruncation {
        /// The offset that reading has come to.
        position: i64,
        /// The first offset at which the log differs from what was read, if the broker knows.
        diverging_offset: Option<i64>,
    },
    /// A partition has no offset to start from, and `auto.offset.reset` is `none`.
    NoOffset,
    /// The bytes received are not valid Kafka protocol, or a batch is damaged.
    Protocol,
    /// The call contradicts the state of the client: a `poll` without a subscription, say.
    State,
    /// The deadline passed first. The operation may still have taken effect.
    Timeout,
    /// The record is larger than `max.request.size` or `buffer.memory` allows.
    TooLarge,
    /// The broker speaks no version of an API that this client speaks.
    UnsupportedVersion,
    /// The call would have to wait; see [`Producer::try_enqueue`](crate::Producer::try_enqueue).
    WouldBlock,
}

/// What to do next. Ordered: later means more work before another attempt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Retry {
    /// Send the same request again after a backoff.
    Backoff,
    /// Refresh metadata first: the leader or coordinator moved.
    Refresh,
    /// Abort the transaction first: then the same work may be done in another (KIP-1050).
    Abort,
    /// Make a new client first: this one has been replaced, or can do no more (KIP-1050).
    Restart,
    /// Retrying cannot help.
    Never,
}

impl Error {
    pub(crate) fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, context: context.into(), retry: None, source: None, partition: None }))
    }

    pub(crate) fn caused_by(
        kind: Kind,
        context: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self(Arc::new(Inner { kind, context: context.into(), retry: None, source, partition: None }))
    }

    /// An error code that a broker answered with.
    pub(crate) fn broker(code: Code, context: impl Into<String>) -> Self {
        Self::new(Kind::Broker(code), context)
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(Kind::Closed, format!("the {what} is closed"))
    }

    /// The same failure, seen from further out: `context` is put before it.
    pub(crate) fn within(self, context: impl fmt::Display) -> Self {
        let (kind, context, retry) = (self.kind(), context.to_string(), self.0.retry);
        let partition = self.0.partition.clone();
        Self(Arc::new(Inner { kind, context, retry, source: Some(Box::new(self)), partition }))
    }

    /// The same failure, after which something else is to be done than its kind says.
    pub(crate) fn and_then(self, context: impl fmt::Display, retry: Retry) -> Self {
        let (kind, context, partition) = (self.kind(), context.to_string(), self.0.partition.clone());
        Self(Arc::new(Inner { kind, context, retry: Some(retry), source: Some(Box::new(self)), partition }))
    }

    /// The same failure, told to be about a partition: before it is shared.
    pub(crate) fn about(mut self, partition: &TopicPartition) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.partition = Some(partition.clone());
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Kafka's error code, if a broker answered with one.
    pub fn code(&self) -> Option<Code> {
        match self.0.kind {
            Kind::Broker(code) => Some(code),
            _ => None,
        }
    }

    /// The partition that an error of a consumer is about: where to `seek` to go on.
    pub fn partition(&self) -> Option<&TopicPartition> {
        self.0.partition.as_ref()
    }

    /// Whether, and how, the same operation may be tried again.
    pub fn retry(&self) -> Retry {
        if let Some(retry) = self.0.retry {
            return retry;
        }
        match self.0.kind {
            // Another producer has taken over the transactional id.
            Kind::Broker(Code::ProducerFenced | Code::InvalidProducerIdMapping | Code::FencedInstanceId) => {
                Retry::Restart
            }
            Kind::Broker(Code::TransactionAbortable) | Kind::Aborted => Retry::Abort,
            Kind::Broker(code) if code.refreshes_metadata() => Retry::Refresh,
            // To the Java client these are final; here they say that what is known of the cluster is outdated.
            Kind::Broker(Code::BrokerNotAvailable | Code::RebootstrapRequired) => Retry::Refresh,
            Kind::Broker(code) if code.retriable() => Retry::Backoff,
            // Of a commit: it may be tried again after the next poll.
            Kind::Broker(Code::RebalanceInProgress) => Retry::Backoff,
            // The next heartbeat's answer tells the epoch (edge 62).
            Kind::Broker(Code::StaleMemberEpoch) => Retry::Backoff,
            Kind::WouldBlock => Retry::Backoff,
            Kind::Connection | Kind::Timeout => Retry::Refresh,
            _ => Retry::Never,
        }
    }

    /// Whether the same operation may succeed when tried again.
    pub fn is_retriable(&self) -> bool {
        matches!(self.retry(), Retry::Backoff | Retry::Refresh)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.context)?;
        match (self.0.kind, &self.0.source) {
            // What is further in says it.
            (_, Some(source)) => write!(f, ": {source}"),
            (Kind::Broker(code), None) => write!(f, ": {code}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_leader_asks_for_metadata() {
        let error = Error::broker(Code::from_wire(6), "produce to orders[3]");
        assert_eq!(error.retry(), Retry::Refresh);
        assert!(error.to_string().starts_with("produce to orders[3]: NOT_LEADER_OR_FOLLOWER"), "{error}");
    }

    #[test]
    fn an_unknown_code_is_kept_and_not_retried() {
        let error = Error::broker(Code::from_wire(999), "fetch");
        assert_eq!(error.code(), Some(Code::Unknown(999)));
        assert_eq!(error.retry(), Retry::Never);
    }

    #[test]
    fn a_wider_context_keeps_kind_and_sentence() {
        let inner = Error::caused_by(Kind::Connection, "connect to broker 1 (a:9092)", "refused");
        let outer = inner.within("commit of group g");
        assert_eq!(outer.kind(), Kind::Connection);
        assert_eq!(outer.to_string(), "commit of group g: connect to broker 1 (a:9092): refused");
    }
}
