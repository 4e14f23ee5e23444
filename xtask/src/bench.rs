//! `cargo xtask bench`: what criterion measures; `cargo xtask bench peers`: other clients beside ours.

mod peers;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::command::{cargo, run as run_command};
use crate::packages::Workspace;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    /// A package; all that have benchmarks if left out.
    #[arg(long, short)]
    package: Option<String>,
    /// A part of the names of the benchmarks to run.
    filter: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Runs the same produce job through Ottla and other clients, in turn, and prints what each took.
    Peers(peers::Peers),
}

/// Runs the benchmarks.
///
/// # Errors
/// If there are none, or one fails.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    if let Some(Other::Peers(peers)) = &bench.other {
        return peers::run(peers);
    }
    let workspace = Workspace::read()?;
    let mut benchmarks = workspace.benchmarks();
    benchmarks.retain(|(package, _)| bench.package.as_deref().is_none_or(|only| only == *package));
    ensure!(!benchmarks.is_empty(), "no package has benchmarks");
    for (package, names) in benchmarks {
        let mut command = cargo(&["bench", "--package", package]);
        command.args(names.into_iter().flat_map(|name| ["--bench", name]));
        if let Some(filter) = &bench.filter {
            command.args(["--", filter]);
        }
        run_command(command, |_| {})?;
    }
    Ok(())
}
