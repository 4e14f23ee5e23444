//! One history, or many on all cores.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use ottla_broker::simulation::{History, Schedule, World};

use crate::check;
use crate::evidence::Evidence;
use crate::ledger::Ledger;
use crate::stage::Stage;
use crate::watchdog;
use crate::workload::{Plan, Workload};

/// The first history in which a planted defect breaks this rule.
#[cfg(feature = "planted-bugs")]
pub fn first_breach(
    workload: Workload,
    bug: ottla::planted::Bug,
    rule: check::Rule,
    seeds: std::ops::Range<u64>,
) -> Option<History> {
    ottla::planted::plant(Some(bug));
    let breach = format!("{rule:?}: ");
    let breaks = |history: &History| history.failure.as_ref().is_some_and(|failure| failure.contains(&breach));
    let failing = seeds.map(|seed| history(workload, seed)).find(breaks);
    ottla::planted::plant(None);
    failing
}

/// Runs the history of a seed, as it is drawn.
pub fn history(workload: Workload, seed: u64) -> History {
    let plan = workload.plan(seed);
    with_schedule(workload, &plan, seed, &plan.simulation.schedule(seed))
}

/// The history of a failing seed, with only those things going wrong that it takes.
pub fn shrink(workload: Workload, failing: &History) -> History {
    let plan = workload.plan(failing.seed);
    plan.simulation.shrink(failing, |world| scenario(workload, plan.topics.clone(), world))
}

/// Runs histories on `threads` threads, and tells each of its outcome, in no order; stops at the first that fails.
pub fn many(
    runs: &[(Workload, u64)],
    threads: usize,
    tell: impl Fn(Workload, &History) + Sync,
) -> Option<(Workload, History)> {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.lock().unwrap().is_none() {
                    let at = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let Some(&(workload, seed)) = runs.get(at) else { return };
                    let history = history(workload, seed);
                    tell(workload, &history);
                    if history.failure.is_some() {
                        failed.lock().unwrap().get_or_insert((workload, history));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

fn with_schedule(workload: Workload, plan: &Plan, seed: u64, schedule: &Schedule) -> History {
    plan.simulation.run(seed, schedule, |world| scenario(workload, plan.topics.clone(), world))
}

thread_local! {
    /// The first panic of the history that this thread runs, in whatever task it was.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes panics: the runtime keeps those of tasks from whoever doesn't ask.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANIC.with_borrow_mut(|first| _ = first.get_or_insert_with(|| panic.to_string()));
            before(panic);
        }));
    });
    PANIC.take();
}

async fn scenario(workload: Workload, topics: Vec<(String, u16)>, world: World) -> Result<(), String> {
    note_panics();
    let _watched = watchdog::watch(workload, world.seed());
    let ledger = Ledger::default();
    workload.run(Stage::new(world.clone(), ledger.clone())).await;
    if let Some(panic) = PANIC.take() {
        return Err(panic);
    }
    let violations = check::check(&Evidence::gather(&world, &ledger, &topics));
    if violations.is_empty() {
        return Ok(());
    }
    Err(violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
