//! A group of ottla's and Java's consumers on a cluster where everything dies: is each record read, in order, and again only
//! for a reason?
//!
//! ```text
//!  group_member write                    members.rs: join, leave, kill -9, pause past the session
//!  numbers per partition ─► topic ─────► group_member read, Member.java: write down, then commit
//!  and what was acknowledged             brokers.rs: kill -9, pause, move leaders     verdict.rs: what was promised
//! ```
//!
//! After the given time all is mended, and every record has to be read.
#![expect(clippy::disallowed_methods, reason = "driver: runs for a given time")]

mod brokers;
mod members;
mod verdict;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::guest::{self, Guest};
use super::{Events, REST, joined};
use crate::cluster::Cluster;
use crate::install::need;
use crate::options::ClusterOptions;
use crate::program::built;
use crate::release::VERSION;
use crate::sharing::unique;
use crate::wait::until;
use brokers::Faults;
use members::{Client, Place, Story};
use verdict::{Fair, Time, Verdict};

/// After this long without a heartbeat a member is dead.
const SESSION: Duration = Duration::from_secs(6);

const HEARTBEAT_MS: &str = "500";

/// The longest that nothing may be read, of the group or of one partition, in the time in which it could be. A member that died
/// while it joined is noticed a session after all others have joined: more than [`Fair`] leaves out.
const PATIENCE: Duration = Duration::from_secs(10);

/// At the end of each such cycle nothing dies for a while: what is stuck then has no excuse.
const CYCLE: Duration = Duration::from_secs(120);
const REST_OF_CYCLE: Duration = Duration::from_secs(30);

const PARTITIONS: u16 = 8;

const RECORDS_PER_SECOND: &str = "200";

/// What to do to a group, and for how long: by default 600 s, by `cooperative-sticky`, three places for ottla's members and
/// one for Java's.
#[derive(Clone, Debug)]
#[must_use]
pub struct GroupChaos {
    duration: Duration,
    seed: u64,
    assignor: String,
    protocol: GroupProtocol,
    version: String,
    commits_first: bool,
    is_optimized: bool,
    is_told: bool,
}

/// How members speak to their coordinator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupProtocol {
    /// JoinGroup and SyncGroup: a member assigns.
    Classic,
    /// That of KIP-848.
    Consumer,
}

/// What was done to a group, and what came of it.
#[derive(Debug)]
pub struct GroupReport {
    options: GroupChaos,
    faults: Faults,
    story: Story,
    verdict: Verdict,
    standstill: Standstill,
    complaints: Vec<String>,
    folder: PathBuf,
}

/// How long things stood, and the part of it that has no excuse.
#[derive(Debug)]
struct Standstill {
    /// All time without an excuse, in which this was measured.
    fair: Duration,
    nothing_read: Duration,
    record_waited: Duration,
    /// The record's partition, its whole wait, and when in the run it began.
    partition: i32,
    whole_wait: Duration,
    wait_began: Duration,
}

/// Where all of it happens.
#[derive(Clone, Copy)]
struct Scene<'a> {
    cluster: &'a Cluster,
    events: &'a Events,
    program: &'a Path,
    topic: &'a str,
    group: &'a str,
    partitions: u16,
    /// Of every member, as both clients read them.
    settings: &'a [String],
    commits_first: bool,
}

impl Scene<'_> {
    /// Does nothing for as long as nothing is to die, until `end` at most.
    fn wait_out_rest(&self, end: Instant) {
        let into_cycle = Duration::from_millis((self.events.begin.elapsed().as_millis() % CYCLE.as_millis()) as u64);
        if into_cycle >= CYCLE - REST_OF_CYCLE {
            thread::sleep((CYCLE - into_cycle).min(end.saturating_duration_since(Instant::now())));
        }
    }
}

impl GroupChaos {
    /// Random events that follow from this seed; when they meet what, does not.
    pub fn seeded(seed: u64) -> Self {
        Self {
            duration: Duration::from_secs(600),
            seed,
            assignor: "cooperative-sticky".to_owned(),
            protocol: GroupProtocol::Classic,
            version: VERSION.to_owned(),
            commits_first: false,
            is_optimized: false,
            is_told: false,
        }
    }

    /// How long things die.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// `range`, `roundrobin`, `sticky`, `cooperative-sticky`, or `default` for the list of both clients.
    pub fn assignor(mut self, name: &str) -> Self {
        name.clone_into(&mut self.assignor);
        self
    }

    /// By which protocol members speak to the coordinator; in [`GroupProtocol::Consumer`] the brokers assign.
    pub fn protocol(mut self, protocol: GroupProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Version of Apache Kafka.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Lets ottla's members commit before they write down, which loses records: to see that it is seen.
    pub fn commits_first(mut self) -> Self {
        self.commits_first = true;
        self
    }

    /// Builds the members as users do, with `--release`.
    pub fn optimized(mut self) -> Self {
        self.is_optimized = true;
        self
    }

    /// Prints each event.
    pub fn told(mut self) -> Self {
        self.is_told = true;
        self
    }

    /// Does it, on a cluster of three brokers of its own.
    ///
    /// # Errors
    /// If something else fails than what the report is about: a broker that does not start again, say.
    pub fn run(self) -> Result<GroupReport> {
        // Java runs a source file only where it has its compiler.
        need("javac", &["openjdk-17-jdk-headless"])?;
        let release: &[&str] = if self.is_optimized { &["--release"] } else { &[] };
        let path = if self.is_optimized { "release" } else { "debug" };
        let example = [&["--package", "real", "--example", "group_member"], release].concat();
        let example = built(&example, &format!("{path}/examples/group_member"))?;
        let mut options = ClusterOptions::default().version(&self.version);
        if self.protocol == GroupProtocol::Consumer {
            let session = SESSION.as_millis().to_string();
            options = options
                .property("group.consumer.min.session.timeout.ms", &session)
                .property("group.consumer.session.timeout.ms", &session)
                .property("group.consumer.min.heartbeat.interval.ms", HEARTBEAT_MS)
                .property("group.consumer.heartbeat.interval.ms", HEARTBEAT_MS);
        }
        let cluster = Cluster::start(&options)?;
        let report = self.run_on(&cluster, &example);
        // Whoever asks why finds the logs.
        if !report.as_ref().is_ok_and(GroupReport::is_good) {
            cluster.keep_files()?;
        }
        report.with_context(|| format!("see {}", cluster.folder.display()))
    }

    fn run_on(self, cluster: &Cluster, example: &Path) -> Result<GroupReport> {
        let (topic, group) = (cluster.topic("numbers", PARTITIONS)?, unique("chaos"));
        let program = guest::admit(cluster, example)?;
        let events = Events { begin: Instant::now(), is_told: self.is_told, lines: Mutex::default() };
        let scene = Scene {
            cluster,
            events: &events,
            program: &program,
            topic: &topic,
            group: &group,
            partitions: PARTITIONS,
            settings: &self.settings(),
            commits_first: self.commits_first,
        };
        let report = self.live_and_judge(scene).with_context(|| events.text());
        fs::write(cluster.folder.join("events"), events.text())?;
        let (faults, story, verdict, standstill, complaints) = report?;
        let folder = cluster.folder.clone();
        Ok(GroupReport { options: self, faults, story, verdict, standstill, complaints, folder })
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = vec!["max.poll.interval.ms=20000".to_owned()];
        if self.protocol == GroupProtocol::Consumer {
            settings.push("group.protocol=consumer".to_owned());
            return settings;
        }
        settings.extend([
            format!("session.timeout.ms={}", SESSION.as_millis()),
            format!("heartbeat.interval.ms={HEARTBEAT_MS}"),
        ]);
        // Java knows its assignors by their classes.
        let class = match &*self.assignor {
            "cooperative-sticky" => "CooperativeSticky",
            "roundrobin" => "RoundRobin",
            "sticky" => "Sticky",
            "default" => return settings,
            _ => "Range",
        };
        settings.push(format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{class}Assignor"));
        settings
    }

    fn live_and_judge(&self, scene: Scene<'_>) -> Result<(Faults, Story, Verdict, Standstill, Vec<String>)> {
        let Scene { cluster, events, program, topic, .. } = scene;
        let acknowledged = cluster.folder.join("acknowledged");
        let (bootstrap, partitions) = (cluster.bootstrap(), PARTITIONS.to_string());
        let file = acknowledged.to_str().context("a path in UTF-8")?;
        let write = ["write", &bootstrap, topic, &partitions, file, RECORDS_PER_SECOND];
        let mut writer = Guest::start(cluster, "writer", program, &write)?;
        let begin = now();
        let clients = [Client::Ottla, Client::Ottla, Client::Java, Client::Ottla];
        let mut places: Vec<_> =
            clients.iter().enumerate().map(|(number, client)| Place::new(scene, *client, number)).collect();
        let mut random = fastrand::Rng::with_seed(self.seed);
        let end = events.begin + self.duration;
        let faults = thread::scope(|scope| -> Result<_> {
            let chance = random.fork();
            let breaking = scope.spawn(move || brokers::break_until(scene, end, chance));
            let mut living = Vec::new();
            for place in &mut places {
                let chance = random.fork();
                living.push(scope.spawn(move || place.live_until(end, chance)));
            }
            living.into_iter().try_for_each(joined)?;
            joined(breaking)
        })?;
        events.tell("all is mended");
        let calm = now();
        drop(writer.input());
        let mut complaints = Vec::new();
        match writer.wait(REST) {
            Ok(status) if status.success() => {}
            Ok(status) => complaints.push(format!("the writer: {status}: {}", writer.complaints()?)),
            Err(_) => complaints.push("the writer does not end".to_owned()),
        }
        let text = fs::read_to_string(&acknowledged)?;
        let files: Vec<_> = places.iter().flat_map(|place| place.story.files.clone()).collect();
        let progress = || {
            let so_far = Story { files: files.clone(), ..Story::default() };
            verdict::progress(&text, &so_far.readers()?)
        };
        let through = until("every record to be read", 2 * SESSION + PATIENCE, || {
            let (read, all) = progress()?;
            Ok((read == all).then_some(()))
        });
        if let Err(error) = through {
            complaints.push(format!("{error:#}"));
        }
        let at_rest = now();
        let mut story = Story::default();
        for mut place in places {
            place.leave()?;
            story.add(place.story);
        }
        let verdict = verdict::judge(&text, &story.readers()?)?;
        let unnoticed = verdict::unnoticed(&story.silenced, &faults.times, SESSION.as_millis() as Time);
        let fair = Fair::new(&story.lives, &[&*faults.times, &*unnoticed].concat());
        // Once nothing is written, nothing waits.
        let until_then = calm.min(at_rest);
        let nothing_read = verdict::longest_standstill(&verdict.times, &fair, (begin, until_then));
        let (record_waited, wait) = verdict::longest_wait(&verdict.waits, &fair);
        let standstill = Standstill {
            fair: Duration::from_millis(fair.within(begin, until_then)),
            nothing_read: Duration::from_millis(nothing_read),
            record_waited: Duration::from_millis(record_waited),
            partition: wait.partition,
            whole_wait: Duration::from_millis(wait.to.saturating_sub(wait.from)),
            wait_began: Duration::from_millis(wait.from.saturating_sub(begin)),
        };
        Ok((faults, story, verdict, standstill, complaints))
    }
}

impl GroupReport {
    /// Whether every record was read, in order, again only for a reason, nobody was stuck, and nobody gave up.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Verdict { missing, disorder, unexplained, .. } = &self.verdict;
        let faults =
            missing.len() + disorder.len() + unexplained.len() + self.story.gave_up.len() + self.complaints.len();
        let Standstill { nothing_read, record_waited, .. } = self.standstill;
        faults == 0 && self.verdict.acknowledged > 0 && nothing_read.max(record_waited) <= PATIENCE
    }
}

impl fmt::Display for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupChaos { duration, seed, assignor, protocol, version, .. } = &self.options;
        let by = if *protocol == GroupProtocol::Classic { assignor } else { "the brokers" };
        writeln!(f, "a group assigned by {by} for {} s, Kafka {version}, seed {seed}", duration.as_secs())?;
        let Faults { killed, paused, moved, .. } = &self.faults;
        writeln!(f, "brokers killed: {killed}; paused: {paused}; leaders moved: {moved}")?;
        let Story { joined, left, killed, paused, gave_up, .. } = &self.story;
        writeln!(
            f,
            "members joined: {joined}; left: {left}; killed: {killed}; paused: {paused}; gave up: {}",
            gave_up.len()
        )?;
        let Verdict { acknowledged, read, missing, disorder, again, unexplained, .. } = &self.verdict;
        writeln!(f, "records acknowledged: {acknowledged}; read: {read}; missing: {}", missing.len())?;
        writeln!(
            f,
            "read again for a reason: {again}; for none: {}; out of order: {}",
            unexplained.len(),
            disorder.len()
        )?;
        let Standstill { fair, nothing_read, record_waited, partition, whole_wait, wait_began } = &self.standstill;
        writeln!(f, "time without an excuse to stand still: {:.1} s", fair.as_secs_f32())?;
        writeln!(f, "longest of it with nothing read: {:.1} s", nothing_read.as_secs_f32())?;
        writeln!(
            f,
            "longest of it that a record waited: {:.1} s (of {:.1} s, from {:.1} s on, partition {partition})",
            record_waited.as_secs_f32(),
            whole_wait.as_secs_f32(),
            wait_began.as_secs_f32(),
        )?;
        for what in [gave_up, &self.complaints, missing, disorder, unexplained] {
            for line in what.iter().take(10) {
                writeln!(f, "  {line}")?;
            }
        }
        if self.is_good() {
            write!(f, "GOOD: each record read, in order, and again only for a reason")
        } else {
            write!(f, "BAD: see {}", self.folder.display())
        }
    }
}

/// The time of this machine, which all members share.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(Time::MAX)
}
