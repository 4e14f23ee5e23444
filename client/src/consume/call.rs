//! Asking a broker that may fall silent, and giving work to the client's own runtime.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ottla_wire::Request;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::cluster::{Cluster, Lane, Metadata};
use crate::connection::Versions;
use crate::deadline::after;
use crate::error::{Error, Kind};

/// How long a broker may take to answer what it can answer at once, before others are asked about it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// How often others are asked about a silent broker: at first, and in the long run.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_millis(750);

/// Longer and longer pauses between the questions about a broker that is silent.
#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) next: Instant,
    pause: Duration,
    longest: Duration,
}

impl Questions {
    /// The first after `patience`, the others soon after one another: the answer is overdue.
    pub(crate) fn after(patience: Duration) -> Self {
        Self { next: deadline(patience), pause: FIRST_PAUSE, longest: LAST_PAUSE }
    }

    /// One at each `interval`: the answer may take long.
    pub(crate) fn every(interval: Duration) -> Self {
        Self { next: deadline(interval), pause: interval, longest: interval }
    }

    pub(crate) fn asked(&mut self) {
        self.next = deadline(self.pause);
        self.pause = self.pause.mul_f64(1.5).min(self.longest);
    }
}

/// Asks a broker that leads partitions. If it stays silent, metadata is asked of the others, and once `is_replaced`
/// says that there is a newer leader, the request is given up.
///
/// A fetch's connection is given up with it: nothing else is on that.
pub(crate) async fn ask_leader<R: Request + Send + 'static>(
    cluster: &Cluster,
    broker: i32,
    lane: Lane,
    make: impl FnOnce(&Versions) -> Result<(R, i16), Error> + Send + 'static,
    timeout: Duration,
    patience: Duration,
    is_replaced: impl Fn(&Metadata) -> bool + Send,
) -> Result<(R::Response, i16), Error>
where
    R::Response: Send,
{
    let mut answer = pin!(cluster.call::<R>(broker, lane, make, timeout));
    let mut views = cluster.watch();
    let mut questions = Questions::after(patience);
    let mut is_silent = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = tokio::time::sleep_until(questions.next) => {
                is_silent = true;
                questions.asked();
                cluster.refresh_avoiding(broker);
            }
            changed = views.changed(), if is_silent => if changed.is_err() {
                return Err(Error::closed("client"));
            },
        }
        if is_silent && is_replaced(&views.borrow_and_update().metadata) {
            let silent = Error::new(Kind::Connection, format!("broker {broker} is silent, and another leads now"));
            if matches!(lane, Lane::Fetch | Lane::Refill)
                && let Ok(link) = cluster.link(broker, lane)
            {
                link.abandon(silent.clone());
            }
            return Err(silent);
        }
    }
}

/// The time that lies `wait` ahead; far ahead if it is too long to tell.
pub(crate) fn deadline(wait: Duration) -> Instant {
    after(Instant::now(), wait)
}

/// Runs `work` on the client's runtime: callers may live on any, or on none.
///
/// Dropping the future ends the work, unless it was [`detached`](Running::detached).
pub(crate) fn run<T: Send + 'static>(
    cluster: &Arc<Cluster>,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Running<Result<T, Error>> {
    let (done, outcome) = oneshot::channel();
    let task = cluster.runtime().spawn(async move {
        let _ = done.send(work.await);
    });
    Running { outcome, task: Some(task) }
}

/// Resolves after `wait`, by the client's clock; at once if its runtime has ended.
pub(crate) fn timer(cluster: &Arc<Cluster>, wait: Duration) -> Running<()> {
    let (done, outcome) = oneshot::channel();
    let task = cluster.runtime().spawn(async move {
        tokio::time::sleep(wait).await;
        let _ = done.send(());
    });
    Running { outcome, task: Some(task) }
}

/// Work on the client's runtime, on its way.
#[derive(Debug)]
pub(crate) struct Running<T> {
    outcome: oneshot::Receiver<T>,
    task: Option<AbortHandle>,
}

impl<T> Running<T> {
    /// Goes on even if nobody waits.
    pub(crate) fn detached(mut self) -> Self {
        self.task = None;
        self
    }
}

impl<T> Future for Running<T> {
    /// None if the runtime has ended.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.outcome).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
