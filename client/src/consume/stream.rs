//! Records one by one, as a stream of copies.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::{Consumer, Core, OwnedRecord, Polling, Records, call};
use crate::error::{Error, Kind};

/// How long one wait lasts: it only bounds how late the end of a runtime is noticed.
const WAIT: Duration = Duration::from_secs(3_600);

/// So many times in each `max.poll.interval.ms` whoever awaits a record is woken, to show that it still does.
const SIGNS_OF_LIFE: u32 = 3;

type Waiting = Pin<Box<dyn Future<Output = Result<Records, Error>> + Send>>;

/// An endless stream of records: see [`Consumer::stream`].
///
/// ```no_run
/// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
/// use std::pin::pin;
/// # trait Next { async fn next(&mut self) -> Option<Result<ottla::OwnedRecord, ottla::Error>>; }
/// # impl<S: futures_core::Stream<Item = Result<ottla::OwnedRecord, ottla::Error>> + Unpin> Next for S {
/// #     async fn next(&mut self) -> Option<Result<ottla::OwnedRecord, ottla::Error>> {
/// #         std::future::poll_fn(|context| std::pin::Pin::new(&mut *self).poll_next(context)).await
/// #     }
/// # }
/// let mut records = pin!(consumer.stream());
/// while let Some(record) = records.next().await {
///     println!("{:?}", record?.value);
/// }
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing unless it is polled"]
pub struct RecordStream {
    core: Arc<Core>,
    /// Keeps the consumer open.
    consumer: Consumer,
    waiting: Option<(Waiting, Polling)>,
    is_over: bool,
}

impl RecordStream {
    pub(super) fn new(core: Arc<Core>, consumer: Consumer) -> Self {
        Self { core, consumer, waiting: None, is_over: false }
    }

    /// Polls for one record. If there is none, the wait for it is set up.
    fn ask(&mut self) -> Option<Result<Records, Error>> {
        let polling = match Polling::begin(&self.core) {
            Ok(polling) => polling,
            Err(error) => return Some(Err(error)),
        };
        match self.core.take_unless_due(1) {
            Ok(records) if records.tells_nothing() => {
                let waiting = wait(self.core.clone(), self.consumer.clone());
                self.waiting = Some((Box::pin(waiting), polling));
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// Waits for a record. Wakes its task meanwhile: one that does not come then does not await it any more.
async fn wait(core: Arc<Core>, consumer: Consumer) -> Result<Records, Error> {
    let mut waits = std::pin::pin!(core.wait(&consumer, 1, WAIT));
    loop {
        let sign = call::timer(&core.cluster, core.config.max_poll_interval / SIGNS_OF_LIFE);
        tokio::select! {
            biased;
            outcome = &mut waits => return outcome,
            ended = sign => ended.ok_or_else(|| Error::closed("consumer"))?,
        }
    }
}

impl Stream for RecordStream {
    type Item = Result<OwnedRecord, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.is_over {
            let outcome = match &mut self.waiting {
                None => self.ask(),
                Some((waiting, polling)) => {
                    polling.goes_on();
                    match waiting.as_mut().poll(context) {
                        Poll::Ready(outcome) => {
                            self.waiting = None;
                            Some(outcome)
                        }
                        Poll::Pending => {
                            polling.rests();
                            return Poll::Pending;
                        }
                    }
                }
            };
            match outcome {
                Some(Ok(records)) => {
                    if let Some(record) = records.iter().next() {
                        return Poll::Ready(Some(Ok(record.to_owned())));
                    }
                }
                // The end is an end, not an error.
                Some(Err(error)) if error.kind() == Kind::Closed => self.is_over = true,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {}
            }
        }
        Poll::Ready(None)
    }
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStream").finish_non_exhaustive()
    }
}
