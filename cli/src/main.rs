//! The program `ottla`: Kafka from the command line.
//!
//! One file or folder per command. The protocol is the client's; here are arguments, files, terminals and signals.

mod args;
mod broker;
mod consume;
mod failure;
mod groups;
mod output;
mod produce;
mod progress;
mod properties;
mod settings;
mod stop;
mod topics;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tracing::Level;

use args::{Cli, Command};
use failure::Failure;
use settings::Settings;
use stop::Stop;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    log(cli.global.verbose);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let stop = Stop::listen()?;
    let settings = Settings::gather(&global)?;
    let json = global.json;
    match command {
        Command::Broker(broker) => {
            settings.refuse("broker")?;
            // Many clients at once: their requests are checked on all cores.
            on(Builder::new_multi_thread(), broker::run(broker, stop, json))
        }
        Command::Consume(consume) => on(Builder::new_current_thread(), consume::run(consume, &settings, stop, json)),
        Command::Groups(groups) => on(Builder::new_current_thread(), groups::run(groups, &settings, json)),
        Command::Produce(produce) => on(Builder::new_current_thread(), produce::run(produce, &settings, stop, json)),
        Command::Topics(topics) => on(Builder::new_current_thread(), topics::run(topics, &settings, json)),
    }
}

/// Runs a command to its end; what it left running ends with it.
fn on(mut builder: Builder, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime: Runtime =
        builder.enable_all().build().map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}

/// Warnings and errors go to stderr, and more of it with each `-v`.
fn log(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let format = tracing_subscriber::fmt().with_max_level(level).with_target(verbose > 1);
    let format = format.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if verbose == 0 {
        format.without_time().with_writer(progress::beside).init();
    } else {
        format.with_writer(progress::beside).init();
    }
}
