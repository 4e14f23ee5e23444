//! `cargo xtask kafka`: a cluster that stays until `down`.
#![expect(clippy::disallowed_methods, reason = "driver: tells how long a start took")]

use std::os::unix::process::CommandExt;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use real::{Cluster, ClusterOptions, Listener, State};

#[derive(Debug, Subcommand)]
pub(crate) enum Kafka {
    /// Starts a cluster on free ports of 127.0.0.1 and prints where it is. There is one at a time.
    Up(Up),
    /// Kills every broker and removes their data.
    Down,
    /// Kills a broker as a power cut would.
    Kill { broker: u16 },
    /// Ends a broker in an orderly way.
    Stop { broker: u16 },
    /// Makes a broker stand still: it keeps its connections and answers nothing.
    Pause { broker: u16 },
    /// Lets a paused broker go on.
    Resume { broker: u16 },
    /// Ends a broker if it runs, and starts it on its old ports and data.
    Restart { broker: u16 },
    /// Prints how every broker is, and where.
    Status,
    /// Runs a class of Kafka's jars, such as org.apache.kafka.tools.TopicCommand.
    #[command(disable_help_flag = true)]
    Tool {
        class: String,
        /// Handed on; {bootstrap} stands for the cluster's plaintext addresses.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Number of brokers, each of them a controller too.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    brokers: u16,
    /// Version of Apache Kafka.
    #[arg(long, default_value = real::VERSION)]
    version: String,
    /// A listener beside the plaintext one: tls, mtls, sasl_plain, scram, oauth or sasl_tls.
    #[arg(long = "listener", value_name = "LISTENER", value_parser = listener)]
    listeners: Vec<Listener>,
    /// A property of every broker.
    #[arg(long = "prop", value_name = "KEY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    /// Heap of each broker.
    #[arg(long, value_name = "MIB", default_value_t = 320)]
    heap: u32,
}

pub(crate) fn run(kafka: Kafka) -> Result<()> {
    match kafka {
        Kafka::Up(up) => start(&up),
        Kafka::Down => attach()?.down(),
        Kafka::Kill { broker } => attach()?.kill(broker),
        Kafka::Stop { broker } => attach()?.stop(broker),
        Kafka::Pause { broker } => attach()?.pause(broker),
        Kafka::Resume { broker } => attach()?.resume(broker),
        Kafka::Restart { broker } => attach()?.restart(broker),
        Kafka::Status => status(),
        Kafka::Tool { class, arguments } => tool(&class, arguments),
    }
}

fn start(up: &Up) -> Result<()> {
    let mut options = ClusterOptions::default().brokers(up.brokers).version(&up.version).heap_mib(up.heap);
    for listener in &up.listeners {
        options = options.listener(*listener);
    }
    for (key, value) in &up.properties {
        options = options.property(key, value);
    }
    let begin = Instant::now();
    let cluster = Cluster::up(&options)?;
    eprintln!("{} brokers of Kafka {} in {:.1} s", up.brokers, up.version, begin.elapsed().as_secs_f32());
    print_listeners(&cluster);
    Ok(())
}

fn status() -> Result<()> {
    let cluster = attach()?;
    for status in cluster.status()? {
        let state = match status.state {
            State::Dead => "dead",
            State::Paused => "paused",
            State::Running => "running",
        };
        print!("broker {}  {state:<7}", status.broker);
        if let (Some(pid), Some(resident)) = (status.pid, status.resident_mib) {
            print!("  pid {pid}  {resident} MiB");
        }
        println!("  {}", status.log.display());
    }
    print_listeners(&cluster);
    Ok(())
}

/// Takes this process's place, so that input, output, interrupts and the exit code are the tool's.
fn tool(class: &str, arguments: Vec<String>) -> Result<()> {
    let cluster = attach()?;
    let bootstrap = cluster.bootstrap();
    let arguments = arguments.into_iter().map(|argument| argument.replace("{bootstrap}", &bootstrap));
    Err(cluster.java(class)?.args(arguments).exec()).context("start sh")
}

fn attach() -> Result<Cluster> {
    Cluster::attach().context("start one with `cargo xtask kafka up`")
}

/// A line per listener: its addresses, and a Java properties file for the user alice.
fn print_listeners(cluster: &Cluster) {
    for listener in Listener::ALL {
        if let (Some(addresses), Ok(file)) = (cluster.bootstrap_of(listener), cluster.client_properties(listener)) {
            println!("{:<10} {addresses}  {}", listener.name(), file.display());
        }
    }
}

fn listener(name: &str) -> Result<Listener, String> {
    Listener::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Listener::ALL.iter().map(|listener| listener.name()).collect();
        format!("one of {}", names.join(", "))
    })
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
