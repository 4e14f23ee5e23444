//! `cargo xtask simulate`: thousands of histories of a cluster and its clients, each from one seed.

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, run as run_command};

/// Optimized, and with all assertions.
pub(crate) const PROFILE: [&str; 4] = ["--profile", "simulation", "--package", "simulation"];

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// Histories in all, shared out over the workloads. [default: 1000]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed. [default: 0]
    #[arg(long)]
    from: Option<u64>,
    /// Only this workload: `produce` and so on; one that isn't there says which ones are.
    #[arg(long)]
    workload: Option<String>,
    /// Only the history of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints everything that happened in it.
    #[arg(long, requires = "seed")]
    trace: bool,
}

/// Runs the chore.
///
/// # Errors
/// If a history fails: what it prints says why, what it takes, and how to run it again.
pub(crate) fn run(simulate: &Simulate) -> Result<()> {
    let mut command = cargo(&["run", "--quiet"]);
    command.args(PROFILE).arg("--");
    for (name, value) in [("--seeds", simulate.seeds), ("--from", simulate.from), ("--seed", simulate.seed)] {
        command.args(value.iter().flat_map(|value| [name.to_owned(), value.to_string()]));
    }
    command.args(simulate.workload.iter().flat_map(|workload| ["--workload", workload]));
    command.args(simulate.trace.then_some("--trace"));
    run_command(command, |_| {})
}
