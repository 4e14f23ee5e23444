//! `cargo xtask bench`: what criterion measures.

use anyhow::{Result, ensure};
use clap::Args;

use crate::command::{cargo, run as run_command};
use crate::packages::Workspace;

#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// A package; all that have benchmarks if left out.
    #[arg(long, short)]
    package: Option<String>,
    /// A part of the names of the benchmarks to run.
    filter: Option<String>,
}

/// Runs the benchmarks.
///
/// # Errors
/// If there are none, or one fails.
pub(crate) fn run(bench: &Bench) -> Result<()> {
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
