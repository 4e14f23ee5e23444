//! Where a client runs: a thread of its own unless it was given a runtime, and what else its builder was given.
#![expect(clippy::disallowed_methods, reason = "driver: reads the clocks and starts the tasks of every client")]

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::group::assign::Assignor;
use crate::net::Connector;
use crate::process::Process;

/// What a builder was given beside settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) connector: Option<Arc<dyn Connector>>,
    pub(crate) runtime: Option<Handle>,
    pub(crate) seed: Option<u64>,
    pub(crate) assignors: Vec<Arc<dyn Assignor>>,
    /// Stands in for the connector, the runtime and the seed.
    pub(crate) process: Option<Process>,
}

/// Starts tasks, and knows the time and chance of one client.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    /// Present when the runtime is a thread of the client's own; dropping it ends the thread.
    _own: Option<oneshot::Sender<()>>,
    /// A runtime given by the builder belongs to somebody else: it may be one with paused time.
    given: bool,
    started: (Instant, SystemTime),
    random: Mutex<fastrand::Rng>,
    /// Where the client runs in a simulation.
    process: Option<Process>,
    offloaded: Arc<Mutex<Offloaded>>,
    /// Threads that work may be offloaded to.
    parallelism: usize,
}

/// Work for other threads, in the order in which it came.
#[derive(Default)]
struct Offloaded {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    threads: usize,
}

impl fmt::Debug for Offloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("Offloaded").field("waiting", &waiting).field("threads", &self.threads).finish()
    }
}

impl Runtime {
    /// A runtime for the client called `name`.
    pub(crate) fn start(environment: &Environment, name: &str) -> Result<Arc<Self>, Error> {
        let process = environment.process.clone();
        let (handle, own) = match process.as_ref().map(Process::handle).or(environment.runtime.as_ref()) {
            Some(handle) => (handle.clone(), None),
            None => {
                let (handle, own) = own_thread(name)?;
                (handle, Some(own))
            }
        };
        let seed = process.as_ref().map(Process::next_seed).or(environment.seed);
        let random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let _entered = handle.enter();
        Ok(Arc::new(Self {
            given: own.is_none(),
            handle: handle.clone(),
            _own: own,
            started: (Instant::now(), process.as_ref().map_or_else(SystemTime::now, Process::system_time)),
            random: Mutex::new(random),
            process,
            offloaded: Arc::default(),
            parallelism: std::thread::available_parallelism().map_or(1, usize::from),
        }))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        match &self.process {
            Some(process) => process.spawn(task).abort_handle(),
            None => self.handle.spawn(task).abort_handle(),
        }
    }

    /// The same future, for a set of tasks that others start.
    pub(crate) fn within<T>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let process = self.process.clone();
        async move {
            match process {
                Some(process) => process.within(future).await,
                None => future.await,
            }
        }
    }

    /// Runs `work` off the tasks that serve sockets: on as many threads as there are cores, and no more, so that what
    /// each needs (a compressor's tables) is needed so many times.
    pub(crate) fn offload(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(process) = &self.process {
            // Threads would bring in an order that no seed says.
            process.spawn(async { work() });
            return;
        }
        let mut offloaded = self.offloaded.lock();
        offloaded.waiting.push_back(Box::new(work));
        if offloaded.threads < self.parallelism {
            offloaded.threads += 1;
            let offloaded = self.offloaded.clone();
            self.handle.spawn_blocking(move || work_off(&offloaded));
        }
    }

    /// The monotonic clock, for deadlines.
    pub(crate) fn now(&self) -> Instant {
        let _entered = self.given.then(|| self.handle.enter());
        Instant::now()
    }

    /// Milliseconds since 1970, for the timestamps of records: a few milliseconds coarse, since it is read per record.
    pub(crate) fn epoch_ms(&self) -> i64 {
        if let Some(process) = &self.process {
            return process.epoch_ms();
        }
        if self.given {
            // Moves with the runtime's clock, which may be paused.
            let (start, wall) = self.started;
            let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            return (wall + (self.now() - start)).as_millis() as i64;
        }
        coarse_epoch_ms()
    }

    /// One draw from the client's generator.
    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock())
    }
}

/// Works until nothing is left to do.
fn work_off(offloaded: &Mutex<Offloaded>) {
    loop {
        let work = {
            let mut offloaded = offloaded.lock();
            let Some(work) = offloaded.waiting.pop_front() else {
                offloaded.threads -= 1;
                return;
            };
            work
        };
        // A defect in one piece of work must not take the thread from the others.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            tracing::error!("offloaded work panicked");
        }
    }
}

/// The system's time as of its last tick, some milliseconds ago: read in a fifth of the time of the exact one.
#[cfg(target_os = "linux")]
fn coarse_epoch_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn coarse_epoch_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// A current-thread runtime on a thread that ends when the sender is dropped.
///
/// Its tasks end with it: nobody waits for them, so dropping a client never blocks.
fn own_thread(name: &str) -> Result<(Handle, oneshot::Sender<()>), Error> {
    let failed = |error| Error::caused_by(Kind::State, "cannot start the client's own thread", error);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let (own, ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Resolves, with an error, when the sender is dropped.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })
        .map_err(failed)?;
    Ok((handle, own))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn offloaded_work_takes_no_more_threads_than_there_are_cores_and_outlives_a_panic() {
        let runtime = Runtime::start(&Environment::default(), "test").unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, finished) = mpsc::channel();
        for n in 0..100 {
            let (running, most, done) = (running.clone(), most.clone(), done.clone());
            runtime.offload(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                done.send(n).unwrap();
                assert_ne!(n % 10, 3, "a defect");
            });
        }
        drop(done);
        assert_eq!(finished.iter().count(), 100);
        assert!(most.load(Ordering::SeqCst) <= runtime.parallelism);
    }
}
