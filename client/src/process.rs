//! A process of a simulation: what clients take from the machine they run on, under a test's control.
#![expect(clippy::disallowed_methods, reason = "driver: a simulated process has a clock and tasks of its own")]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::net::{Connecting, Connector};

/// A process in a simulation, for the clients that are built with it (`builder.process(&process)`).
///
/// It runs on the runtime that is current where it is made: one thread, whose clock is paused, so that no real time
/// passes. All chance comes from its seed, all work is done on that thread, the wall clock begins where it is told to, and
/// connections come from its connector. So the same seeds give the same history, request by request.
///
/// What can happen to a process happens to its clients and to what runs in [`spawn`](Self::spawn): it can be
/// [paused](Self::pause) as by SIGSTOP, [killed](Self::kill) as by `kill -9`, and its wall clock can
/// [jump](Self::shift_clock). Handles are cheap to clone and mean the same process.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = ottla_broker::Broker::start().in_memory_only().topic("orders", 1).await;
/// use ottla::net::MemoryConnector;
/// use ottla::{Process, Producer, Record};
///
/// let pipes = broker.clone();
/// let process = Process::new(7, MemoryConnector::new(move |host, port| pipes.connect(&format!("{host}:{port}"))));
/// let producer = Producer::builder(broker.address()).process(&process).build()?;
/// producer.send(Record::to("orders").value("tea")).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Process(Arc<Shared>);

struct Shared {
    connector: Arc<dyn Connector>,
    runtime: Handle,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    seeds: fastrand::Rng,
    /// The wall clock's reading when the process began, in milliseconds since 1970.
    clock_ms: i64,
    is_paused: bool,
    is_killed: bool,
    /// Tasks that wait for the end of the pause.
    waiting: Vec<Waker>,
}

/// 2026-01-01, in milliseconds since 1970: where simulated wall clocks begin.
const BEGINNING_MS: i64 = 1_767_225_600_000;

impl Process {
    /// A process on the runtime that is current, whose clients reach brokers through `connector`. Each of its clients
    /// draws a seed of its own from `seed`, in the order they are built.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(seed: u64, connector: impl Connector) -> Self {
        let state = State {
            seeds: fastrand::Rng::with_seed(seed),
            clock_ms: BEGINNING_MS,
            is_paused: false,
            is_killed: false,
            waiting: Vec::new(),
        };
        Self(Arc::new(Shared {
            connector: Arc::new(connector),
            runtime: Handle::current(),
            began: Instant::now(),
            state: Mutex::new(state),
        }))
    }

    /// Runs a task in the process: it stands still while the process is paused, and for good once it is killed.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.runtime.spawn(self.within(task))
    }

    /// The same future, as a part of the process.
    pub fn within<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Within { process: self.clone(), future: Box::pin(future) }
    }

    /// Lets nothing in the process run until [`resume`](Self::resume). Time and the network go on, as they do when a
    /// process is stopped or its machine is too busy.
    pub fn pause(&self) {
        self.0.state.lock().is_paused = true;
    }

    /// Ends a pause.
    pub fn resume(&self) {
        let waiting = {
            let mut state = self.0.state.lock();
            state.is_paused = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ends everything in the process without a word: nothing of it runs again, and no destructor does until the runtime
    /// ends. Whoever owns the network is to break its connections.
    pub fn kill(&self) {
        let mut state = self.0.state.lock();
        state.is_killed = true;
        state.waiting.clear();
    }

    /// False once it is killed.
    pub fn is_alive(&self) -> bool {
        !self.0.state.lock().is_killed
    }

    /// Sets the wall clock forward, or back, by so many milliseconds. Deadlines are kept by another clock and don't move.
    pub fn shift_clock(&self, milliseconds: i64) {
        let mut state = self.0.state.lock();
        state.clock_ms = state.clock_ms.saturating_add(milliseconds);
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.runtime
    }

    pub(crate) fn next_seed(&self) -> u64 {
        self.0.state.lock().seeds.u64(..)
    }

    /// The wall clock, in milliseconds since 1970.
    pub(crate) fn epoch_ms(&self) -> i64 {
        let _entered = self.0.runtime.enter();
        let passed = i64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.0.state.lock().clock_ms.saturating_add(passed)
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(self.epoch_ms().max(0) as u64)
    }

    /// Keeps the task for the end of the pause, if there is one.
    fn stands_still(&self, context: &Context<'_>) -> bool {
        let mut state = self.0.state.lock();
        if state.is_paused && !state.is_killed {
            state.waiting.push(context.waker().clone());
        }
        state.is_paused || state.is_killed
    }
}

impl Connector for Process {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        self.0.connector.connect(host, port)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Process").field("is_paused", &state.is_paused).field("is_killed", &state.is_killed).finish()
    }
}

/// A future that runs as long as its process does.
struct Within<F> {
    process: Process,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.process.stands_still(context) {
            return Poll::Pending;
        }
        self.future.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::net::MemoryConnector;

    fn process() -> Process {
        Process::new(1, MemoryConnector::new(|_, _| Ok(tokio::io::empty())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_process_stands_still_until_it_is_resumed() {
        let process = process();
        let mut task = process.spawn(tokio::time::sleep(Duration::from_secs(1)));
        process.pause();
        timeout(Duration::from_secs(100), &mut task).await.unwrap_err();
        process.resume();
        timeout(Duration::from_millis(1), task).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_runs_any_more_in_a_killed_process() {
        let process = process();
        let task = process.spawn(tokio::time::sleep(Duration::from_secs(1)));
        process.pause();
        tokio::task::yield_now().await;
        process.kill();
        process.resume();
        timeout(Duration::from_secs(100), task).await.unwrap_err();
        timeout(Duration::from_secs(100), process.spawn(async {})).await.unwrap_err();
        assert!(!process.is_alive());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_runs_with_time_and_jumps() {
        let process = process();
        tokio::time::advance(Duration::from_secs(60)).await;
        process.shift_clock(-90_000);
        assert_eq!(process.epoch_ms(), BEGINNING_MS - 30_000);
    }
}
