//! `cargo xtask fuzz`: hostile bytes for everything that reads from the network.
//!
//! With a nightly compiler the fuzz targets run under cargo-fuzz, which learns from what each input covers. Without one
//! the same targets run in a test, on changed golden bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::command::{cargo, run as run_command, succeeds, workspace};
use crate::test::suites::{Suite, Suites};

/// Where the targets are.
const FOLDER: &str = "client/wire/fuzz";

#[derive(Args, Debug)]
pub(crate) struct Fuzz {
    /// How long each target runs; without a nightly compiler, how many times more inputs there are than in the tests.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// A target; all of them if left out.
    target: Option<String>,
}

/// Runs the chore.
///
/// # Errors
/// If a target found something: the input that does it is then in `artifacts/`, and what it prints says how to run it again.
pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    all(fuzz.seconds, fuzz.target.as_deref())?;
    Ok(())
}

/// Runs every target, or one, and returns how many ran.
///
/// # Errors
/// As [`run`].
pub(crate) fn all(seconds: u32, only: Option<&str>) -> Result<Vec<Suite>> {
    if !succeeds(cargo(&["+nightly", "--version"])) {
        println!("no nightly compiler (rustup toolchain install nightly): the targets run on changed golden bytes");
        return on_stable(seconds);
    }
    if !succeeds(cargo(&["fuzz", "--version"])) {
        let install = ["install", "--locked", "cargo-fuzz"];
        run_command(cargo(&install), |_| {}).context("cargo-fuzz is missing: cargo install --locked cargo-fuzz")?;
    }
    let targets = targets()?;
    ensure!(only.is_none_or(|only| targets.iter().any(|target| target == only)), "the targets are {targets:?}");
    let mut found = Vec::new();
    let targets: Vec<_> = targets.into_iter().filter(|target| only.is_none_or(|only| only == target)).collect();
    for target in &targets {
        if let Err(error) = run_command(under_cargo_fuzz(target, seconds)?, |_| {}) {
            found.push(format!("{error:#}"));
        }
    }
    if !found.is_empty() {
        bail!(found.join("\n"));
    }
    Ok(vec![Suite { name: "fuzz targets".to_owned(), only_tests: true, passed: targets.len(), failed: 0 }])
}

fn on_stable(rounds: u32) -> Result<Vec<Suite>> {
    let mut command = cargo(&["test", "--package", "ottla-wire", "--test", "hostile"]);
    command.env("HOSTILE_ROUNDS", rounds.to_string());
    let mut suites = Suites::default();
    run_command(command, |line| suites.read(line))?;
    suites.checked().map_err(anyhow::Error::msg)
}

fn under_cargo_fuzz(target: &str, seconds: u32) -> Result<Command> {
    // What earlier runs found worth keeping.
    let corpus = format!("{FOLDER}/corpus/{target}");
    fs::create_dir_all(Path::new(workspace()).join(&corpus))?;
    let mut command = cargo(&["+nightly", "fuzz", "run", "--fuzz-dir", FOLDER, target, &corpus]);
    let golden = format!("tests/vectors/{target}");
    if Path::new(workspace()).join(&golden).is_dir() {
        command.arg(golden);
    }
    command.args(["--", "-timeout=10", "-print_final_stats=1"]).arg(format!("-max_total_time={seconds}"));
    Ok(command)
}

/// The names of the files in `fuzz_targets/`.
fn targets() -> Result<Vec<String>> {
    let folder = Path::new(workspace()).join(FOLDER).join("fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    ensure!(!targets.is_empty(), "there is no fuzz target in {}", folder.display());
    targets.sort();
    Ok(targets)
}
