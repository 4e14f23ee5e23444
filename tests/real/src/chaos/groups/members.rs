//! A place in the group: processes that join, leave, are killed or paused, one after another.
#![expect(clippy::disallowed_methods, reason = "driver: waits for random times")]

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use rustix::process::Signal;

use super::verdict::Time;
use super::{SESSION, Scene, now};
use crate::chaos::guest::Guest;

/// Time to commit and leave.
const LEAVE: Duration = Duration::from_secs(30);

/// Whose client a member is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    Java,
    Ottla,
}

/// The processes of one place, and what became of them.
pub(super) struct Place<'a> {
    scene: Scene<'a>,
    client: Client,
    name: String,
    current: Option<(Guest, Time)>,
    pub(super) story: Story,
}

/// What became of processes.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) joined: usize,
    pub(super) left: usize,
    pub(super) killed: usize,
    pub(super) paused: usize,
    /// Ended by themselves, or did not leave when they should.
    pub(super) gave_up: Vec<String>,
    /// Name and file of each.
    pub(super) files: Vec<(String, PathBuf)>,
    /// When one ran, and was not paused.
    pub(super) lives: Vec<(Time, Time)>,
    /// When one was killed or paused, which the group has to find out.
    pub(super) silenced: Vec<Time>,
}

impl<'a> Place<'a> {
    pub(super) fn new(scene: Scene<'a>, client: Client, number: usize) -> Self {
        let name = format!("{client:?}-{number}").to_lowercase();
        Self { scene, client, name, current: None, story: Story::default() }
    }

    /// Lets members come and go until `end`; one runs then.
    pub(super) fn live_until(&mut self, end: Instant, mut random: Rng) -> Result<()> {
        loop {
            self.join()?;
            // Some go while they join.
            let is_short = random.u8(0..5) == 0;
            sleep(Duration::from_millis(if is_short { random.u64(50..1_500) } else { random.u64(3_000..18_000) }));
            self.scene.wait_out_rest(end);
            if Instant::now() >= end {
                return Ok(());
            }
            match random.u8(0..3) {
                0 => self.leave()?,
                1 => self.kill()?,
                _ => {
                    self.pause(SESSION + Duration::from_millis(random.u64(500..5_000)))?;
                    // It finds that the group went on without it.
                    sleep(Duration::from_millis(random.u64(3_000..10_000)));
                    if Instant::now() >= end {
                        return Ok(());
                    }
                    if random.bool() { self.leave()? } else { self.kill()? }
                }
            }
            sleep(Duration::from_millis(random.u64(0..4_000)));
        }
    }

    /// Lets the last one leave.
    pub(super) fn leave(&mut self) -> Result<()> {
        let Some((mut member, since)) = self.current.take() else { return Ok(()) };
        self.tell(&member, "is to leave");
        drop(member.input());
        match member.wait(LEAVE) {
            Ok(status) if status.success() => self.story.left += 1,
            Ok(status) => self.gave_up(&member, &format!("{status}"))?,
            Err(_) => self.gave_up(&member, "does not leave")?,
        }
        self.story.lives.push((since, now()));
        Ok(())
    }

    fn join(&mut self) -> Result<()> {
        let Scene { cluster, topic, group, settings, .. } = self.scene;
        self.story.joined += 1;
        let name = format!("{}-{}", self.name, self.story.joined);
        let file = cluster.folder.join(format!("{name}-read"));
        // It is there even if the process does not come to make it.
        fs::write(&file, "")?;
        let path = file.to_str().context("a path in UTF-8")?;
        let bootstrap = cluster.bootstrap();
        let mut arguments = vec![&*bootstrap, topic, group, path];
        arguments.extend(settings.iter().map(String::as_str));
        let member = match self.client {
            Client::Ottla => {
                arguments.insert(0, "read");
                arguments.extend(self.scene.commits_first.then_some("--commit-first"));
                Guest::start(cluster, &name, self.scene.program, &arguments)?
            }
            Client::Java => {
                let mut java = cluster.java(concat!(env!("CARGO_MANIFEST_DIR"), "/src/chaos/groups/Member.java"))?;
                java.args(arguments);
                Guest::run(cluster, &name, java)?
            }
        };
        self.tell(&member, "joins");
        self.story.files.push((name, file));
        self.current = Some((member, now()));
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        let Some((mut member, since)) = self.current.take() else { return Ok(()) };
        self.has_ended(&mut member)?;
        member.kill()?;
        self.tell(&member, "killed");
        self.story.killed += 1;
        self.end_life(since);
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> Result<()> {
        let Some((mut member, since)) = self.current.take() else { return Ok(()) };
        if !self.has_ended(&mut member)? {
            member.signal(Signal::STOP)?;
            self.end_life(since);
            self.tell(&member, &format!("paused for {time:?}"));
            sleep(time);
            member.signal(Signal::CONT)?;
            self.tell(&member, "goes on");
            self.story.paused += 1;
        }
        self.current = Some((member, now()));
        Ok(())
    }

    fn end_life(&mut self, since: Time) {
        self.story.lives.push((since, now()));
        self.story.silenced.push(now());
    }

    /// Notes it if the process ended by itself.
    fn has_ended(&mut self, member: &mut Guest) -> Result<bool> {
        let Some(status) = member.ended()? else { return Ok(false) };
        self.gave_up(member, &format!("ended: {status}"))?;
        Ok(true)
    }

    fn gave_up(&mut self, member: &Guest, why: &str) -> Result<()> {
        let complaints = member.complaints()?;
        let last: Vec<_> = complaints.lines().rev().take(5).collect();
        let why = format!("{} {why}: {}", member.name, last.join(" / "));
        self.scene.events.tell(&why);
        self.story.gave_up.push(why);
        Ok(())
    }

    fn tell(&self, member: &Guest, what: &str) {
        self.scene.events.tell(&format!("{} {what}", member.name));
    }
}

impl Story {
    pub(super) fn add(&mut self, other: Self) {
        self.joined += other.joined;
        self.left += other.left;
        self.killed += other.killed;
        self.paused += other.paused;
        self.gave_up.extend(other.gave_up);
        self.files.extend(other.files);
        self.lives.extend(other.lives);
        self.silenced.extend(other.silenced);
    }

    /// What each process wrote down.
    pub(super) fn readers(&self) -> Result<Vec<(String, String)>> {
        let read = |(name, file): &(String, PathBuf)| Ok((name.clone(), fs::read_to_string(file)?));
        self.files.iter().map(read).collect()
    }
}
