//! What every client counts: its connections, and what goes over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::is_over;
use super::names::{
    APP, APP_GROUP, CLIENT, COUNT, COUNT_GROUP, FETCH_CLIENT, FETCH_GROUP, NODE, PRODUCER_CLIENT, Role,
    SHARE_FETCH_GROUP,
};
use super::snapshot::Metrics;
use super::stats::{Sensor, Windows};

/// What the connections of one client are counted in. One lock, taken a few times per request.
#[derive(Debug)]
pub(crate) struct ClientMetrics {
    role: Role,
    client_id: Arc<str>,
    windows: Windows,
    app: App,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    client: Client,
    nodes: BTreeMap<i32, Node>,
}

/// The program.
#[derive(Debug)]
pub(crate) struct App {
    pub(super) start_ms: i64,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) created: Sensor,
    pub(super) closed: Sensor,
    pub(super) io: Sensor,
    pub(super) traffic: Traffic,
    pub(super) latency: Sensor,
    pub(super) throttle: Sensor,
    pub(super) in_flight: usize,
    pub(super) metadata_at: Option<Instant>,
}

/// The connections to one broker.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) traffic: Traffic,
    pub(super) latency: Sensor,
    used: Instant,
}

/// What was written and read.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// An event per request, its bytes as the value.
    pub(super) outgoing: Sensor,
    /// An event per read, its bytes as the value.
    pub(super) incoming: Sensor,
    pub(super) answers: Sensor,
}

impl ClientMetrics {
    /// Those of a client called `client_id`, or by a name of its own: several of one process are to be told apart.
    pub(crate) fn new(role: Role, client_id: &str, windows: Windows, start_ms: i64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let client_id = match client_id {
            "" => format!("{}-{}", role.anonymous(), NEXT.fetch_add(1, Ordering::Relaxed)).into(),
            chosen => chosen.into(),
        };
        let state = State { client: Client::new(windows), nodes: BTreeMap::new() };
        Self { role, client_id, windows, app: App { start_ms }, state: Mutex::new(state) }
    }

    pub(crate) fn windows(&self) -> Windows {
        self.windows
    }

    /// Reads what every client has.
    pub(crate) fn read(&self, now: Instant) -> Metrics {
        let mut metrics = Metrics::new(self.client_id.clone());
        metrics.read(APP_GROUP, &[], APP, &self.app, now);
        let mut state = self.state.lock();
        metrics.read(self.role.group(), &[], CLIENT, &state.client, now);
        if self.role == Role::Producer {
            metrics.read(self.role.group(), &[], PRODUCER_CLIENT, &state.client, now);
        }
        let fetches = match self.role {
            Role::Consumer => Some(FETCH_GROUP),
            Role::ShareConsumer => Some(SHARE_FETCH_GROUP),
            Role::Admin | Role::Producer => None,
        };
        if let Some(group) = fetches {
            metrics.read(group, &[], FETCH_CLIENT, &state.client, now);
        }
        state.forget_idle(now);
        for (id, node) in &state.nodes {
            let name = format!("node-{id}").into();
            metrics.read(self.role.node_group(), &[("node-id", &name)], NODE, node, now);
        }
        metrics
    }

    /// A connection was made.
    pub(crate) fn opened(&self, now: Instant) {
        self.state.lock().client.created.record(1.0, now);
    }

    /// A connection was closed.
    pub(crate) fn closed(&self, now: Instant) {
        self.state.lock().client.closed.record(1.0, now);
    }

    /// A request begins to be written.
    pub(crate) fn begun(&self) {
        self.state.lock().client.in_flight += 1;
    }

    /// A request was answered, or will not be.
    pub(crate) fn ended(&self) {
        let client = &mut self.state.lock().client;
        client.in_flight = client.in_flight.saturating_sub(1);
    }

    /// A request of `bytes` was written to `node`.
    pub(crate) fn written(&self, node: i32, bytes: usize, now: Instant) {
        let mut state = self.state.lock();
        state.client.io.record(1.0, now);
        for traffic in state.traffic(node, self.windows, now) {
            traffic.outgoing.record(bytes as f64, now);
        }
    }

    /// So many bytes were read from `node`.
    pub(crate) fn received(&self, node: i32, bytes: usize, now: Instant) {
        let mut state = self.state.lock();
        state.client.io.record(1.0, now);
        for traffic in state.traffic(node, self.windows, now) {
            traffic.incoming.record(bytes as f64, now);
        }
    }

    /// An answer of `node` was read, to a Produce or Fetch after `latency`.
    pub(crate) fn answered(&self, node: i32, latency: Option<Duration>, now: Instant) {
        let mut state = self.state.lock();
        for traffic in state.traffic(node, self.windows, now) {
            traffic.answers.record(1.0, now);
        }
        if let Some(latency) = latency {
            let latency = latency.as_secs_f64() * 1e3;
            let State { client, nodes } = &mut *state;
            client.latency.record(latency, now);
            nodes.entry(node).and_modify(|node| node.latency.record(latency, now));
        }
    }

    /// For how long an answer asks to send nothing more, if for any time.
    pub(crate) fn throttled(&self, throttle: Duration, now: Instant) {
        self.state.lock().client.throttle.record(throttle.as_secs_f64() * 1e3, now);
    }

    /// Metadata came.
    pub(crate) fn metadata_came(&self, now: Instant) {
        self.state.lock().client.metadata_at = Some(now);
    }
}

impl Metrics {
    /// Adds how many there are: the last thing to be read.
    pub(crate) fn counted(mut self, now: Instant) -> Self {
        let count = self.len() + COUNT.len();
        self.read(COUNT_GROUP, &[], COUNT, &count, now);
        self
    }
}

impl State {
    /// Those of the whole client, and those of one broker.
    fn traffic(&mut self, node: i32, windows: Windows, now: Instant) -> [&mut Traffic; 2] {
        if !self.nodes.contains_key(&node) {
            self.forget_idle(now);
        }
        let node = self.nodes.entry(node).or_insert_with(|| Node::new(windows, now));
        node.used = now;
        [&mut self.client.traffic, &mut node.traffic]
    }

    /// Brokers come and go, and each id that came up is not to be kept for ever.
    fn forget_idle(&mut self, now: Instant) {
        self.nodes.retain(|_, node| !is_over(node.used, now));
    }
}

impl Client {
    fn new(windows: Windows) -> Self {
        let sensor = || Sensor::new(windows);
        Self {
            created: sensor(),
            closed: sensor(),
            io: sensor(),
            traffic: Traffic::new(windows),
            latency: sensor(),
            throttle: sensor(),
            in_flight: 0,
            metadata_at: None,
        }
    }

    pub(super) fn metadata_age(&self, now: Instant) -> f64 {
        self.metadata_at.map_or(f64::NAN, |at| now.saturating_duration_since(at).as_secs_f64())
    }
}

impl Node {
    fn new(windows: Windows, now: Instant) -> Self {
        Self { traffic: Traffic::new(windows), latency: Sensor::new(windows), used: now }
    }
}

impl Traffic {
    fn new(windows: Windows) -> Self {
        Self { outgoing: Sensor::new(windows), incoming: Sensor::new(windows), answers: Sensor::new(windows) }
    }
}
