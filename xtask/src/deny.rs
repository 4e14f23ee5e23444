//! `cargo xtask deny`: licences, banned and doubled dependencies, as `.deny.toml` has them.

use anyhow::{Context, Result};
use clap::Args;

use crate::command::{cargo, run as run_command, succeeds};

#[derive(Args, Debug)]
pub(crate) struct Deny {
    /// Looks for security advisories too; their list is fetched from the network.
    #[arg(long)]
    advisories: bool,
}

/// Checks the dependencies; installs cargo-deny if it is missing, which takes minutes.
///
/// # Errors
/// If a dependency is not what it may be.
pub(crate) fn run(deny: &Deny) -> Result<()> {
    if !succeeds(cargo(&["deny", "--version"])) {
        let install = ["install", "--locked", "cargo-deny"];
        run_command(cargo(&install), |_| {}).context("cargo-deny is missing: cargo install --locked cargo-deny")?;
    }
    let mut command = cargo(&["deny", "--workspace", "check", "bans", "licenses", "sources"]);
    if deny.advisories {
        command.arg("advisories");
    }
    run_command(command, |_| {})
}
