//! `cargo xtask chaos`: what is promised of a client, while everything around it dies.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use real::CopyChaos;

#[derive(Debug, Subcommand)]
pub(crate) enum Chaos {
    /// Copies a topic by the example transactional_copy, which is killed again and again, as brokers are; then Java and
    /// ottla must read each record once.
    Copy(Copy),
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

/// Runs the chore.
///
/// # Errors
/// If a record is missing or there more than once, or a copy gave up or stood still.
pub(crate) fn run(chaos: &Chaos) -> Result<()> {
    let Chaos::Copy(copy) = chaos;
    real::need_kafka()?;
    let seed = copy.seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("seed {seed}");
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
