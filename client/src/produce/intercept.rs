//! Interceptors: told of every record before it is sent, and of what became of it.
//!
//! A producer without one pays a branch per record. With some, each batch keeps the timestamps and headers of its
//! records until it is settled.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::delivery::{Ack, Outcome};
use crate::config::Setting;
use crate::error::{Error, Kind};
use crate::panicked::said;
use crate::record::{Payload, Record};

/// Sees, and may change, every record on its way, and hears what became of it. Set by
/// [`ProducerBuilder::interceptor`](crate::ProducerBuilder::interceptor); several are called in the order they were set.
///
/// Each call of [`on_send`](Self::on_send) is followed by one of [`on_acknowledgement`](Self::on_acknowledgement). A panic
/// in either is caught and logged, and the next interceptor is called. Methods may be called by many threads at once.
///
/// ```
/// use ottla::{Acknowledgement, ProducerInterceptor, Record};
///
/// struct Audit;
///
/// impl ProducerInterceptor for Audit {
///     fn on_send(&self, record: &mut Record<'_>) {
///         record.update(|record| record.header("source", "shop"));
///     }
///
///     fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
///         if let Err(error) = acknowledgement.result() {
///             eprintln!("a record to {} was lost: {error}", acknowledgement.topic());
///         }
///     }
/// }
///
/// let builder = ottla::Producer::builder("localhost:9092").interceptor(Audit);
/// ```
pub trait ProducerInterceptor: Send + Sync + 'static {
    /// A record is about to be sent; it may be changed, topic and partition included. Its partition, if it names none,
    /// is chosen afterwards, by the key it then has.
    ///
    /// Called on the thread of whoever sends, once for each call of `send`, `enqueue` or `try_enqueue`. After a panic the
    /// record is as it was before.
    fn on_send(&self, record: &mut Record<'_>) {
        let _ = record;
    }

    /// A record was written, or failed, even before it came into a batch; its [`Delivery`](crate::Delivery) resolves
    /// afterwards. One that `try_enqueue` gives back, or whose `enqueue` is dropped while it waits, was not taken: that
    /// is an error of [`Kind::WouldBlock`].
    ///
    /// Called for each record on the task that sends and receives, or on the thread of whoever sends if the call fails
    /// there. Nothing else is sent meanwhile: it must be quick and must not block.
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        let _ = acknowledgement;
    }
}

/// What became of one record.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledgement<'a> {
    topic: &'a str,
    partition: Option<i32>,
    headers: &'a [(Payload<'a>, Option<Payload<'a>>)],
    result: Result<&'a Ack, &'a Error>,
}

impl<'a> Acknowledgement<'a> {
    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The partition. None if the record failed before one was chosen.
    pub fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// Names and values of the record's headers, in order, as the interceptors left them.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone + use<'a> {
        self.headers.iter().map(|(name, value)| (&**name, value.as_deref()))
    }

    /// Offset and timestamp, or why it was not written.
    ///
    /// # Errors
    /// As the record's [`Delivery`](crate::Delivery), or the call that was to send it.
    pub fn result(&self) -> Result<&'a Ack, &'a Error> {
        self.result
    }
}

/// A producer's interceptors, in the order they are called: `interceptor.classes`.
#[derive(Clone, Default)]
pub struct Interceptors(Arc<[Arc<dyn ProducerInterceptor>]>);

impl Interceptors {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// These, and `interceptor` after them.
    pub(crate) fn with(&self, interceptor: impl ProducerInterceptor) -> Self {
        let added: Arc<dyn ProducerInterceptor> = Arc::new(interceptor);
        Self(self.0.iter().cloned().chain([added]).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a batch keeps for them, if there are any.
    pub(super) fn watch(&self) -> Option<Watched> {
        (!self.is_empty()).then(|| Watched { interceptors: self.clone(), records: Mutex::default() })
    }

    /// Lets them change a record, and waits to tell them what became of it.
    pub(super) fn on_send<'a>(&'a self, record: &mut Record<'a>) -> Untold<'a> {
        for interceptor in &*self.0 {
            let before = record.clone();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interceptor.on_send(record))) {
                tracing::warn!("an interceptor panicked before a record to {}: {}", before.topic(), said(&*panic));
                *record = before;
            }
        }
        Untold { interceptors: self, record: Some(record.clone()) }
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        for interceptor in &*self.0 {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interceptor.on_acknowledgement(acknowledgement))) {
                let topic = acknowledgement.topic;
                tracing::warn!("an interceptor panicked at an acknowledgement from {topic}: {}", said(&*panic));
            }
        }
    }
}

impl From<Vec<Arc<dyn ProducerInterceptor>>> for Interceptors {
    fn from(interceptors: Vec<Arc<dyn ProducerInterceptor>>) -> Self {
        Self(interceptors.into())
    }
}

impl Setting for Interceptors {
    const ALLOWED: &'static str =
        "empty: classes cannot be loaded; Rust code registers interceptors by `ProducerBuilder::interceptor`";
    fn parse(text: &str) -> Option<Self> {
        text.is_empty().then(Self::none)
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interceptors({})", self.0.len())
    }
}

/// A record that interceptors saw and that is in no batch yet: dropped so, it was given up.
pub(super) struct Untold<'a> {
    interceptors: &'a Interceptors,
    record: Option<Record<'a>>,
}

impl Untold<'_> {
    /// The call came to its end: a record that was taken is told of by its batch.
    pub(super) fn ended<T>(mut self, result: &Result<T, Error>) {
        if let (Some(record), Err(error)) = (self.record.take(), result) {
            self.tell(&record, error);
        }
    }

    fn tell(&self, record: &Record<'_>, error: &Error) {
        self.interceptors.on_acknowledgement(&Acknowledgement {
            topic: record.topic(),
            partition: record.chosen_partition(),
            headers: record.headers(),
            result: Err(error),
        });
    }
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            let context = format!("enqueue to {}: given up while it waited", record.topic());
            self.tell(&record, &Error::new(Kind::WouldBlock, context));
        }
    }
}

/// What a batch keeps of its records for the interceptors.
pub(super) struct Watched {
    interceptors: Interceptors,
    records: Mutex<Vec<Sent>>,
}

struct Sent {
    timestamp: i64,
    headers: Vec<(Payload<'static>, Option<Payload<'static>>)>,
}

impl Watched {
    /// The next record of the batch.
    pub(super) fn push(&self, record: &Record<'_>, timestamp: i64) {
        let owned = |payload: &Payload<'_>| payload.clone().into_owned();
        let headers = record.headers().iter().map(|(name, value)| (owned(name), value.as_ref().map(owned))).collect();
        self.records.lock().push(Sent { timestamp, headers });
    }

    /// Tells what became of each record of the batch.
    pub(super) fn settle(&self, outcome: &Arc<Outcome>) {
        let records = std::mem::take(&mut *self.records.lock());
        let slot = outcome.slot();
        for (index, sent) in (0..).zip(&records) {
            let Some(result) = outcome.of(index, sent.timestamp) else { continue };
            self.interceptors.on_acknowledgement(&Acknowledgement {
                topic: &slot.topic,
                partition: Some(slot.partition),
                headers: &sent.headers,
                result: result.as_ref(),
            });
        }
    }
}
