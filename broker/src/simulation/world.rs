//! A simulated cluster, its network and the processes that use it, while one history runs.
#![expect(clippy::disallowed_methods, reason = "driver: keeps the schedule by the clock")]

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fault::Fault;
use super::network::{BOOTSTRAP, Condition, Network, Way};
use super::schedule::{Event, Schedule};
use super::trace::Trace;
use crate::Broker;

/// What the code under test lives in; each history has one of its own. Handles are cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    seed: u64,
    broker: Broker,
    network: Network,
    began: Instant,
    state: Mutex<State>,
    /// The faults are over.
    over: Notify,
}

struct State {
    random: fastrand::Rng,
    processes: BTreeMap<String, Admitted>,
    trace: Trace,
    losses: Vec<Loss>,
    is_over: bool,
}

/// A process that faults can befall.
struct Admitted {
    befall: Arc<dyn Fn(ProcessFault) + Send + Sync>,
    is_alive: bool,
    /// Told when it may start again.
    again: Arc<Notify>,
}

/// What one life of a process starts with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Start {
    /// The name it was admitted under.
    pub process: String,
    /// 1 for its first life.
    pub life: u32,
    /// For all chance in it.
    pub seed: u64,
    network: Network,
}

/// What befalls a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProcessFault {
    /// Nothing in it is to run any more, and no destructor either. Its connections break by themselves.
    Kill,
    /// Nothing in it is to run before it is resumed.
    Pause,
    /// It runs on.
    Resume,
    /// Its wall clock jumps forward by so many milliseconds, or back.
    ShiftClock(i64),
}

/// Records that the cluster itself lost.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Loss {
    /// The topic.
    pub topic: String,
    /// The partition; None if all of the topic is lost.
    pub partition: Option<i32>,
    /// The first offset that is lost.
    pub from_offset: i64,
    /// When, since the start.
    pub at: Duration,
}

impl World {
    pub(super) fn new(seed: u64, broker: Broker) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let network = Network::new(broker.clone(), random.u64(..));
        let state =
            State { random, processes: BTreeMap::new(), trace: Trace::default(), losses: Vec::new(), is_over: false };
        Self(Arc::new(Shared {
            seed,
            broker,
            network,
            began: Instant::now(),
            state: Mutex::new(state),
            over: Notify::new(),
        }))
    }

    /// The seed of this history.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The cluster, to look at and to change.
    pub fn broker(&self) -> &Broker {
        &self.0.broker
    }

    /// What connects processes with it.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// For `bootstrap.servers`: a name, which leads to one node or another.
    pub fn bootstrap(&self) -> String {
        format!("{BOOTSTRAP}:9092")
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// A draw from this history's generator: the only chance the code under test may use.
    pub fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.lock().random)
    }

    /// Writes a line into the trace.
    pub fn note(&self, line: impl Into<String>) {
        let now = self.now();
        self.lock().trace.note(now, line.into());
    }

    /// Lets a process live, and again each time that it was killed and may start anew, until it comes to its end.
    ///
    /// `start` begins one life of it: it gives what is to be called when a fault befalls it, and the task that is its life.
    ///
    /// # Panics
    /// If the life does.
    pub async fn live<B, T>(&self, process: &str, start: impl Fn(Start) -> (B, JoinHandle<T>)) -> T
    where
        B: Fn(ProcessFault) + Send + Sync + 'static,
    {
        let mut life = 0;
        loop {
            life += 1;
            let (network, seed) = (self.network().clone(), self.random(|random| random.u64(..)));
            let (befall, mut task) = start(Start { process: process.to_owned(), life, seed, network });
            let again = Arc::new(Notify::new());
            let admitted = Admitted { befall: Arc::new(befall), is_alive: true, again: again.clone() };
            self.lock().processes.insert(process.to_owned(), admitted);
            tokio::select! {
                biased;
                ended = &mut task => match ended {
                    Ok(result) => return result,
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // Who aborts the task has killed it in a way of his own.
                    Err(_) => again.notified().await,
                },
                () = again.notified() => {}
            }
        }
    }

    /// Tells a living process of a fault; a killed one loses its connections.
    pub fn befall(&self, process: &str, fault: ProcessFault) {
        let befall = {
            let mut state = self.lock();
            let Some(admitted) = state.processes.get_mut(process).filter(|admitted| admitted.is_alive) else { return };
            admitted.is_alive = fault != ProcessFault::Kill;
            admitted.befall.clone()
        };
        // Not under the lock: it may well look at the world.
        befall(fault);
        if fault == ProcessFault::Kill {
            self.network().disconnect(process);
        }
    }

    /// Lets a killed process start again: where it is the scenario that kills, by [`befall`](Self::befall).
    pub fn revive(&self, process: &str) {
        let state = self.lock();
        if let Some(admitted) = state.processes.get(process).filter(|admitted| !admitted.is_alive) {
            admitted.again.notify_one();
        }
    }

    /// Waits until nothing goes wrong any more: all faults have ended, and what they broke is whole.
    pub async fn faults_over(&self) {
        let over = self.0.over.notified();
        tokio::pin!(over);
        // Before the look: an end after it is not missed.
        over.as_mut().enable();
        if self.is_faulty() {
            over.await;
        }
    }

    /// False once the faults are over.
    pub fn is_faulty(&self) -> bool {
        !self.lock().is_over
    }

    /// Which records the cluster itself lost, by unclean elections and topics created anew.
    pub fn losses(&self) -> Vec<Loss> {
        self.lock().losses.clone()
    }

    /// The trace so far, with all requests that nodes saw.
    pub fn trace(&self) -> Trace {
        let mut trace = self.lock().trace.clone();
        trace.merge(self.0.broker.requests().into_iter().map(|request| {
            let crate::Request { api, version, node, client_id, correlation_id, at } = request;
            (at, format!("node {node} has {api:?} v{version} #{correlation_id} of {client_id}"))
        }));
        trace
    }

    /// Lets go of what may well hold the world itself.
    pub(super) fn forget_processes(&self) {
        let processes = std::mem::take(&mut self.lock().processes);
        drop(processes);
    }

    /// Lets happen what the schedule says, and makes all whole at `end`.
    pub(super) async fn suffer(self, schedule: Schedule, end: Duration) {
        let mut steps: Vec<(Duration, bool, &Event)> = Vec::new();
        for event in &schedule.0 {
            steps.push((event.at, false, event));
            if event.fault.lasts() {
                steps.push((event.at + event.lasts, true, event));
            }
        }
        // What ends comes before what begins at the same time.
        steps.sort_by_key(|(at, is_end, _)| (*at, !*is_end));
        for (at, is_end, event) in steps {
            tokio::time::sleep_until(self.0.began + at).await;
            if is_end {
                self.note(format!("over: {}", event.fault));
                self.undo(&event.fault).await;
            } else {
                self.note(event.fault.to_string());
                self.apply(&event.fault).await;
            }
        }
        tokio::time::sleep_until(self.0.began + end).await;
        self.note("faults are over");
        self.heal().await;
        self.lock().is_over = true;
        self.0.over.notify_waiters();
    }

    async fn apply(&self, fault: &Fault) {
        let (broker, network) = (self.broker(), self.network());
        // A topic or node that isn't there can't go wrong: what the broker says of it is of no interest.
        match fault {
            Fault::Slow { node, by } => network.impose(Condition::Slow(*node, *by)),
            Fault::CutRequests { node } => network.impose(Condition::Cut(*node, Way::ToNode)),
            Fault::CutAnswers { node } => network.impose(Condition::Cut(*node, Way::ToProcess)),
            Fault::ResetBefore { node } => network.break_next(*node, Way::ToNode),
            Fault::ResetAfter { node } => network.break_next(*node, Way::ToProcess),
            Fault::Disconnect { node } => drop(broker.node(*node).disconnect_clients().await),
            Fault::Pause { node } => broker.node(*node).pause(),
            Fault::Stop { node } => broker.node(*node).stop().await,
            Fault::Repoint { node } => network.point_bootstrap_at(*node),
            Fault::MoveLeader { topic, partition, node } => drop(broker.move_leader(topic, *partition, *node)),
            Fault::ElectUnclean { topic, partition, node, records } => {
                let log = broker.log(topic, *partition);
                let offset = (log.end_offset() - records).max(log.start_offset());
                if broker.elect_unclean(topic, *partition, *node, offset).is_ok() {
                    self.lost(topic, Some(*partition), offset);
                }
            }
            Fault::MoveCoordinator { group, node } => drop(broker.move_coordinator(group, *node)),
            Fault::MoveTransactionCoordinator { id, node } => drop(broker.move_transaction_coordinator(id, *node)),
            Fault::Recreate { topic } => {
                if broker.recreate_topic(topic).is_ok() {
                    self.lost(topic, None, 0);
                }
            }
            Fault::Refuse { api, code, times } => broker.times(*times, *api, *code),
            Fault::LoseAnswer { api } => broker.drop_after(*api),
            Fault::Ignore { api } => broker.on(*api).ignore(),
            Fault::Damage { api } => broker.on(*api).damage(),
            Fault::Truncate { api } => broker.on(*api).truncate(),
            Fault::Hold { api } => broker.hold(*api),
            Fault::Throttle { api, by, times } => broker.on(*api).times(*times).throttle(*by),
            Fault::PauseProcess { process } => self.befall(process, ProcessFault::Pause),
            Fault::KillProcess { process } => self.befall(process, ProcessFault::Kill),
            Fault::ShiftClock { process, milliseconds } => {
                self.befall(process, ProcessFault::ShiftClock(*milliseconds));
            }
        }
    }

    async fn undo(&self, fault: &Fault) {
        let (broker, network) = (self.broker(), self.network());
        match fault {
            Fault::Slow { node, by } => network.lift(Condition::Slow(*node, *by)),
            Fault::CutRequests { node } => network.lift(Condition::Cut(*node, Way::ToNode)),
            Fault::CutAnswers { node } => network.lift(Condition::Cut(*node, Way::ToProcess)),
            Fault::Pause { node } => broker.node(*node).resume(),
            Fault::Stop { node } => drop(broker.node(*node).start().await),
            Fault::Hold { .. } => broker.release(),
            Fault::PauseProcess { process } => self.befall(process, ProcessFault::Resume),
            Fault::KillProcess { process } => self.revive(process),
            _ => {}
        }
    }

    /// Ends what has no end of its own, or another end than the schedule's.
    async fn heal(&self) {
        self.network().heal();
        self.broker().clear();
        let nodes = i32::try_from(self.broker().addresses().len()).unwrap_or(i32::MAX);
        for node in 0..nodes {
            self.broker().node(node).resume();
            // In memory, no port can be taken.
            let _ = self.broker().node(node).start().await;
        }
    }

    fn lost(&self, topic: &str, partition: Option<i32>, from_offset: i64) {
        let loss = Loss::of(topic, partition, from_offset, self.now());
        self.lock().losses.push(loss);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loss {
    /// One, as it is told.
    pub fn of(topic: impl Into<String>, partition: Option<i32>, from_offset: i64, at: Duration) -> Self {
        Self { topic: topic.into(), partition, from_offset, at }
    }
}

impl Start {
    /// Connects the process to `host:port`, through the network.
    ///
    /// # Errors
    /// As [`Network::connect`].
    pub fn connect(&self, host: &str, port: u16) -> io::Result<DuplexStream> {
        self.network.connect(&self.process, host, port)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.0.seed).field("now", &self.now()).finish_non_exhaustive()
    }
}
