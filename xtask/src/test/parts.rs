//! What `cargo xtask test` runs, part by part.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::suites::{Suite, Suites};
use crate::command::{cargo, run, succeeds, workspace};
use crate::fuzz;
use crate::packages::{FEATURES, Workspace};
use crate::simulate::PROFILE;

/// A part of the tests, in the order in which they run: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// rustfmt has nothing to change.
    Fmt,
    /// The generated messages are what Kafka's definitions say.
    Protocol,
    /// Clippy and the compiler have nothing to say.
    Lint,
    /// Unit tests, and the flows against the embedded broker.
    Unit,
    /// The examples in the documentation.
    Doctest,
    /// The documentation has no broken link.
    Doc,
    /// Histories of a whole cluster and its clients, each from one seed.
    Simulation,
    /// The flows against Apache Kafka on three brokers.
    Real,
    /// Some seconds of hostile bytes for each fuzz target.
    Fuzz,
}

/// How a part ended.
pub(crate) enum Verdict {
    Passed(Vec<Suite>),
    Failed {
        why: String,
        suites: Vec<Suite>,
    },
    /// What it needs is missing, and cannot be installed.
    Missing(String),
}

/// How the parts are to run.
pub(crate) struct Settings {
    /// Version of Kafka for the flows.
    pub(crate) kafka: String,
    /// Seconds for each fuzz target.
    pub(crate) fuzz_seconds: u32,
}

impl Part {
    pub(crate) const ALL: [Self; 9] = [
        Self::Fmt,
        Self::Protocol,
        Self::Lint,
        Self::Unit,
        Self::Doctest,
        Self::Doc,
        Self::Simulation,
        Self::Real,
        Self::Fuzz,
    ];

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn run(self, workspace: &Workspace, settings: &Settings) -> Verdict {
        if let Err(missing) = self.need() {
            return Verdict::Missing(format!("{missing:#}"));
        }
        match self {
            Self::Fmt => plain(cargo(&["fmt", "--all", "--check"])),
            Self::Protocol => plain(protocol_check()),
            Self::Lint => {
                let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
                command.args(FEATURES).args(["--", "-D", "warnings"]);
                plain(command)
            }
            Self::Unit => {
                let mut command = cargo(&["test", "--no-fail-fast", "--lib", "--bins", "--examples"]);
                command.args(workspace.selection());
                command.args(workspace.integration_tests().into_iter().flat_map(|name| ["--test", name]));
                tests(command)
            }
            Self::Doctest => {
                let mut command = cargo(&["test", "--no-fail-fast", "--doc"]);
                command.args(workspace.selection());
                tests(command)
            }
            Self::Doc => {
                let mut command = cargo(&["doc", "--workspace", "--no-deps", "--lib"]);
                command.env("RUSTDOCFLAGS", "-D warnings");
                plain(command)
            }
            Self::Simulation => {
                let mut command = cargo(&["test", "--no-fail-fast", "--lib", "--tests"]);
                command.args(PROFILE).args(["--features", "planted-bugs"]);
                tests(command)
            }
            Self::Real => {
                let mut command = cargo(&["test", "--no-fail-fast", "--test", "kafka"]);
                command.args(workspace.selection()).env(real::VERSION_VARIABLE, &settings.kafka);
                tests(command)
            }
            Self::Fuzz => match fuzz::all(settings.fuzz_seconds, None) {
                Ok(suites) => Verdict::Passed(suites),
                Err(error) => Verdict::Failed { why: format!("{error:#}"), suites: vec![] },
            },
        }
    }

    /// Installs what this part needs, where that is possible.
    fn need(self) -> Result<()> {
        match self {
            Self::Fmt => component("fmt", "rustfmt"),
            Self::Lint => component("clippy", "clippy"),
            Self::Protocol | Self::Real => real::need_kafka(),
            Self::Unit | Self::Doctest | Self::Doc | Self::Simulation | Self::Fuzz => Ok(()),
        }
    }
}

/// A command that passes or fails as a whole.
fn plain(command: Command) -> Verdict {
    match run(command, |_| {}) {
        Ok(()) => Verdict::Passed(vec![]),
        Err(error) => Verdict::Failed { why: format!("{error:#}"), suites: vec![] },
    }
}

/// A `cargo test`, whose suites are counted.
fn tests(command: Command) -> Verdict {
    let mut suites = Suites::default();
    let ran = run(command, |line| suites.read(line));
    match (ran, suites.checked()) {
        (Ok(()), Ok(suites)) => Verdict::Passed(suites),
        (Ok(()), Err(why)) => Verdict::Failed { why, suites: vec![] },
        (Err(error), suites) => Verdict::Failed { why: format!("{error:#}"), suites: suites.unwrap_or_default() },
    }
}

fn protocol_check() -> Command {
    let mut command = Command::new(env::current_exe().unwrap_or_else(|_| "xtask".into()));
    command.args(["protocol", "--check"]);
    command
}

/// A part of the toolchain that a minimal installation leaves out.
fn component(subcommand: &str, name: &str) -> Result<()> {
    if succeeds(cargo(&[subcommand, "--version"])) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", name]).current_dir(workspace());
    run(add, |_| {}).with_context(|| format!("{name} is missing: rustup component add {name}"))
}
