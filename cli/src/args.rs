//! What the command line may say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{broker, consume, groups, produce, topics};

/// Kafka from the command line.
///
/// Settings are Kafka's own properties. Of several sources the most specific wins: the options of a command, then -b,
/// then -X, then --config.
///
/// Exit code: 0, 1 if something failed, 2 if it was asked for wrongly.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Brokers to ask first; the others are learnt from them.
    #[arg(short = 'b', long = "bootstrap", global = true, value_name = "HOST:PORT[,…]")]
    pub(crate) bootstrap: Option<String>,

    /// Sets a property of the client, such as `request.timeout.ms=5000`. Unknown ones are refused.
    #[arg(short = 'X', long = "property", global = true, value_name = "PROPERTY=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,

    /// Reads properties from a Java properties file. Those of other kinds of clients are skipped.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Logs to stderr what the client does; twice or thrice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Broker(broker::Args),
    Consume(Box<consume::Args>),
    Groups(groups::Args),
    Produce(Box<produce::Args>),
    Topics(topics::Args),
}

/// Reads `key=value`.
pub(crate) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("it is not `property=value`".to_owned()),
    }
}
