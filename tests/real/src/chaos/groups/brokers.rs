//! Brokers that die, stand still and come back, one at a time, and leaders that move.
#![expect(clippy::disallowed_methods, reason = "driver: waits for random times")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;

use super::verdict::Time;
use super::{Scene, now};

/// What was done to the brokers, and when one was in trouble.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) killed: usize,
    pub(super) paused: usize,
    pub(super) moved: usize,
    pub(super) times: Vec<(Time, Time)>,
}

/// Breaks one thing after the other until `end`. All brokers run then, and are in sync.
pub(super) fn break_until(scene: Scene<'_>, end: Instant, mut random: Rng) -> Result<Faults> {
    let Scene { cluster, events, topic, group, partitions, .. } = scene;
    let brokers: Vec<_> = cluster.brokers().collect();
    let mut faults = Faults::default();
    loop {
        sleep(Duration::from_millis(random.u64(2_000..10_000)));
        scene.wait_out_rest(end);
        if Instant::now() >= end {
            return Ok(faults);
        }
        // What coordinates is hit more often than chance would have it.
        let (victim, what) = if random.bool() {
            (cluster.group_coordinator(group)?, "the coordinator")
        } else {
            (random.choice(&brokers).copied().context("a broker")?, "a broker")
        };
        let from = now();
        match random.u8(0..4) {
            0 => {
                let partition = random.i32(0..partitions.into());
                cluster.move_leader(topic, partition, victim)?;
                faults.moved += 1;
                events.tell(&format!("leader of {partition} moved to broker {victim}"));
            }
            1 => {
                cluster.pause(victim)?;
                faults.paused += 1;
                events.tell(&format!("broker {victim} paused, {what}"));
                sleep(Duration::from_millis(random.u64(500..12_000)));
                cluster.resume(victim)?;
            }
            _ => {
                cluster.kill(victim)?;
                faults.killed += 1;
                events.tell(&format!("broker {victim} killed, {what}"));
                sleep(Duration::from_millis(random.u64(100..8_000)));
                cluster.restart(victim)?;
            }
        }
        cluster.wait_until_in_sync()?;
        faults.times.push((from, now()));
        events.tell("all brokers in sync");
    }
}
