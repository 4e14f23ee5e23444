//! `cargo xtask chaos`: what is promised of a client, while everything around it dies.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use real::{CopyChaos, GroupChaos, GroupProtocol};

#[derive(Debug, Subcommand)]
pub(crate) enum Chaos {
    /// Copies a topic by the example transactional_copy, which is killed again and again, as brokers are; then Java and
    /// ottla must read each record once.
    Copy(Copy),
    /// Reads a topic by a group of ottla's and Java's consumers, which join, leave, are killed and paused, as brokers are; then
    /// every record must have been read, in order, and again only where a commit was lost.
    Groups(Groups),
}

#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// How long things die.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Number of records, written while things die.
    #[arg(long, default_value_t = 200_000)]
    records: usize,
    /// Where chance begins; another each time if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of copies that share the work.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=6))]
    copies: u8,
    /// Version of Apache Kafka.
    #[arg(long, value_name = "VERSION", default_value = real::VERSION)]
    kafka: String,
}

#[derive(Args, Debug)]
pub(crate) struct Groups {
    /// How long things die.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Where chance begins; another each time if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// How members speak to their coordinator.
    #[arg(long, default_value = "classic", value_parser = ["classic", "consumer"])]
    protocol: String,
    /// How the partitions are shared out, in the classic protocol; `default` leaves the list as it is in both clients.
    #[arg(
        long,
        default_value = "cooperative-sticky",
        value_parser = ["default", "range", "roundrobin", "sticky", "cooperative-sticky"]
    )]
    assignor: String,
    /// Lets ottla's members commit what they have not written down yet: the run must fail.
    #[arg(long)]
    broken: bool,
    /// Version of Apache Kafka.
    #[arg(long, value_name = "VERSION", default_value = real::VERSION)]
    kafka: String,
}

/// Runs the chore.
///
/// # Errors
/// If what was promised was not kept.
pub(crate) fn run(chaos: &Chaos) -> Result<()> {
    real::need_kafka()?;
    match chaos {
        Chaos::Copy(copy) => run_copy(copy),
        Chaos::Groups(groups) => run_groups(groups),
    }
}

fn seed(given: Option<u64>) -> u64 {
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("seed {seed}");
    seed
}

fn run_groups(groups: &Groups) -> Result<()> {
    let mut chaos = GroupChaos::seeded(seed(groups.seed))
        .duration(Duration::from_secs(groups.seconds))
        .protocol(if groups.protocol == "classic" { GroupProtocol::Classic } else { GroupProtocol::Consumer })
        .assignor(&groups.assignor)
        .version(&groups.kafka)
        .optimized()
        .told();
    if groups.broken {
        chaos = chaos.commits_first();
    }
    let report = chaos.run()?;
    println!("{report}");
    if !report.is_good() {
        bail!("a record was missed, or read again without a reason, or too late");
    }
    Ok(())
}

fn run_copy(copy: &Copy) -> Result<()> {
    let seed = seed(copy.seed);
    let report = CopyChaos::seeded(seed)
        .duration(Duration::from_secs(copy.seconds))
        .records(copy.records)
        .copies(copy.copies.into())
        .version(&copy.kafka)
        .optimized()
        .told()
        .run()?;
    println!("{report}");
    if !report.is_good() {
        bail!("not each record exactly once, or not in time");
    }
    Ok(())
}
