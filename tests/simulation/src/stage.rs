//! What a workload runs on: the world, processes that die and start again, and the ledger.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ottla::Process;
use ottla::net::MemoryConnector;
use ottla_broker::simulation::{ProcessFault, World};
use parking_lot::Mutex;

use crate::ledger::{Entry, Ledger, Operation};

/// What all processes of a history share.
#[derive(Clone, Debug)]
pub struct Stage {
    world: World,
    ledger: Ledger,
    next_id: Arc<Mutex<u64>>,
}

/// One life of a process.
#[derive(Clone)]
pub struct Life {
    stage: Stage,
    process: Process,
    name: Arc<str>,
    /// 1 for the first life under its name.
    number: u32,
}

impl Stage {
    /// A stage in a new world.
    pub fn new(world: World, ledger: Ledger) -> Self {
        Self { world, ledger, next_id: Arc::default() }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What was done so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A number that no other record has; greater than all before it.
    pub fn new_id(&self) -> u64 {
        let mut next = self.next_id.lock();
        *next += 1;
        *next
    }

    /// Writes what nobody did, and all can see, into the ledger and the trace.
    pub fn saw(&self, operation: Operation) {
        self.did(&"cluster".into(), operation);
    }

    fn did(&self, by: &Arc<str>, operation: Operation) {
        let entry = Entry { at: self.world.now(), by: by.clone(), operation };
        self.world.note(entry.to_string());
        self.ledger.write(entry);
    }

    /// Runs `main` in a process of this name, again whenever it was killed and may start again, until it comes to its end.
    pub async fn live<F>(&self, name: &str, main: impl Fn(Life) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let live = self.world.live(name, |start| {
            let number = start.life;
            let by: Arc<str> = format!("{name}#{number}").into();
            let (stage, connects, seed) = (self.clone(), by.clone(), start.seed);
            let connector = MemoryConnector::new(move |host, port| {
                stage.did(&connects, Operation::Connected { to: format!("{host}:{port}") });
                start.connect(host, port)
            });
            let process = Process::new(seed, connector);
            let life = Life { stage: self.clone(), process: process.clone(), name: by, number };
            (life.clone().befall(), process.spawn(main(life)))
        });
        live.await;
    }
}

impl Life {
    /// The stage it is on.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The process, to build clients with.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its name, with the number of this life.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 1 for the first life under its name.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A draw from the history's generator.
    pub fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        self.stage.world.random(draw)
    }

    /// Runs another task in the process; it ends with it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.process.spawn(task)
    }

    /// Writes into the ledger, and into the trace.
    pub fn did(&self, operation: Operation) {
        self.stage.did(&self.name, operation);
    }

    /// Does something that must not take longer than this.
    pub async fn within<T>(&self, call: &str, within: Duration, does: impl Future<Output = T>) -> T {
        self.did(Operation::Begin { call: call.to_owned(), within });
        let result = does.await;
        self.did(Operation::End { call: call.to_owned() });
        result
    }

    /// Waits for something that needs nothing but a client that goes on, now that nothing goes wrong.
    /// Gives it up after twice that time.
    pub async fn awaits(&self, what: &str, within: Duration, comes: impl Future) {
        self.did(Operation::Awaits { what: what.to_owned(), within });
        if tokio::time::timeout(2 * within, comes).await.is_ok() {
            self.did(Operation::Came { what: what.to_owned() });
        }
    }

    /// What is done about faults of the process.
    fn befall(self) -> impl Fn(ProcessFault) + Send + Sync + 'static {
        let paused = Mutex::new(None);
        move |fault| match fault {
            ProcessFault::Kill => {
                self.process.kill();
                self.did(Operation::Died);
            }
            ProcessFault::Pause => {
                self.process.pause();
                paused.lock().get_or_insert(self.stage.world.now());
            }
            ProcessFault::Resume => {
                self.process.resume();
                if let Some(since) = paused.lock().take() {
                    self.did(Operation::StoodStill { time: self.stage.world.now() - since });
                }
            }
            ProcessFault::ShiftClock(milliseconds) => self.process.shift_clock(milliseconds),
            _ => {}
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
