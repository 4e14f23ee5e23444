//! Every chore of the project behind one command: `cargo xtask --help`.

mod kafka;
mod protocol;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Every chore of the project behind one command.", max_term_width = 100)]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs Apache Kafka on this machine: start it, break it, inspect it.
    #[command(subcommand)]
    Kafka(kafka::Kafka),
    /// Writes the messages of client/wire from Kafka's own definitions.
    Protocol(protocol::Protocol),
}

fn main() -> ExitCode {
    let done = match Xtask::parse().chore {
        Chore::Kafka(kafka) => kafka::run(kafka),
        Chore::Protocol(protocol) => protocol::run(&protocol),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
