//! Interceptors: told of the records that a poll hands out, and of the offsets that were committed.
//!
//! A consumer without one pays a branch per poll and per commit.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{OffsetAndMetadata, Records};
use crate::TopicPartition;
use crate::config::Setting;
use crate::panicked::said;

/// Sees, and may leave out, the records that polls hand out, and hears what was committed. Set by
/// [`ConsumerBuilder::interceptor`](crate::ConsumerBuilder::interceptor); several are called in the order they were set.
///
/// A panic is caught and logged, and the next interceptor is called. Methods may be called by many threads at once.
///
/// ```
/// use std::collections::BTreeMap;
/// use ottla::{ConsumerInterceptor, OffsetAndMetadata, Records, TopicPartition};
///
/// struct Audit;
///
/// impl ConsumerInterceptor for Audit {
///     fn on_consume(&self, records: &mut Records) {
///         records.retain(|record| record.key() != Some(&b"ping"[..]));
///     }
///
///     fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
///         for (partition, committed) in offsets {
///             println!("{partition}: done up to {}", committed.offset);
///         }
///     }
/// }
///
/// let builder = ottla::Consumer::builder("localhost:9092").interceptor(Audit);
/// ```
pub trait ConsumerInterceptor: Send + Sync + 'static {
    /// Records are about to be handed out. What is [left out](Records::retain) counts as handed out all the same: it is
    /// committed with the others, and not read again.
    ///
    /// Called by each `poll`, and each item of a stream, that has records; on the caller's thread. After a panic the
    /// records are as they were before.
    fn on_consume(&self, records: &mut Records) {
        let _ = records;
    }

    /// The group's coordinator has taken these offsets: of a call, an interval, a rebalance or the close. Offsets that
    /// a transaction commits are not told.
    ///
    /// Called on the task that sends and receives, before the call that commits comes back. Nothing else is sent
    /// meanwhile: it must be quick and must not block.
    fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        let _ = offsets;
    }
}

/// A consumer's interceptors, in the order they are called: `interceptor.classes`.
#[derive(Clone, Default)]
pub struct ConsumerInterceptors(Arc<[Arc<dyn ConsumerInterceptor>]>);

impl ConsumerInterceptors {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// These, and `interceptor` after them.
    pub(crate) fn with(&self, interceptor: impl ConsumerInterceptor) -> Self {
        let added: Arc<dyn ConsumerInterceptor> = Arc::new(interceptor);
        Self(self.0.iter().cloned().chain([added]).collect())
    }

    /// Lets them see what a poll hands out.
    pub(super) fn on_consume(&self, records: &mut Records) {
        // Positions that moved past what is never handed out are no records.
        if self.0.is_empty() || records.is_empty() {
            return;
        }
        for interceptor in &*self.0 {
            let before = records.clone();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interceptor.on_consume(records))) {
                tracing::warn!("an interceptor panicked at the records of a poll: {}", said(&*panic));
                *records = before;
            }
        }
    }

    /// Tells them what was committed.
    pub(super) fn on_commit(&self, offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>) {
        if offsets.is_empty() {
            return;
        }
        for interceptor in &*self.0 {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interceptor.on_commit(offsets))) {
                tracing::warn!("an interceptor panicked at a commit: {}", said(&*panic));
            }
        }
    }
}

impl From<Vec<Arc<dyn ConsumerInterceptor>>> for ConsumerInterceptors {
    fn from(interceptors: Vec<Arc<dyn ConsumerInterceptor>>) -> Self {
        Self(interceptors.into())
    }
}

impl Setting for ConsumerInterceptors {
    const ALLOWED: &'static str =
        "empty: classes cannot be loaded; Rust code registers interceptors by `ConsumerBuilder::interceptor`";
    fn parse(text: &str) -> Option<Self> {
        text.is_empty().then(Self::none)
    }
}

impl fmt::Debug for ConsumerInterceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsumerInterceptors({})", self.0.len())
    }
}
