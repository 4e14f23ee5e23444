//! One call: whom to ask, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::{Code, Request, Str};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::cluster::{Cluster, Lane};
use crate::connection::Backoff;
use crate::error::{Error, Kind, Retry};

/// One call of the user, from its start to its deadline.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) cluster: Arc<Cluster>,
    deadline: Instant,
    timeout: Duration,
    retries: u32,
}

/// What one attempt brought for one item.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// Not yet: another attempt may succeed.
    Again(Error),
    Done(T),
    Failed(Error),
}

impl<T> From<Result<T, Error>> for Answer<T> {
    /// An error is tried again if its code is one that passes.
    fn from(result: Result<T, Error>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(error) if error.is_retriable() => Self::Again(error),
            Err(error) => Self::Failed(error),
        }
    }
}

/// Ends a task when dropped.
#[derive(Debug)]
pub(super) struct Abort(pub(super) AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Call {
    pub(super) fn new(cluster: Arc<Cluster>, timeout: Duration, retries: u32) -> Self {
        let now = cluster.runtime().now();
        // A timeout past the clock's end never comes.
        let deadline = now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365 * 30));
        Self { cluster, deadline, timeout, retries }
    }

    /// The broker that may change topics.
    pub(super) async fn controller(&self) -> Result<i32, Error> {
        let metadata = self.cluster.any_metadata(self.deadline).await?;
        metadata.controller.ok_or_else(|| Error::broker(Code::NotController, "no controller is known"))
    }

    /// The broker with the least to do.
    pub(super) async fn any_broker(&self) -> Result<i32, Error> {
        self.cluster.any_metadata(self.deadline).await?;
        self.cluster.least_loaded().ok_or_else(|| Error::new(Kind::Connection, "no broker is known"))
    }

    /// The broker that coordinates a group.
    pub(super) async fn coordinator(&self, group: &str) -> Result<i32, Error> {
        self.cluster.coordinator(group, self.deadline).await
    }

    /// Looks the coordinator up again if `code`, which `broker` answered with, says that it is another.
    pub(super) fn forget_moved(&self, code: Code, group: &str, broker: i32) {
        if matches!(code, Code::CoordinatorNotAvailable | Code::NotCoordinator) {
            self.cluster.forget_coordinator(group, broker);
        }
    }

    /// What a request should allow the broker: no more than the call has left.
    pub(super) fn time_left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(self.cluster.runtime().now());
        left.min(self.cluster.config().request_timeout)
    }

    /// The same in the protocol's milliseconds.
    pub(super) fn time_left_ms(&self) -> i32 {
        i32::try_from(self.time_left().as_millis()).unwrap_or(i32::MAX)
    }

    /// Sends one request, in the newest version up to `newest` that both sides speak.
    pub(super) async fn ask<R>(
        &self,
        broker: i32,
        newest: i16,
        make: impl FnOnce(i16) -> Result<R, Error> + Send + 'static,
    ) -> Result<(R::Response, i16), Error>
    where
        R: Request + Send + 'static,
        R::Response: Send,
    {
        let request = self.cluster.call::<R>(
            broker,
            Lane::Main,
            move |versions| {
                let version = versions.choose_up_to::<R>(newest)?;
                Ok((make(version)?, version))
            },
            self.time_left(),
        );
        let late = || Error::new(Kind::Timeout, format!("{} to broker {broker} timed out", R::API_KEY.name()));
        self.cluster.until(self.deadline, request).await.unwrap_or_else(|| Err(late()))
    }

    /// Attempts until every item has its result: those that are to be tried again are asked for again, after a backoff
    /// and, where the error says so, with newer metadata.
    ///
    /// An attempt that fails as a whole fails for all items it was for; an item that it does not answer has failed.
    pub(super) async fn settle<K, T, F>(
        &self,
        items: impl IntoIterator<Item = K>,
        mut attempt: impl FnMut(Vec<K>) -> F,
    ) -> BTreeMap<K, Result<T, Error>>
    where
        K: Clone + Ord + std::fmt::Display,
        F: Future<Output = Result<BTreeMap<K, Answer<T>>, Error>>,
    {
        let mut results: BTreeMap<K, Result<T, Error>> = BTreeMap::new();
        let mut open: Vec<K> = items.into_iter().collect();
        open.sort();
        open.dedup();
        let mut backoff = Backoff::new(self.cluster.config().retry_backoff, self.cluster.config().retry_backoff_max);
        while !open.is_empty() {
            let seen = self.cluster.metadata().version;
            let mut answers = attempt(open.clone())
                .await
                .unwrap_or_else(|error| open.iter().map(|item| (item.clone(), Err(error.clone()).into())).collect());
            let mut again = BTreeMap::new();
            for item in std::mem::take(&mut open) {
                let result = match answers.remove(&item) {
                    Some(Answer::Again(error)) => {
                        again.insert(item, error);
                        continue;
                    }
                    Some(Answer::Done(done)) => Ok(done),
                    Some(Answer::Failed(error)) => Err(error),
                    None => Err(Error::new(Kind::Protocol, format!("the answer leaves {item} out"))),
                };
                results.insert(item, result);
            }
            if again.is_empty() {
                break;
            }
            let may_try = backoff.failures() < self.retries && self.wait(&mut backoff, again.values(), seen).await;
            if may_try {
                open.extend(again.into_keys());
            } else {
                results.extend(again.into_iter().map(|(item, error)| (item, Err(self.out_of_time(error)))));
            }
        }
        results
    }

    /// As [`settle`](Self::settle), of one thing.
    pub(super) async fn settle_one<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut results = self
            .settle([""], |_| {
                let attempt = attempt();
                async move { Ok(BTreeMap::from([("", attempt.await.into())])) }
            })
            .await;
        results.remove("").unwrap_or_else(|| Err(Error::closed("admin client")))
    }

    /// Waits before another attempt. False if the deadline comes first.
    async fn wait(&self, backoff: &mut Backoff, errors: impl Iterator<Item = &Error>, seen: u64) -> bool {
        let pause = self.cluster.runtime().random(|random| backoff.next(random));
        let is_stale = errors.into_iter().any(|error| error.retry() == Retry::Refresh || is_not_controller(error));
        if is_stale {
            self.cluster.refresh();
        }
        let mut views = self.cluster.watch();
        let ready = async {
            let until = self.cluster.runtime().now() + pause;
            self.cluster.until(until, std::future::pending::<()>()).await;
            if is_stale {
                let _ = views.wait_for(|view| view.metadata.version > seen).await;
            }
        };
        self.cluster.until(self.deadline, ready).await.is_some()
    }

    fn out_of_time(&self, last: Error) -> Error {
        if last.kind() == Kind::Timeout {
            return last;
        }
        let waited = self.timeout.as_millis();
        Error::caused_by(Kind::Timeout, format!("{last} (gave up after default.api.timeout.ms, {waited} ms)"), last)
    }
}

/// The code asks for a later attempt, this client for one at the controller of newer metadata (edge 88).
fn is_not_controller(error: &Error) -> bool {
    error.code() == Some(Code::NotController)
}

/// The error of an item, with what the broker says beside the code.
pub(super) fn refused(code: Code, message: Option<&Str>, context: impl std::fmt::Display) -> Error {
    let message = message.map(|message| message.trim_end_matches('.')).filter(|message| !message.is_empty());
    Error::broker(
        code,
        match message {
            Some(message) => format!("{context}: {message}"),
            None => context.to_string(),
        },
    )
}

/// Runs futures beside each other and gives what each gave, in no order.
pub(super) async fn together<T: Send + 'static, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut running: JoinSet<T> = futures.into_iter().collect();
    let mut results = Vec::new();
    while let Some(result) = running.join_next().await {
        results.extend(result);
    }
    results
}
