//! Runs histories and says which seeds fail: `cargo xtask simulate --help`.
#![expect(clippy::disallowed_methods, reason = "says how long it took")]

use std::process::ExitCode;

use clap::Parser;
use simulation::run;
use simulation::workload::Workload;

#[derive(Debug, Parser)]
struct Arguments {
    /// Histories in all, shared out over the workloads.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Only this workload.
    #[arg(long)]
    workload: Option<Workload>,
    /// Only the history of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints everything that happened in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Runs each history twice, and compares.
    #[arg(long)]
    twice: bool,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen = arguments.workload.as_ref().map(std::slice::from_ref);
    let workloads = chosen.unwrap_or(Workload::all());
    let each = arguments.seeds.div_ceil(workloads.len() as u64);
    let seeds = arguments.seed.map_or(arguments.from..arguments.from + each, |seed| seed..seed + 1);
    let runs: Vec<(Workload, u64)> =
        seeds.flat_map(|seed| workloads.iter().map(move |workload| (*workload, seed))).collect();
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let began = std::time::Instant::now();
    let failed = run::many(&runs, threads, |workload, history| {
        if arguments.twice {
            let again = run::history(workload, history.seed);
            let mut lines =
                history.trace.lines().iter().zip(again.trace.lines()).skip_while(|(first, second)| first == second);
            if let Some((first, second)) = lines.next() {
                println!("workload {workload:?}, seed {} is not repeatable: {first:?} or {second:?}", history.seed);
            }
        }
        if arguments.trace {
            println!("{}", history.trace);
        }
    });
    match failed {
        None => {
            println!("{} histories pass, in {:.1} s", runs.len(), began.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Some((workload, history)) => {
            let least = run::shrink(workload, &history);
            println!("workload {workload:?}, {least}");
            println!("again: cargo xtask simulate --workload {workload:?} --seed {} --trace", history.seed);
            ExitCode::FAILURE
        }
    }
}
