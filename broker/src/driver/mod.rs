//! What gives the state its sockets, its clock and its tasks.
//!
//! ```text
//! listener, or Broker::connect ─► connection.rs: read ─► Shared::request ─► write
//! clock: sleeps until wake_at, then on_time ─► answers under their tickets ─┘
//! ```
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the tasks")]

mod connection;
mod frames;
mod listen;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::{Call, Outcome};
use crate::cluster::{Cluster, Handled, Ticket};
use crate::config::Config;

pub(crate) use listen::listen;

/// Bytes under way in each direction of an in-memory connection.
const PIPE_BYTES: usize = 256 * 1024;

/// A cluster and what runs it.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    nodes: Mutex<Vec<NodeTasks>>,
    config: Config,
    connections: AtomicU64,
    started: Instant,
    runtime: Handle,
    /// The next timer may be earlier than the one slept for.
    rearm: Notify,
    /// Something was asked of the cluster.
    changed: Notify,
}

/// A node's listener and connections, which end when it stops.
#[derive(Debug, Default)]
struct NodeTasks {
    tasks: JoinSet<()>,
    /// Where it listens, if anywhere but in memory.
    address: Option<SocketAddr>,
    /// Nothing may be added any more, not even a connection that was being accepted.
    is_closed: bool,
}

#[derive(Debug)]
struct State {
    cluster: Cluster,
    next_ticket: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Outcome>>,
    /// What the clock sleeps for.
    armed: Option<Duration>,
}

impl Shared {
    /// Takes over a cluster and starts its clock, on the runtime that is current.
    pub(crate) fn start(cluster: Cluster) -> Arc<Self> {
        let config = cluster.config.clone();
        let nodes = cluster.nodes.len();
        let shared = Arc::new(Self {
            state: Mutex::new(State { cluster, next_ticket: 0, waiting: BTreeMap::new(), armed: None }),
            // One more, for the clock.
            nodes: Mutex::new((0..=nodes).map(|_| NodeTasks::default()).collect()),
            config,
            connections: AtomicU64::new(0),
            started: Instant::now(),
            runtime: Handle::current(),
            rearm: Notify::new(),
            changed: Notify::new(),
        });
        shared.spawn(nodes, run_clock(Arc::clone(&shared)));
        shared
    }

    /// The number of a connection, which no other has.
    fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Looks at the cluster or changes it; answers that this brings forth go to their connections.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Cluster, Duration) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state.cluster, self.started.elapsed());
        self.settle(&mut state);
        result
    }

    /// The same, for what may be worth a look to whoever waits in [`Self::until`].
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut Cluster, Duration) -> T) -> T {
        let result = self.with(act);
        self.changed.notify_waiters();
        result
    }

    /// Waits until `is_so`, asking again whenever something happened.
    pub(crate) async fn until(&self, mut is_so: impl FnMut() -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the question: what happens after it isn't missed.
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
        }
    }

    /// A connection to `node` in memory; the other end is served.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] if the node is stopped.
    pub(crate) fn connect(self: &Arc<Self>, node: i32) -> io::Result<DuplexStream> {
        if !self.with(|cluster, _| cluster.is_up(node)) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("node {node} is stopped")));
        }
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        self.spawn(index(node), connection::serve(Arc::clone(self), node, Arc::from("/127.0.0.1"), server));
        Ok(client)
    }

    /// Serves connections that come to `listener`.
    ///
    /// # Errors
    /// If the listener doesn't know its own address.
    pub(crate) fn listen(self: &Arc<Self>, node: i32, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        if let Some(slot) = self.lock_nodes().get_mut(index(node)) {
            slot.address = Some(address);
        }
        self.spawn(index(node), accept(Arc::clone(self), node, listener));
        Ok(())
    }

    /// Closes a node's listener and connections, and waits until they are closed.
    pub(crate) async fn close(&self, node: i32) {
        let mut tasks = match self.lock_nodes().get_mut(index(node)) {
            Some(node) => {
                node.is_closed = true;
                std::mem::take(&mut node.tasks)
            }
            None => return,
        };
        tasks.shutdown().await;
    }

    /// Opens a node again that was closed; it listens where it did, if it did.
    ///
    /// # Errors
    /// If the address is taken.
    pub(crate) async fn open(self: &Arc<Self>, node: i32) -> io::Result<()> {
        let address = self.lock_nodes().get(index(node)).and_then(|node| node.address);
        let listener = match address {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        if let Some(node) = self.lock_nodes().get_mut(index(node)) {
            node.is_closed = false;
        }
        listener.map_or(Ok(()), |listener| self.listen(node, listener))
    }

    /// Ends everything, at once.
    pub(crate) fn shut_down(&self) {
        self.lock_nodes().iter_mut().for_each(|node| node.tasks.abort_all());
    }

    /// Acts on a request. If the outcome comes later, it comes through the receiver.
    fn request(&self, call: Call) -> (Handled, oneshot::Receiver<Outcome>) {
        let mut state = self.lock();
        let (sender, receiver) = oneshot::channel();
        let ticket = Ticket { number: state.next_ticket, node: call.context.node };
        state.next_ticket += 1;
        let handled = state.cluster.request(ticket, call, self.started.elapsed());
        if matches!(handled, Handled::Later { .. }) {
            state.waiting.insert(ticket, sender);
        }
        self.settle(&mut state);
        drop(state);
        self.changed.notify_waiters();
        (handled, receiver)
    }

    /// Hands out answers and sees to it that the clock wakes in time.
    fn settle(&self, state: &mut State) {
        for (ticket, outcome) in state.cluster.take_answers() {
            if let Some(sender) = state.waiting.remove(&ticket) {
                // A connection that is gone needs no answer.
                let _ = sender.send(outcome);
            }
        }
        if let Some(at) = state.cluster.wake_at()
            && state.armed.is_none_or(|armed| at < armed)
        {
            state.armed = Some(at);
            self.rearm.notify_one();
        }
    }

    fn spawn(&self, slot: usize, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(node) = self.lock_nodes().get_mut(slot).filter(|node| !node.is_closed) {
            while node.tasks.try_join_next().is_some() {}
            node.tasks.spawn_on(task, &self.runtime);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_nodes(&self) -> MutexGuard<'_, Vec<NodeTasks>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(node: i32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}

/// Wakes the cluster whenever something is due.
async fn run_clock(shared: Arc<Shared>) {
    loop {
        let wake_at = {
            let mut state = shared.lock();
            state.armed = state.cluster.wake_at();
            state.armed
        };
        tokio::select! {
            biased;
            () = shared.rearm.notified() => {}
            () = sleep_until(shared.started, wake_at) => {
                shared.change(Cluster::on_time);
            }
        }
    }
}

async fn sleep_until(started: Instant, at: Option<Duration>) {
    // A time that no clock comes to is none.
    match at.and_then(|at| started.checked_add(at)) {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn accept(shared: Arc<Shared>, node: i32, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(node, %error, "TCP_NODELAY not set");
                }
                let host = Arc::from(format!("/{}", client.ip()));
                shared.spawn(index(node), connection::serve(Arc::clone(&shared), node, host, stream));
            }
            Err(error) => {
                // Out of descriptors, most likely: the listener itself stays good.
                tracing::warn!(node, %error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The system's time, in milliseconds since 1970.
pub(crate) fn system_time_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
