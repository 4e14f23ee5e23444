//! Ends the process when a history never ends: on a paused clock, a loop that waits for nothing waits for ever.
#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::workload::Workload;

/// The longest that a history may take, in real time: many times what any takes.
const LIMIT: Duration = Duration::from_secs(60);

struct Running {
    last: u64,
    histories: BTreeMap<u64, (Workload, u64, Instant)>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { last: 0, histories: BTreeMap::new() });

/// A history that is watched until this is dropped.
#[derive(Debug)]
pub(crate) struct Watched(u64);

/// Watches a history from now on.
pub(crate) fn watch(workload: Workload, seed: u64) -> Watched {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(std::thread::spawn(look)));
    let mut running = RUNNING.lock();
    running.last += 1;
    let number = running.last;
    running.histories.insert(number, (workload, seed, Instant::now()));
    Watched(number)
}

impl Drop for Watched {
    fn drop(&mut self) {
        RUNNING.lock().histories.remove(&self.0);
    }
}

fn look() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let overdue = RUNNING.lock().histories.values().find(|(.., since)| since.elapsed() > LIMIT).copied();
        if let Some((workload, seed, _)) = overdue {
            // Its thread cannot be stopped.
            eprintln!("workload {workload:?}, seed {seed} has not ended after {LIMIT:?}: something in it never waits");
            std::process::abort();
        }
    }
}
