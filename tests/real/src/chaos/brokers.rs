//! Brokers that die and come back, never more than one at a time.
#![expect(clippy::disallowed_methods, reason = "driver: waits for random times")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;

use super::Events;
use crate::cluster::Cluster;

/// Kills and restarts brokers until `end`, and returns how many it killed. All of them run then, and are in sync.
pub(super) fn kill(cluster: &Cluster, events: &Events, ids: &[String], end: Instant, mut random: Rng) -> Result<usize> {
    let brokers: Vec<_> = cluster.brokers().collect();
    let mut killed = 0;
    loop {
        sleep(Duration::from_millis(random.u64(500..5_000)));
        if Instant::now() >= end {
            return Ok(killed);
        }
        // What coordinates is hit more often than chance would have it.
        let (victim, what) = if random.bool() {
            let id = random.choice(ids).context("a transactional id")?;
            (cluster.transaction_coordinator(id)?, "the coordinator")
        } else {
            (random.choice(&brokers).copied().context("a broker")?, "a broker")
        };
        cluster.kill(victim)?;
        killed += 1;
        events.tell(&format!("broker {victim} killed, {what}"));
        sleep(Duration::from_millis(random.u64(100..8_000)));
        cluster.restart(victim)?;
        cluster.wait_until_in_sync()?;
        events.tell(&format!("broker {victim} in sync"));
    }
}
