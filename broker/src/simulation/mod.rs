//! Whole histories of a cluster and its clients, repeatable from a seed. Needs the feature `simulation`.
//!
//! A [`Simulation`] says what there is (nodes, topics, groups, processes) and for how long things go wrong. Each seed is one
//! history of it: nodes stop and hang, leaders and coordinators move, connections break before and after the deed,
//! answers are late, lost, damaged or errors, processes stand still and die. All of it runs in one thread on Tokio's paused clock:
//! a minute of trouble takes milliseconds, and the same seed brings the same history, request by request.
//!
//! The code under test is a function of a [`World`]; it connects through [`World::network`] and returns an error when
//! something isn't as it should be. [`Simulation::check`] runs it with many seeds; one that fails is run again with
//! fewer and fewer faults, until only those are left that it takes.
//!
//! ```
//! use ottla_broker::simulation::Simulation;
//!
//! let simulation = Simulation::new().topic("orders", 3).processes(["shop"]);
//! simulation.check(0..20, async |world| {
//!     // The client under test would connect through `world.network()`.
//!     world.faults_over().await;
//!     let log = world.broker().log("orders", 0);
//!     if log.is_empty() { Ok(()) } else { Err(format!("{} records from nowhere", log.len())) }
//! });
//! ```
//!
//! Nothing in the code under test may depend on real time, on threads, or on chance other than [`World::random`].

mod fault;
mod menu;
mod network;
mod pipe;
mod schedule;
mod shrink;
mod trace;
mod world;

use std::any::Any;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

pub use self::fault::Fault;
use self::menu::Menu;
pub use self::network::Network;
pub use self::schedule::{Event, Schedule};
pub use self::trace::Trace;
pub use self::world::{Loss, ProcessFault, Start, World};
use crate::{ApiKey, Broker, Builder};

/// What a history consists of, apart from its seed.
#[derive(Clone, Debug)]
pub struct Simulation {
    menu: Menu,
    builder: Builder,
    faults: usize,
    faulty: Duration,
    limit: Duration,
}

/// What became of one history.
#[derive(Clone, Debug)]
pub struct History {
    /// Its seed.
    pub seed: u64,
    /// What went wrong in it.
    pub schedule: Schedule,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What happened.
    pub trace: Trace,
}

/// Histories that a failing one is run again as, at most, to find what it takes.
const SHRINKING: usize = 200;

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulation {
    /// Three nodes, each with a copy of everything, and nothing else. Up to 12 faults in 20 s, 10 minutes at most.
    pub fn new() -> Self {
        Self {
            menu: Menu::new(3),
            builder: Broker::builder().nodes(3).replication_factor(3).in_memory_only().requests_kept(usize::MAX),
            faults: 12,
            faulty: Duration::from_secs(20),
            limit: Duration::from_secs(600),
        }
    }

    /// So many nodes.
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.menu.nodes = i32::from(nodes);
        self.builder = self.builder.nodes(nodes).replication_factor(nodes);
        self
    }

    /// A topic; its leaders move.
    pub fn topic(mut self, name: impl Into<String>, partitions: u16) -> Self {
        let name = name.into();
        self.menu.topics.push((name.clone(), i32::from(partitions)));
        self.builder = self.builder.topic(name, partitions);
        self
    }

    /// Groups whose coordinators move.
    pub fn groups<G: Into<String>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        self.menu.groups.extend(groups.into_iter().map(Into::into));
        self
    }

    /// Transactional ids whose coordinators move.
    pub fn transactional_ids<T: Into<String>>(mut self, ids: impl IntoIterator<Item = T>) -> Self {
        self.menu.transactional_ids.extend(ids.into_iter().map(Into::into));
        self
    }

    /// The names under which processes will [live](World::live), so that faults can befall them.
    pub fn processes<P: Into<String>>(mut self, processes: impl IntoIterator<Item = P>) -> Self {
        self.menu.processes.extend(processes.into_iter().map(Into::into));
        self
    }

    /// Processes are paused, but not killed.
    pub fn without_kills(mut self) -> Self {
        self.menu.kills = false;
        self
    }

    /// The requests that meet trouble of their own; by default those that clients of the topics, groups and transactional ids
    /// make.
    pub fn apis(mut self, apis: impl IntoIterator<Item = ApiKey>) -> Self {
        self.menu.apis.extend(apis);
        self
    }

    /// The cluster itself may lose records: by leaders that lacked them, and with topics that are created anew. What was lost is in
    /// [`World::losses`].
    pub fn loses_records(mut self) -> Self {
        self.menu.loses_records = true;
        self
    }

    /// At most so many faults, all over after this time.
    pub fn faults(mut self, most: usize, time: Duration) -> Self {
        self.faults = most;
        self.faulty = time;
        self
    }

    /// A history that takes longer than this, in simulated time, has failed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Changes how the cluster is made.
    pub fn broker(mut self, change: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// What goes wrong in the history of a seed.
    pub fn schedule(&self, seed: u64) -> Schedule {
        Schedule::draw(&self.menu, self.faults, self.faulty, &mut fastrand::Rng::with_seed(seed))
    }

    /// Runs the history of a seed, with this going wrong. It fails where the scenario returns an error, panics, or does not end.
    pub fn run<S, F, E>(&self, seed: u64, schedule: &Schedule, scenario: S) -> History
    where
        S: FnOnce(World) -> F,
        F: Future<Output = Result<(), E>>,
        E: ToString,
    {
        let mut history = History { seed, schedule: schedule.clone(), failure: None, trace: Trace::default() };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build() {
            Ok(runtime) => runtime,
            Err(error) => {
                history.failure = Some(format!("no runtime: {error}"));
                return history;
            }
        };
        let mut known = None;
        let run = async {
            let broker = self.builder.clone().seed(seed).started_at_ms(BEGINNING_MS).await;
            let world = World::new(seed, broker);
            known = Some(world.clone());
            let faults = tokio::runtime::Handle::current().spawn(world.clone().suffer(schedule.clone(), self.faulty));
            let ended = tokio::time::timeout(self.limit, scenario(world)).await;
            faults.abort();
            ended
        };
        history.failure = match std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))) {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) => Some(format!("it has not ended after {:?}", self.limit)),
            Err(panic) => Some(format!("panicked: {}", message(&*panic))),
        };
        if let Some(world) = known {
            history.trace = world.trace();
            world.forget_processes();
        }
        // Tasks end where they are: what they would still have done is no part of the history.
        drop(runtime);
        history
    }

    /// Runs the histories of these seeds, and panics at the first that fails: with its seed, why it failed, and the least
    /// that must go wrong for it.
    ///
    /// # Panics
    /// If one fails.
    pub fn check<S, F, E>(&self, seeds: Range<u64>, scenario: S)
    where
        S: Fn(World) -> F,
        F: Future<Output = Result<(), E>>,
        E: ToString,
    {
        for seed in seeds {
            let history = self.run(seed, &self.schedule(seed), &scenario);
            if history.failure.is_some() {
                let least = self.shrink(&history, &scenario);
                panic!("{least}");
            }
        }
    }

    /// The same failing history, with only those things going wrong that it takes to fail.
    pub fn shrink<S, F, E>(&self, history: &History, scenario: S) -> History
    where
        S: Fn(World) -> F,
        F: Future<Output = Result<(), E>>,
        E: ToString,
    {
        let mut least = history.clone();
        shrink::shrink(&history.schedule, SHRINKING, |schedule| {
            let again = self.run(history.seed, schedule, &scenario);
            let fails = again.failure.is_some();
            if fails {
                least = again;
            }
            fails
        });
        least
    }
}

/// 2026-01-01, in milliseconds since 1970: where simulated wall clocks begin.
const BEGINNING_MS: i64 = 1_767_225_600_000;

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

impl std::fmt::Display for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.failure {
            Some(failure) => writeln!(f, "seed {} fails: {failure}", self.seed)?,
            None => writeln!(f, "seed {} passes", self.seed)?,
        }
        writeln!(f, "what goes wrong:\n{}", self.schedule)
    }
}
