//! `cargo xtask test`: everything that has to hold, in one command.
//!
//! ```text
//! parts.rs   what runs       suites.rs   how many tests of which suite ran
//! ```
//!
//! Every part runs even where one before it failed. What a part needs and the machine lacks is installed where that is
//! possible. Where it is not, the part fails if `CI` is `true`; elsewhere it is left out, and the summary says so loudly.
#![expect(clippy::disallowed_methods, reason = "driver: tells how long each part took")]

mod parts;
pub(crate) mod suites;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::packages::Workspace;
use parts::{Part, Settings, Verdict};

#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Runs these parts alone.
    #[arg(long, value_name = "PARTS", value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Version of Apache Kafka for the flows against it.
    #[arg(long, value_name = "VERSION", default_value = real::VERSION)]
    kafka: String,
    /// How long each fuzz target runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    fuzz_seconds: u32,
}

/// A part, how it ended and how long it took.
struct Outcome {
    part: Part,
    verdict: Verdict,
    took: Duration,
}

/// Runs the parts, and prints a summary.
///
/// # Errors
/// If a part failed, or is left out where nothing may be.
pub(crate) fn run(test: &Test) -> Result<()> {
    let workspace = Workspace::read()?;
    let settings = Settings { kafka: test.kafka.clone(), fuzz_seconds: test.fuzz_seconds };
    let parts = Part::ALL.into_iter().filter(|part| test.only.is_empty() || test.only.contains(part));
    let strict = env::var("CI").is_ok_and(|value| value == "true");
    let mut outcomes = Vec::new();
    for part in parts {
        println!("\n=== {}", part.name());
        let begin = Instant::now();
        let mut verdict = part.run(&workspace, &settings);
        if let Verdict::Missing(what) = &verdict
            && strict
        {
            verdict = Verdict::Failed { why: what.clone(), suites: vec![] };
        }
        let outcome = Outcome { part, verdict, took: begin.elapsed() };
        println!("=== {}", outcome.line());
        outcomes.push(outcome);
    }
    summarize(&outcomes)
}

fn summarize(outcomes: &[Outcome]) -> Result<()> {
    println!("\n=== summary");
    let (mut passed, mut failed) = (0, 0);
    for outcome in outcomes {
        println!("{}", outcome.line());
        let suites = match &outcome.verdict {
            Verdict::Passed(suites) | Verdict::Failed { suites, .. } => suites.as_slice(),
            Verdict::Missing(_) => &[],
        };
        for suite in suites {
            println!("    {:<44} {:>5} passed, {} failed", suite.name, suite.passed, suite.failed);
        }
        passed += suites.iter().map(|suite| suite.passed).sum::<usize>();
        let failed_tests: usize = suites.iter().map(|suite| suite.failed).sum();
        // A part that fails without a failing test counts as one.
        failed += if matches!(outcome.verdict, Verdict::Failed { .. }) { failed_tests.max(1) } else { 0 };
    }
    let left_out = outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Missing(_))).count();
    if left_out > 0 {
        println!("!!! {left_out} of {} parts did NOT run on this machine; see above what they need", outcomes.len());
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}

impl Outcome {
    fn line(&self) -> String {
        let (word, why) = match &self.verdict {
            Verdict::Passed(_) => ("ok", ""),
            Verdict::Failed { why, .. } => ("FAILED", why.as_str()),
            Verdict::Missing(what) => ("!!! NOT RUN", what.as_str()),
        };
        format!("{:<10} {word:<12} {:>7.1} s  {why}", self.part.name(), self.took.as_secs_f32()).trim_end().to_owned()
    }
}
