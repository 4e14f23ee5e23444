//! One copy: a process that is killed, or left behind as a zombie, and started again.
#![expect(clippy::disallowed_methods, reason = "driver: waits for random times")]

use std::fmt;
use std::path::Path;
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use rustix::process::Signal;

use super::guest::Guest;
use super::{Events, PATIENCE};
use crate::cluster::Cluster;
use crate::wait::until;

/// What those are told whose place another has taken. The last is the answer of KIP-890 to the commit of a transaction that
/// the successor's start has just aborted.
const FENCED: [&str; 3] = ["PRODUCER_FENCED", "FENCED_INSTANCE_ID", "INVALID_TXN_STATE"];

/// How every copy is started.
#[derive(Clone, Copy)]
pub(super) struct Copier<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) events: &'a Events,
    pub(super) example: &'a Path,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) group: &'a str,
    pub(super) transaction_size: &'a str,
}

/// The processes of one transactional id, one after another.
pub(super) struct Lives<'a> {
    copier: Copier<'a>,
    id: &'a str,
    started: usize,
    /// Stood still while their successors started.
    zombies: Vec<Guest>,
    copies: Copies,
}

/// What became of the processes.
#[derive(Debug, Default)]
pub(super) struct Copies {
    killed: usize,
    /// Were paused, and fenced by their successors.
    fenced: usize,
    /// Came to the end, as the last ones are to.
    ended: usize,
    /// Transactions that failed in a process that lived on.
    again: usize,
    /// What those said that failed otherwise.
    pub(super) gave_up: Vec<String>,
}

impl<'a> Lives<'a> {
    pub(super) fn of(copier: Copier<'a>, id: &'a str) -> Self {
        Self { copier, id, started: 0, zombies: Vec::new(), copies: Copies::default() }
    }

    /// Starts, kills and starts it again until `end`.
    pub(super) fn live_until(&mut self, end: Instant, mut random: Rng) -> Result<()> {
        while Instant::now() < end {
            // Some die while they start.
            let is_short = random.u8(0..5) == 0;
            let life = Duration::from_millis(if is_short { random.u64(10..600) } else { random.u64(600..9_000) });
            let mut copy = self.start(&[])?;
            match until("its end", life, || copy.ended()) {
                Ok(status) => self.judge(&copy, status)?,
                Err(_) if random.u8(0..6) == 0 => {
                    copy.signal(Signal::STOP)?;
                    self.tell(&copy, &format!("paused after {life:?}"));
                    self.zombies.push(copy);
                    continue;
                }
                Err(_) => {
                    copy.kill()?;
                    self.copies.killed += 1;
                    self.copies.again += again(&copy)?;
                    self.tell(&copy, &format!("killed after {life:?}"));
                }
            }
            // It finds that another has taken its place.
            self.zombies.iter().try_for_each(|zombie| zombie.signal(Signal::CONT))?;
            if random.bool() {
                sleep(Duration::from_millis(random.u64(1..1_000)));
            }
        }
        Ok(())
    }

    /// Starts it once more, lets it come to the end, and returns what became of all.
    pub(super) fn come_to_the_end(mut self, limit: Duration) -> Result<Copies> {
        self.zombies.iter().try_for_each(|zombie| zombie.signal(Signal::CONT))?;
        let deadline = Instant::now() + limit;
        loop {
            let fenced = self.copies.fenced;
            let mut copy = self.start(&["--exit-at-end"])?;
            match copy.wait(deadline.saturating_duration_since(Instant::now())) {
                Ok(status) => self.judge(&copy, status)?,
                Err(error) => self.gave_up(&copy, &format!("the last run: {error}: {}", copy.complaints()?)),
            }
            // A zombie that was paused before it joined has only just taken this one's place.
            if self.copies.fenced == fenced {
                break;
            }
        }
        for mut zombie in std::mem::take(&mut self.zombies) {
            match zombie.wait(PATIENCE) {
                Ok(status) => self.judge(&zombie, status)?,
                Err(_) => self.gave_up(&zombie, &format!("a zombie goes on: {}", zombie.complaints()?)),
            }
        }
        Ok(self.copies)
    }

    fn start(&mut self, options: &[&str]) -> Result<Guest> {
        let Copier { cluster, example, from, to, group, transaction_size, .. } = self.copier;
        let bootstrap = cluster.bootstrap();
        let arguments = ["-b", &bootstrap, "--from", from, "--to", to, "--group", group];
        let transactions = ["--transactional-id", self.id, "--transaction-size", transaction_size];
        self.started += 1;
        let name = format!("{}-{}", self.id, self.started);
        Guest::start(cluster, &name, example, &[&arguments[..], &transactions, options].concat()).context("the copy")
    }

    /// Notes how one ended by itself.
    fn judge(&mut self, copy: &Guest, status: ExitStatus) -> Result<()> {
        let complaints = copy.complaints()?;
        self.copies.again += again(copy)?;
        if status.success() {
            self.copies.ended += 1;
        } else if self.started > 1 && FENCED.iter().any(|code| complaints.contains(code)) {
            self.copies.fenced += 1;
            self.tell(copy, &format!("fenced: {}", complaints.lines().last().unwrap_or_default()));
        } else {
            self.gave_up(copy, &format!("{status}: {complaints}"));
        }
        Ok(())
    }

    fn gave_up(&mut self, copy: &Guest, why: &str) {
        self.tell(copy, &format!("gave up: {why}"));
        self.copies.gave_up.push(why.to_owned());
    }

    fn tell(&self, copy: &Guest, what: &str) {
        self.copier.events.tell(&format!("{} {what}", copy.name));
    }
}

fn again(copy: &Guest) -> Result<usize> {
    Ok(copy.complaints()?.lines().filter(|line| line.starts_with("again: ")).count())
}

impl Copies {
    pub(super) fn add(&mut self, other: Self) {
        self.killed += other.killed;
        self.fenced += other.fenced;
        self.ended += other.ended;
        self.again += other.again;
        self.gave_up.extend(other.gave_up);
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, fenced, ended, again, gave_up } = self;
        let gave_up_count = gave_up.len();
        writeln!(
            f,
            "copies killed: {killed}; paused, and fenced: {fenced}; come to their end: {ended}; given up: {gave_up_count}"
        )?;
        for why in gave_up {
            writeln!(f, "  gave up: {}", why.trim_end())?;
        }
        write!(f, "transactions that failed in a copy that lived on: {again}")
    }
}
