//! The records to copy: numbers, written while everything dies.
#![expect(clippy::disallowed_methods, reason = "driver: writes at a steady rate")]

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::REST;
use super::guest::Guest;

/// Feeds `records` numbers, a line each, to a program that sends lines; steadily from `begin` on for `duration`.
pub(super) fn write(mut program: Guest, records: usize, begin: Instant, duration: Duration) -> Result<()> {
    let mut input = program.input().context("its input")?;
    let mut written = 0;
    while written < records {
        let share = begin.elapsed().as_secs_f64() / duration.as_secs_f64();
        let due = (records as f64 * share.min(1.0)) as usize;
        let lines: String = (written..due).map(|number| format!("{number}\n")).collect();
        input.write_all(lines.as_bytes()).with_context(|| program.complaints().unwrap_or_default())?;
        written = due;
        sleep(Duration::from_millis(20));
    }
    drop(input);
    let status = program.wait(REST)?;
    ensure!(status.success(), "{status}: {}", program.complaints()?);
    Ok(())
}
