//! A cluster where nothing goes wrong, and one call that is dropped.

use std::cell::Cell;
use std::time::Duration;

use ottla::net::MemoryConnector;
use ottla::{Metrics, Process};
use ottla_broker::simulation::{Schedule, Simulation, World};
use ottla_broker::{Broker, Telemetry};
use simulation::cancel::dropped_at;
use tokio::time::timeout;

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: i32 = 3;

/// What no call takes where nothing goes wrong.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Drops of one call, more than any call has await points, or takes milliseconds.
const MOST: u32 = 400;

#[derive(Clone, Copy, Debug)]
enum Drops {
    /// At one of its await points.
    AtPoint(usize),
    /// Once it has taken so long: what it has going in the background is further each time.
    After(Duration),
}

/// One cluster, one process, one call to drop.
pub(crate) struct Scene {
    world: World,
    process: Process,
    drops: Drops,
    ended: Cell<bool>,
}

impl Scene {
    pub(crate) fn broker(&self) -> &Broker {
        self.world.broker()
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Waits for what is to become so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        soon(what, self.broker().until(|_| is_so(&self.world))).await;
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.world.bootstrap()
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The call that this is about: its output if it was not dropped.
    pub(crate) async fn dropped<F: Future>(&self, call: F) -> Option<F::Output> {
        let output = match self.drops {
            Drops::AtPoint(point) => dropped_at(point, call).await,
            Drops::After(time) => timeout(time, call).await.ok(),
        };
        self.ended.set(output.is_some());
        output
    }
}

/// Runs a scenario, which drops one call, again and again: with the call dropped at its first await point, its second,
/// and so on until it comes to its end; then the same with times.
pub(crate) fn anywhere(scenario: impl AsyncFn(&Scene)) {
    for drops in [|nth| Drops::AtPoint(nth as usize), |nth| Drops::After(time(nth))] {
        let ended = (0..MOST).find(|nth| once(&scenario, drops(*nth)));
        assert!(ended.is_some(), "the call never ends");
    }
}

/// Each millisecond at first, then longer and longer steps.
fn time(nth: u32) -> Duration {
    let (first, later) = (nth.min(30), nth.saturating_sub(30));
    Duration::from_millis(u64::from(first)).mul_f64(1.1_f64.powi(later.cast_signed()))
}

/// True if the call came to its end.
fn once(scenario: &impl AsyncFn(&Scene), drops: Drops) -> bool {
    let simulation = Simulation::new()
        .topic(TOPIC, PARTITIONS as u16)
        .broker(|builder| builder.telemetry(Telemetry::new(["org.apache.kafka."])));
    let mut has_ended = None;
    let history = simulation.run(7, &Schedule::default(), async |world| {
        let network = world.network().clone();
        let connector = MemoryConnector::new(move |host, port| network.connect("one", host, port));
        let process = Process::new(7, connector);
        let scene = Scene { world, process, drops, ended: Cell::new(false) };
        scenario(&scene).await;
        has_ended = Some(scene.ended.get());
        Ok::<(), String>(())
    });
    if let Some(failure) = history.failure {
        panic!("dropped {drops:?}: {failure}\n{}", history.trace);
    }
    has_ended.unwrap()
}

/// Waits for what is not to take long.
pub(crate) async fn soon<F: Future>(what: &str, call: F) -> F::Output {
    timeout(SOON, call).await.unwrap_or_else(|_| panic!("{what} does not end"))
}

pub(crate) fn number(metrics: &Metrics, group: &str, name: &str) -> f64 {
    metrics.find(group, name, &[]).unwrap_or_else(|| panic!("no metric {name}")).as_f64()
}
