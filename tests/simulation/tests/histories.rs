//! 64 histories of each workload, and that a seed says all that happens in one.

use simulation::run;
use simulation::workload::Workload;

/// Histories of each workload.
const SEEDS: u64 = 64;

#[test]
fn every_rule_holds_in_every_history() {
    let runs: Vec<(Workload, u64)> =
        (0..SEEDS).flat_map(|seed| Workload::all().iter().map(move |workload| (*workload, seed))).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some((workload, history)) = run::many(&runs, threads, |_, _| {}) {
        panic!("workload {workload:?}, {}", run::shrink(workload, &history));
    }
}

#[test]
fn one_seed_run_twice_gives_one_trace() {
    for workload in Workload::all() {
        for seed in 0..4 {
            let (first, second) = (run::history(*workload, seed).trace, run::history(*workload, seed).trace);
            let differs = first.lines().iter().zip(second.lines()).find(|(first, second)| first != second);
            assert_eq!(differs, None, "workload {workload:?}, seed {seed}");
            assert_eq!(first.hash(), second.hash(), "workload {workload:?}, seed {seed}");
            assert!(first.lines().len() > 100, "workload {workload:?}, seed {seed}: {first}");
        }
    }
}
