//! The network between processes and nodes: names, delays, cuts and broken connections.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::pipe;
use crate::Broker;

/// What connects the processes of a simulation with the nodes of its cluster. Handles are cheap to clone.
///
/// Every connection has a delay in each direction, drawn anew for each piece of data, and keeps its order.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    broker: Broker,
    runtime: Handle,
    state: Mutex<State>,
    /// Some way was opened again, or a connection is to break.
    changed: Notify,
}

struct State {
    random: fastrand::Rng,
    /// The node that the bootstrap name leads to.
    bootstrap: i32,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    conditions: Vec<Condition>,
    traps: Vec<(i32, Way)>,
}

/// One that is open.
struct Connection {
    process: String,
    is_broken: watch::Sender<bool>,
}

/// A direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    ToNode,
    ToProcess,
}

/// What holds for the connections of one node, as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    /// Nothing arrives this way; what is sent waits.
    Cut(i32, Way),
    /// All takes so much longer.
    Slow(i32, Duration),
}

/// The name that processes find the cluster by.
pub(super) const BOOTSTRAP: &str = "bootstrap.ottla";

/// The longest time a piece of data takes where nothing is wrong.
const DELAY: Duration = Duration::from_millis(2);

impl Network {
    pub(super) fn new(broker: Broker, seed: u64) -> Self {
        let state = State {
            random: fastrand::Rng::with_seed(seed),
            bootstrap: 0,
            connections: BTreeMap::new(),
            opened: 0,
            conditions: Vec::new(),
            traps: Vec::new(),
        };
        Self(Arc::new(Shared { broker, runtime: Handle::current(), state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Connects a process, known by the name it [lives](super::World::live) under, to `host:port`: a node's
    /// address, or the [bootstrap](super::World::bootstrap) name.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] if the node is stopped, [`io::ErrorKind::NotFound`] if nobody has the name.
    pub fn connect(&self, process: &str, host: &str, port: u16) -> io::Result<DuplexStream> {
        let bootstrap = (host == BOOTSTRAP).then(|| self.lock().bootstrap);
        let address = match bootstrap {
            Some(node) => self.0.broker.node(node).address(),
            None => format!("{host}:{port}"),
        };
        let nodes = self.0.broker.addresses();
        let node = (0..).zip(&nodes).find(|(_, known)| **known == address).map(|(id, _)| id);
        let node: i32 = node.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("nobody is {address}")))?;
        let server = self.0.broker.node(node).connect()?;
        let (client, end) = tokio::io::duplex(pipe::BYTES);
        let (is_broken, broken) = watch::channel(false);
        let id = {
            let mut state = self.lock();
            state.opened += 1;
            let id = state.opened;
            state.connections.insert(id, Connection { process: process.to_owned(), is_broken });
            id
        };
        let network = self.clone();
        self.0.runtime.spawn(async move {
            pipe::run(&network, node, broken, end, server).await;
            network.lock().connections.remove(&id);
        });
        Ok(client)
    }

    /// Breaks all connections of a process, as the system does when one dies.
    pub fn disconnect(&self, process: &str) {
        let state = self.lock();
        for connection in state.connections.values().filter(|connection| connection.process == process) {
            connection.is_broken.send_replace(true);
        }
    }

    /// Breaks one node's next connection on which something comes this way, before it arrives.
    pub(super) fn break_next(&self, node: i32, way: Way) {
        self.lock().traps.push((node, way));
    }

    /// Lets the bootstrap name lead to another node.
    pub(super) fn point_bootstrap_at(&self, node: i32) {
        self.lock().bootstrap = node;
    }

    pub(super) fn impose(&self, condition: Condition) {
        self.lock().conditions.push(condition);
    }

    pub(super) fn lift(&self, condition: Condition) {
        let mut state = self.lock();
        if let Some(at) = state.conditions.iter().position(|imposed| *imposed == condition) {
            state.conditions.remove(at);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Lifts all that was imposed.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.conditions.clear();
        state.traps.clear();
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// How long a piece of data takes now.
    pub(super) fn delay(&self, node: i32) -> Duration {
        let mut state = self.lock();
        let usual = Duration::from_micros(state.random.u64(..=DELAY.as_micros() as u64));
        let slow = |condition: &Condition| match condition {
            Condition::Slow(slow, by) if *slow == node => Some(*by),
            _ => None,
        };
        usual + state.conditions.iter().filter_map(slow).sum::<Duration>()
    }

    /// Waits until data gets through this way.
    pub(super) async fn is_open(&self, node: i32, way: Way) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.lock().conditions.contains(&Condition::Cut(node, way)) {
                return;
            }
            changed.await;
        }
    }

    /// Whether what is about to arrive breaks its connection instead.
    pub(super) fn springs(&self, node: i32, way: Way) -> bool {
        let mut state = self.lock();
        let trap = state.traps.iter().position(|trap| *trap == (node, way));
        if let Some(trap) = trap {
            state.traps.remove(trap);
        }
        trap.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Network").field("connections", &state.connections.len()).finish_non_exhaustive()
    }
}
