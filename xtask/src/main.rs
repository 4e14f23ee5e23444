//! Every chore of the project behind one command: `cargo xtask --help`.

mod bench;
mod chaos;
mod command;
mod deny;
mod fuzz;
mod kafka;
mod packages;
mod protocol;
mod simulate;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "Every chore of the project behind one command.", max_term_width = 100)]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measures: the benchmarks of all packages, or of one.
    Bench(bench::Bench),
    /// Lets brokers and programs die at random for some minutes, and counts what is left.
    #[command(subcommand)]
    Chaos(chaos::Chaos),
    /// Checks licences and dependencies, as .deny.toml has them.
    Deny(deny::Deny),
    /// Feeds hostile bytes to everything that reads from the network.
    Fuzz(fuzz::Fuzz),
    /// Runs Apache Kafka on this machine: start it, break it, inspect it.
    #[command(subcommand)]
    Kafka(kafka::Kafka),
    /// Writes the messages of client/wire from Kafka's own definitions.
    Protocol(protocol::Protocol),
    /// Runs histories of a whole cluster and its clients, each from one seed, in which everything goes wrong.
    Simulate(simulate::Simulate),
    /// Runs everything that has to hold.
    Test(test::Test),
}

fn main() -> ExitCode {
    let done = match Xtask::parse().chore {
        Chore::Bench(bench) => bench::run(&bench),
        Chore::Chaos(chaos) => chaos::run(&chaos),
        Chore::Deny(deny) => deny::run(&deny),
        Chore::Fuzz(fuzz) => fuzz::run(&fuzz),
        Chore::Kafka(kafka) => kafka::run(kafka),
        Chore::Protocol(protocol) => protocol::run(&protocol),
        Chore::Simulate(simulate) => simulate::run(&simulate),
        Chore::Test(test) => test::run(&test),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
