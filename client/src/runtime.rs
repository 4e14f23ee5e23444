//! Where a client runs: a thread of its own unless it was given a runtime, and what else its builder was given.
#![expect(clippy::disallowed_methods, reason = "driver: reads the clocks and starts the tasks of every client")]

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::net::Connector;

/// What a builder was given beside settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) connector: Option<Arc<dyn Connector>>,
    pub(crate) runtime: Option<Handle>,
    pub(crate) seed: Option<u64>,
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
}

impl Runtime {
    /// A runtime for the client called `name`.
    pub(crate) fn start(environment: &Environment, name: &str) -> Result<Arc<Self>, Error> {
        let (handle, own) = match &environment.runtime {
            Some(handle) => (handle.clone(), None),
            None => {
                let (handle, own) = own_thread(name)?;
                (handle, Some(own))
            }
        };
        let random = environment.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let _entered = handle.enter();
        Ok(Arc::new(Self {
            given: own.is_none(),
            handle: handle.clone(),
            _own: own,
            started: (Instant::now(), SystemTime::now()),
            random: Mutex::new(random),
        }))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(task).abort_handle()
    }

    /// Runs `work` off the tasks that serve sockets.
    pub(crate) fn offload(&self, work: impl FnOnce() + Send + 'static) {
        self.handle.spawn_blocking(work);
    }

    /// The monotonic clock, for deadlines.
    pub(crate) fn now(&self) -> Instant {
        let _entered = self.given.then(|| self.handle.enter());
        Instant::now()
    }

    /// Milliseconds since 1970, for the timestamps of records: a few milliseconds coarse, since it is read per record.
    pub(crate) fn epoch_ms(&self) -> i64 {
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
